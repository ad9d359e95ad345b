"""Real traffic: mainnet logs as the collector would publish them, and exchange frames as they came.

Chain captures name blocks, not their hashes or the moment at which a node told them, so those two are made up:
a hash of the number, and some microseconds between messages, from a seed.
"""

import ast
import csv
import gzip
import hashlib
import random
from itertools import groupby
from pathlib import Path
from typing import Any

from alphapulse.collectors.evm.blocks import BlockHeader
from alphapulse.collectors.evm.config import EvmCollectorConfig, PoolConfig, TokenConfig
from alphapulse.collectors.evm.normaliser import Normaliser
from alphapulse.errors import DecodeError
from alphapulse.evm.logs import LogEntry, decode_log
from alphapulse.protocol.codec import encode
from alphapulse.protocol.message import Draft
from alphapulse.transport.sequence import Sequencer

__all__ = ["exchange_frames", "mainnet_messages"]

SHARED = Path(__file__).parents[3] / "shared/data"
LOGS = SHARED / "evm_logs/zelos-alpha__demeter-fetch/tests/samples"
EXCHANGES = SHARED / "cex_ws"
SEED = 7
FIRST_BLOCK = 18_937_382
FIRST_S = 1_704_412_823  # time of that block
BLOCK_S = 12
USDC = bytes.fromhex("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")
WETH = bytes.fromhex("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")
POOLS = {
    "88e6a0c2ddd26feeb64f039a2c41296fcb3f5640": (500, 10),
    "8ad599c3a0ff1de082011efddc58f1908eb6e6d8": (3000, 60),
}


def mainnet_messages() -> list[bytes]:
    """Return two pools of one pair over 617 mainnet blocks, each block closed; nothing without the captures."""
    if not LOGS.is_dir():
        return []
    rng, normaliser = random.Random(SEED), Normaliser(_config())
    sequencer = Sequencer(FIRST_S * 10**9)
    messages = []
    for block, rows in groupby(_rows(), key=lambda row: row[0]):
        header = _header(block)
        drafts: list[Draft] = []
        for _, tx_index, log_index, pool, row in rows:
            entry = _entry(header, (tx_index, log_index), pool, row)
            try:
                drafts.append(normaliser.log_draft(entry, decode_log(entry), header, 0))
            except DecodeError:  # an event that says nothing of a pool's state
                continue
        now_ns = header.timestamp_ns + rng.randrange(10**8, 10**9)
        for draft in (*drafts, normaliser.block_draft(header)):
            now_ns += rng.randrange(20_000, 200_000)
            messages.append(encode(sequencer.stamp(draft, now_ns)))
    return messages


def exchange_frames() -> list[tuple[bytes, int, str]]:
    """Return the frames of all captures, (payload, receive time in ns, connection), capture after capture."""
    if not EXCHANGES.is_dir():
        return []
    frames = []
    for path in sorted(EXCHANGES.glob("nkaz001__hftbacktest/examples/*/*.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            moment, _, payload = line.partition(b" ")
            frames.append((payload, int(moment), path.parent.name))
    for path in sorted(EXCHANGES.glob("bmoscon__cryptofeed/sample_data/*.ws.*")):
        for line in path.read_bytes().splitlines():
            head, _, payload = line.partition(b": ")
            if b" <- " in head and payload:
                moment_ns = int(float(head.split()[-1]) * 1e9)
                frames.append((payload, moment_ns, path.name.split(".")[0]))
    return frames


def _config() -> EvmCollectorConfig:
    return EvmCollectorConfig(
        name="capture",
        chain_id=1,
        rpc_ws="ws://nowhere",
        priority_fee_per_gas=1,
        pools=tuple(
            PoolConfig(
                address=bytes.fromhex(name),
                venue=301,
                kind="uniswap_v3",
                token0=USDC,
                token1=WETH,
                fee_pips=fee,
                tick_spacing=spacing,
            )
            for name, (fee, spacing) in POOLS.items()
        ),
        tokens=(
            TokenConfig(address=USDC, symbol="USDC", decimals=6),
            TokenConfig(address=WETH, symbol="WETH", decimals=18),
        ),
    )


def _header(block: int) -> BlockHeader:
    time_ns = (FIRST_S + BLOCK_S * (block - FIRST_BLOCK)) * 10**9
    values: dict[str, Any] = dict.fromkeys(BlockHeader.__dataclass_fields__, 0)
    values.update(
        number=block,
        block_hash=hashlib.sha256(b"%d" % block).digest(),
        parent_hash=bytes(32),
        timestamp_ns=time_ns,
        base_fee_per_gas=10**10,
    )
    return BlockHeader(**values)


def _rows() -> list[tuple[int, int, int, str, dict[str, str]]]:
    found = []
    for name in POOLS:
        path = next(LOGS.glob(f"ethereum-0x{name}-*.raw.csv"))
        for row in csv.DictReader(path.read_text().splitlines()):
            place = (int(row["block_number"]), int(row["transaction_index"]), int(row["log_index"]))
            found.append((*place, name, row))
    return sorted(found, key=lambda row: row[:3])


def _entry(header: BlockHeader, place: tuple[int, int], pool: str, row: dict[str, str]) -> LogEntry:
    topics = tuple(bytes.fromhex(topic[2:]) for topic in ast.literal_eval(row["topics"]))
    return LogEntry(
        bytes.fromhex(pool),
        topics,
        bytes.fromhex(row["data"][2:]),
        header.number,
        header.block_hash,
        bytes.fromhex(row["transaction_hash"][2:]),
        *place,
    )
