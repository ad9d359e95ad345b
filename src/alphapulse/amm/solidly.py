"""Solidly pairs: a volatile one on the product of reserves, a stable one on x**3 y + x y**3.

Both take the fee from the input first, rounded down, and then keep the curve without a fee. The stable
pair scales both reserves to 18 decimals and solves its curve by Newton's method: the iteration's last
step is part of the answer.
"""

from enum import IntEnum, unique

from alphapulse.amm.pair_view import PairView, least_input, require_amount, require_tokens
from alphapulse.amm.token_kinds import ReservePool
from alphapulse.amm.uniswap_v3.full_math import div_floor, div_up, require_uint
from alphapulse.amm.words import word
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange

__all__ = ["FEE_DENOMINATOR", "SolidlyStablePool", "SolidlyVolatilePool", "StableVersion"]

FEE_DENOMINATOR = 10_000
MAX_RESERVE = 2**112 - 1
ONE = 10**18
ITERATIONS_MAX = 255


@unique
class StableVersion(IntEnum):
    """Which iteration a stable pair's code carries.

    FIRST stops when two steps differ by one at most (Solidly, Velodrome of 2022). SETTLED goes on
    until the answer is the least that keeps the curve (Velodrome V2, Aerodrome).
    """

    FIRST = 1
    SETTLED = 2


class _SolidlyPair(ReservePool):
    """Two reserves and a fee, shared by both curves."""

    __slots__ = ("_fee", "_fee_denominator", "_reserves")

    def __init__(self, reserve0: int, reserve1: int, fee: int, fee_denominator: int) -> None:
        self._reserves = (0, 0)
        self.set_fee(fee, fee_denominator)
        self.set_reserves(reserve0, reserve1)

    @property
    def count(self) -> int:
        """Return two."""
        return 2

    @property
    def reserve0(self) -> int:
        """Return the reserve of token0."""
        return self._reserves[0]

    @property
    def reserve1(self) -> int:
        """Return the reserve of token1."""
        return self._reserves[1]

    @property
    def fee(self) -> int:
        """Return the fee in parts of `fee_denominator`."""
        return self._fee

    @property
    def fee_denominator(self) -> int:
        """Return what the fee is a part of."""
        return self._fee_denominator

    def set_reserves(self, reserve0: int, reserve1: int) -> None:
        """Take the reserves that a Sync event states.

        Units   smallest units of each token.
        Range   each fits uint112; the contract's words are wider, but nothing else fits the arithmetic.
        Raises  ValueOutOfRange otherwise.
        Source  the pair's Sync.
        """
        self._reserves = (
            require_uint("reserve0", reserve0, 112),
            require_uint("reserve1", reserve1, 112),
        )

    def set_fee(self, fee: int, fee_denominator: int = FEE_DENOMINATOR) -> None:
        """Take the fee that the factory states for this pair.

        Units   parts of the denominator.
        Range   0 <= fee < fee_denominator < 2**32.
        Raises  ValueOutOfRange otherwise.
        Source  the factory's getFee; its events name no pair.
        """
        require_uint("fee_denominator", fee_denominator, 32)
        if not 0 <= fee < fee_denominator:
            raise ValueOutOfRange(f"`fee` must be below {fee_denominator}, was {fee}")
        self._fee, self._fee_denominator = fee, fee_denominator

    def largest_amount_in(self, i: int, j: int) -> int:
        """Return the largest input that the pair does not refuse for its size.

        Units   smallest units.
        Range   i and j are 0 and 1.
        Raises  ValueOutOfRange otherwise.
        Source  the width of a reserve here.
        """
        require_tokens(2, i, j)
        return MAX_RESERVE - self._reserves[i]

    def _net(self, amount_in: int, i: int, j: int) -> int:
        """Return what is left of an input after the fee."""
        require_amount("amount_in", amount_in)
        require_tokens(2, i, j)
        if min(self._reserves) == 0:
            raise PoolNotTradeable(f"pair without reserves: {self._reserves}")
        if amount_in + self._reserves[i] > MAX_RESERVE:
            raise InsufficientLiquidity(f"`reserve` would exceed uint112 with {amount_in}")
        return amount_in - div_floor(amount_in * self._fee, self._fee_denominator)

    def _gross(self, net: int) -> int:
        """Return the least input of which at least this much is left after the fee."""
        kept = self._fee_denominator - self._fee
        return div_floor((net - 1) * self._fee_denominator, kept) + 1

    def _head(self, kind: int) -> bytes:
        return bytes((kind,)) + b"".join(
            value.to_bytes(width, "big")
            for value, width in (
                (self._fee, 4),
                (self._fee_denominator, 4),
                (self._reserves[0], 14),
                (self._reserves[1], 14),
            )
        )


