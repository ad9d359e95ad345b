"""What people decide to do in a block: trade toward the price they believe in, trade for no reason, move liquidity.

Decisions follow from seed, block number and the state of the pools alone. Reading and sending is the business of
`activity`. People are a simulation, so floats are at home; what leaves here is integers.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alphapulse.devnet.layout import TOKENS
from alphapulse.devnet.manifest import PoolEntry, PositionEntry
from alphapulse.primitives.address import Address

__all__ = [
    "AddLiquidity",
    "Decision",
    "Motive",
    "People",
    "PoolView",
    "RemoveLiquidity",
    "Swap",
    "headcount",
]

PIPS = 1_000_000

GAS_PER_DECISION = 125_000  # measured over a long run: swaps of both kinds, some liquidity
USUAL_BASE_FEE_WEI = 1_000_000_000
USUAL_FILL = 0.95  # of the gas target; arbitrage comes on top and makes gas a little dearer
FILL_PER_LOG_FEE = 0.5  # how much less people do when blocks get dear
MIN_FILL, MAX_FILL = 0.15, 1.4

INFORMED_SHARE = 0.40
LIQUIDITY_SHARE = 0.08

INFORMED_EDGE = 0.0005  # what a correction must be worth beyond the pool's fee
CORRECTION_MIN, CORRECTION_MAX = 0.4, 0.9
MAX_CORRECTION = 0.02  # of the price, in one trade

NOISE_MEDIAN = 0.0008  # of the reserve
NOISE_SIGMA = 0.9
MAX_NOISE = 0.008

SLIPPAGE = 0.01
V2_LIQUIDITY_MIN, V2_LIQUIDITY_MAX = 0.002, 0.01
V3_LIQUIDITY_MIN, V3_LIQUIDITY_MAX = (
    0.0005,
    0.002,
)  # of virtual reserves, which exceed the real ones
REMOVE_PERMILLE_MIN, REMOVE_PERMILLE_MAX = 5, 30
MINT_CHANCE = 0.3
MINT_STEP_SPACINGS = 6  # new ranges end on a coarse raster, so that ticks do not grow without bound
MINT_HALF_WIDTHS = (1, 2, 4, 8)


class Motive(StrEnum):
    """Why somebody acts."""

    INFORMED = "informed"
    NOISE = "noise"
    PROVIDE = "provide"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool as people see it: reserves, or for concentrated liquidity the virtual ones at the current price."""

    entry: PoolEntry
    reserve0: int
    reserve1: int
    tick: int = 0


@dataclass(frozen=True, slots=True)
class Swap:
    """Sell `amount_in` for at least `min_out`, and with concentrated liquidity not beyond the limit (0 is none)."""

    motive: Motive
    trader: int
    pool: PoolEntry
    zero_for_one: bool
    amount_in: int
    min_out: int
    sqrt_price_limit_x96: int


@dataclass(frozen=True, slots=True)
class AddLiquidity:
    """Add to a pair, to a position (`token_id`), or in a new range where `token_id` is 0."""

    pool: PoolEntry
    amount0: int
    amount1: int
    token_id: int
    tick_lower: int
    tick_upper: int
    motive: Motive = Motive.PROVIDE


@dataclass(frozen=True, slots=True)
class RemoveLiquidity:
    """Take back part of a pair or a position."""

    pool: PoolEntry
    token_id: int
    permille: int
    motive: Motive = Motive.WITHDRAW


Decision = Swap | AddLiquidity | RemoveLiquidity


def headcount(gas_limit: int, base_fee_wei: int) -> int:
    """Return how many act in a block: near the gas target when gas costs what it usually does, fewer when it is dear."""
    dearness = math.log(max(base_fee_wei, 1) / USUAL_BASE_FEE_WEI)
    fill = min(MAX_FILL, max(MIN_FILL, USUAL_FILL - FILL_PER_LOG_FEE * dearness))
    return max(1, round(gas_limit / 2 * fill / GAS_PER_DECISION))


