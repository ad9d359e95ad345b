"""A process killed at each step of a submission, and what the next one finds on disk."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alphapulse.execution.nonce import NonceLedger, SlotState
from alphapulse.execution.store import ExecutionStore
from support.execution_plans import SENDER, make_plan

CHILD = """
import os, signal, sys
from pathlib import Path
from alphapulse.evm.transaction import UnsignedTransaction
from alphapulse.execution.nonce import NonceLedger
from alphapulse.execution.store import ExecutionStore
from alphapulse.execution.wallet import Wallet
from alphapulse.primitives.secret import Secret
from support.execution_plans import CONTRACT, KEY, SENDER, make_plan

folder, last = Path(sys.argv[1]), sys.argv[2]

def reach(step):
    if step == last:
        os.kill(os.getpid(), signal.SIGKILL)

ledger = NonceLedger(ExecutionStore(folder / "x.sqlite"), 31337, SENDER, lock_directory=folder)
ledger.start(0, 0)
wallet = Wallet(Secret(KEY))
for number in (0, 1):
    nonce = ledger.reserve(1)
    if number:
        reach("reserved")
    transaction = UnsignedTransaction(31337, nonce, 1, 10, 21_000, CONTRACT, 0, b"")
    signed = wallet.sign(transaction)
    if number:
        reach("signature made")
    ledger.sign(nonce, transaction, signed, make_plan(signal_id=number + 1), 1)
    if number:
        reach("signed")
    ledger.pending(nonce, 1)
reach("pending")
"""


@pytest.mark.parametrize(
    ("last", "states"),
    [
        ("reserved", {0: SlotState.PENDING}),
        ("signature made", {0: SlotState.PENDING}),
        ("signed", {0: SlotState.PENDING, 1: SlotState.PENDING}),
        ("pending", {0: SlotState.PENDING, 1: SlotState.PENDING}),
    ],
)
def test_the_disk_knows_every_byte_that_may_have_been_sent(tmp_path, last, states):
    """Covers: S4, P7, P8. The lock ends with the process, the ledger does not."""
    root = Path(__file__).parents[2]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), last],
        env={"PYTHONPATH": f"{root / 'src'}:{root / 'tests'}"},
        timeout=60,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    store = ExecutionStore(tmp_path / "x.sqlite")
    ledger = NonceLedger(store, 31337, SENDER, lock_directory=tmp_path)
    assert {slot.nonce: slot.state for slot in ledger.live()} == states
    assert ledger.next_nonce == len(states)
    assert [slot.plan for slot in ledger.live()] == [
        make_plan(signal_id=nonce + 1) for nonce in states
    ]
    ledger.close()
    store.close()
