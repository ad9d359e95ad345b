"""Curve's plain StableSwap pools: the invariant, and what `exchange` pays.

The contract's A is amplification times n**(n-1), so that A * n is the paper's A * n**n; newer pools
keep it with two more digits (`a_precision` 100). Balancer's form is in `balancer_stable`.
"""

from collections.abc import Sequence

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.pair_view import PairView, least_input, require_amount, require_tokens
from alphapulse.amm.token_kinds import PlainStablePool
from alphapulse.amm.uniswap_v3.full_math import div_floor, div_up, require_uint
from alphapulse.amm.words import divided
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange

__all__ = ["FEE_DENOMINATOR", "CurvePool", "invariant_of"]

MAX_TOKENS = 8
MAX_BALANCE = 2**128 - 1
FEE_DENOMINATOR = 10**10
MAX_FEE = 5 * 10**9
PRECISION = 10**18
MAX_A = 10**6
MAX_RATE = 2**128 - 1
ITERATIONS_MAX = 255
A_PRECISIONS = (1, 100)


def invariant_of(amplified: int, scaled: Sequence[int], a_precision: int) -> int:
    """Return the invariant D of balances scaled to one unit.

    Units   amplified is the contract's A * n with its precision.
    Range   every balance positive; amplified >= a_precision.
    Raises  PoolNotTradeable for an empty balance, an overflow of the contract's words, or an
            iteration that does not settle.
    Source  the plain pool's get_D, each quotient rounded down; the recorded answers of 3pool.
    """
    if min(scaled) <= 0:
        raise PoolNotTradeable("stable pool with a balance of zero")
    count, total = len(scaled), sum(scaled)
    invariant = total
    for _ in range(ITERATIONS_MAX):
        power = invariant
        for balance in scaled:
            power = divided(power * invariant, balance * count)
        before = invariant
        invariant = divided(
            (div_floor(amplified * total, a_precision) + power * count) * invariant,
            div_floor((amplified - a_precision) * invariant, a_precision) + (count + 1) * power,
        )
        if abs(invariant - before) <= 1:
            return invariant
    raise PoolNotTradeable("the stable invariant does not settle")


def _balance_at(amplified: int, others: Sequence[int], invariant: int, a_precision: int) -> int:
    """Return the balance that, with the others, has the invariant, rounded down."""
    count = len(others) + 1
    constant = invariant
    for balance in others:
        constant = divided(constant * invariant, balance * count)
    constant = divided(constant * invariant * a_precision, amplified * count)
    linear = sum(others) + div_floor(invariant * a_precision, amplified)
    balance = invariant
    for _ in range(ITERATIONS_MAX):
        before = balance
        balance = divided(balance * balance + constant, 2 * balance + linear - invariant)
        if abs(balance - before) <= 1:
            return balance
    raise PoolNotTradeable("the stable balance does not settle")


