"""Pools of the fake node: what they hold, what a log does to them, and how they answer calls. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from alphapulse.collectors.evm.config import PoolConfig
from alphapulse.errors import RpcRefused
from alphapulse.evm.hashing import keccak256
from alphapulse.evm.logs import (
    TOPIC_V2_BURN,
    TOPIC_V2_MINT,
    TOPIC_V2_SWAP,
    TOPIC_V2_SYNC,
    TOPIC_V3_BURN,
    TOPIC_V3_INITIALIZE,
    TOPIC_V3_MINT,
    TOPIC_V3_SWAP,
    PoolLog,
    V2Burn,
    V2Mint,
    V2Swap,
    V2Sync,
    V3Burn,
    V3Initialize,
    V3Mint,
    V3Swap,
)
from alphapulse.primitives.address import ZERO_ADDRESS
from alphapulse.primitives.units import div_floor

__all__ = ["FakePool", "answer_call", "first_state", "log_of"]

WORD = 32
FIRST_RESERVE = 10**24
FIRST_LIQUIDITY = 10**18
FIRST_RANGE_SPACINGS = 10
Q96 = 1 << 96
WORD_BITS = 256


@dataclass(frozen=True, slots=True)
class FakePool:
    """A pair or a pool; the fields of the other kind stay empty. `ticks` maps to (gross, net)."""

    reserve0: int = 0
    reserve1: int = 0
    sqrt_price_x96: int = 0
    tick: int = 0
    liquidity: int = 0
    ticks: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def after(self, log: PoolLog) -> "FakePool":
        """Return the pool as the log leaves it."""
        if isinstance(log, V2Sync):
            return replace(self, reserve0=log.reserve0, reserve1=log.reserve1)
        if isinstance(log, V3Swap):
            return replace(
                self,
                sqrt_price_x96=log.sqrt_price_x96,
                tick=log.tick,
                liquidity=log.liquidity,
            )
        if isinstance(log, V3Initialize):
            return replace(self, sqrt_price_x96=log.sqrt_price_x96, tick=log.tick)
        if isinstance(log, V3Mint | V3Burn):
            change = log.liquidity if isinstance(log, V3Mint) else -log.liquidity
            return self._with_liquidity(log.tick_lower, log.tick_upper, change)
        return self

    def _with_liquidity(self, lower: int, upper: int, change: int) -> "FakePool":
        ticks = dict(self.ticks)
        for tick, net in ((lower, change), (upper, -change)):
            old_gross, old_net = ticks.get(tick, (0, 0))
            ticks[tick] = (old_gross + change, old_net + net)
            if ticks[tick][0] == 0:
                del ticks[tick]
        active = self.liquidity + (change if lower <= self.tick < upper else 0)
        return replace(self, liquidity=active, ticks=ticks)


class _World(Protocol):
    configs: dict[bytes, PoolConfig]
    decimals: dict[bytes, int]


def first_state(config: PoolConfig) -> FakePool:
    """Return a pool at price 1 with some liquidity around it."""
    if config.kind == "uniswap_v2":
        return FakePool(reserve0=FIRST_RESERVE, reserve1=FIRST_RESERVE)
    width = FIRST_RANGE_SPACINGS * config.tick_spacing
    return FakePool(sqrt_price_x96=Q96).after(V3Mint(_NOBODY, -width, width, FIRST_LIQUIDITY, 0, 0))


def log_of(log: PoolLog) -> tuple[tuple[bytes, ...], bytes]:
    """Return topics and data of a log as the deployed contracts emit it."""
    if isinstance(log, V2Sync):
        return (TOPIC_V2_SYNC,), _words(log.reserve0, log.reserve1)
    if isinstance(log, V2Swap):
        data = _words(log.amount0_in, log.amount1_in, log.amount0_out, log.amount1_out)
        return (TOPIC_V2_SWAP, _padded(log.sender), _padded(log.recipient)), data
    if isinstance(log, V2Mint):
        return (TOPIC_V2_MINT, _padded(log.sender)), _words(log.amount0, log.amount1)
    if isinstance(log, V2Burn):
        topics = (TOPIC_V2_BURN, _padded(log.sender), _padded(log.recipient))
        return topics, _words(log.amount0, log.amount1)
    if isinstance(log, V3Initialize):
        return (TOPIC_V3_INITIALIZE,), _words(log.sqrt_price_x96, log.tick)
    if isinstance(log, V3Swap):
        topics = (TOPIC_V3_SWAP, _padded(log.sender), _padded(log.recipient))
        state = (log.sqrt_price_x96, log.liquidity, log.tick)
        return topics, _words(log.amount0, log.amount1, *state)
    place = (_padded(log.owner), _words(log.tick_lower), _words(log.tick_upper))
    amounts = _words(log.liquidity, log.amount0, log.amount1)
    if isinstance(log, V3Mint):
        return (TOPIC_V3_MINT, *place), _padded(log.owner) + amounts
    return (TOPIC_V3_BURN, *place), amounts


def answer_call(world: _World, pools: Mapping[bytes, FakePool], call: Mapping[str, str]) -> bytes:
    """Return what a pool or token answers to a call; an address without code answers nothing.

    Raises  RpcRefused for a function it does not have.
    """
    target = bytes.fromhex(call["to"][2:])
    data = bytes.fromhex(call["data"][2:])
    name = _FUNCTIONS.get(data[:4])
    if target in world.decimals and name == "decimals":
        return _words(world.decimals[target])
    if target not in pools:
        return b""
    argument = int.from_bytes(data[4:36], "big", signed=True) if len(data) > 4 else 0
    answer = _pool_answers(world.configs[target], pools[target], argument).get(name or "")
    if answer is None:
        raise RpcRefused("eth_call", 3, "execution reverted")
    return answer


def _pool_answers(config: PoolConfig, pool: FakePool, argument: int) -> dict[str, bytes]:
    names = {"token0": _padded(config.token0), "token1": _padded(config.token1)}
    if config.kind == "uniswap_v2":
        return names | {"getReserves": _words(pool.reserve0, pool.reserve1, 0)}
    bits = 0
    for tick in pool.ticks:
        compressed = div_floor(tick, config.tick_spacing)
        if div_floor(compressed, WORD_BITS) == argument:
            bits |= 1 << (compressed % WORD_BITS)
    gross, net = pool.ticks.get(argument, (0, 0))
    return names | {
        "fee": _words(config.fee_pips),
        "tickSpacing": _words(config.tick_spacing),
        "slot0": _words(pool.sqrt_price_x96, pool.tick, 0, 1, 1, 0, 1),
        "liquidity": _words(pool.liquidity),
        "tickBitmap": _words(bits),
        "ticks": _words(gross, net, 0, 0, 0, 0, 0, 1),
    }


_NOBODY = ZERO_ADDRESS

_FUNCTIONS = {
    keccak256(signature.encode("ascii"))[:4]: signature.partition("(")[0]
    for signature in (
        "decimals()",
        "fee()",
        "getReserves()",
        "liquidity()",
        "slot0()",
        "tickBitmap(int16)",
        "tickSpacing()",
        "ticks(int24)",
        "token0()",
        "token1()",
    )
}


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(WORD, "big", signed=value < 0) for value in values)


def _padded(address: bytes) -> bytes:
    return address.rjust(WORD, b"\0")
