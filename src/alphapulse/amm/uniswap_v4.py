"""Uniswap V4 pools whose amounts follow from their state alone: V3's steps with a fee for each direction.

The fee of a swap joins the pool's own with the protocol's, which may differ by direction and splits the
fee without moving the price. A pool whose hook or fee could change an amount is refused by name.
"""

from collections.abc import Collection, Mapping
from enum import IntFlag, StrEnum, unique

from alphapulse.amm.pool import V3Pool
from alphapulse.amm.pool_kinds import SingletonPool
from alphapulse.amm.uniswap_v3.full_math import PIPS, div_floor
from alphapulse.amm.uniswap_v3.pool import V3State
from alphapulse.amm.uniswap_v3.swap_curve import SwapCurve
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, MIN_TICK
from alphapulse.errors import InsufficientLiquidity, ValueOutOfRange

__all__ = [
    "DYNAMIC_FEE",
    "MAX_PROTOCOL_FEE",
    "MAX_TICK_SPACING",
    "HookFlag",
    "Refusal",
    "V4Pool",
    "refusal_of",
    "swap_fee_pips",
    "unpack_protocol_fee",
]

DYNAMIC_FEE = 0x800000
MAX_PROTOCOL_FEE = 1000
MAX_TICK_SPACING = 2**15 - 1
MAX_DELTA = 2**127 - 1


@unique
class HookFlag(IntFlag):
    """What a hook contract is called for: the last 14 bits of its address."""

    AFTER_REMOVE_LIQUIDITY_RETURNS_DELTA = 1 << 0
    AFTER_ADD_LIQUIDITY_RETURNS_DELTA = 1 << 1
    AFTER_SWAP_RETURNS_DELTA = 1 << 2
    BEFORE_SWAP_RETURNS_DELTA = 1 << 3
    AFTER_DONATE = 1 << 4
    BEFORE_DONATE = 1 << 5
    AFTER_SWAP = 1 << 6
    BEFORE_SWAP = 1 << 7
    AFTER_REMOVE_LIQUIDITY = 1 << 8
    BEFORE_REMOVE_LIQUIDITY = 1 << 9
    AFTER_ADD_LIQUIDITY = 1 << 10
    BEFORE_ADD_LIQUIDITY = 1 << 11
    AFTER_INITIALIZE = 1 << 12
    BEFORE_INITIALIZE = 1 << 13


FLAG_BITS = 2**14 - 1
RETURNS_DELTA = HookFlag.BEFORE_SWAP_RETURNS_DELTA | HookFlag.AFTER_SWAP_RETURNS_DELTA
CALLED_BY_SWAP = HookFlag.BEFORE_SWAP | HookFlag.AFTER_SWAP


@unique
class Refusal(StrEnum):
    """Why a pool is not priced."""

    DYNAMIC_FEE = "its fee is set by its hook"
    FEE_TOO_LARGE = "its fee takes the whole input"
    HOOK_RETURNS_DELTA = "its hook changes the amounts of a swap"
    HOOK_IN_SWAP = "its hook acts during a swap and is not on the allow list"


def refusal_of(
    fee: int, hooks: bytes, *, allowed_hooks: Collection[bytes] = frozenset()
) -> Refusal | None:
    """Return why a pool's amounts do not follow from its state, None when they do.

    Units   fee as in the pool's key: pips, or the flag of a dynamic fee; hooks is an address.
    Range   a hook that acts in swaps without returning amounts may be allowed by its address, once
            somebody has read it; one that returns amounts never is.
    Raises  ValueOutOfRange for an address that is not 20 bytes.
    Source  Hooks and LPFeeLibrary of v4-core.
    """
    if len(hooks) != 20:
        raise ValueOutOfRange(f"`hooks` must be 20 bytes, were {len(hooks)}")
    flags = int.from_bytes(hooks[-2:], "big") & FLAG_BITS
    if flags & RETURNS_DELTA:
        return Refusal.HOOK_RETURNS_DELTA
    if fee & DYNAMIC_FEE:
        return Refusal.DYNAMIC_FEE
    if fee >= PIPS:
        return Refusal.FEE_TOO_LARGE
    if flags & CALLED_BY_SWAP and hooks not in allowed_hooks:
        return Refusal.HOOK_IN_SWAP
    return None


def swap_fee_pips(lp_fee_pips: int, protocol_fee_pips: int) -> int:
    """Return the fee of a swap: the protocol's part of the input first, the pool's of the rest.

    Units   pips, 1e-6; rounded up.
    Range   0 <= lp_fee_pips < 10**6; 0 <= protocol_fee_pips <= 1000.
    Raises  nothing.
    Source  ProtocolFeeLibrary.calculateSwapFee, checked against the deployed manager bytecode.
    """
    return protocol_fee_pips + lp_fee_pips - div_floor(protocol_fee_pips * lp_fee_pips, PIPS)


