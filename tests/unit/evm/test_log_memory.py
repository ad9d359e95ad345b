"""LogMemory reads equal bytes once and other bytes anew."""

import json

import msgspec
import pytest

from alphapulse.errors import DecodeError
from alphapulse.evm.logs import LogMemory

LOG = {
    "address": "0x" + "11" * 20,
    "topics": ["0x" + "22" * 32],
    "data": "0x",
    "blockNumber": "0x10",
    "blockHash": "0x" + "33" * 32,
    "transactionHash": "0x" + "44" * 32,
    "transactionIndex": "0x1",
    "logIndex": "0x2",
    "removed": False,
}


def raw(**changes: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps({**LOG, **changes}).encode())


def test_equal_bytes_give_the_same_entry() -> None:
    memory = LogMemory(4)
    assert memory.read(raw()) is memory.read(raw())


def test_a_log_that_differs_is_read_anew() -> None:
    memory = LogMemory(4)
    assert memory.read(raw()).log_index == 2
    assert memory.read(raw(logIndex="0x3")).log_index == 3
    assert memory.read(raw(removed=True)).removed


def test_only_the_newest_are_remembered() -> None:
    memory = LogMemory(2)
    first = memory.read(raw())
    memory.read(raw(logIndex="0x3"))
    memory.read(raw(logIndex="0x4"))
    assert memory.read(raw()) is not first
    assert memory.read(raw()) == first


@pytest.mark.parametrize("bad", [b"[]", b'{"address": 1}', b"7"])
def test_what_is_no_log_is_refused(bad: bytes) -> None:
    with pytest.raises(DecodeError):
        LogMemory(2).read(msgspec.Raw(bad))
