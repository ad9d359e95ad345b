"""The kinds of pool that search folds and asks, whichever twin keeps their state.

Code that must tell the kinds apart asks `isinstance` of these; it cannot tell the twins apart.
Plain classes, not ABCs: the hot path asks `isinstance` of them, and an ABC answers that slower.
"""

from abc import abstractmethod

from alphapulse.amm.screen import LogRate
from alphapulse.amm.segment import Segment
from alphapulse.amm.uniswap_v3.pool import V3State

__all__ = ["ConcentratedPool", "PairPool", "SingletonPool"]


class _Quoter:
    """What both kinds answer; `amm.pool.PoolQuoter` says what each answer means."""

    __slots__ = ()

    @property
    @abstractmethod
    def fee_pips(self) -> int:
        """Return the fee."""

    @property
    @abstractmethod
    def floored_fee_pips(self) -> int:
        """Return the fee where the pool rounds the input after fee to a whole unit, zero elsewhere."""

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
    def ticks_crossed(self, amount_in: int, zero_for_one: bool) -> int:
        """Return how many initialised ticks an exact input crosses."""

    @abstractmethod
    def marginal_rate_x128(self, zero_for_one: bool) -> int:
        """Return output per input of the first infinitesimal amount after fee, as Q128."""

    @abstractmethod
    def log_rate(self, zero_for_one: bool) -> LogRate:
        """Return the natural logarithm of the marginal rate, for screening only."""

    @abstractmethod
    def segment(self, amount_in: int, zero_for_one: bool) -> Segment:
        """Return the stretch of constant liquidity in which an input ends."""

    @abstractmethod
    def input_to_fall(self, root_factor_x64: int, zero_for_one: bool) -> int:
        """Return an input after which the marginal rate has fallen by the factor, or all there is."""

    @abstractmethod
    def fingerprint(self) -> bytes:
        """Return the whole state as canonical bytes."""


class PairPool(_Quoter):
    """A constant-product pair; its state is two reserves."""

    __slots__ = ()

    @property
    @abstractmethod
    def reserve0(self) -> int:
        """Return the reserve of token0."""

    @property
    @abstractmethod
    def reserve1(self) -> int:
        """Return the reserve of token1."""

    @abstractmethod
    def set_reserves(self, reserve0: int, reserve1: int) -> None:
        """Take the reserves that a Sync event states."""


class ConcentratedPool(_Quoter):
    """A concentrated-liquidity pool: price, tick, liquidity, ticks."""

    __slots__ = ()

    @property
    @abstractmethod
    def sqrt_price_x96(self) -> int:
        """Return the root price."""

    @property
    @abstractmethod
    def tick(self) -> int:
        """Return the tick of the price."""

    @property
    @abstractmethod
    def liquidity(self) -> int:
        """Return the liquidity in range."""

    @abstractmethod
    def deepest(self, reach: int, zero_for_one: bool) -> int:
        """Return the largest liquidity in range within so many ticks of the price, in one direction."""

    @abstractmethod
    def state(self) -> V3State:
        """Return the state as a value, for the step loop."""

    @abstractmethod
    def apply_swap(self, sqrt_price_x96: int, tick: int, liquidity: int) -> None:
        """Take the state that a Swap event states."""

    @abstractmethod
    def apply_liquidity(self, tick_lower: int, tick_upper: int, liquidity_delta: int) -> None:
        """Take a Mint (positive) or Burn (negative) between two ticks."""

    @abstractmethod
    def check(self) -> None:
        """Compare the liquidity in range with the sum of the ticks below the price."""


class SingletonPool(ConcentratedPool):
    """A concentrated pool of the V4 singleton: a fee for each direction."""

    __slots__ = ()

    @abstractmethod
    def state_towards(self, zero_for_one: bool) -> V3State:
        """Return the state as V3's step loop takes it, with the fee of one direction."""

    @property
    @abstractmethod
    def swap_fees(self) -> tuple[int, int]:
        """Return the whole fee of each direction: zero for one, one for zero."""

    @abstractmethod
    def set_protocol_fee(self, protocol_fee: int) -> None:
        """Take the fees that ProtocolFeeUpdated states."""

    @abstractmethod
    def set_swap_fees(self, zero_for_one_pips: int, one_for_zero_pips: int) -> None:
        """Take the whole fee of each direction, the protocol's part included."""
