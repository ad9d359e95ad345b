"""Two tokens of a pool of several, asked like a pair: search and sizing know only this view.

A smooth curve has no stretches of constant liquidity, so the view answers None for `segment`, and
finds by exact quotes what other pools know in closed form.
"""

from alphapulse.amm.screen import LogRate, log_of
from alphapulse.amm.token_kinds import SmoothPair, TokenPool
from alphapulse.amm.uniswap_v3.full_math import div_floor
from alphapulse.errors import InsufficientLiquidity, Rejected, ValueOutOfRange

__all__ = ["PairView", "least_input", "require_amount", "require_tokens"]

# Doublings from the estimate of a least input before the search gives up: amounts have 256 bits.
GALLOPS_MAX = 256
# Inputs below this are not asked for slopes: their rounding would be most of the answer.
SLOPE_UNITS_MIN = 2**4
MAX_WORD = 2**256 - 1


class PairView(SmoothPair):
    """Tokens i and j of a pool; zero_for_one pays i in. The view holds no state of its own."""

    __slots__ = ("_i", "_j", "_pool")

    def __init__(self, pool: TokenPool, i: int, j: int) -> None:
        require_tokens(pool.count, i, j)
        self._pool = pool
        self._i = i
        self._j = j

    @property
    def pool(self) -> TokenPool:
        """Return the whole pool."""
        return self._pool

    @property
    def i(self) -> int:
        """Return the place of the token that zero_for_one pays in."""
        return self._i

    @property
    def j(self) -> int:
        """Return the place of the token that zero_for_one pays out."""
        return self._j

    @property
    def floored_fee_pips(self) -> int:
        """Return zero: no step of the fee is worth a search of its own."""
        return 0

    def amount_out(self, amount_in: int, zero_for_one: bool) -> int:
        """Return what the pool pays for an exact input."""
        i, j = self._tokens(zero_for_one)
        return self._pool.amount_out(amount_in, i, j)

    def amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return what the pool asks for an exact output."""
        i, j = self._tokens(zero_for_one)
        return self._pool.amount_in(amount_out, i, j)

    def least_amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return the least exact input that buys at least the output."""
        i, j = self._tokens(zero_for_one)
        return self._pool.least_amount_in(amount_out, i, j)

    def ticks_crossed(self, amount_in: int, zero_for_one: bool) -> int:
        """Return zero: a smooth curve has no ticks."""
        return 0

    def marginal_rate_x128(self, zero_for_one: bool) -> int:
        """Return output per input of the first infinitesimal amount after fee, as Q128."""
        i, j = self._tokens(zero_for_one)
        return self._pool.marginal_rate_x128(i, j)

    def log_rate(self, zero_for_one: bool) -> LogRate:
        """Return the natural logarithm of the marginal rate, for screening only."""
        return log_of(self.marginal_rate_x128(zero_for_one))

    def segment(self, amount_in: int, zero_for_one: bool) -> None:
        """Return None: the curve is smooth, it has no stretch of constant liquidity."""
        return

    def input_to_fall(self, root_factor_x64: int, zero_for_one: bool) -> int:
        """Return an input after which the marginal rate has fallen by the factor, or all there is.

        Units   smallest units; the factor's root is Q64.
        Range   root_factor_x64 >= 2**64; from 2**256 on it counts as that. The answer is a power of two, at most four times too large.
        Raises  as marginal_rate_x128.
        Source  a concave curve's slope at 2x is below its mean slope between x and 2x.
        """
        rate = self.marginal_rate_x128(zero_for_one)
        factor = min(root_factor_x64, MAX_WORD) ** 2
        largest = self._pool.largest_amount_in(*self._tokens(zero_for_one))
        low, high = SLOPE_UNITS_MIN.bit_length() - 1, largest.bit_length()
        while low < high:
            middle = low + high >> 1
            slope_x128 = self._mean_slope_x128(1 << middle, zero_for_one)
            if slope_x128 * factor >> 128 >= rate:
                low = middle + 1
            else:
                high = middle
        return min(2 << low, largest)

    def fingerprint(self) -> bytes:
        """Return the pool's state and the places of the two tokens as canonical bytes."""
        return self._pool.fingerprint() + bytes((self._i, self._j))

    def _mean_slope_x128(self, amount: int, zero_for_one: bool) -> int:
        """Return the slope between an amount and its double, zero where the pool does not go so far."""
        try:
            more = self.amount_out(2 * amount, zero_for_one)
        except (Rejected, ValueOutOfRange):
            return 0
        try:
            less = self.amount_out(amount, zero_for_one)
        except (Rejected, ValueOutOfRange):
            less = 0
        return div_floor(more - less + 1 << 128, amount)

    def _tokens(self, zero_for_one: bool) -> tuple[int, int]:
        return (self._i, self._j) if zero_for_one else (self._j, self._i)


def least_input(pool: TokenPool, amount_out: int, i: int, j: int, estimate: int) -> int:
    """Return the least input near an estimate for which the pool pays at least an output.

    The input pays enough and one unit less does not. Where rounding makes a pool's answer fall for a
    larger input (weighted powers), it is the one that the search from the estimate meets first.

    Units   smallest units.
    Range   amount_out, estimate > 0.
    Raises  InsufficientLiquidity when no input pays as much.
    Source  definition; bisection on amount_out.
    """
    step = 1
    largest = pool.largest_amount_in(i, j)
    low, high = 0, max(1, min(estimate, largest))
    if _pays(pool, high, amount_out, i, j):
        for _ in range(GALLOPS_MAX):
            low = max(0, high - step)
            if low == 0 or not _pays(pool, low, amount_out, i, j):
                break
            high, step = low, 2 * step
    else:
        for _ in range(GALLOPS_MAX):
            if high >= largest:
                raise InsufficientLiquidity(f"no input buys `amount_out` {amount_out}")
            low, high, step = high, min(largest, high + step), 2 * step
            if _pays(pool, high, amount_out, i, j):
                break
    while high - low > 1:
        middle = low + high >> 1
        if _pays(pool, middle, amount_out, i, j):
            high = middle
        else:
            low = middle
    return high


def _pays(pool: TokenPool, amount_in: int, amount_out: int, i: int, j: int) -> bool:
    try:
        return pool.amount_out(amount_in, i, j) >= amount_out
    except InsufficientLiquidity:
        return False


def require_tokens(count: int, i: int, j: int) -> None:
    """Refuse places that do not name two tokens of a pool.

    Units   places count from zero.
    Range   0 <= i, j < count; i != j.
    Raises  ValueOutOfRange otherwise.
    Source  definition.
    """
    if not (0 <= i < count and 0 <= j < count) or i == j:
        raise ValueOutOfRange(f"`i` and `j` must be two of {count} tokens, were {i} and {j}")


def require_amount(name: str, amount: int) -> None:
    """Refuse an amount that is not positive.

    Units   smallest units.
    Range   amount > 0.
    Raises  ValueOutOfRange otherwise.
    Source  definition.
    """
    if amount <= 0:
        raise ValueOutOfRange(f"`{name}` must be positive, was {amount}")
