"""Root prices at ticks, and back."""

from functools import lru_cache

from alphapulse.amm.uniswap_v3.full_math import div_floor
from alphapulse.errors import InvariantError, ValueOutOfRange

__all__ = [
    "MAX_SQRT_RATIO",
    "MAX_TICK",
    "MIN_SQRT_RATIO",
    "MIN_TICK",
    "sqrt_ratio_at_tick",
    "tick_at_sqrt_ratio",
]

MIN_TICK = -887272
MAX_TICK = 887272
MIN_SQRT_RATIO = 4295128739
MAX_SQRT_RATIO = 1461446703485210103287273052203988822378723970342

# Ratios kept in memory: every tick and word boundary that a few thousand pools stand on (about 15 MB).
CACHED_RATIOS = 2**16

# FACTORS[i] is 1.0001 ** -(2**i / 2) as a Q128 number, one per bit of the absolute tick.
FACTORS = (
    0xFFFCB933BD6FAD37AA2D162D1A594001,
    0xFFF97272373D413259A46990580E213A,
    0xFFF2E50F5F656932EF12357CF3C7FDCC,
    0xFFE5CACA7E10E4E61C3624EAA0941CD0,
    0xFFCB9843D60F6159C9DB58835C926644,
    0xFF973B41FA98C081472E6896DFB254C0,
    0xFF2EA16466C96A3843EC78B326B52861,
    0xFE5DEE046A99A2A811C461F1969C3053,
    0xFCBE86C7900A88AEDCFFC83B479AA3A4,
    0xF987A7253AC413176F2B074CF7815E54,
    0xF3392B0822B70005940C7A398E4B70F3,
    0xE7159475A2C29B7443B29C7FA6E889D9,
    0xD097F3BDFD2022B8845AD8F792AA5825,
    0xA9F746462D870FDF8A65DC1F90E061E5,
    0x70D869A156D2A1B890BB3DF62BAF32F7,
    0x31BE135F97D08FD981231505542FCFA6,
    0x9AA508B5B7A84E1C677DE54F3E99BC9,
    0x5D6AF8DEDB81196699C329225EE604,
    0x2216E584F5FA1EA926041BEDFE98,
    0x48A170391F7DC42444E8FA2,
)

# Binary digits of log2(price) to compute: the estimate of the tick is then off by less than one.
LOG2_DIGITS = 14
# 1 / log2(sqrt(1.0001)) as a Q64 number: turns a binary logarithm of a root price into ticks.
TICKS_PER_DOUBLING_X64 = 255738958999603826347141
# The estimate is within one tick of the truth, so two corrections always suffice.
TICK_CORRECTIONS_MAX = 3


@lru_cache(maxsize=CACHED_RATIOS)
def sqrt_ratio_at_tick(tick: int) -> int:
    """Return the root price at a tick, rounded up to Q64.96.

    Units   tick is a power of 1.0001 of the price; the result is sqrt(token1/token0) * 2**96.
    Range   MIN_TICK <= tick <= MAX_TICK; strictly increasing in tick.
    Raises  ValueOutOfRange outside.
    Source  TickMath.getSqrtRatioAtTick, checked against its published snapshot and pool bytecode.
    """
    bits = abs(tick)
    if bits > MAX_TICK:
        raise ValueOutOfRange(f"`tick` must be within {MIN_TICK}..{MAX_TICK}, was {tick}")
    ratio = 1 << 128
    for factor in FACTORS:
        if bits & 1:
            ratio = ratio * factor >> 128
        bits >>= 1
    if tick > 0:
        ratio = div_floor((1 << 256) - 1, ratio)
    return (ratio + 0xFFFFFFFF) >> 32


def tick_at_sqrt_ratio(sqrt_price_x96: int) -> int:
    """Return the greatest tick whose root price is at or below the given one.

    Units   Q64.96 in, tick out.
    Range   MIN_SQRT_RATIO <= sqrt_price_x96 < MAX_SQRT_RATIO.
    Raises  ValueOutOfRange outside.
    Source  TickMath.getTickAtSqrtRatio, by its definition: an estimate from a binary logarithm,
            corrected with sqrt_ratio_at_tick until the definition holds.
    """
    if not MIN_SQRT_RATIO <= sqrt_price_x96 < MAX_SQRT_RATIO:
        raise ValueOutOfRange(f"`sqrt_price_x96` must be a price in range, was {sqrt_price_x96}")
    length = sqrt_price_x96.bit_length()
    mantissa = sqrt_price_x96 << 128 >> length
    log2_x64 = (length - 97) << 64
    for digit in range(1, LOG2_DIGITS + 1):
        mantissa = mantissa * mantissa >> 127
        carry = mantissa >> 128
        log2_x64 |= carry << (64 - digit)
        mantissa >>= carry
    tick = max(MIN_TICK, min(MAX_TICK, log2_x64 * TICKS_PER_DOUBLING_X64 >> 128))
    for _ in range(TICK_CORRECTIONS_MAX):
        if sqrt_ratio_at_tick(tick) > sqrt_price_x96:
            tick -= 1
        elif sqrt_ratio_at_tick(tick + 1) <= sqrt_price_x96:
            tick += 1
        else:
            return tick
    raise InvariantError(f"tick estimate did not settle for `sqrt_price_x96` {sqrt_price_x96}")
