"""The Balancer V2 weighted pool: a product of balances, each to the power of its weight.

The fee is taken from the input before anything is scaled, on an exact output it is added at the end.
The power's logarithms cut digits, so that the output is a staircase in the input and, in its last
digits, not even monotone.
"""

from collections.abc import Sequence

from alphapulse.amm.balancer_math.fixed_point import (
    ONE,
    PowVersion,
    div_up_fixed,
    mul_down_fixed,
    mul_up_fixed,
)
from alphapulse.amm.balancer_math.weighted_math import MAX_IN_RATIO, in_given_out, out_given_in
from alphapulse.amm.pair_view import PairView, least_input, require_amount, require_tokens
from alphapulse.amm.token_kinds import VaultPool
from alphapulse.amm.uniswap_v3.full_math import div_floor, div_up, require_uint
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange

__all__ = ["WeightedPool"]

MAX_TOKENS = 8
MAX_BALANCE = 2**112 - 1
MIN_WEIGHT = 10**16
MAX_FEE = 10**17


class WeightedPool(VaultPool):
    """Balances of a vault's pool with the weights and the fee of its contract. One writer."""

    __slots__ = ("_balances", "_fee", "_scales", "_version", "_weights")

    def __init__(
        self,
        balances: Sequence[int],
        weights: Sequence[int],
        decimals: Sequence[int],
        fee: int,
        *,
        pow_version: PowVersion,
    ) -> None:
        if not 2 <= len(weights) <= MAX_TOKENS or len(weights) != len(decimals):
            raise ValueOutOfRange(f"`weights` must be 2 to {MAX_TOKENS}, one for each token")
        if min(weights) < MIN_WEIGHT or sum(weights) != ONE:
            raise ValueOutOfRange(f"`weights` must be {MIN_WEIGHT} or more and sum to {ONE}")
        if not all(0 <= decimal <= 18 for decimal in decimals):
            raise ValueOutOfRange(f"`decimals` must be within 0..18, were {list(decimals)}")
        self._weights = tuple(weights)
        self._scales = tuple(10 ** (18 - decimal) for decimal in decimals)
        self._version = pow_version
        self.set_fee(fee)
        self.set_balances(balances)

    @property
    def count(self) -> int:
        """Return how many tokens the pool holds."""
        return len(self._weights)

    @property
    def balances(self) -> tuple[int, ...]:
        """Return the balances in the tokens' order."""
        return self._balances

    @property
    def fee(self) -> int:
        """Return the fee as a part of 10**18."""
        return self._fee

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

    def pair(self, i: int, j: int) -> PairView:
        """Return tokens i and j as a pair."""
        return PairView(self, i, j)

    def amount_out(self, amount_in: int, i: int, j: int) -> int:
        """Return what the pool pays, rounded down.

        Units   smallest units.
        Range   amount_in > 0. Monotone but for the last digits of the power.
        Raises  InsufficientLiquidity for more than 30 % of the balance in, a balance beyond uint112,
                or an output of zero; PoolNotTradeable for an empty pool; ValueOutOfRange for an
                amount that is not positive or tokens that are not there.
        Source  WeightedPool.onSwap, checked against the deployed pool bytecode.
        """
        require_amount("amount_in", amount_in)
        balance_in, balance_out = self._sides(i, j)
        if amount_in + balance_in > MAX_BALANCE:
            raise InsufficientLiquidity(f"`balance` would exceed uint112 with {amount_in}")
        net = amount_in - mul_up_fixed(amount_in, self._fee)
        paid = out_given_in(
            balance_in * self._scales[i],
            self._weights[i],
            balance_out * self._scales[j],
            self._weights[j],
            net * self._scales[i],
            self._version,
        )
        paid = div_floor(paid, self._scales[j])
        if paid == 0:
            raise InsufficientLiquidity(f"`amount_in` {amount_in} buys nothing")
        return paid

    def amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return what the pool asks for an exact output, fee included, rounded up.

        Units   smallest units.
        Range   amount_out > 0. The answer, paid as an exact input, buys no less but for the power's
                last digits.
        Raises  InsufficientLiquidity for more than 30 % of the balance out or a balance beyond
                uint112; PoolNotTradeable for an empty pool; ValueOutOfRange as amount_out.
        Source  WeightedPool.onSwap, checked against the deployed pool bytecode.
        """
        require_amount("amount_out", amount_out)
        balance_in, balance_out = self._sides(i, j)
        asked = in_given_out(
            balance_in * self._scales[i],
            self._weights[i],
            balance_out * self._scales[j],
            self._weights[j],
            amount_out * self._scales[j],
            self._version,
        )
        asked = div_up_fixed(div_up(asked, self._scales[i]), ONE - self._fee)
        if asked + balance_in > MAX_BALANCE:
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
        Raises  PoolNotTradeable for an empty pool.
        Source  the input after fee may be 30 % of the balance.
        """
        balance_in, _ = self._sides(i, j)
        most = div_floor(
            mul_down_fixed(balance_in * self._scales[i], MAX_IN_RATIO), self._scales[i]
        )
        return min(div_up((most + 1) * ONE, ONE - self._fee) - 1, MAX_BALANCE - balance_in)

    def marginal_rate_x128(self, i: int, j: int) -> int:
        """Return output per input of the first infinitesimal amount after fee, rounded down.

        Units   Q128 ratio of smallest units.
        Range   a pool with balances.
        Raises  PoolNotTradeable without.
        Source  the derivative of the weighted product at zero.
        """
        balance_in, balance_out = self._sides(i, j)
        gain = balance_out * self._weights[i] * (ONE - self._fee)
        return div_floor(gain << 128, balance_in * self._weights[j] * ONE)

    def fingerprint(self) -> bytes:
        """Return the state as canonical bytes: kind, version, count, fee, then each token's."""
        return bytes((5, self._version, self.count)) + b"".join(
            value.to_bytes(width, "big")
            for value, width in (
                (self._fee, 8),
                *((weight, 8) for weight in self._weights),
                *((scale, 8) for scale in self._scales),
                *((balance, 14) for balance in self._balances),
            )
        )

    def _sides(self, i: int, j: int) -> tuple[int, int]:
        require_tokens(self.count, i, j)
        balance_in, balance_out = self._balances[i], self._balances[j]
        if balance_in == 0 or balance_out == 0:
            raise PoolNotTradeable(f"pool without balances: {balance_in}, {balance_out}")
        return balance_in, balance_out
