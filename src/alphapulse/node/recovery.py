"""Settles what an earlier run left at the chain before anything new is decided.

A strategy that began while old transactions still wait would see their profit as free and send for it twice.
"""

import asyncio

import msgspec

from alphapulse.errors import OutcomeUnknown
from alphapulse.evm.rpc import JsonRpc
from alphapulse.execution.executor import FlashExecutor
from alphapulse.execution.nonce import NonceLedger, SlotState

__all__ = ["RECOVERY_TIMEOUT_S", "is_waiting", "settle_earlier"]

RECOVERY_TIMEOUT_S = 120.0  # some blocks of a slow chain for a cancellation to be included

_ON_THEIR_WAY = frozenset(
    {SlotState.RESERVED, SlotState.SIGNED, SlotState.PENDING, SlotState.DROPPED}
)


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    number: str
    base_fee_per_gas: str


def is_waiting(ledger: NonceLedger) -> bool:
    """Return whether a transaction of ours may still come into a block."""
    return any(slot.state in _ON_THEIR_WAY for slot in ledger.live())


async def settle_earlier(
    executor: FlashExecutor, ledger: NonceLedger, url: str, *, pause_s: float
) -> None:
    """Follow the chain until nothing of an earlier run waits any more.

    Raises  OutcomeUnknown when that takes too long; Unavailable when the node does not answer.
    """
    if not is_waiting(ledger):
        return
    rpc = await JsonRpc.connect(url)
    try:
        async with asyncio.timeout(RECOVERY_TIMEOUT_S):
            while is_waiting(ledger):
                head = await rpc.request(_Head, "eth_getBlockByNumber", "latest", False)
                await executor.on_block(int(head.number, 16), int(head.base_fee_per_gas, 16))
                await asyncio.sleep(pause_s)
    except TimeoutError:
        raise OutcomeUnknown(
            f"transactions of an earlier run are neither included nor cancelled after {RECOVERY_TIMEOUT_S:.0f} s; "
            "start again when the chain moves"
        ) from None
    finally:
        rpc.close()