class People:
    """The crowd of one devnet. Without state: the same question gets the same answer."""

    def __init__(
        self,
        seed: int,
        token_of: Mapping[Address, str],
        positions: Sequence[PositionEntry],
        *,
        traders: int,
    ) -> None:
        self._seed = seed
        self._token_of = token_of
        self._unit = {token.symbol: 10**token.decimals for token in TOKENS}
        self._positions: dict[Address, list[PositionEntry]] = {}
        for position in positions:
            self._positions.setdefault(position.pool, []).append(position)
        self._traders = traders

    def decide(
        self, step: int, views: Sequence[PoolView], prices: Mapping[str, float], count: int
    ) -> tuple[Decision, ...]:
        """Return what happens in a block, in order."""
        draw = random.Random(f"{self._seed}:people:{step}")  # noqa: S311  a simulation, not a secret
        decisions: list[Decision] = []
        for _ in range(count):
            view = draw.choice(views)
            kind = draw.random()
            if kind < LIQUIDITY_SHARE:
                decisions.append(self._move_liquidity(draw, view))
            elif kind < LIQUIDITY_SHARE + INFORMED_SHARE:
                decisions.append(self._correct(draw, view, prices) or self._wander(draw, view))
            else:
                decisions.append(self._wander(draw, view))
        return tuple(decisions)

    def _correct(
        self, draw: random.Random, view: PoolView, prices: Mapping[str, float]
    ) -> Swap | None:
        """Return a trade that moves the pool part of the way to the reference, if that is worth its fee."""
        pool = view.entry
        symbol0, symbol1 = self._token_of[pool.token0], self._token_of[pool.token1]
        fair = (prices[symbol0] / self._unit[symbol0]) / (prices[symbol1] / self._unit[symbol1])
        gap = math.log(fair * view.reserve0 / view.reserve1)
        if abs(gap) < pool.fee_pips / PIPS + INFORMED_EDGE:
            return None
        part = draw.uniform(CORRECTION_MIN, CORRECTION_MAX)
        move = min(abs(gap) * part, MAX_CORRECTION)
        zero_for_one = gap < 0
        limit = 0
        if pool.kind == "uniswap_v3":
            signed = -move if zero_for_one else move
            root = math.sqrt(view.reserve1 / view.reserve0 * math.exp(signed))
            limit = int(root * 2**96)
        reserve_in = view.reserve0 if zero_for_one else view.reserve1
        amount_in = int(reserve_in * math.expm1(move / 2) / (1 - pool.fee_pips / PIPS))
        return self._swap(draw, view, Motive.INFORMED, zero_for_one, amount_in, limit)

    def _wander(self, draw: random.Random, view: PoolView) -> Swap:
        """Return a trade of log-normal size in either direction."""
        zero_for_one = draw.random() < 0.5
        share = min(MAX_NOISE, NOISE_MEDIAN * draw.lognormvariate(0.0, NOISE_SIGMA))
        reserve_in = view.reserve0 if zero_for_one else view.reserve1
        return self._swap(draw, view, Motive.NOISE, zero_for_one, int(reserve_in * share), 0)

    def _swap(
        self,
        draw: random.Random,
        view: PoolView,
        motive: Motive,
        zero_for_one: bool,
        amount_in: int,
        limit: int,
    ) -> Swap:
        if zero_for_one:
            reserve_in, reserve_out = view.reserve0, view.reserve1
        else:
            reserve_in, reserve_out = view.reserve1, view.reserve0
        paid = max(amount_in, 1) * (1 - view.entry.fee_pips / PIPS)
        expected = reserve_out * paid / (reserve_in + paid)
        return Swap(
            motive=motive,
            trader=draw.randrange(self._traders),
            pool=view.entry,
            zero_for_one=zero_for_one,
            amount_in=max(amount_in, 1),
            min_out=0 if limit else int(expected * (1 - SLIPPAGE)),
            sqrt_price_limit_x96=limit,
        )

    def _move_liquidity(self, draw: random.Random, view: PoolView) -> Decision:
        pool = view.entry
        positions = self._positions.get(pool.address, [])
        chosen = draw.choice(positions) if positions else None
        if draw.random() < 0.5:
            permille = draw.randint(REMOVE_PERMILLE_MIN, REMOVE_PERMILLE_MAX)
            return RemoveLiquidity(pool, chosen.token_id if chosen else 0, permille)
        if chosen is None:
            share = draw.uniform(V2_LIQUIDITY_MIN, V2_LIQUIDITY_MAX)
        else:
            share = draw.uniform(V3_LIQUIDITY_MIN, V3_LIQUIDITY_MAX)
        amounts = (int(view.reserve0 * share), int(view.reserve1 * share))
        if chosen is not None and draw.random() < MINT_CHANCE:
            raster = pool.tick_spacing * MINT_STEP_SPACINGS
            centre = round(view.tick / raster) * raster
            half = draw.choice(MINT_HALF_WIDTHS) * raster
            return AddLiquidity(pool, *amounts, 0, centre - half, centre + half)
        token_id = chosen.token_id if chosen else 0
        return AddLiquidity(pool, *amounts, token_id, 0, 0)
