"""The search for the next stop of a swap: an initialised tick or the edge of a 256-tick word.

PITFALLS M1 and M2: a word's edge is a stop of its own, and ticks compress toward minus
infinity whatever their sign.
"""

from collections.abc import Iterable, Mapping

from alphapulse.amm.uniswap_v3.full_math import div_floor
from alphapulse.errors import ValueOutOfRange

__all__ = ["WORD_BITS", "next_initialized_tick_within_one_word", "words_of"]

WORD_BITS = 256


def words_of(ticks: Iterable[int], tick_spacing: int) -> dict[int, int]:
    """Return the bitmap words in which these ticks are set.

    Units   ticks.
    Range   every tick a multiple of tick_spacing > 0.
    Raises  ValueOutOfRange for a tick between the multiples.
    Source  TickBitmap.flipTick.
    """
    words: dict[int, int] = {}
    for tick in ticks:
        compressed = div_floor(tick, tick_spacing)
        if compressed * tick_spacing != tick:
            raise ValueOutOfRange(f"`tick` must be a multiple of {tick_spacing}, was {tick}")
        position = compressed >> 8
        words[position] = words.get(position, 0) | 1 << (compressed & 255)
    return words


def next_initialized_tick_within_one_word(
    words: Mapping[int, int], tick: int, tick_spacing: int, *, lte: bool
) -> tuple[int, bool]:
    """Return the next stop at or below the tick (lte) or above it, and whether it is initialised.

    Units   ticks.
    Range   tick_spacing > 0; the answer may lie beyond MIN_TICK or MAX_TICK, the caller clamps it.
    Raises  nothing: an absent word is known to be empty.
    Source  TickBitmap.nextInitializedTickWithinOneWord.
    """
    compressed = div_floor(tick, tick_spacing)
    if lte:
        bit = compressed & 255
        below = words.get(compressed >> 8, 0) & ((2 << bit) - 1)
        if below:
            return (compressed - bit + below.bit_length() - 1) * tick_spacing, True
        return (compressed - bit) * tick_spacing, False
    compressed += 1
    bit = compressed & 255
    above = words.get(compressed >> 8, 0) >> bit
    if above:
        return (compressed + (above & -above).bit_length() - 1) * tick_spacing, True
    return (compressed + WORD_BITS - 1 - bit) * tick_spacing, False