def unpack_protocol_fee(packed: int) -> tuple[int, int]:
    """Return the protocol's fees (zero for one, one for zero) of a packed word.

    Units   pips.
    Range   uint24 with two halves of at most 1000.
    Raises  ValueOutOfRange otherwise.
    Source  ProtocolFeeLibrary.
    """
    fees = packed & 0xFFF, packed >> 12
    if not 0 <= packed < 2**24 or max(fees) > MAX_PROTOCOL_FEE:
        raise ValueOutOfRange(f"`protocol_fee` must be two fees up to 1000 pips, was {packed}")
    return fees


class V4Pool(V3Pool, SingletonPool):
    """A pool of the singleton with a static fee: V3's state and a fee for each direction. One writer.

    `fee_pips` is the pool's own fee, without the protocol's.
    """

    __slots__ = ("_swap_fees",)

    def __init__(  # noqa: PLR0913 - the state of a pool is these values, named by the contract
        self,
        sqrt_price_x96: int,
        tick: int,
        liquidity: int,
        fee_pips: int,
        tick_spacing: int,
        ticks: Mapping[int, tuple[int, int]],
        *,
        protocol_fee: int = 0,
        known_lower: int = MIN_TICK,
        known_upper: int = MAX_TICK,
    ) -> None:
        if tick_spacing > MAX_TICK_SPACING:
            raise ValueOutOfRange(f"`tick_spacing` must be up to 32767, was {tick_spacing}")
        super().__init__(
            sqrt_price_x96,
            tick,
            liquidity,
            fee_pips,
            tick_spacing,
            ticks,
            known_lower=known_lower,
            known_upper=known_upper,
        )
        self._swap_fees = (fee_pips, fee_pips)
        if protocol_fee:
            self.set_protocol_fee(protocol_fee)

    @property
    def floored_fee_pips(self) -> int:
        """Return the larger of the two directions' fees."""
        return max(self._swap_fees)

    @property
    def swap_fees(self) -> tuple[int, int]:
        """Return the whole fee of each direction: zero for one, one for zero."""
        return self._swap_fees

    def set_protocol_fee(self, protocol_fee: int) -> None:
        """Take the fees that ProtocolFeeUpdated states.

        Units   two fees in pips, packed in a uint24: zero for one in the lower half.
        Range   each at most 1000 pips; with the pool's own below the whole input.
        Raises  ValueOutOfRange otherwise; the pool is unchanged then.
        Source  PoolManager.setProtocolFee.
        """
        zero_for_one, one_for_zero = unpack_protocol_fee(protocol_fee)
        self.set_swap_fees(
            swap_fee_pips(self._fee_pips, zero_for_one), swap_fee_pips(self._fee_pips, one_for_zero)
        )

    def set_swap_fees(self, zero_for_one_pips: int, one_for_zero_pips: int) -> None:
        """Take the whole fee of each direction, the protocol's part included.

        Units   pips.
        Range   0 <= fee < 10**6.
        Raises  ValueOutOfRange otherwise; the pool is unchanged then.
        Source  the fee that the manager's Swap event states.
        """
        fees = (zero_for_one_pips, one_for_zero_pips)
        if min(fees) < 0 or max(fees) >= PIPS:
            raise ValueOutOfRange(f"both fees must leave something of the input: {fees}")
        self._swap_fees = fees
        self._curves = (
            SwapCurve(self._ticks, one_for_zero_pips, zero_for_one=False),
            SwapCurve(self._ticks, zero_for_one_pips, zero_for_one=True),
        )
        self._move()

    def state_towards(self, zero_for_one: bool) -> V3State:
        """Return the state as V3's step loop takes it, with the fee of one direction."""
        whole = self.state()
        return V3State(
            whole.sqrt_price_x96,
            whole.tick,
            whole.liquidity,
            self._swap_fees[0 if zero_for_one else 1],
            whole.tick_spacing,
            whole.ticks,
            whole.known_lower,
            whole.known_upper,
        )

    def amount_out(self, amount_in: int, zero_for_one: bool) -> int:
        """Return what the pool pays; as V3, but both amounts must fit the manager's balance delta.

        Raises  InsufficientLiquidity where the manager's SafeCast would revert; as V3 otherwise.
        """
        amount_out = super().amount_out(amount_in, zero_for_one)
        _require_delta(amount_in, amount_out)
        return amount_out

    def amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return what the pool asks; as V3, but both amounts must fit the manager's balance delta.

        Raises  InsufficientLiquidity where the manager's SafeCast would revert; as V3 otherwise.
        """
        amount_in = super().amount_in(amount_out, zero_for_one)
        _require_delta(amount_in, amount_out)
        return amount_in

    def fingerprint(self) -> bytes:
        """Return the state as canonical bytes: kind, each direction's fee, then as a V3 pool."""
        fees = b"".join(fee.to_bytes(3, "big") for fee in self._swap_fees)
        return b"\x07" + fees + super().fingerprint()


def _require_delta(amount_in: int, amount_out: int) -> None:
    """Refuse amounts that a swap cannot settle: a balance delta holds two int128, what is owed negative."""
    if amount_in > MAX_DELTA + 1 or amount_out > MAX_DELTA:
        raise InsufficientLiquidity(
            f"a swap of {amount_in} for {amount_out} exceeds the manager's int128"
        )
