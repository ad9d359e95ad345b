"""The top of a curve with one top, from exact values at whole inputs.

Rounding makes the curve a saw. Parabolas through points far apart see the curve and not the saw; they
come closer until they see nothing else.
"""

from collections.abc import Callable

from alphapulse.amm.uniswap_v3.full_math import div_floor

__all__ = ["TOO_LARGE", "TOO_SMALL", "bracket", "summit"]

# Values of inputs that cannot be asked: larger than any, so that a slope leads back among the others.
TOO_LARGE = -(2**600)
TOO_SMALL = -(2**700)
# The golden section of an interval, 0.381966, as a fraction over 2**16.
GOLDEN_X16 = 25033
# The interval is narrow enough for parabolas at this part of its place.
NARROW_SHIFT = 5
# Distances of the parabola's points, as parts of the place: the first, the last, how fast they shrink.
WIDE_SHIFT = 6
FINE_SHIFT = 24
SHRINK_SHIFT = 4
# Parabolas in all; a step that leads to higher ground costs one and does not shrink.
PARABOLAS_MAX = 40
# Each step leaves 0.618 of an interval that has at most 512 bits.
SECTIONS_MAX = 800


def bracket(value: Callable[[int], int], high: int) -> tuple[int, int]:
    """Return an interval around the top, at most four times as high as low.

    Units   those of the input.
    Range   high >= 1; the top is looked for from high downwards, in powers of two.
    Raises  what value raises.
    Source  a curve with one top falls on both sides of it.
    """
    upper, middle = high, high
    best = value(high)
    for shift in range((high - 1).bit_length() - 1, -1, -1):
        low = 1 << shift
        found = value(low)
        if found < best:
            return low, upper
        upper, middle, best = middle, low, found
    return 1, upper


def summit(value: Callable[[int], int], low: int, high: int) -> int:
    """Return the input of an interval at which the curve is highest, up to its saw.

    Units   those of the input.
    Range   1 <= low <= high.
    Raises  what value raises.
    Source  golden section, then vertices of parabolas.
    """
    part = (high - low) * GOLDEN_X16 >> 16
    left, right = low + part, high - part
    at_left, at_right = value(left), value(right)
    for _ in range(SECTIONS_MAX):
        if high - low <= max(3, high >> NARROW_SHIFT):
            break
        if at_left < at_right:
            low, left, at_left = left, right, at_right
            right = high - ((high - low) * GOLDEN_X16 >> 16)
            at_right = value(right)
        else:
            high, right, at_right = right, left, at_left
            left = low + ((high - low) * GOLDEN_X16 >> 16)
            at_left = value(left)
    return _refined(value, low + high >> 1)


def _refined(value: Callable[[int], int], place: int) -> int:
    """Return the highest place that ever finer parabolas lead to; the saw ends them."""
    at = value(place)
    step, finest = place >> WIDE_SHIFT, place >> FINE_SHIFT
    for _ in range(PARABOLAS_MAX):
        if step <= max(finest, 1):
            break
        below, above = value(place - step), value(place + step)
        if below > at or above > at:
            place, at = (place - step, below) if below > above else (place + step, above)
            continue
        bend = below - 2 * at + above
        if bend >= 0:
            break
        vertex = place + div_floor(step * (below - above), 2 * bend)
        found = value(vertex)
        if found > at:
            place, at = vertex, found
        step >>= SHRINK_SHIFT
    return place
