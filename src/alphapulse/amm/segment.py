"""The stretch of a pool in which its liquidity is constant, the common coin of both pool kinds."""

from typing import NamedTuple

__all__ = ["Segment"]


class Segment(NamedTuple):
    """A stretch of the curve with constant liquidity, as a Moebius map of the input beyond its start.

    For amount_in in start_in..end_in the pool pays at most
    start_out + gain * z / (slope * z + base) with z = amount_in - start_in, and, but for rounding,
    exactly that.
    """

    start_in: int
    end_in: int
    start_out: int
    gain: int
    slope: int
    base: int
