"""Facts about forks of pools: fees and tiers as data, one row for each protocol.

A row says what differs from the original. What a fork changes beyond that (fees by direction, fees in
state, another callback) is either named here or makes it another family.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from alphapulse.amm.uniswap_v3.full_math import PIPS, div_floor
from alphapulse.errors import ValueOutOfRange
from alphapulse.primitives.venue import Venue

__all__ = ["SOLIDLY_VENUES", "V2_FORKS", "V3_FORKS", "V2Fork", "V3Fork", "fee_pips_of"]

UNISWAP_CALLBACK = "uniswapV3SwapCallback(int256,int256,bytes)"
PANCAKE_CALLBACK = "pancakeV3SwapCallback(int256,int256,bytes)"


def fee_pips_of(kept: int, denominator: int) -> int:
    """Return the fee in pips of a pair that keeps kept / denominator of its input.

    Units   pips, 1e-6.
    Range   0 < kept <= denominator. The pair's quotient is the same digit for digit, since numerator
            and denominator share the factor.
    Raises  ValueOutOfRange for a fee that is no whole number of pips.
    Source  definition.
    """
    if not 0 < kept <= denominator:
        raise ValueOutOfRange(f"`kept` must be in 1..{denominator}, was {kept}")
    if PIPS % denominator:
        raise ValueOutOfRange(f"`denominator` must divide {PIPS}, was {denominator}")
    return (denominator - kept) * div_floor(PIPS, denominator)


@dataclass(frozen=True, slots=True)
class V2Fork:
    """A fork of the constant-product pair that keeps kept / denominator of the input for the swap."""

    kept: int
    denominator: int

    @property
    def fee_pips(self) -> int:
        """Return the fee in pips."""
        return fee_pips_of(self.kept, self.denominator)


@dataclass(frozen=True, slots=True)
class V3Fork:
    """A fork of the concentrated pool: tick spacing by fee, and the callback that its pools make."""

    tiers: Mapping[int, int]
    callback: str = UNISWAP_CALLBACK

    @property
    def calls_like_uniswap(self) -> bool:
        """Return whether a contract written for the original can pay this fork's pools."""
        return self.callback == UNISWAP_CALLBACK

    def spacing_of(self, fee_pips: int) -> int:
        """Return the tick spacing of a tier.

        Units   ticks.
        Range   a fee that the protocol's factory enabled.
        Raises  ValueOutOfRange for any other.
        Source  the factory's feeAmountTickSpacing.
        """
        spacing = self.tiers.get(fee_pips)
        if spacing is None:
            raise ValueOutOfRange(f"`fee_pips` must be one of {sorted(self.tiers)}: {fee_pips}")
        return spacing


_UNISWAP_TIERS = MappingProxyType({100: 1, 500: 10, 3000: 60, 10_000: 200})
_BASE_TIERS = MappingProxyType({100: 1, 200: 4, 300: 6, 400: 8, 500: 10, 3000: 60, 10_000: 200})
_PANCAKE_TIERS = MappingProxyType({100: 1, 500: 10, 2500: 50, 10_000: 200})
_SUSHI_TIERS = MappingProxyType({100: 1, 500: 10, 3000: 60, 10_000: 200})

_THREE_PER_MILLE = V2Fork(997, 1000)

V2_FORKS: Mapping[int, V2Fork] = MappingProxyType(
    {
        Venue.UNISWAP_V2: _THREE_PER_MILLE,
        Venue.SUSHISWAP: _THREE_PER_MILLE,
        Venue.POLYGON_QUICKSWAP: _THREE_PER_MILLE,
        Venue.POLYGON_SUSHI: _THREE_PER_MILLE,
        Venue.POLYGON_UNISWAP_V2: _THREE_PER_MILLE,
        Venue.BSC_PANCAKE: V2Fork(9975, 10_000),
        Venue.ARBITRUM_SUSHI: _THREE_PER_MILLE,
        Venue.ARBITRUM_UNISWAP_V2: _THREE_PER_MILLE,
        Venue.BASE_SUSHI: _THREE_PER_MILLE,
        Venue.BASE_UNISWAP_V2: _THREE_PER_MILLE,
    }
)

# Venues whose constant-product pairs are Solidly's volatile ones: the fee is rounded apart.
SOLIDLY_VENUES = frozenset({Venue.BASE_AERODROME})

V3_FORKS: Mapping[int, V3Fork] = MappingProxyType(
    {
        Venue.UNISWAP_V3: V3Fork(_UNISWAP_TIERS),
        Venue.SUSHI_V3: V3Fork(_SUSHI_TIERS),
        Venue.PANCAKE_V3: V3Fork(_PANCAKE_TIERS, PANCAKE_CALLBACK),
        Venue.POLYGON_UNISWAP_V3: V3Fork(_UNISWAP_TIERS),
        Venue.POLYGON_SUSHI_V3: V3Fork(_SUSHI_TIERS),
        Venue.ARBITRUM_UNISWAP_V3: V3Fork(_UNISWAP_TIERS),
        Venue.ARBITRUM_SUSHI_V3: V3Fork(_SUSHI_TIERS),
        Venue.ARBITRUM_PANCAKE_V3: V3Fork(_PANCAKE_TIERS, PANCAKE_CALLBACK),
        Venue.BASE_UNISWAP_V3: V3Fork(_BASE_TIERS),
        Venue.BASE_PANCAKE_V3: V3Fork(_PANCAKE_TIERS, PANCAKE_CALLBACK),
    }
)
