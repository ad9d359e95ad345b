"""What flash arbitrages really burn on the devnet: gas before refunds, the refund, and which slots were written first.

Source  `debug_traceCall` of the exact calldata on the state of the head, a second and a block later, as it will be mined.
Run as a program it measures the units of the gas model anew and writes them: `python -m support.gas_measurement`.
"""

import asyncio
import random
from fractions import Fraction
from pathlib import Path

import msgspec

from alphapulse.amm.uniswap_v3.pool import V3State, limit_of, swap
from alphapulse.devnet.layout import POOLS, TRADERS, V3_TICK_SPACING
from alphapulse.devnet.manifest import PoolEntry
from alphapulse.evm import abi
from alphapulse.execution import gas_units
from alphapulse.execution.gas import (
    FIRST_WRITE_GAS,
    TRANSACTION_GAS,
    GasModel,
    Hop,
    calldata_tokens,
    gas_limit,
)
from alphapulse.execution.plan import Plan
from alphapulse.primitives.address import hex_of
from alphapulse.primitives.units import div_floor
from support.execution_chain import Chain, Leg, arbitrage_devnet, plan_on

__all__ = [
    "Lens",
    "Measurement",
    "Run",
    "Touched",
    "measure",
    "measured_units",
    "random_plan",
    "random_runs",
    "send",
    "use_every_pool",
    "worth",
]

TRACE_GAS = 6_000_000
FIRST_WRITE = 20_000  # the write of a slot that held nothing, read before or not
PRICES = {"WETH": (3_000, 18), "USDC": (1, 6), "DAI": (1, 18), "WBTC": (60_000, 8)}
MAX_TURNS = 1_000
TURNS_FROM_START = 12
BORROWED = ("WETH", "USDC", "DAI")


class _Step(msgspec.Struct, frozen=True):
    op: str
    gas: int
    gasCost: int
    depth: int
    refund: int = 0


class _Trace(msgspec.Struct, frozen=True):
    gas: int
    structLogs: list[_Step]


class Measurement(msgspec.Struct, frozen=True):
    """Gas of one run. `execution` is before refunds, without what the transaction and its calldata cost."""

    execution: int
    refund: int
    used: int
    first_writes: int
    """Cold slots written for the first time, not counting those that are empty again at the end."""


def worth(symbol: str, usd: int) -> int:
    """Return so many dollars in smallest units of a devnet token."""
    price, decimals = PRICES[symbol]
    return usd * 10**decimals // price


async def measure(chain: Chain, plan: Plan) -> Measurement | None:
    """Return what a plan would burn in the next block, None when it would revert."""
    request = chain.devnet.rpc.request
    head = await request(dict, "eth_getBlockByNumber", "latest", False)
    call = {
        "from": hex_of(plan.sender),
        "to": hex_of(plan.contract),
        "data": hex_of(plan.calldata),
        "gas": hex(TRACE_GAS),
    }
    options = {
        "disableStorage": True,
        "disableMemory": True,
        "disableStack": True,
        "blockOverrides": {
            "time": hex(int(head["timestamp"], 16) + 1),
            "number": hex(int(head["number"], 16) + 1),
        },
    }
    trace = await request(_Trace, "debug_traceCall", call, "latest", options)
    last = trace.structLogs[-1]
    if last.op != "STOP":
        return None
    writes = sum(
        1 for step in trace.structLogs if step.op == "SSTORE" and step.gasCost >= FIRST_WRITE
    )
    burnt = TRACE_GAS - last.gas + last.gasCost
    return Measurement(
        execution=burnt - TRANSACTION_GAS - 4 * calldata_tokens(plan.calldata),
        refund=last.refund,
        used=trace.gas,
        first_writes=writes - len(plan.path) - 2,
    )


