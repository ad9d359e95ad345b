"""The kinds of pool that hold several tokens on a smooth curve, whichever twin keeps their state.

Code that must tell the kinds apart asks `isinstance` of these, as of those in `pool_kinds`.
"""

from abc import abstractmethod
from collections.abc import Sequence

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.screen import LogRate

__all__ = [
    "PlainStablePool",
    "ReservePool",
    "SmoothPair",
    "TokenPool",
    "VaultPool",
    "VaultStablePool",
]


class TokenPool:
    """A pool of several tokens named by their place."""

    __slots__ = ()

    @property
    @abstractmethod
    def count(self) -> int:
        """Return how many tokens the pool holds."""

    @abstractmethod
    def amount_out(self, amount_in: int, i: int, j: int) -> int:
        """Return what the pool pays for an exact input."""

    @abstractmethod
    def amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return what the pool asks for an exact output."""

    @abstractmethod
    def least_amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return the least exact input that buys at least the output."""

    @abstractmethod
    def marginal_rate_x128(self, i: int, j: int) -> int:
        """Return output per input of the first infinitesimal amount after fee, as Q128."""

    @abstractmethod
    def largest_amount_in(self, i: int, j: int) -> int:
        """Return the largest input that the pool does not refuse for its size."""

    @abstractmethod
    def pair(self, i: int, j: int) -> "SmoothPair":
        """Return tokens i and j as a pair."""

    @abstractmethod
    def fingerprint(self) -> bytes:
        """Return the whole state as canonical bytes."""


class SmoothPair:
    """Two tokens of a pool of several, asked like a pair; `amm.pool.PoolQuoter` says what each answer means."""

    __slots__ = ()

    @property
    @abstractmethod
    def pool(self) -> TokenPool:
        """Return the whole pool."""

    @property
    @abstractmethod
    def i(self) -> int:
        """Return the place of the token that zero_for_one pays in."""

    @property
    @abstractmethod
    def j(self) -> int:
        """Return the place of the token that zero_for_one pays out."""

    @property
    @abstractmethod
    def floored_fee_pips(self) -> int:
        """Return zero: no step of the fee is worth a search of its own."""

    @abstractmethod
    def amount_out(self, amount_in: int, zero_for_one: bool) -> int:
        """Return what the pool pays for an exact input."""

    @abstractmethod
    def amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return what the pool asks for an exact output."""

    @abstractmethod
    def least_amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return the least exact input that buys at least the output."""

    @abstractmethod
    def marginal_rate_x128(self, zero_for_one: bool) -> int:
        """Return output per input of the first infinitesimal amount after fee, as Q128."""

    @abstractmethod
    def ticks_crossed(self, amount_in: int, zero_for_one: bool) -> int:
        """Return zero: a smooth curve has no ticks."""

    @abstractmethod
    def log_rate(self, zero_for_one: bool) -> LogRate:
        """Return the natural logarithm of the marginal rate, for screening only."""

    @abstractmethod
    def segment(self, amount_in: int, zero_for_one: bool) -> None:
        """Return None: the curve is smooth, it has no stretch of constant liquidity."""

    @abstractmethod
    def input_to_fall(self, root_factor_x64: int, zero_for_one: bool) -> int:
        """Return an input after which the marginal rate has fallen by the factor, or all there is."""

    @abstractmethod
    def fingerprint(self) -> bytes:
        """Return the whole state as canonical bytes."""


class PlainStablePool(TokenPool):
    """Curve's plain pool; `amm.stableswap.CurvePool` says what each answer means."""

    __slots__ = ()

    @property
    @abstractmethod
    def balances(self) -> tuple[int, ...]:
        """Return the balances in the tokens' order."""

    @property
    @abstractmethod
    def fee(self) -> int:
        """Return the fee as a part of 10**10."""

    @property
    @abstractmethod
    def amplification(self) -> int:
        """Return the amplification at the pool's time, precision included."""

    @abstractmethod
    def set_balances(self, balances: Sequence[int]) -> None:
        """Take the balances that the contract states."""

    @abstractmethod
    def set_rates(self, rates: Sequence[int]) -> None:
        """Take the tokens' rates."""

    @abstractmethod
    def set_fees(self, fee: int, admin_fee: int) -> None:
        """Take the fees that NewFee states."""

    @abstractmethod
    def set_ramp(self, ramp: Ramp, timestamp: int) -> None:
        """Take a ramp of the amplification, at a block's time."""

    @abstractmethod
    def set_time(self, timestamp: int) -> None:
        """Take a block's time, on which the amplification depends while it ramps."""

    @abstractmethod
    def get_dy(self, amount_in: int, i: int, j: int, *, fee_last: bool) -> int:
        """Return what the contract's view says."""

    @abstractmethod
    def apply_exchange(self, amount_in: int, i: int, j: int) -> int:
        """Take a TokenExchange event and return what it paid."""


class VaultPool(TokenPool):
    """A pool of Balancer's vault; `amm.weighted.WeightedPool` says what each answer means."""

    __slots__ = ()

    @property
    @abstractmethod
    def balances(self) -> tuple[int, ...]:
        """Return the balances in the tokens' order."""

    @property
    @abstractmethod
    def fee(self) -> int:
        """Return the fee as a part of 10**18."""

    @abstractmethod
    def set_balances(self, balances: Sequence[int]) -> None:
        """Take the balances that the contract states."""

    @abstractmethod
    def apply_swap(self, amount_in: int, amount_out: int, i: int, j: int) -> None:
        """Take a Swap event of the vault: token i was paid in, token j paid out."""

    @abstractmethod
    def set_fee(self, fee: int) -> None:
        """Take the fee that SwapFeePercentageChanged states."""


class VaultStablePool(VaultPool):
    """A stable pool of the vault; `amm.balancer_stable.BalancerStablePool` says what each answer means."""

    __slots__ = ()

    @property
    @abstractmethod
    def amplification(self) -> int:
        """Return the amplification at the pool's time, precision included."""

    @abstractmethod
    def set_scaling_factors(self, scaling_factors: Sequence[int]) -> None:
        """Take the scaling factors."""

    @abstractmethod
    def set_ramp(self, ramp: Ramp, timestamp: int) -> None:
        """Take a ramp of the amplification, at a block's time."""

    @abstractmethod
    def set_time(self, timestamp: int) -> None:
        """Take a block's time, on which the amplification depends while it ramps."""


class ReservePool(TokenPool):
    """A Solidly pair; `amm.solidly` says what each answer means."""

    __slots__ = ()

    @property
    @abstractmethod
    def reserve0(self) -> int:
        """Return the reserve of token0."""

    @property
    @abstractmethod
    def reserve1(self) -> int:
        """Return the reserve of token1."""

    @property
    @abstractmethod
    def fee(self) -> int:
        """Return the fee in parts of `fee_denominator`."""

    @property
    @abstractmethod
    def fee_denominator(self) -> int:
        """Return what the fee is a part of."""

    @abstractmethod
    def set_reserves(self, reserve0: int, reserve1: int) -> None:
        """Take the reserves that a Sync event states."""

    @abstractmethod
    def set_fee(self, fee: int, fee_denominator: int) -> None:
        """Take the fee that the factory states for this pair."""
