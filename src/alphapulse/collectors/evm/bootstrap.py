"""Whole pool states read from the chain at one block: V2 reserves; V3 price, liquidity and every initialised tick.

Knows the read functions of pairs, pools and tokens. Must not know messages. A node may answer for its newest block out of
the state it is about to leave (anvil does, while it mines the next one, even when asked by hash). So the state is read
one block below the head, where it cannot change any more, and the head's logs are folded in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alphapulse.collectors.evm.blocks import BlockHeader
from alphapulse.collectors.evm.config import EvmCollectorConfig, PoolConfig
from alphapulse.collectors.evm.reader import ChainReader
from alphapulse.collectors.evm.snapshot import PoolSnapshot, snapshot_after
from alphapulse.collectors.evm.tracker import Track, V2Track, V3Track
from alphapulse.errors import DecodeError, HashMismatch
from alphapulse.evm.hashing import keccak256
from alphapulse.evm.logs import MAX_TICK
from alphapulse.evm.multicall import Call
from alphapulse.primitives.address import Address, hex_of
from alphapulse.primitives.units import div_floor

__all__ = ["Readings", "config_faults", "read_pools", "read_pools_at_head", "read_tracks"]

WORD = 32
TICKS_PER_WORD = 256


def _selector(signature: str) -> bytes:
    return keccak256(signature.encode("ascii"))[:4]


_GET_RESERVES = _selector("getReserves()")
_SLOT0 = _selector("slot0()")
_LIQUIDITY = _selector("liquidity()")
_TICK_BITMAP = _selector("tickBitmap(int16)")
_TICKS = _selector("ticks(int24)")
_TOKEN0 = _selector("token0()")
_TOKEN1 = _selector("token1()")
_FEE = _selector("fee()")
_TICK_SPACING = _selector("tickSpacing()")
_DECIMALS = _selector("decimals()")


@dataclass(frozen=True, slots=True)
class Readings:
    """Snapshots in the order asked for, and why a pool has none."""

    snapshots: tuple[PoolSnapshot, ...]
    refused: dict[bytes, str]


async def read_pools(
    reader: ChainReader, pools: Sequence[PoolConfig], header: BlockHeader
) -> Readings:
    """Return the whole state of each pool at that block.

    Raises  HashMismatch when the block was replaced while it was read by number.
    """
    tracks, refused = await _read_tracks(reader, pools, header)
    concentrated = [pool for pool in pools if pool.kind == "uniswap_v3" and pool.address in tracks]
    found_ticks = await _initialised_ticks(reader, concentrated, header)
    values = await _tick_values(reader, found_ticks, header)
    snapshots: list[PoolSnapshot] = []
    for pool in pools:
        track = tracks.get(pool.address)
        ticks = values.get(pool.address, ())
        if track is None:
            continue
        if ticks is None:
            refused[pool.address] = "its ticks cannot be read"
            continue
        snapshot = PoolSnapshot(pool.address, track, ticks)
        if snapshot.is_consistent():
            snapshots.append(snapshot)
        else:
            refused[pool.address] = "its ticks do not add up to its active liquidity"
    await _check_still_there(reader, header)
    return Readings(tuple(snapshots), refused)


async def read_pools_at_head(
    reader: ChainReader, pools: Sequence[PoolConfig], head: BlockHeader
) -> Readings:
    """Return the whole state of each pool after the head: read at its parent, then moved on by the head's logs.

    Raises  HashMismatch when the head or its parent was replaced meanwhile; RpcRefused when the node has lost it.
    """
    if head.number == 0:
        return await read_pools(reader, pools, head)
    parent = await reader.header(head.number - 1)
    if parent is None or parent.block_hash != head.parent_hash:
        raise HashMismatch(f"block {head.number} was replaced before it was read")
    before = await read_pools(reader, pools, parent)
    logs, _ = await reader.block_logs(head)
    ordered = sorted(logs, key=lambda entry: entry.position)
    snapshots: list[PoolSnapshot] = []
    refused: dict[bytes, str] = {}
    for snapshot in before.snapshots:
        try:
            snapshots.append(snapshot_after(snapshot, ordered))
        except DecodeError as error:
            refused[snapshot.pool] = f"one of its logs is malformed: {error.detail}"
    # A pool that does not answer there may have been created in the head itself.
    missing = [pool for pool in pools if pool.address in before.refused]
    created = await read_pools(reader, missing, head) if missing else Readings((), {})
    return Readings((*snapshots, *created.snapshots), refused | created.refused)


async def read_tracks(
    reader: ChainReader, pools: Sequence[PoolConfig], header: BlockHeader
) -> dict[bytes, Track]:
    """Return reserves, or price, tick and active liquidity, of each pool that answers.

    Raises  HashMismatch when the block was replaced while it was read by number.
    """
    tracks, _ = await _read_tracks(reader, pools, header)
    await _check_still_there(reader, header)
    return tracks


async def config_faults(
    reader: ChainReader, config: EvmCollectorConfig, header: BlockHeader
) -> tuple[str, ...]:
    """Return one sentence for each configured fact that the chain contradicts."""
    facts: list[tuple[str, Call, int]] = []
    for token in config.tokens:
        where = f"token `{token.symbol}` `{hex_of(token.address)}`: `decimals`"
        facts.append((where, Call(Address(token.address), _DECIMALS), token.decimals))
    for pool in config.pools:
        where, target = f"pool `{hex_of(pool.address)}`:", Address(pool.address)
        facts.append((f"{where} `token0`", Call(target, _TOKEN0), _number(pool.token0)))
        facts.append((f"{where} `token1`", Call(target, _TOKEN1), _number(pool.token1)))
        if pool.kind == "uniswap_v3":
            facts.append((f"{where} `fee_pips`", Call(target, _FEE), pool.fee_pips))
            facts.append(
                (f"{where} `tick_spacing`", Call(target, _TICK_SPACING), pool.tick_spacing)
            )
    answers = await reader.call_many([call for _, call, _ in facts], header)
    faults: list[str] = []
    for (what, _, expected), answer in zip(facts, answers, strict=True):
        if answer is None or len(answer) != WORD:
            faults.append(f"{what} cannot be read, is there such a contract on this chain?")
        elif _number(answer) != expected:
            faults.append(f"{what} is {_shown(_number(answer))} on chain, was {_shown(expected)}")
    return tuple(faults)


async def _read_tracks(
    reader: ChainReader, pools: Sequence[PoolConfig], header: BlockHeader
) -> tuple[dict[bytes, Track], dict[bytes, str]]:
    calls: list[Call] = []
    for pool in pools:
        target = Address(pool.address)
        if pool.kind == "uniswap_v2":
            calls.append(Call(target, _GET_RESERVES))
        else:
            calls += (Call(target, _SLOT0), Call(target, _LIQUIDITY))
    answers = iter(await reader.call_many(calls, header))
    tracks: dict[bytes, Track] = {}
    refused: dict[bytes, str] = {}
    for pool in pools:
        parts = [next(answers)] if pool.kind == "uniswap_v2" else [next(answers), next(answers)]
        try:
            tracks[pool.address] = _track(pool, parts)
        except DecodeError as error:
            refused[pool.address] = f"its state cannot be read: {error.detail}"
    return tracks, refused


def _track(pool: PoolConfig, parts: Sequence[bytes | None]) -> Track:
    if pool.kind == "uniswap_v2":
        reserves = _words(parts[0], 3)
        return V2Track(_fits(reserves[0], 112), _fits(reserves[1], 112))
    slot0, liquidity = _words(parts[0], 7), _words(parts[1], 1)
    tick = _signed(slot0[1])
    if not -MAX_TICK <= tick <= MAX_TICK:
        raise DecodeError("bad_value", WORD, f"tick {tick}")
    return V3Track(_fits(slot0[0], 160), tick, _fits(liquidity[0], 128))


async def _initialised_ticks(
    reader: ChainReader, pools: Sequence[PoolConfig], header: BlockHeader
) -> dict[bytes, list[int] | None]:
    """Return every initialised tick of each pool, from all of its bitmap words; None where one is missing."""
    asked: list[tuple[PoolConfig, int]] = []
    for pool in pools:
        edge = div_floor(MAX_TICK, pool.tick_spacing)
        first, last = div_floor(-edge, TICKS_PER_WORD), div_floor(edge, TICKS_PER_WORD)
        asked += [(pool, word) for word in range(first, last + 1)]
    answers = await reader.call_many(
        [Call(Address(pool.address), _TICK_BITMAP + _int_word(word)) for pool, word in asked],
        header,
    )
    found: dict[bytes, list[int] | None] = {pool.address: [] for pool in pools}
    for (pool, word), answer in zip(asked, answers, strict=True):
        ticks = found[pool.address]
        if answer is None or len(answer) != WORD:
            found[pool.address] = None
        elif ticks is not None:
            bits, base = _number(answer), word * TICKS_PER_WORD
            while bits:
                lowest = (bits & -bits).bit_length() - 1
                ticks.append((base + lowest) * pool.tick_spacing)
                bits &= bits - 1
    return found


async def _tick_values(
    reader: ChainReader, ticks: dict[bytes, list[int] | None], header: BlockHeader
) -> dict[bytes, tuple[tuple[int, int, int], ...] | None]:
    asked = [(pool, tick) for pool, found in ticks.items() for tick in found or ()]
    answers = await reader.call_many(
        [Call(Address(pool), _TICKS + _int_word(tick)) for pool, tick in asked], header
    )
    values: dict[bytes, list[tuple[int, int, int]] | None] = {
        pool: None if found is None else [] for pool, found in ticks.items()
    }
    for (pool, tick), answer in zip(asked, answers, strict=True):
        rows = values[pool]
        if rows is None:
            continue
        try:
            gross, net = _words(answer, 2)[:2]
            rows.append((tick, _fits(gross, 128), _net_liquidity(net)))
        except DecodeError:
            values[pool] = None
    return {pool: None if rows is None else tuple(rows) for pool, rows in values.items()}


async def _check_still_there(reader: ChainReader, header: BlockHeader) -> None:
    if not reader.pins_by_hash and not await reader.is_canonical(header):
        raise HashMismatch(f"block {header.number} was replaced while it was read")


def _words(answer: bytes | None, least: int) -> list[int]:
    if answer is None or len(answer) < least * WORD:
        raise DecodeError(
            "bad_size", 0, "reverted" if answer is None else f"{len(answer)} bytes were answered"
        )
    return [_number(answer[start : start + WORD]) for start in range(0, len(answer), WORD)]


_TWO_256 = 1 << 256


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _signed(value: int) -> int:
    return value - _TWO_256 if value >> 255 else value


def _net_liquidity(value: int) -> int:
    net = _signed(value)
    if not -(1 << 127) <= net < 1 << 127:
        raise DecodeError("bad_value", WORD, f"{net} does not fit an int128")
    return net


def _fits(value: int, bits: int) -> int:
    if value >> bits:
        raise DecodeError("bad_value", 0, f"{value} does not fit {bits} bits")
    return value


def _int_word(value: int) -> bytes:
    return value.to_bytes(WORD, "big", signed=True)


def _shown(value: int) -> str:
    return hex(value) if value >> 64 else str(value)
