"""Where a cycle earns most on the real line: the start of the search in integers.

Within one stretch of every pool the whole cycle is one Moebius map, whose best input has a closed
form. The walk asks for that input, looks in which stretches it falls, and repeats until the answer
lies in the stretches it was computed from, or on the stop between two of them. All of it in integers:
the result locates the optimum and bounds it from above, it never is an amount that is traded.
"""

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.segment import Segment
from alphapulse.amm.uniswap_v3.full_math import div_floor, div_up, mul_div

__all__ = ["BPS", "Hop", "Hops", "Line", "Optimum", "caps_of", "excess_x128", "line_at", "locate"]

Hop = tuple[PoolQuoter, bool]
Hops = Sequence[Hop]

BPS = 10**4
# Guesses of the walk; each settles a stretch or shrinks the bracket, most walks take three. A walk
# that used them all ends where its bracket stands.
WALK_STEPS_MAX = 160
# Neighbouring stretches tried one by one before the bracket is halved instead.
NEIGHBOURS_MAX = 4


class Optimum(NamedTuple):
    """The best input on the real line, the amounts after each hop, and what no input can exceed.

    The segments are those that meet at the optimum or on one side of it. At a distance of d units of
    input the profit is lower by about d * d / breadth units, or by more.
    """

    amounts: tuple[int, ...]
    bound: int
    segments: tuple[Segment, ...]
    breadth: int


class Line(NamedTuple):
    """What any amount before one hop pays at most and asks at least: tangents of curves that bend the other way.

    An amount that is d above `amount` ends in no more than paid + paid_slope * d and needs no less than
    asked + asked_slope * d, all as Q64.
    """

    amount: int
    paid: int
    paid_slope: int
    asked: int
    asked_slope: int


class Map(NamedTuple):
    """The Moebius map (p x + q) / (r x + s)."""

    p: int
    q: int
    r: int
    s: int


class Piece(NamedTuple):
    """The cycle while every hop stays in its stretch: its map, and the inputs for which that holds."""

    whole: Map
    segments: tuple[Segment, ...]
    start: int
    end: int


def excess_x128(hops: Hops, premium_bps: int) -> int:
    """Return the cycle's first marginal rate over the loan's factor; it can pay only above one.

    Units   Q128 ratio, rounded up; premium_bps is 1e-4.
    Range   hops with liquidity.
    Raises  what a pool refuses.
    Source  no hop ever pays more than its first marginal rate.
    """
    rate = 1 << 128
    for pool, zero_for_one in hops:
        rate = (rate * (pool.marginal_rate_x128(zero_for_one) + 1) >> 128) + 1
    return div_up(rate * BPS, BPS + premium_bps)


def caps_of(hops: Hops, excess: int) -> list[int]:
    """Return for each hop an input that no optimum exceeds.

    Units   smallest units of each hop's input; excess is the answer of excess_x128.
    Range   excess > 2**128.
    Raises  what a pool refuses.
    Source  a pool never falls further than the excess: its own marginal rate alone would eat it.
    """
    root = isqrt(excess) + 1
    return [pool.input_to_fall(root, zero_for_one) for pool, zero_for_one in hops]


def locate(
    hops: Hops, caps: Sequence[int], *, premium_bps: int, max_amount_in: int
) -> Optimum | None:
    """Return where the cycle earns most, None when that is below one unit.

    Units   smallest units; caps are the answer of caps_of.
    Range   a cycle whose first rate pays; max_amount_in > 0.
    Raises  what a pool refuses.
    Source  MATH sections 1, 2 and 4.
    """
    low, high = 0, min(max_amount_in, caps[0])
    if high < 1:
        return None
    guess = 1
    neighbours = 0
    for _ in range(WALK_STEPS_MAX):
        asked = guess
        guess, piece = _piece(hops, caps, asked)
        if guess < asked:
            high = min(high, guess)
        best, root = _best(piece.whole, premium_bps)
        if piece.start <= best <= piece.end and best <= high:
            return _optimum(piece, best, root, premium_bps) if best > 0 else None
        if best > piece.end:
            low = max(low, guess, piece.end)
        elif best < piece.start:
            high = min(high, guess - 1, piece.start)
        else:
            low = high
        if low >= high:
            break
        guess = best
        if not low < guess <= high:
            neighbours += 1
            guess = low + 1 if neighbours <= NEIGHBOURS_MAX else low + (high - low + 1 >> 1)
    return _stop(piece, high, premium_bps) if high > 0 else None


def _piece(hops: Hops, caps: Sequence[int], guess: int) -> tuple[int, Piece]:
    """Return the piece at this input, or at the largest input whose hops stay within their caps."""
    amount = guess
    segments: list[Segment] = []
    for index, (pool, zero_for_one) in enumerate(hops):
        if amount > caps[index]:
            amount = caps[index]
            if index:
                guess, segments = _pull_back(hops, caps, index)
        segment = pool.segment(amount, zero_for_one)
        assert segment is not None, "a smooth curve has no map"
        segments.append(segment)
        amount = max(1, _answer(segment, amount))
    return guess, _compose(segments)