async def send(chain: Chain, plan: Plan) -> int:
    """Mine a plan's call from its unlocked sender; return the gas of its receipt."""
    request = chain.devnet.rpc.request
    await request(object, "anvil_impersonateAccount", hex_of(plan.sender))
    call = {
        "from": hex_of(plan.sender),
        "to": hex_of(plan.contract),
        "data": hex_of(plan.calldata),
        "gas": hex(plan.gas_limit),
    }
    sent = await request(str, "eth_sendTransaction", call)
    await chain.mine()
    receipt = await request(dict, "eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    return int(receipt["gasUsed"], 16)


def _symbol(chain: Chain, token: bytes) -> str:
    return next(one.symbol for one in chain.manifest.tokens if one.address == token)


async def use_every_pool(chain: Chain, usd: int = 20_000) -> None:
    """Trade every pool twice in both directions, so that no slot of its own is empty."""
    for _ in range(2):
        for pool in chain.manifest.pools:
            for zero_for_one in (True, False):
                token = pool.token0 if zero_for_one else pool.token1
                await chain.push((pool, zero_for_one), worth(_symbol(chain, token), usd))


def _random_cycle(chain: Chain, draw: random.Random, hops: int) -> list[Leg]:
    """Return legs through distinct pools and middle tokens, from a borrowable token back to it."""
    pools = chain.manifest.pools
    while True:
        start = token = chain.manifest.token(draw.choice(BORROWED)).address
        legs: list[Leg] = []
        seen = {start}
        for place in range(hops):
            choices = []
            for pool in pools:
                if token not in (pool.token0, pool.token1) or any(pool is leg[0] for leg in legs):
                    continue
                other = pool.token1 if token == pool.token0 else pool.token0
                if other == start if place == hops - 1 else other not in seen:
                    choices.append(pool)
            if not choices:
                break
            pool = draw.choice(choices)
            legs.append((pool, pool.token0 == token))
            token = pool.token1 if token == pool.token0 else pool.token0
            seen.add(token)
        if len(legs) == hops:
            return legs


def _depth_usd(chain: Chain, pool: PoolEntry) -> int:
    symbols = {_symbol(chain, pool.token0), _symbol(chain, pool.token1)}
    return next(
        plan.depth_usd
        for plan in POOLS
        if (plan.venue, plan.fee_pips, {plan.symbol_a, plan.symbol_b})
        == (pool.venue, pool.fee_pips, symbols)
    )


async def random_plan(
    chain: Chain, draw: random.Random, **changes: object
) -> tuple[Plan, tuple[int, ...], int] | None:
    """Let a trader open a difference at random; return a plan that takes some of it, None when none pays."""
    legs = _random_cycle(chain, draw, draw.choice((2, 2, 3)))
    first, zero_for_one = legs[0]
    bought = first.token1 if zero_for_one else first.token0
    depth = _depth_usd(chain, first)
    usd = div_floor(depth, draw.choice((5, 8, 15, 30, 60)))
    await chain.push((first, not zero_for_one), worth(_symbol(chain, bought), usd))
    borrowed = _symbol(chain, first.token0 if zero_for_one else first.token1)
    loan = div_floor(depth, draw.choice((5, 8, 15, 30, 100)))
    for _ in range(6):
        plan = await plan_on(chain, legs, worth(borrowed, loan), min_profit=1, **changes)
        if plan[0].predicted_profit > 0:
            return plan
        loan = div_floor(loan, 3)
    return None


WIDEST_RANGE = 45_000
WORD_TICKS = 256


class Touched(msgspec.Struct, frozen=True):
    """What one swap writes in a concentrated pool, known from its state before."""

    ticks: int = 0
    moves: int = 0
    words: int = 0
    first: int = 0
    cleared: int = 0
    kept: int = 0


class Lens:
    """Reads a quiet devnet's concentrated pools: which ticks a swap crosses, and what their slots hold before."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._ticks: dict[bytes, dict[int, tuple[int, int]]] = {}

    async def touched(self, pool: PoolEntry, zero_for_one: bool, amount_in: int) -> Touched:
        """Return what a swap of an exact input would touch at the head."""
        if pool.kind != "uniswap_v3":
            return Touched()
        ask, spacing = self._chain.call, V3_TICK_SPACING[pool.fee_pips]
        price, tick = await ask(pool.address, ["uint160", "int24"], "slot0()")
        (liquidity,) = await ask(pool.address, ["uint128"], "liquidity()")
        ticks = await self._all_ticks(pool, tick, spacing)
        state = V3State(price, tick, liquidity, pool.fee_pips, spacing, ticks)
        after = swap(state, zero_for_one, amount_in, limit_of(zero_for_one=zero_for_one)).tick
        crossed = [one for one in ticks if min(tick, after) < one <= max(tick, after)]
        growth = [
            (await ask(pool.address, ["uint256"], f"feeGrowthGlobal{side}X128()"))[0]
            for side in (0, 1)
        ]
        first = cleared = kept = 0
        for one in crossed:
            info = await ask(
                pool.address, ["uint128", "int128", "uint256", "uint256"], "ticks(int24)", one
            )
            for side in (0, 1):
                outside, total = info[2 + side], growth[side]
                grows = side == (0 if zero_for_one else 1)
                if outside == 0:
                    first += grows or total != 0
                    kept += not grows and total == 0
                else:
                    cleared += not grows and total == outside
        return Touched(
            ticks=len(crossed),
            moves=int(after != tick),
            words=abs((after // spacing) // WORD_TICKS - (tick // spacing) // WORD_TICKS),
            first=first,
            cleared=cleared,
            kept=kept,
        )

    async def _all_ticks(
        self, pool: PoolEntry, tick: int, spacing: int
    ) -> dict[int, tuple[int, int]]:
        known = self._ticks.get(pool.address)
        if known is None:
            known = self._ticks[pool.address] = {}
            reach = WIDEST_RANGE // spacing // WORD_TICKS + 1
            middle = tick // spacing // WORD_TICKS
            for word in range(middle - reach, middle + reach + 1):
                (bits,) = await self._chain.call(
                    pool.address, ["uint256"], "tickBitmap(int16)", word
                )
                for bit in range(WORD_TICKS):
                    if bits >> bit & 1:
                        index = (word * WORD_TICKS + bit) * spacing
                        known[index] = await self._chain.call(
                            pool.address, ["uint128", "int128"], "ticks(int24)", index
                        )
        return known


class Run(msgspec.Struct, frozen=True):
    """One executed plan: what it touched, and what it burnt."""

    plan: Plan
    kinds: tuple[int, ...]
    touched: tuple[Touched, ...]
    measured: Measurement

    def of(self, name: str) -> int:
        """Return the sum of a count over the path."""
        return sum(getattr(one, name) for one in self.touched)


async def random_runs(
    chain: Chain, draw: random.Random, count: int, *, most_ticks: int = 6
) -> list[Run]:
    """Execute so many random plans with the limit that the model gives them, each a block after its difference was opened; none crosses
    more ticks.
    """
    lens = Lens(chain)
    pools = {pool.address: pool for pool in chain.manifest.pools}
    runs: list[Run] = []
    request = chain.devnet.rpc.request
    snapshot = await request(str, "evm_snapshot")
    for turn in range(MAX_TURNS):
        if len(runs) == count:
            break
        if turn % TURNS_FROM_START == 0:  # so that no price runs away
            await request(bool, "evm_revert", snapshot)
            snapshot = await request(str, "evm_snapshot")
        found = await random_plan(chain, draw)
        if found is None:
            continue
        plan, kinds, _ = found
        measured = await measure(chain, plan)
        if measured is None:  # a pool without enough liquidity fills in part
            continue
        touched = [
            await lens.touched(pools[hop.pool], hop.zero_for_one, hop.amount_in)
            for hop in plan.path
        ]
        if sum(one.ticks for one in touched) > most_ticks:
            continue
        hops = [Hop(kind, one.ticks) for kind, one in zip(kinds, touched, strict=True)]
        limit = gas_limit(GasModel().path(hops, plan.calldata).most)
        plan = msgspec.structs.replace(plan, gas_limit=limit)
        assert await send(chain, plan) == measured.used
        runs.append(Run(plan, kinds, tuple(touched), measured))
    await request(bool, "evm_revert", snapshot)
    return runs


SEED = 20_263
FITTED_RUNS = 150
_COLUMNS = (
    "OVERHEAD",
    "V2_STEP",
    "V3_STEP",
    "TICK_CROSSED",
    "CROSSING",
    "WORD_CROSSED",
)


def _row(run: Run) -> tuple[list[int], int]:
    """Return the counts of a run's parts and its gas without first writes, whose price is the protocol's."""
    counts = [
        1,
        run.kinds.count(0),
        run.kinds.count(1),
        run.of("ticks"),
        sum(one.ticks > 0 for one in run.touched),
        run.of("words"),
    ]
    return counts, run.measured.execution - FIRST_WRITE_GAS * run.measured.first_writes


def _least_squares(rows: list[tuple[list[int], int]]) -> list[int]:
    """Return the parts that explain the sums best, from the normal equations in exact fractions."""
    width = len(rows[0][0])
    system = [
        [Fraction(sum(counts[i] * counts[j] for counts, _ in rows)) for j in range(width)]
        + [Fraction(sum(counts[i] * gas for counts, gas in rows))]
        for i in range(width)
    ]
    for i in range(width):
        pivot = next(k for k in range(i, width) if system[k][i])
        system[i], system[pivot] = system[pivot], system[i]
        for k in range(width):
            if k != i and system[k][i]:
                factor = system[k][i] / system[i][i]
                system[k] = [a - factor * b for a, b in zip(system[k], system[i], strict=True)]
    return [round(system[i][width] / system[i][i]) for i in range(width)]


async def _again(chain: Chain, venues: tuple[int, int], fees: tuple[int, int]) -> int:
    """Return what a step through a pool burns that the same transaction used before."""
    cheap, dear = (
        chain.pool(venue, "WETH", "USDC", fee) for venue, fee in zip(venues, fees, strict=True)
    )
    await chain.push(chain.leg(cheap, "WETH"), worth("WETH", 250_000))
    once = [chain.leg(cheap, "USDC"), chain.leg(dear, "WETH")]
    loan = worth("USDC", 5_000)
    gas = []
    for legs in (once, once + once):
        plan, *_ = await plan_on(chain, legs, loan, min_profit=1)
        measured = await measure(chain, plan)
        assert measured is not None
        gas.append(measured.execution)
    return div_floor(gas[1] - gas[0], 2)


async def _transfer_gas(chain: Chain, symbol: str) -> int:
    """Return the gas of a transfer between two holders, everything cold, before the transaction's own."""
    data = abi.encode_call("transfer(address,uint256)", TRADERS[1], 1)
    call = {
        "from": hex_of(TRADERS[0]),
        "to": hex_of(chain.manifest.token(symbol).address),
        "data": hex_of(data),
    }
    options = {"disableStorage": True, "disableMemory": True, "disableStack": True}
    trace = await chain.devnet.rpc.request(_Trace, "debug_traceCall", call, "latest", options)
    return trace.gas - TRANSACTION_GAS - 4 * calldata_tokens(data)


async def measured_units() -> dict[str, int]:
    """Return the units of the gas model, measured on a fresh devnet."""
    async with arbitrage_devnet() as chain:
        request = chain.devnet.rpc.request
        await use_every_pool(chain)
        runs = await random_runs(chain, random.Random(SEED), FITTED_RUNS, most_ticks=20)
        units = dict(
            zip(
                _COLUMNS,
                _least_squares(
                    [_row(run) for run in runs if run.of("moves") == run.kinds.count(1)]
                ),
                strict=True,
            )
        )
        snapshot = await request(str, "evm_snapshot")
        units["V2_AGAIN"] = await _again(chain, (300, 302), (3_000, 3_000))
        await request(bool, "evm_revert", snapshot)
        units["V3_AGAIN"] = await _again(chain, (301, 301), (3_000, 500))
        units["PLAIN_TRANSFER"] = await _transfer_gas(chain, "USDC")
        units["WRAPPED_TRANSFER"] = await _transfer_gas(chain, "WETH")
    for run in runs:
        pairs, cleared = run.kinds.count(0), run.of("cleared")
        assert run.measured.refund == (
            39_800 + 19_900 * len(run.kinds) + 2_800 * pairs + 4_800 * cleared
        )
    return units | {"OVERHEAD_REFUND": 39_800, "STEP_REFUND": 19_900, "V2_REFUND": 2_800}


_HOME = Path(gas_units.__file__)
_HEAD = '''"""Gas units of the committed contract. Written by `python -m support.gas_measurement`, not by hand.

Units   gas before refunds, without the transaction and its calldata; see alphapulse.execution.gas.
Source  least squares over {runs} random plans on the devnet, first writes taken out; *_AGAIN, *_TRANSFER measured singly.
"""
'''


def written(units: dict[str, int]) -> str:
    """Return the text of the module that holds the units."""
    names = sorted(units)
    exported = "".join(f'    "{name}",\n' for name in names)
    lines = "".join(f"{name} = {units[name]:_}\n" for name in names)
    return f"{_HEAD.format(runs=FITTED_RUNS)}\n__all__ = [\n{exported}]\n\n{lines}"


if __name__ == "__main__":
    text = written(asyncio.run(measured_units()))
    _HOME.write_text(text)
    print(text)
