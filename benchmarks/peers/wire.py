"""From a raw frame to a typed event as the collector does it, and frames to feed it."""

import json
from hashlib import sha256

import msgspec

from alphapulse.collectors.evm.fake_pools import log_of
from alphapulse.evm import rpc
from alphapulse.evm.logs import LogEntry, LogJson, PoolLog, V3Swap, decode_log, log_entry
from alphapulse.primitives.address import Address

SENDER = Address(bytes(range(1, 21)))
_LOG = msgspec.json.Decoder(LogJson)


def decoded(frame: bytes) -> tuple[LogEntry, PoolLog]:
    """Return the log in a subscription frame and the event in it: what the connection, the collector and the follower do in turn."""
    received = rpc._FRAMES.decode(frame)
    assert not isinstance(received, list)
    notification = rpc._NOTIFICATION.decode(received.params)
    entry = log_entry(_LOG.decode(notification.result))
    return entry, decode_log(entry)


def swap_frame(pool: bytes, swap: V3Swap, block: int, log_index: int = 3) -> bytes:
    """Return the frame in which a node tells of a swap."""
    topics, data = log_of(swap)
    log = {
        "address": "0x" + pool.hex(),
        "topics": ["0x" + topic.hex() for topic in topics],
        "data": "0x" + data.hex(),
        "blockHash": "0x" + sha256(b"block%d" % block).hexdigest(),
        "blockNumber": hex(block),
        "blockTimestamp": hex(1_700_000_000 + block),
        "transactionHash": "0x" + sha256(b"transaction%d" % block).hexdigest(),
        "transactionIndex": "0x1",
        "logIndex": hex(log_index),
        "removed": False,
    }
    body = {"subscription": "0x9cef478923ff08bf67fde6c64013158d", "result": log}
    message = {"jsonrpc": "2.0", "method": "eth_subscription", "params": body}
    return json.dumps(message).encode()