class SolidlyVolatilePool(_SolidlyPair):
    """A pair on the product of its reserves. One writer."""

    __slots__ = ()

    def __init__(
        self, reserve0: int, reserve1: int, fee: int, *, fee_denominator: int = FEE_DENOMINATOR
    ) -> None:
        super().__init__(reserve0, reserve1, fee, fee_denominator)

    def pair(self, i: int, j: int) -> PairView:
        """Return the tokens as a pair; (0, 1) is the pair's own order."""
        return PairView(self, i, j)

    def amount_out(self, amount_in: int, i: int, j: int) -> int:
        """Return what the pair pays: the product without a fee on the input after the fee.

        Units   smallest units.
        Range   amount_in > 0. Monotone in amount_in.
        Raises  InsufficientLiquidity for an output of zero or a reserve beyond uint112;
                PoolNotTradeable without reserves; ValueOutOfRange for an amount that is not positive.
        Source  Pool.getAmountOut; recorded answers of Aerodrome.
        """
        net = self._net(amount_in, i, j)
        paid = div_floor(net * self._reserves[j], self._reserves[i] + net)
        if paid == 0:
            raise InsufficientLiquidity(f"`amount_in` {amount_in} buys nothing")
        return paid

    def amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return the least input that buys the output: the contract defines no other answer.

        Units   smallest units.
        Range   0 < amount_out < reserve of token j.
        Raises  InsufficientLiquidity for what the pair does not hold or a reserve beyond uint112;
                PoolNotTradeable without reserves; ValueOutOfRange for an amount that is not positive.
        Source  amount_out solved for the input.
        """
        require_amount("amount_out", amount_out)
        self._net(1, i, j)
        reserve_in, reserve_out = self._reserves[i], self._reserves[j]
        if amount_out >= reserve_out:
            raise InsufficientLiquidity(f"`amount_out` {amount_out} of a reserve of {reserve_out}")
        least = self._gross(div_up(amount_out * reserve_in, reserve_out - amount_out))
        if least + reserve_in > MAX_RESERVE:
            raise InsufficientLiquidity(f"`reserve` would exceed uint112 with {least}")
        return least

    def least_amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return the least input that buys the output; the same as amount_in."""
        return self.amount_in(amount_out, i, j)

    def marginal_rate_x128(self, i: int, j: int) -> int:
        """Return output per input after fee of an amount whose fee is not rounded away, rounded down.

        Units   Q128 ratio of smallest units.
        Range   a pair with reserves. Inputs below fee_denominator / fee units pay no fee at all.
        Raises  PoolNotTradeable without reserves.
        Source  the derivative of the product at zero.
        """
        self._net(1, i, j)
        kept = self._fee_denominator - self._fee
        gain = self._reserves[j] * kept
        return div_floor(gain << 128, self._reserves[i] * self._fee_denominator)

    def fingerprint(self) -> bytes:
        """Return the state as canonical bytes: kind, fee, reserves, big-endian."""
        return self._head(9)


