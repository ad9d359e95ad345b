"""The Balancer V2 stable pool: Curve's invariant with another rounding.

Where it differs from `stableswap`: the invariant comes in two deployed roundings, the amplification
has three decimals, the balance that restores the invariant is rounded up (and one more unit is kept),
the fee leaves the input before it is scaled, and an exact output is defined, with the fee added last.
"""

from collections.abc import Sequence

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import (
    ONE,
    div_down_fixed,
    div_up_fixed,
    mul_down_fixed,
    mul_up_fixed,
)
from alphapulse.amm.balancer_math.stable_math import (
    AMP_PRECISION,
    InvariantVersion,
    balance_at,
    invariant_of,
)
from alphapulse.amm.pair_view import PairView, least_input, require_amount, require_tokens
from alphapulse.amm.token_kinds import VaultStablePool
from alphapulse.amm.uniswap_v3.full_math import div_floor, require_uint
from alphapulse.amm.words import divided
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange

__all__ = ["BalancerStablePool"]

MAX_TOKENS = 8
MAX_BALANCE = 2**112 - 1
MAX_AMP = 5000 * AMP_PRECISION
MAX_FEE = 10**17
MAX_SCALE = 2**128 - 1


class BalancerStablePool(VaultStablePool):
    """Balances of a vault's stable pool with its scaling factors, fee and ramp. One writer.

    A scaling factor is a number with 18 decimals: 10**(18 - decimals) of the token, times its rate
    where the pool asks a rate provider for one.
    """

    __slots__ = (
        "_amplification",
        "_balances",
        "_fee",
        "_invariant",
        "_ramp",
        "_scales",
        "_timestamp",
        "_version",
    )

    def __init__(
        self,
        balances: Sequence[int],
        scaling_factors: Sequence[int],
        ramp: Ramp,
        *,
        timestamp: int,
        fee: int,
        invariant_version: InvariantVersion,
    ) -> None:
        if not 2 <= len(scaling_factors) <= MAX_TOKENS:
            raise ValueOutOfRange(f"`scaling_factors` must be 2 to {MAX_TOKENS}")
        self._version = invariant_version
        self._scales: tuple[int, ...] = (ONE,) * len(scaling_factors)
        self._balances: tuple[int, ...] = (0,) * len(scaling_factors)
        self._invariant = 0
        self.set_fee(fee)
        self.set_ramp(ramp, timestamp)
        self.set_scaling_factors(scaling_factors)
        self.set_balances(balances)

    @property
    def count(self) -> int:
        """Return how many tokens the pool holds."""
        return len(self._scales)

    @property
    def balances(self) -> tuple[int, ...]:
        """Return the balances in the tokens' order."""
        return self._balances

    @property
    def fee(self) -> int:
        """Return the fee as a part of 10**18."""
        return self._fee

    @property
    def amplification(self) -> int:
        """Return the amplification at the pool's time, with three decimals."""
        return self._amplification

    def set_balances(self, balances: Sequence[int]) -> None:
        """Take the balances that the vault states (getPoolTokens, PoolBalanceChanged).

        Units   smallest units of each token.
        Range   one balance for each token, each fits uint112.
        Raises  ValueOutOfRange otherwise; the pool is unchanged then.
        Source  the vault's BalanceAllocation.
        """
        if len(balances) != self.count:
            raise ValueOutOfRange(f"`balances` must be {self.count}, were {len(balances)}")
        self._balances = tuple(require_uint("balance", balance, 112) for balance in balances)
        self._invariant = 0

    def apply_swap(self, amount_in: int, amount_out: int, i: int, j: int) -> None:
        """Take a Swap event of the vault: token i was paid in, token j paid out.

        Units   smallest units.
        Range   the new balances fit uint112.
        Raises  ValueOutOfRange otherwise; the pool is unchanged then.
        Source  the vault's Swap event, whose amounts include the fee.
        """
        require_tokens(self.count, i, j)
        balances = list(self._balances)
        balances[i] += amount_in
        balances[j] -= amount_out
        self.set_balances(balances)

    def set_scaling_factors(self, scaling_factors: Sequence[int]) -> None:
        """Take the scaling factors, which move where the pool caches rates.

        Units   numbers with 18 decimals.
        Range   one for each token, at least 1.0, below 2**128.
        Raises  ValueOutOfRange otherwise; the pool is unchanged then.
        Source  the pool's getScalingFactors.
        """
        if len(scaling_factors) != self.count or not all(
            0 < scale <= MAX_SCALE for scale in scaling_factors
        ):
            raise ValueOutOfRange(f"`scaling_factors` must be {self.count} positive numbers")
        self._scales = tuple(scaling_factors)
        self._invariant = 0

    def set_fee(self, fee: int) -> None:
        """Take the fee that SwapFeePercentageChanged states.

        Units   parts of 10**18.
        Range   0 <= fee <= 10 %.
        Raises  ValueOutOfRange otherwise.
        Source  BasePool's SwapFeePercentageChanged.
        """
        if not 0 <= fee <= MAX_FEE:
            raise ValueOutOfRange(f"`fee` must be within 0..{MAX_FEE}, was {fee}")
        self._fee = fee

    def set_ramp(self, ramp: Ramp, timestamp: int) -> None:
        """Take a ramp that AmpUpdateStarted or AmpUpdateStopped states, at a block's time.

        Units   amplification with three decimals; seconds.
        Range   1.000 to 5000.000.
        Raises  ValueOutOfRange otherwise.
        Source  StablePool's amplification updates.
        """
        if not (
            min(ramp.start_value, ramp.end_value) >= AMP_PRECISION
            and max(ramp.start_value, ramp.end_value) <= MAX_AMP
        ):
            raise ValueOutOfRange(f"`amplification` must be {AMP_PRECISION} to {MAX_AMP}: {ramp}")
        require_uint("timestamp", timestamp, 64)
        self._ramp = ramp
        self.set_time(timestamp)

    def set_time(self, timestamp: int) -> None:
        """Take a block's time, on which the amplification depends while it ramps.

        Units   seconds.
        Range   fits uint64.
        Raises  ValueOutOfRange otherwise; the pool is unchanged then.
        Source  StablePool._getAmplificationParameter.
        """
        self._timestamp = require_uint("timestamp", timestamp, 64)
        self._amplification = self._ramp.at(timestamp)
        self._invariant = 0

    def pair(self, i: int, j: int) -> PairView:
        """Return tokens i and j as a pair."""
        return PairView(self, i, j)

    def amount_out(self, amount_in: int, i: int, j: int) -> int:
        """Return what the pool pays: one unit less than the curve's, rounded down.

        Units   smallest units.
        Range   amount_in > 0. Monotone in amount_in but for the one unit of an iteration's end.
        Raises  InsufficientLiquidity for an output of zero or a balance beyond uint112;
                PoolNotTradeable for an empty pool; ValueOutOfRange for an amount that is not
                positive or tokens that are not there.
        Source  StablePool.onSwap, checked against the deployed pool bytecode.
        """
        require_amount("amount_in", amount_in)
        if amount_in > self.largest_amount_in(i, j):
            raise InsufficientLiquidity(f"`balance` would exceed uint112 with {amount_in}")
        net = amount_in - mul_up_fixed(amount_in, self._fee)
        scaled = self._scaled(i, j)
        invariant = self._constant()
        scaled[i] += mul_down_fixed(net, self._scales[i])
        before = scaled[j]
        after = balance_at(self._amplification, scaled, invariant, j)
        paid = div_down_fixed(max(0, before - after - 1), self._scales[j])
        if paid == 0:
            raise InsufficientLiquidity(f"`amount_in` {amount_in} buys nothing")
        return paid

    def amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return what the pool asks for an exact output, fee included, rounded up.

        Units   smallest units.
        Range   amount_out > 0.
        Raises  InsufficientLiquidity for what the pool does not hold or a balance beyond uint112;
                PoolNotTradeable for an empty pool; ValueOutOfRange as amount_out.
        Source  StablePool.onSwap, checked against the deployed pool bytecode.
        """
        require_amount("amount_out", amount_out)
        scaled = self._scaled(i, j)
        invariant = self._constant()
        scaled[j] -= mul_down_fixed(amount_out, self._scales[j])
        if scaled[j] <= 0:
            raise InsufficientLiquidity(f"`amount_out` {amount_out} is more than the pool holds")
        before = scaled[i]
        after = balance_at(self._amplification, scaled, invariant, i)
        asked = div_up_fixed(max(0, after - before + 1), self._scales[i])
        asked = div_up_fixed(asked, ONE - self._fee)
        if asked > self.largest_amount_in(i, j):
            raise InsufficientLiquidity(f"`balance` would exceed uint112 with {asked}")
        return asked

    def least_amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return the least input near the pool's own answer that buys the output; see `least_input`.

        Units   smallest units.
        Range   amount_out > 0.
        Raises  as amount_in.
        Source  bisection on amount_out from the answer of amount_in.
        """
        return least_input(self, amount_out, i, j, self.amount_in(amount_out, i, j))

    def largest_amount_in(self, i: int, j: int) -> int:
        """Return the largest input that the pool does not refuse for its size.

        Units   smallest units.
        Range   two tokens of the pool.
        Raises  ValueOutOfRange for tokens that are not there.
        Source  the width of a balance in the vault.
        """
        require_tokens(self.count, i, j)
        return MAX_BALANCE - self._balances[i]

    def marginal_rate_x128(self, i: int, j: int) -> int:
        """Return output per input of the first infinitesimal amount after fee, rounded down.

        Units   Q128 ratio of smallest units.
        Range   a pool with balances.
        Raises  PoolNotTradeable without.
        Source  the quotient of the invariant's partial derivatives, as in `stableswap`.
        """
        scaled = self._scaled(i, j)
        constant = invariant = self._constant()
        for balance in scaled:
            constant = divided(constant * invariant, balance * self.count)
        amplified = self._amplification * self.count
        constant *= AMP_PRECISION
        x, y = scaled[i], scaled[j]
        gain = (amplified * x + constant) * y * self._scales[i] * (ONE - self._fee)
        cost = (amplified * y + constant) * x * self._scales[j] * ONE
        return div_floor(gain << 128, cost)

    def fingerprint(self) -> bytes:
        """Return the state as canonical bytes: kind, version, count, fee, ramp, time, then each token's."""
        ramp = self._ramp
        return bytes((8, self._version, self.count)) + b"".join(
            value.to_bytes(width, "big")
            for value, width in (
                (self._fee, 8),
                (ramp.start_value, 8),
                (ramp.end_value, 8),
                (ramp.start_time, 8),
                (ramp.end_time, 8),
                (self._timestamp, 8),
                *((scale, 16) for scale in self._scales),
                *((balance, 14) for balance in self._balances),
            )
        )

    def _scaled(self, i: int, j: int) -> list[int]:
        require_tokens(self.count, i, j)
        if min(self._balances) == 0:
            raise PoolNotTradeable(f"pool without balances: {self._balances}")
        return [
            mul_down_fixed(balance, scale)
            for balance, scale in zip(self._balances, self._scales, strict=True)
        ]

    def _constant(self) -> int:
        """Return the invariant, computed once for each state."""
        if self._invariant == 0:
            self._invariant = invariant_of(self._amplification, self._scaled(0, 1), self._version)
        return self._invariant
