"""Event logs of Uniswap V2 pairs and V3 pools, from JSON to typed values, and the bloom filter that announces them.

Knows topics, layouts and widths. Must not know which pools exist or what a log means for a price. The collector calls it
for every log; fields are cut from the data directly, without a general ABI decoder.
"""

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from alphapulse.errors import DecodeError
from alphapulse.evm.hashing import keccak256
from alphapulse.primitives.address import Address, Hash32

__all__ = [
    "MAX_TICK",
    "POOL_TOPICS",
    "TOPIC_V2_BURN",
    "TOPIC_V2_MINT",
    "TOPIC_V2_SWAP",
    "TOPIC_V2_SYNC",
    "TOPIC_V3_BURN",
    "TOPIC_V3_INITIALIZE",
    "TOPIC_V3_MINT",
    "TOPIC_V3_SWAP",
    "V2_TOPICS",
    "V3_TOPICS",
    "LogEntry",
    "LogJson",
    "LogMemory",
    "PoolLog",
    "V2Burn",
    "V2Mint",
    "V2Swap",
    "V2Sync",
    "V3Burn",
    "V3Initialize",
    "V3Mint",
    "V3Swap",
    "bloom_mask",
    "decode_log",
    "hex_bytes",
    "hex_int",
    "log_entry",
]

MAX_TICK = 887272  # V3 whitepaper: 1.0001**887272 is the largest price below 2**128
WORD = 32
BLOOM_BITS = 2048


def _topic(signature: str) -> Hash32:
    return Hash32(keccak256(signature.encode("ascii")))


TOPIC_V2_SYNC = _topic("Sync(uint112,uint112)")
TOPIC_V2_SWAP = _topic("Swap(address,uint256,uint256,uint256,uint256,address)")
TOPIC_V2_MINT = _topic("Mint(address,uint256,uint256)")
TOPIC_V2_BURN = _topic("Burn(address,uint256,uint256,address)")
TOPIC_V3_INITIALIZE = _topic("Initialize(uint160,int24)")
TOPIC_V3_SWAP = _topic("Swap(address,address,int256,int256,uint160,uint128,int24)")
TOPIC_V3_MINT = _topic("Mint(address,address,int24,int24,uint128,uint256,uint256)")
TOPIC_V3_BURN = _topic("Burn(address,int24,int24,uint128,uint256,uint256)")

V2_TOPICS = (TOPIC_V2_SYNC, TOPIC_V2_SWAP, TOPIC_V2_MINT, TOPIC_V2_BURN)
V3_TOPICS = (TOPIC_V3_INITIALIZE, TOPIC_V3_SWAP, TOPIC_V3_MINT, TOPIC_V3_BURN)
POOL_TOPICS = V2_TOPICS + V3_TOPICS


class LogJson(msgspec.Struct, frozen=True, rename="camel"):
    """A log as a node writes it; fields of a pending log are null and refused by `log_entry`."""

    address: str
    topics: tuple[str, ...]
    data: str
    block_number: str | None = None
    block_hash: str | None = None
    transaction_hash: str | None = None
    transaction_index: str | None = None
    log_index: str | None = None
    removed: bool = False


class LogEntry(msgspec.Struct, frozen=True):
    """One log in bytes and integers; its identity is (block_hash, tx_hash, log_index)."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: Hash32
    tx_hash: Hash32
    tx_index: int
    log_index: int
    removed: bool = False

    @property
    def identity(self) -> tuple[bytes, bytes, int]:
        """Return what makes two deliveries the same log."""
        return (self.block_hash, self.tx_hash, self.log_index)

    @property
    def position(self) -> tuple[int, int, int]:
        """Return the place of the log in the chain."""
        return (self.block, self.tx_index, self.log_index)


@dataclass(frozen=True, slots=True)
class V2Sync:
    """The reserves of a pair after a change."""

    reserve0: int
    reserve1: int


@dataclass(frozen=True, slots=True)
class V2Swap:
    """What a pair received and paid."""

    sender: Address
    recipient: Address
    amount0_in: int
    amount1_in: int
    amount0_out: int
    amount1_out: int


@dataclass(frozen=True, slots=True)
class V2Mint:
    """Liquidity added to a pair."""

    sender: Address
    amount0: int
    amount1: int


@dataclass(frozen=True, slots=True)
class V2Burn:
    """Liquidity taken from a pair."""

    sender: Address
    recipient: Address
    amount0: int
    amount1: int


@dataclass(frozen=True, slots=True)
class V3Initialize:
    """The first price of a pool."""

    sqrt_price_x96: int
    tick: int


@dataclass(frozen=True, slots=True)
class V3Swap:
    """The pool's balance changes (positive: received) and its state after the swap."""

    sender: Address
    recipient: Address
    amount0: int
    amount1: int
    sqrt_price_x96: int
    liquidity: int
    tick: int