class SolidlyStablePool(_SolidlyPair):
    """A pair on x**3 y + x y**3 of its reserves scaled to 18 decimals. One writer."""

    __slots__ = ("_units", "_version")

    def __init__(
        self,
        reserve0: int,
        reserve1: int,
        decimals: tuple[int, int],
        fee: int,
        *,
        fee_denominator: int = FEE_DENOMINATOR,
        version: StableVersion = StableVersion.SETTLED,
    ) -> None:
        if not all(0 <= decimal <= 36 for decimal in decimals):
            raise ValueOutOfRange(f"`decimals` must be within 0..36, were {decimals}")
        super().__init__(reserve0, reserve1, fee, fee_denominator)
        self._units = (10 ** decimals[0], 10 ** decimals[1])
        self._version = version

    def pair(self, i: int, j: int) -> PairView:
        """Return the tokens as a pair; (0, 1) is the pair's own order."""
        return PairView(self, i, j)

    def amount_out(self, amount_in: int, i: int, j: int) -> int:
        """Return what the pair pays.

        Units   smallest units.
        Range   amount_in > 0. Monotone in amount_in but for the iteration's last unit.
        Raises  InsufficientLiquidity for an output of zero or a reserve beyond uint112;
                PoolNotTradeable without reserves or where the contract's iteration or arithmetic
                ends; ValueOutOfRange for an amount that is not positive.
        Source  Pool.getAmountOut of the named version; checked against the curve itself in
                rationals, since no deployed code is at hand.
        """
        net = self._net(amount_in, i, j)
        x, y = self._scaled(i), self._scaled(j)
        constant = self._curve(self._reserves[0], self._reserves[1])
        moved = x + div_floor(net * ONE, self._units[i])
        left = self._other(moved, constant, y)
        paid = div_floor(max(0, y - left) * self._units[j], ONE)
        if paid == 0:
            raise InsufficientLiquidity(f"`amount_in` {amount_in} buys nothing")
        return paid

    def amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return the least input that buys the output: the contract defines no other answer.

        Units   smallest units.
        Range   0 < amount_out < reserve of token j.
        Raises  InsufficientLiquidity for what the pair does not hold; the rest as amount_out.
        Source  bisection on amount_out, from the curve's own answer.
        """
        require_amount("amount_out", amount_out)
        self._net(1, i, j)
        x, y = self._scaled(i), self._scaled(j)
        left = y - div_up(amount_out * ONE, self._units[j])
        if left <= 0:
            raise InsufficientLiquidity(f"`amount_out` {amount_out} is more than the pair holds")
        constant = self._curve(self._reserves[0], self._reserves[1])
        net = max(1, div_up((self._other(left, constant, x) - x) * self._units[i], ONE))
        return least_input(self, amount_out, i, j, self._gross(net))

    def least_amount_in(self, amount_out: int, i: int, j: int) -> int:
        """Return the least input that buys the output; the same as amount_in."""
        return self.amount_in(amount_out, i, j)

    def marginal_rate_x128(self, i: int, j: int) -> int:
        """Return output per input after fee of an amount whose fee is not rounded away, rounded down.

        Units   Q128 ratio of smallest units.
        Range   a pair with reserves. Inputs below fee_denominator / fee units pay no fee at all.
        Raises  PoolNotTradeable without reserves.
        Source  the quotient of the curve's partial derivatives, (3 x**2 y + y**3) over
                (x**3 + 3 x y**2).
        """
        self._net(1, i, j)
        x, y = self._scaled(i), self._scaled(j)
        kept = self._fee_denominator - self._fee
        gain = (3 * x * x * y + y * y * y) * self._units[j] * kept
        cost = (x * x * x + 3 * x * y * y) * self._units[i] * self._fee_denominator
        return div_floor(gain << 128, cost)

    def fingerprint(self) -> bytes:
        """Return the state as canonical bytes: kind, fee, reserves, version, decimals."""
        units = b"".join(unit.to_bytes(16, "big") for unit in self._units)
        return self._head(6) + bytes((self._version,)) + units

    def _scaled(self, i: int) -> int:
        scaled = div_floor(self._reserves[i] * ONE, self._units[i])
        if scaled == 0:
            raise PoolNotTradeable("pair whose reserve is nothing at 18 decimals")
        return scaled

    def _curve(self, amount0: int, amount1: int) -> int:
        """Return the curve's value at amounts in each token's own decimals."""
        return _value(
            div_floor(word(amount0 * ONE), self._units[0]),
            div_floor(word(amount1 * ONE), self._units[1]),
        )

    def _other(self, x: int, constant: int, start: int) -> int:
        """Return the other balance at which the curve has its value, as the contract iterates to it."""
        if self._version is StableVersion.FIRST:
            return _first_other(x, constant, start)
        return self._settled_other(x, constant, start)

    def _settled_other(self, x: int, constant: int, start: int) -> int:
        y = start
        for _ in range(ITERATIONS_MAX):
            value = _value(x, y)
            step = div_floor(word(abs(value - constant) * ONE), _slope(x, y))
            if value < constant:
                if step == 0:
                    # The contract asks its reserve function here, which scales both once more.
                    if self._curve(x, y + 1) > constant:
                        return y + 1
                    step = 1
                y += step
            else:
                if step == 0:
                    if value == constant or _value(x, y - 1) < constant:
                        return y
                    step = 1
                y -= step
            if y < 0:
                break
        raise PoolNotTradeable("the stable curve does not settle")


def _first_other(x: int, constant: int, start: int) -> int:
    y = start
    for _ in range(ITERATIONS_MAX):
        before = y
        value = _first_value(x, y)
        step = div_floor(word(abs(value - constant) * ONE), _slope(x, y))
        y = y + step if value < constant else y - step
        if y < 0:
            break
        if abs(y - before) <= 1:
            return y
    raise PoolNotTradeable("the stable curve does not settle")


def _value(x: int, y: int) -> int:
    """Return x y (x**2 + y**2), each product rounded down to 18 decimals."""
    product = div_floor(word(x * y), ONE)
    squares = div_floor(word(x * x), ONE) + div_floor(word(y * y), ONE)
    return div_floor(word(product * squares), ONE)


def _first_value(x: int, y: int) -> int:
    """Return x y**3 + x**3 y, each product rounded down to 18 decimals."""
    cube_y = div_floor(word(div_floor(word(y * y), ONE) * y), ONE)
    cube_x = div_floor(word(div_floor(word(x * x), ONE) * x), ONE)
    return div_floor(word(x * cube_y), ONE) + div_floor(word(cube_x * y), ONE)


def _slope(x: int, y: int) -> int:
    """Return 3 x y**2 + x**3, each product rounded down to 18 decimals."""
    square = div_floor(word(3 * x * div_floor(word(y * y), ONE)), ONE)
    cube = div_floor(word(div_floor(word(x * x), ONE) * x), ONE)
    if square + cube == 0:
        raise PoolNotTradeable("the stable curve is flat at these reserves")
    return square + cube
