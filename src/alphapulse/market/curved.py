"""A pool of several tokens or of another curve, as PoolParams and PoolLiquidity describe it.

Every pair of its tokens is a `Pool` of its own, with one freshness and one state between them: search
walks pairs. Both messages describe the state after a block, so a log of such a pool only says that its
state is out of date until the next of them.
"""

from collections.abc import Sequence
from itertools import combinations

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import PowVersion
from alphapulse.amm.balancer_math.stable_math import InvariantVersion
from alphapulse.amm.kernel import BalancerStablePool, CurvePool, WeightedPool
from alphapulse.amm.token_kinds import TokenPool
from alphapulse.errors import ValueOutOfRange
from alphapulse.market.pool import LogTlv, Pool, PoolKey, Position
from alphapulse.primitives.address import Address
from alphapulse.primitives.units import div_floor
from alphapulse.protocol.market_data import (
    PoolLiquidity,
    PoolParams,
    PoolState,
    PoolTick,
    PoolType,
)

__all__ = ["CURVED_KINDS", "CurvedPool", "PairOfCurved"]

CURVED_KINDS = (PoolType.STABLE_SWAP, PoolType.WEIGHTED, PoolType.COMPOSABLE_STABLE)

E10_TO_E18 = 10**8
E10_TO_PIPS = 10**4
# The wire's amplification has two decimals, the contract's three.
BALANCER_STEP = 10


class PairOfCurved(Pool):
    """Two tokens of a curved pool; everything but the quoter is the whole pool's."""

    __slots__ = ("whole",)

    whole: "CurvedPool"

    @property
    def all_tokens(self) -> tuple[Address, ...]:
        """Every token of the whole pool."""
        return self.whole.tokens

    @property
    def siblings(self) -> Sequence[Pool]:
        """The other pairs of the whole pool."""
        return tuple(member for member in self.whole.members if member is not self)

    @property
    def is_pending(self) -> bool:
        """Whether parameters or reserves wait for the end of their block."""
        return self.whole.is_begun

    def begin(self, state: PoolState, position: Position) -> None:
        """Refuse a base of two reserves.

        Raises  ValueOutOfRange always.
        """
        raise ValueOutOfRange(f"a pool of kind {self.kind} is not described by {type(state)}")

    def add_tick(self, tick: PoolTick) -> None:
        """Refuse a tick.

        Raises  ValueOutOfRange always.
        """
        raise ValueOutOfRange(f"a pool of kind {self.kind} has no ticks such as {tick.tick}")

    def is_moved_by(self, event: LogTlv) -> bool:
        """Return True: every log of such a pool outdates its reserves."""
        return True

    def fold(self, event: LogTlv) -> None:
        """Note that the reserves are those of before a log."""
        self.whole.outdate(self.position)

    def complete(self) -> None:
        """Make the whole pool usable, once both statements are here.

        Raises  as CurvedPool.complete.
        """
        self.whole.complete()

    def discard(self) -> None:
        """Forget the whole pool's state."""
        self.whole.discard()

    def forget(self) -> None:
        """Forget this pair's quoter."""
        super().discard()


class CurvedPool:
    """One such pool: its tokens, its last parameters and reserves, and a member for each pair.

    A weighted pool is quoted with the first form of the power, which never pays more than the other:
    the messages do not say which one a pool carries.
    """

    __slots__ = ("_liquidity", "_params", "is_begun", "kind", "members", "tokens")

    def __init__(
        self,
        key: PoolKey,
        venue: int,
        kind: PoolType,
        *,
        tokens: Sequence[Address],
        decimals: Sequence[int],
        fee_pips: int,
    ) -> None:
        self.kind = kind
        self.tokens = tuple(tokens)
        self.is_begun = False
        self._params: PoolParams | None = None
        self._liquidity: PoolLiquidity | None = None
        self.members = tuple(
            PairOfCurved(
                PoolKey(key.chain_id, key.address, part),
                venue,
                kind,
                tokens=(self.tokens[i], self.tokens[j]),
                decimals=(decimals[i], decimals[j]),
                fee_pips=fee_pips,
                tick_spacing=0,
            )
            for part, (i, j) in enumerate(combinations(range(len(self.tokens)), 2))
        )
        for member in self.members:
            member.whole = self
            member.track = self.members[0].track

    def take(self, statement: PoolParams | PoolLiquidity, position: Position) -> None:
        """Take parameters or reserves; they are used when their block has ended.

        Raises  ValueOutOfRange when they do not fit the pool.
        """
        if isinstance(statement, PoolParams):
            if statement.pool_type != self.kind:
                raise ValueOutOfRange(f"`pool_type` differs from the announcement: {statement}")
            if tuple(token.address for token in statement.token) != self.tokens:
                raise ValueOutOfRange("the parameters name other tokens than the announcement")
            self._params = statement
        else:
            if len(statement.reserve) != len(self.tokens):
                raise ValueOutOfRange(f"`reserve` must be {len(self.tokens)} long: {statement}")
            self._liquidity = statement
        self.is_begun = True
        self.members[0].track.begin()
        for member in self.members:
            member.position = position
            member.base_block = position[0]

    def outdate(self, position: Position) -> None:
        """Note that a log moved the pool: only the next reserves say how it stands."""
        self._liquidity = None
        self.is_begun = True
        self.members[0].track.is_complete = False
        for member in self.members:
            member.position = position

    def complete(self) -> None:
        """Make the state usable, once both parameters and reserves are here.

        Raises  ValueOutOfRange or a Rejected when they contradict the curve.
        """
        if self._params is None or self._liquidity is None:
            return
        self.is_begun = False
        curve = _curve(self.kind, self._params, self._liquidity)
        curve.marginal_rate_x128(0, 1)
        pairs = combinations(range(len(self.tokens)), 2)
        for member, (i, j) in zip(self.members, pairs, strict=True):
            member.quoter = curve.pair(i, j)
            member.fee_pips = div_floor(self._params.fee_e10, E10_TO_PIPS)
        self.members[0].track.complete()

    def discard(self) -> None:
        """Forget all state."""
        self._params = self._liquidity = None
        self.is_begun = False
        for member in self.members:
            member.forget()


def _curve(kind: PoolType, params: PoolParams, liquidity: PoolLiquidity) -> TokenPool:
    decimals = [token.decimals for token in params.token]
    if kind is PoolType.WEIGHTED:
        weights = [token.weight for token in params.token]
        return WeightedPool(
            liquidity.reserve,
            weights,
            decimals,
            params.fee_e10 * E10_TO_E18,
            pow_version=PowVersion.FIRST,
        )
    if max(decimals) > 18:
        raise ValueOutOfRange(f"`decimals` must be up to 18, were {decimals}")
    rates = [token.rate * 10 ** (18 - token.decimals) for token in params.token]
    if kind is PoolType.STABLE_SWAP:
        # With two decimals of A kept, the answers of pools that keep none are the same.
        return CurvePool(
            liquidity.reserve,
            rates,
            Ramp(params.amplification, params.amplification),
            timestamp=0,
            fee=params.fee_e10,
            admin_fee=0,
            a_precision=100,
        )
    amplification = params.amplification * BALANCER_STEP
    return BalancerStablePool(
        liquidity.reserve,
        rates,
        Ramp(amplification, amplification),
        timestamp=0,
        fee=params.fee_e10 * E10_TO_E18,
        invariant_version=InvariantVersion.ROUNDED_DOWN,
    )