@dataclass(frozen=True, slots=True)
class V3Mint:
    """Liquidity added to a range."""

    owner: Address
    tick_lower: int
    tick_upper: int
    liquidity: int
    amount0: int
    amount1: int


@dataclass(frozen=True, slots=True)
class V3Burn:
    """Liquidity taken from a range; zero when the owner only collects fees."""

    owner: Address
    tick_lower: int
    tick_upper: int
    liquidity: int
    amount0: int
    amount1: int


PoolLog: TypeAlias = V2Sync | V2Swap | V2Mint | V2Burn | V3Initialize | V3Swap | V3Mint | V3Burn

_LAYOUT: dict[bytes, tuple[int, int]] = {
    TOPIC_V2_SYNC: (1, 2),
    TOPIC_V2_SWAP: (3, 4),
    TOPIC_V2_MINT: (2, 2),
    TOPIC_V2_BURN: (3, 2),
    TOPIC_V3_INITIALIZE: (1, 2),
    TOPIC_V3_SWAP: (3, 5),
    TOPIC_V3_MINT: (4, 4),
    TOPIC_V3_BURN: (4, 3),
}
"""Number of topics and of data words by first topic."""


_LOG_JSON = msgspec.json.Decoder(LogJson)


def hex_bytes(text: str | None, size: int | None = None) -> bytes:
    """Return the bytes of 0x-hex.

    Raises  DecodeError(bad_hex) when it is missing, not 0x-hex, or not `size` bytes long.
    """
    if text is None or text[:2] != "0x":
        raise DecodeError("bad_hex", 0, f"0x-hex expected, was `{_shown(text)}`")
    try:
        raw = bytes.fromhex(text[2:])
    except ValueError:
        raise DecodeError("bad_hex", 0, f"not hex: `{_shown(text)}`") from None
    if 2 * len(raw) != len(text) - 2 or (size is not None and len(raw) != size):
        raise DecodeError("bad_hex", 0, f"{size} bytes expected, was `{_shown(text)}`")
    return raw


def hex_int(text: str | None, bits: int = 64) -> int:
    """Return the unsigned integer of a 0x-hex quantity.

    Raises  DecodeError(bad_hex) when it is missing, not 0x-hex, or wider than `bits`.
    """
    if text is None or text[:2] != "0x" or not 3 <= len(text) <= 2 + bits:
        raise DecodeError("bad_hex", 0, f"a 0x-hex quantity expected, was `{_shown(text)}`")
    try:
        value = int(text[2:], 16)
    except ValueError:
        raise DecodeError("bad_hex", 0, f"not a quantity: `{_shown(text)}`") from None
    if not 0 <= value < 1 << bits or not text[2:].isalnum():
        raise DecodeError("bad_hex", 0, f"not a quantity of {bits} bits: `{_shown(text)}`")
    return value


def log_entry(raw: LogJson) -> LogEntry:
    """Return a node's log in bytes and integers.

    Raises  DecodeError(bad_hex) for a pending log (null fields) or malformed hex.
    """
    if len(raw.topics) > 4:
        raise DecodeError("bad_log", 0, f"a log has at most 4 topics, was {len(raw.topics)}")
    return LogEntry(
        address=Address(hex_bytes(raw.address, 20)),
        topics=tuple(hex_bytes(topic, WORD) for topic in raw.topics),
        data=hex_bytes(raw.data),
        block=hex_int(raw.block_number),
        block_hash=Hash32(hex_bytes(raw.block_hash, WORD)),
        tx_hash=Hash32(hex_bytes(raw.transaction_hash, WORD)),
        tx_index=hex_int(raw.transaction_index, 32),
        log_index=hex_int(raw.log_index, 32),
        removed=raw.removed,
    )


class LogMemory:
    """Reads logs from JSON and remembers the newest: each comes twice, streamed and in the answer for its block.

    What is remembered is keyed by the log's own JSON bytes, so a log that differs in anything is read anew.
    """

    __slots__ = ("_capacity", "_entries")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: dict[bytes, LogEntry] = {}

    def read(self, raw: msgspec.Raw) -> LogEntry:
        """Return a log in bytes and integers.

        Raises  DecodeError(bad_log) when it is not a log object, and as `log_entry`.
        """
        key = bytes(raw)
        known = self._entries.get(key)
        if known is not None:
            return known
        try:
            entry = log_entry(_LOG_JSON.decode(key))
        except msgspec.MsgspecError as error:
            raise DecodeError("bad_log", 0, f"not a log: {error}") from error
        self._entries[key] = entry
        if len(self._entries) > self._capacity:
            del self._entries[next(iter(self._entries))]
        return entry