class CurvePool(PlainStablePool):
    """Balances, rates, fees and the ramp of a plain pool at a block time. One writer.

    `rates` turn an amount into the common unit: rate / 10**18 of it per smallest unit, so that a
    token of d decimals at par has 10**(36 - d).
    """

    __slots__ = (
        "_a_precision",
        "_admin_fee",
        "_amplified",
        "_balances",
        "_fee",
        "_invariant",
        "_ramp",
        "_rates",
        "_timestamp",
    )

    def __init__(
        self,
        balances: Sequence[int],
        rates: Sequence[int],
        ramp: Ramp,
        *,
        timestamp: int,
        fee: int,
        admin_fee: int,
        a_precision: int,
    ) -> None:
        if not 2 <= len(rates) <= MAX_TOKENS:
            raise ValueOutOfRange(f"`rates` must be 2 to {MAX_TOKENS}, were {len(rates)}")
        if a_precision not in A_PRECISIONS:
            raise ValueOutOfRange(f"`a_precision` must be one of {A_PRECISIONS}: {a_precision}")
        self._a_precision = a_precision
        self._rates: tuple[int, ...] = (PRECISION,) * len(rates)
        self._balances: tuple[int, ...] = (0,) * len(rates)
        self._invariant = 0
        self.set_fees(fee, admin_fee)
        self.set_ramp(ramp, timestamp)
        self.set_rates(rates)
        self.set_balances(balances)

    @property
    def count(self) -> int:
        """Return how many tokens the pool holds."""
        return len(self._rates)

    @property
    def balances(self) -> tuple[int, ...]:
        """Return the balances in the tokens' order, without the admin's fees."""
        return self._balances

    @property
    def fee(self) -> int:
        """Return the fee as a part of 10**10."""
        return self._fee

    @property
    def amplification(self) -> int:
        """Return the contract's A at the pool's time, precision included."""
        return div_floor(self._amplified, self.count)

    def set_balances(self, balances: Sequence[int]) -> None:
        """Take the balances that the contract states.

        Units   smallest units of each token.
        Range   one balance for each token, each fits uint128.
        Raises  ValueOutOfRange otherwise; the pool is unchanged then.
        Source  the contract's `balances`, which are not what it holds: admin fees stay outside.
        """
        if len(balances) != self.count:
            raise ValueOutOfRange(f"`balances` must be {self.count}, were {len(balances)}")
        self._balances = tuple(require_uint("balance", balance, 128) for balance in balances)
        self._invariant = 0

    def set_rates(self, rates: Sequence[int]) -> None:
        """Take the tokens' rates: constants of a plain pool, oracle answers where they move.

        Units   parts of 10**18 of the common unit per smallest unit.
        Range   one rate for each token, positive, below 2**128.
        Raises  ValueOutOfRange otherwise; the pool is unchanged then.
        Source  the contract's RATES or stored_rates.
        """
        if len(rates) != self.count or not all(0 < rate <= MAX_RATE for rate in rates):
            raise ValueOutOfRange(f"`rates` must be {self.count} positive numbers: {list(rates)}")
        self._rates = tuple(rates)
        self._invariant = 0

    def set_fees(self, fee: int, admin_fee: int) -> None:
        """Take the fees that NewFee states.

        Units   parts of 10**10; the admin's is a part of the fee.
        Range   0 <= fee <= 50 %; 0 <= admin_fee <= 100 %.
        Raises  ValueOutOfRange otherwise.
        Source  the contract's MAX_FEE and MAX_ADMIN_FEE.
        """
        if not 0 <= fee <= MAX_FEE or not 0 <= admin_fee <= FEE_DENOMINATOR:
            raise ValueOutOfRange(f"`fee` and `admin_fee` are out of range: {fee}, {admin_fee}")
        self._fee, self._admin_fee = fee, admin_fee

    def set_ramp(self, ramp: Ramp, timestamp: int) -> None:
        """Take a ramp that RampA or StopRampA states, at a block's time.

        Units   the contract's A with its precision; seconds.
        Range   A below 10**6 without precision.
        Raises  ValueOutOfRange otherwise.
        Source  the contract's ramp_A.
        """
        bound = MAX_A * self._a_precision
        if not (
            self._a_precision <= min(ramp.start_value, ramp.end_value)
            and max(ramp.start_value, ramp.end_value) <= bound
        ):
            raise ValueOutOfRange(f"`amplification` must be up to {bound} in {ramp}")
        require_uint("timestamp", timestamp, 64)
        self._ramp = ramp
        self.set_time(timestamp)

    def set_time(self, timestamp: int) -> None:
        """Take a block's time, on which the amplification depends while it ramps.

        Units   seconds.
        Range   fits uint64.
        Raises  ValueOutOfRange otherwise; the pool is unchanged then.
        Source  the contract's _A.
        """
        self._timestamp = require_uint("timestamp", timestamp, 64)
        self._amplified = self._ramp.at(timestamp) * self.count
        self._invariant = 0

    def pair(self, i: int, j: int) -> PairView:
        """Return tokens i and j as a pair."""
        return PairView(self, i, j)

    def amount_out(self, amount_in: int, i: int, j: int) -> int:
        """Return what `exchange` pays: one unit less than the curve's, then the fee, then rounded.

        Units   smallest units.
        Range   amount_in > 0. Monotone in amount_in but for the one unit of an iteration's end.
        Raises  InsufficientLiquidity for an output of zero or a balance beyond uint128;
                PoolNotTradeable for an empty pool; ValueOutOfRange for an amount that is not
                positive or tokens that are not there.
        Source  the plain pool's exchange; its view get_dy is `get_dy` here, with recorded answers.
        """
        gross = self._gross_out(amount_in, i, j)
        fee = div_floor(gross * self._fee, FEE_DENOMINATOR)
        paid = div_floor((gross - fee) * PRECISION, self._rates[j])
        if paid <= 0:
            raise InsufficientLiquidity(f"`amount_in` {amount_in} buys nothing")
        return paid

    def get_dy(self, amount_in: int, i: int, j: int, *, fee_last: bool) -> int:
        """Return what the contract's view says; it may be a unit off what `exchange` pays.

        Units   smallest units.
        Range   fee_last where the view rounds to the token before it takes the fee (3pool).
        Raises  as amount_out, but an output of zero is an answer.
        Source  the plain pool's get_dy; the recorded answers of 3pool.
        """
        gross = self._gross_out(amount_in, i, j)
        if fee_last:
            gross = div_floor(gross * PRECISION, self._rates[j])
            return gross - div_floor(gross * self._fee, FEE_DENOMINATOR)
        fee = div_floor(gross * self._fee, FEE_DENOMINATOR)
        return div_floor((gross - fee) * PRECISION, self._rates[j])

    def apply_exchange(self, amount_in: int, i: int, j: int) -> int:
        """Take a TokenExchange event and return what it paid: the balances move, the admin's part leaves.

        Units   smallest units.
        Range   as amount_out. The answer must be the event's tokens_bought.
        Raises  as amount_out; the pool is unchanged then.
        Source  the plain pool's exchange.
        """
        paid = self.amount_out(amount_in, i, j)
        gross = self._gross_out(amount_in, i, j)
        fee = div_floor(gross * self._fee, FEE_DENOMINATOR)
        admin = div_floor(fee * self._admin_fee, FEE_DENOMINATOR)
        balances = list(self._balances)
        balances[i] += amount_in
        balances[j] -= paid + div_floor(admin * PRECISION, self._rates[j])
        self.set_balances(balances)
        return paid

    def amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return the least input that buys the output: a plain pool has no exchange for an exact output.

        Units   smallest units.
        Range   amount_out > 0.
        Raises  InsufficientLiquidity when no input buys as much; the rest as amount_out.
        Source  bisection on amount_out, from the curve's own answer.
        """
        require_amount("amount_out", amount_out)
        scaled = self._scaled(i, j)
        net = div_up(amount_out * self._rates[j], PRECISION)
        gross = div_up(net * FEE_DENOMINATOR, FEE_DENOMINATOR - self._fee) + 1
        left = scaled[j] - gross
        if left <= 0:
            raise InsufficientLiquidity(f"`amount_out` {amount_out} is more than the pool holds")
        scaled[j] = left
        before = scaled.pop(i)
        after = _balance_at(self._amplified, scaled, self._constant(), self._a_precision)
        estimate = div_floor((after - before) * PRECISION, self._rates[i])
        return least_input(self, amount_out, i, j, estimate)

    def least_amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return the least input that buys the output; the same as amount_in."""
        return self.amount_in(amount_out, i, j)

    def largest_amount_in(self, i: int, j: int) -> int:
        """Return the largest input that the pool does not refuse for its size.

        Units   smallest units.
        Range   two tokens of the pool.
        Raises  ValueOutOfRange for tokens that are not there.
        Source  the width of a balance.
        """
        require_tokens(self.count, i, j)
        return MAX_BALANCE - self._balances[i]

    def marginal_rate_x128(self, i: int, j: int) -> int:
        """Return output per input of the first infinitesimal amount after fee, rounded down.

        Units   Q128 ratio of smallest units.
        Range   a pool with balances.
        Raises  PoolNotTradeable without.
        Source  the quotient of the invariant's partial derivatives, (A n**n + c / x) over
                (A n**n + c / y) with c = D**(n+1) / (n**n * product of the balances).
        """
        scaled = self._scaled(i, j)
        constant = invariant = self._constant()
        for balance in scaled:
            constant = divided(constant * invariant, balance * self.count)
        constant *= self._a_precision
        x, y = scaled[i], scaled[j]
        gain = (self._amplified * x + constant) * y * self._rates[i]
        cost = (self._amplified * y + constant) * x * self._rates[j]
        kept = FEE_DENOMINATOR - self._fee
        return div_floor(gain * kept << 128, cost * FEE_DENOMINATOR)

    def fingerprint(self) -> bytes:
        """Return the state as canonical bytes: kind, precision, count, fees, ramp, time, then each token's."""
        ramp = self._ramp
        return bytes((4, self._a_precision, self.count)) + b"".join(
            value.to_bytes(width, "big")
            for value, width in (
                (self._fee, 8),
                (self._admin_fee, 8),
                (ramp.start_value, 8),
                (ramp.end_value, 8),
                (ramp.start_time, 8),
                (ramp.end_time, 8),
                (self._timestamp, 8),
                *((rate, 16) for rate in self._rates),
                *((balance, 16) for balance in self._balances),
            )
        )

    def _gross_out(self, amount_in: int, i: int, j: int) -> int:
        """Return what leaves the curve in the common unit, before the fee."""
        require_amount("amount_in", amount_in)
        if amount_in > self.largest_amount_in(i, j):
            raise InsufficientLiquidity(f"`balance` would exceed uint128 with {amount_in}")
        scaled = self._scaled(i, j)
        invariant = self._constant()
        scaled[i] += div_floor(amount_in * self._rates[i], PRECISION)
        before = scaled.pop(j)
        after = _balance_at(self._amplified, scaled, invariant, self._a_precision)
        if after + 1 > before:
            raise InsufficientLiquidity(f"`amount_in` {amount_in} buys nothing")
        return before - after - 1

    def _scaled(self, i: int, j: int) -> list[int]:
        require_tokens(self.count, i, j)
        return [
            div_floor(balance * rate, PRECISION)
            for balance, rate in zip(self._balances, self._rates, strict=True)
        ]

    def _constant(self) -> int:
        """Return the invariant, computed once for each state."""
        if self._invariant == 0:
            self._invariant = invariant_of(self._amplified, self._scaled(0, 1), self._a_precision)
        return self._invariant