def _pull_back(hops: Hops, caps: Sequence[int], index: int) -> tuple[int, list[Segment]]:
    """Return the input that fills hop `index` to its cap, and the segments before that hop."""
    amount = caps[index]
    segments: list[Segment] = []
    for pool, zero_for_one in reversed(hops[:index]):
        amount = pool.least_amount_in(amount, zero_for_one)
        segment = pool.segment(amount, zero_for_one)
        assert segment is not None, "a smooth curve has no map"
        segments.append(segment)
    return amount, segments[::-1]


def _answer(segment: Segment, amount: int) -> int:
    beyond = amount - segment.start_in
    if beyond <= 0:
        return segment.start_out
    return segment.start_out + mul_div(segment.gain, beyond, segment.slope * beyond + segment.base)


def _compose(segments: Sequence[Segment]) -> Piece:
    """Return the cycle's map over these segments, and where all of them hold."""
    p, q, r, s = 1, 0, 0, 1
    start, end = segments[0].start_in, segments[0].end_in
    for index, (start_in, end_in, start_out, gain, slope, base) in enumerate(segments):
        if index:
            room = p - r * start_in
            if room > 0:
                start = max(start, div_floor(s * start_in - q, room))
            room = p - r * end_in
            if room > 0:
                end = min(end, div_up(s * end_in - q, room))
        constant = base - slope * start_in
        a, b = start_out * slope + gain, start_out * constant - gain * start_in
        p, q, r, s = (
            a * p + b * r,
            a * q + b * s,
            slope * p + constant * r,
            slope * q + constant * s,
        )
    return Piece(Map(p, q, r, s), tuple(segments), start, end)


def _best(whole: Map, premium_bps: int) -> tuple[int, int]:
    """Return where the map's slope equals the loan's factor, rounded to the unit below, and the root that says so."""
    p, q, r, s = whole
    cost = BPS + premium_bps
    root = isqrt(cost * BPS * (p * s - q * r))
    return div_floor(root - cost * s, cost * r), root


def _optimum(piece: Piece, amount_in: int, root: int, premium_bps: int) -> Optimum | None:
    """Return the optimum inside a piece; its bound is the map's own maximum, rounded up by half."""
    p, _, r, s = piece.whole
    twice = 2 * (p * BPS + (BPS + premium_bps) * s - 2 * root)
    return _bounded(piece, amount_in, twice, r, premium_bps)


def _stop(piece: Piece, amount_in: int, premium_bps: int) -> Optimum | None:
    """Return the optimum on a stop or at the limit of the input; its bound is the value there."""
    p, q, r, s = piece.whole
    under = r * amount_in + s
    twice = 2 * ((p * amount_in + q) * BPS - (BPS + premium_bps) * amount_in * under)
    return _bounded(piece, amount_in, twice, under, premium_bps)


def _bounded(
    piece: Piece, amount_in: int, twice: int, under: int, premium_bps: int
) -> Optimum | None:
    """Return the optimum with its bound: the premium's rounding gives away at most half a unit."""
    half = BPS * under if premium_bps else 0
    bound = div_floor(twice + half, 2 * BPS * under)
    if bound < 1:
        return None
    amounts = [amount_in]
    for segment in piece.segments:
        amounts.append(max(1, _answer(segment, amounts[-1])))
    _, _, r, s = piece.whole
    breadth = max(1, amount_in + div_floor(s, max(1, r)) + 1)
    return Optimum(tuple(amounts), bound, piece.segments, breadth)


def line_at(found: Optimum, index: int) -> Line:
    """Return the tangents at the amount before hop `index`.

    Units   smallest units of the cycle's token, Q64.
    Range   index of a hop.
    Raises  nothing.
    Source  the derivatives of each segment and of its inverse.
    """
    amount = found.amounts[index]
    paid, paid_slope = amount << 64, 1 << 64
    for start_in, _, start_out, gain, slope, base in found.segments[index:]:
        beyond = paid - (start_in << 64)
        under = max(1, slope * beyond + (base << 64))
        paid = (start_out << 64) + div_up(gain * beyond << 64, under)
        paid_slope = div_up(div_up(paid_slope * gain << 64, under) * base << 64, under)
    asked, asked_slope = amount << 64, 1 << 64
    for start_in, _, start_out, gain, slope, base in found.segments[:index][::-1]:
        beyond = asked - (start_out << 64)
        under = max(1, (gain << 64) - slope * beyond)
        asked = (start_in << 64) + div_floor(base * beyond << 64, under)
        asked_slope = div_floor(div_floor(asked_slope * base << 64, under) * gain << 64, under)
    return Line(amount, paid, paid_slope, asked, asked_slope)