def decode_log(entry: LogEntry) -> PoolLog:
    """Return the typed event of a pool's log.

    Units   amounts and reserves in smallest units; sqrt_price_x96 is Q64.96.
    Range   reserves < 2**112, liquidity < 2**128, sqrt_price_x96 < 2**160, |tick| <= MAX_TICK; amounts as emitted.
    Raises  DecodeError: bad_topic (no pool event), bad_size (topics or data of another length), bad_value (too wide).
    Source  event declarations of the deployed v2-core and v3-core contracts; checked on recorded mainnet logs.
    """
    topics, data = entry.topics, entry.data
    layout = _LAYOUT.get(topics[0]) if topics else None
    if layout is None:
        raise DecodeError("bad_topic", 0, "not an event of a V2 pair or V3 pool")
    if len(topics) != layout[0]:
        raise DecodeError("bad_size", 0, f"{layout[0]} topics expected, were {len(topics)}")
    if len(data) != layout[1] * WORD:
        raise DecodeError(
            "bad_size", len(data), f"{layout[1] * WORD} data bytes expected, were {len(data)}"
        )
    return _decode_v2(topics, data) if topics[0] in V2_TOPICS else _decode_v3(topics, data)


def _decode_v2(topics: tuple[bytes, ...], data: bytes) -> PoolLog:
    kind = topics[0]
    if kind == TOPIC_V2_SYNC:
        return V2Sync(_uint(data, 0, 112), _uint(data, 1, 112))
    if kind == TOPIC_V2_SWAP:
        return V2Swap(
            _address(topics[1]),
            _address(topics[2]),
            _uint(data, 0, 256),
            _uint(data, 1, 256),
            _uint(data, 2, 256),
            _uint(data, 3, 256),
        )
    if kind == TOPIC_V2_MINT:
        return V2Mint(_address(topics[1]), _uint(data, 0, 256), _uint(data, 1, 256))
    return V2Burn(
        _address(topics[1]), _address(topics[2]), _uint(data, 0, 256), _uint(data, 1, 256)
    )


def _decode_v3(topics: tuple[bytes, ...], data: bytes) -> PoolLog:
    kind = topics[0]
    if kind == TOPIC_V3_SWAP:
        return V3Swap(
            _address(topics[1]),
            _address(topics[2]),
            int.from_bytes(data[0:32], "big", signed=True),
            int.from_bytes(data[32:64], "big", signed=True),
            _uint(data, 2, 160),
            _uint(data, 3, 128),
            _tick(data[128:160], 128),
        )
    if kind == TOPIC_V3_INITIALIZE:
        return V3Initialize(_uint(data, 0, 160), _tick(data[32:64], 32))
    first = (
        1 if kind == TOPIC_V3_MINT else 0
    )  # Mint carries its unindexed sender before the amounts
    if first:
        _address(data[:WORD])
    owner, lower, upper = _address(topics[1]), _tick(topics[2], 0), _tick(topics[3], 0)
    if lower >= upper:
        raise DecodeError("bad_value", 0, f"tick_lower {lower} must be below tick_upper {upper}")
    made = V3Mint if first else V3Burn
    return made(
        owner,
        lower,
        upper,
        _uint(data, first, 128),
        _uint(data, first + 1, 256),
        _uint(data, first + 2, 256),
    )


def bloom_mask(item: bytes) -> int:
    """Return the three bits that an address or topic sets in a block's logs bloom, as a big-endian integer.

    Units   bits of a 2048-bit filter.
    Range   any bytes.
    Raises  nothing.
    Source  Ethereum yellow paper, section 4.3.1 (M3:2048).
    """
    digest = keccak256(item)
    mask = 0
    for start in (0, 2, 4):
        mask |= 1 << (int.from_bytes(digest[start : start + 2], "big") % BLOOM_BITS)
    return mask


def _uint(data: bytes, word: int, bits: int) -> int:
    start = word * WORD
    value = int.from_bytes(data[start : start + WORD], "big")
    if value >> bits:
        raise DecodeError("bad_value", start, f"a uint{bits} expected, was {value}")
    return value


def _tick(word: bytes, offset: int) -> int:
    value = int.from_bytes(word, "big", signed=True)
    if not -MAX_TICK <= value <= MAX_TICK:
        raise DecodeError("bad_value", offset, f"a tick is within {MAX_TICK} of 0, was {value}")
    return value


def _address(word: bytes) -> Address:
    if any(word[:12]):
        raise DecodeError("bad_value", 0, f"an address has 20 bytes, was `{word.hex()}`")
    return Address(word[12:])


def _shown(text: str | None) -> str:
    return "null" if text is None else text[:80]
