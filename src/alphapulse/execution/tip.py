"""How much of a plan's profit is offered to whoever builds the block, as a tip per gas. Pure integers."""

import msgspec

from alphapulse.errors import BelowMinProfit, ValueOutOfRange
from alphapulse.primitives.units import div_floor

__all__ = ["FixedTip", "ShareTip", "TipPolicy"]

BPS = 10_000


class FixedTip(msgspec.Struct, frozen=True, tag="fixed", forbid_unknown_fields=True):
    """The same tip for every plan.

    Units   wei per gas.
    Range   per_gas_wei >= 0.
    """

    per_gas_wei: int

    def __post_init__(self) -> None:
        if self.per_gas_wei < 0:
            raise ValueOutOfRange(f"`per_gas_wei` must be at least 0, was {self.per_gas_wei}")

    @property
    def least_per_gas(self) -> int:
        """The least that this policy ever offers."""
        return self.per_gas_wei

    def per_gas(self, profit_wei: int, gas: int) -> int:
        """Return the tip, whatever the profit.

        Units   wei per gas; profit_wei in wei before any tip.
        Source  configuration.
        """
        del profit_wei, gas
        return self.per_gas_wei


class ShareTip(msgspec.Struct, frozen=True, tag="share", forbid_unknown_fields=True):
    """A share of the profit before the tip, at least a floor, at most a larger share.

    Units   share_bps and max_share_bps of the profit in wei; floor_per_gas_wei in wei per gas.
    Range   0 <= share_bps <= max_share_bps <= 10,000; floor_per_gas_wei >= 0. The floor is what gets a transaction in at all: a plan
            for which it is more than max_share_bps of the profit is not worth its bid.
    """

    share_bps: int
    max_share_bps: int = BPS
    floor_per_gas_wei: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share_bps <= self.max_share_bps <= BPS or self.floor_per_gas_wei < 0:
            raise ValueOutOfRange(
                f"`share_bps` must be at most `max_share_bps`, both 0 to {BPS}, and `floor_per_gas_wei` at least 0, "
                f"were {self.share_bps}, {self.max_share_bps}, {self.floor_per_gas_wei}"
            )

    @property
    def least_per_gas(self) -> int:
        """The least that this policy ever offers."""
        return self.floor_per_gas_wei

    def per_gas(self, profit_wei: int, gas: int) -> int:
        """Return the tip for a plan that earns so much before it, rounded down.

        Units   wei per gas; wei; gas.
        Range   gas > 0. gas times the tip is at most max_share_bps of the profit.
        Raises  BelowMinProfit when that does not reach the floor; ValueOutOfRange for gas out of range.
        Source  configuration.
        """
        if gas <= 0:
            raise ValueOutOfRange(f"`gas` must be above 0, was {gas}")
        profit = max(0, profit_wei)
        most = div_floor(div_floor(profit * self.max_share_bps, BPS), gas)
        if most < self.floor_per_gas_wei:
            raise BelowMinProfit(
                f"the profit pays a tip of {most} wei per gas at most, the floor is {self.floor_per_gas_wei}"
            )
        return max(self.floor_per_gas_wei, div_floor(div_floor(profit * self.share_bps, BPS), gas))


TipPolicy = FixedTip | ShareTip
