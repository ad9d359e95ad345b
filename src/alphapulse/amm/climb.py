"""The top of a curve with one top, from exact values at whole inputs.

Rounding makes the curve a saw. A cycle's output is close to a Moebius map of its input: the map through three points of it has its
best input in closed form, which is the next point, until it stands still.
"""

from collections.abc import Callable, Sequence
from math import isqrt

from alphapulse.amm.optimum import BPS
from alphapulse.amm.uniswap_v3.full_math import div_floor

__all__ = ["TOO_LARGE", "TOO_SMALL", "crest"]

# Values of inputs that cannot be asked: larger than any, so that the search leads back among the others.
TOO_LARGE = -(2**600)
TOO_SMALL = -(2**700)
UNASKED = -(2**599)
# Points in all; most curves take six to nine. Every second one beyond the first so many halves the wider gap.
POINTS_MAX = 32
SMOOTH_POINTS = 8
# The search has settled when it moves by less than this part of its place between neighbours as near as that one.
SETTLED_SHIFT = 20
NARROW_SHIFT = 9
# An end of the curve is looked for in steps of this many binary digits.
SHRINK_SHIFT = 2
SHRINKS_MAX = 128

Point = tuple[int, int]
"""An input and its value."""


def crest(value: Callable[[int], int], high: int, excess_x128: int, premium_bps: int) -> None:
    """Ask for the values of ever better inputs up to a bound; whoever gives the values keeps the best.

    Units   those of the input; excess is the answer of excess_x128.
    Range   high >= 1; the value of no input is nothing.
    Raises  what value raises.
    Source  the optimum of a Moebius map, MATH section 4.
    """
    place = max(1, high >> SHRINK_SHIFT)
    at = value(place)
    for _ in range(SHRINKS_MAX):
        if at > UNASKED or place == 1:
            break
        high = place
        place = max(1, place >> SHRINK_SHIFT)
        at = value(place)
    if at < UNASKED:
        return
    points = [(0, 0), (place, at)]
    following = _first(points[1], high, excess_x128, premium_bps)
    for number in range(POINTS_MAX):
        if any(following == place for place, _ in points):
            return
        points.append((following, value(following)))
        points.sort()
        best = max(range(len(points)), key=lambda index: points[index][1])
        around = points[max(0, min(best - 1, len(points) - 3)) :][:3]
        place = points[best][0]
        is_halved = number >= SMOOTH_POINTS and number % 2 == 0
        following = _next(around, place, high, premium_bps, is_halved)
        if abs(following - place) <= place >> SETTLED_SHIFT:
            value(following)
            return


def _first(point: Point, high: int, excess_x128: int, premium_bps: int) -> int:
    """Return the best input of the map with the first rate at zero that meets a point."""
    place, _ = point
    paid = _paid(point, premium_bps)
    straight = div_floor(excess_x128 * place * (BPS + premium_bps), BPS) >> 128
    if straight <= paid:
        return high
    root = isqrt(excess_x128 << 128) - (1 << 128)
    return min(high, max(1, div_floor(paid * place, straight - paid) * root >> 128))


def _next(around: Sequence[Point], best: int, high: int, premium_bps: int, is_halved: bool) -> int:
    """Return the best input of the map through three points, or where it must be known better."""
    (low, _), (middle, _), (top, at_top) = around
    is_open = best == top and top < high
    bound = min(high, 4 * top) if is_open else top
    found = _vertex(around, premium_bps) if at_top > UNASKED else None
    if found is not None and abs(found - best) <= best >> SETTLED_SHIFT:
        narrow = best >> NARROW_SHIFT
        before, after = (middle, bound) if best == top else (low, top)
        if best - before > narrow:
            return best - (narrow >> 1)
        return best + (narrow >> 1) if after - best > narrow else found
    if found is not None and low < found < bound and not is_halved:
        return found
    if is_open and not is_halved:
        return bound
    return middle + top >> 1 if top - middle > middle - low else low + middle >> 1


def _vertex(around: Sequence[Point], premium_bps: int) -> int | None:
    """Return where the map's slope equals the loan's factor, None when the points are not on such a map.

    With u and v counted from the middle point the map is v = a u / (1 + b u): u / v is linear in u.
    """
    (low, _), (middle, _), (top, _) = around
    paid_low, paid, paid_top = (_paid(point, premium_bps) for point in around)
    if not paid_low < paid < paid_top:
        return None
    steep = div_floor(middle - low << 128, paid - paid_low)
    flat = div_floor(top - middle << 128, paid_top - paid)
    if flat <= steep:
        return None
    here = steep + div_floor((middle - low) * (flat - steep), top - low)
    root = isqrt(div_floor((here << 128) * BPS, BPS + premium_bps))
    return middle + div_floor((root - here) * (top - low), flat - steep)


def _paid(point: Point, premium_bps: int) -> int:
    """Return what a cycle pays for an input, but for the premium's rounding."""
    place, at = point
    return at + place + div_floor(place * premium_bps, BPS)
