import random

import pytest

from alphapulse.errors import InvariantError, LimitExceeded, Misconfigured, NonceConflict
from alphapulse.evm.transaction import UnsignedTransaction
from alphapulse.execution.nonce import MAX_LIVE_SLOTS, NonceLedger, SlotState
from alphapulse.execution.store import ExecutionStore
from alphapulse.primitives.address import Hash32
from support.execution_plans import CONTRACT, SENDER, make_plan

BLOCK_HASH = Hash32(b"\x99" * 32)


class Run:
    """One process: an open store and its ledger."""

    def __init__(self, path, wallet):
        self.path, self.wallet = path, wallet
        self.store = ExecutionStore(path)
        self.ledger = NonceLedger(self.store, 31337, SENDER, lock_directory=path.parent)

    def sign(self, nonce, plan=None, fee=10**9):
        transaction = UnsignedTransaction(31337, nonce, 1, fee, 21_000, CONTRACT, 0, b"")
        signed = self.wallet.sign(transaction)
        return self.ledger.sign(nonce, transaction, signed, plan, 1)

    def states(self):
        return {slot.nonce: slot.state for slot in self.ledger.live()}

    def die(self):
        self.ledger.close()
        self.store.close()


@pytest.fixture
def run(store_path, wallet):
    runs = []

    def start() -> Run:
        runs.append(Run(store_path, wallet))
        return runs[-1]

    yield start
    for one in runs:
        one.die()


def test_it_starts_from_the_highest_of_ledger_latest_and_pending(run):
    """Covers: S6."""
    first = run()
    first.ledger.start(7, 9)
    assert first.ledger.reserve(1) == 9
    first.sign(9, make_plan())
    first.ledger.start(7, 7)
    assert first.ledger.next_nonce == 10
    first.ledger.observe(3)
    assert first.ledger.next_nonce == 10


def test_bytes_on_disk_count_as_sent_after_a_restart(run):
    """Covers: S4."""
    first = run()
    nonce = first.ledger.reserve(1)
    plan = make_plan()
    candidate = first.sign(nonce, plan)
    assert first.states() == {0: SlotState.SIGNED}
    first.die()
    second = run()
    assert second.states() == {0: SlotState.PENDING}
    assert second.ledger.slot(0).candidates == (candidate,)
    assert second.ledger.slot(0).plan == plan
    assert second.ledger.next_nonce == 1


def test_an_unsigned_reservation_ends_with_the_process(run):
    first = run()
    first.ledger.reserve(1)
    first.ledger.reserve(1)
    first.sign(0, make_plan())
    first.die()
    second = run()
    assert second.states() == {0: SlotState.PENDING}
    assert second.ledger.reserve(1) == 1


def test_a_lower_reservation_is_filled_again_after_a_restart(run):
    first = run()
    first.ledger.reserve(1)
    first.ledger.reserve(1)
    first.sign(1, make_plan())
    first.die()
    second = run()
    assert second.states() == {0: SlotState.EXPIRED, 1: SlotState.PENDING}
    assert second.ledger.reserve(1) == 0


def test_only_the_highest_unsigned_slot_can_be_freed(run):
    ledger = run().ledger
    ledger.reserve(1)
    ledger.reserve(1)
    with pytest.raises(NonceConflict, match="below a live one"):
        ledger.free(0)
    ledger.free(1)
    ledger.free(0)
    assert ledger.live() == ()
    assert ledger.reserve(1) == 0


def test_signed_bytes_never_free_a_nonce(run):
    one = run()
    one.ledger.reserve(1)
    one.sign(0, make_plan())
    with pytest.raises(InvariantError):
        one.ledger.free(0)
    one.ledger.pending(0, 1)
    with pytest.raises(InvariantError):
        one.ledger.free(0)


def test_a_gap_below_stops_reservations(run):
    """A transaction that waited below ours when we started, and that the node has lost since."""
    first = run()
    first.ledger.start(5, 6)
    assert first.ledger.reserve(1) == 6
    first.sign(6, make_plan())
    first.die()
    ledger = run().ledger
    ledger.start(5, 5)
    assert ledger.missing() == (5,)
    with pytest.raises(NonceConflict, match="nonce 5"):
        ledger.reserve(1)
    ledger.observe(6)
    assert ledger.reserve(1) == 7


def test_a_nonce_used_by_somebody_else_stops_reservations(run):
    """Covers: P7."""
    ledger = run().ledger
    ledger.start(0, 0)
    assert ledger.reserve(1) == 0
    ledger.observe(1)
    ledger.observe(3)
    with pytest.raises(NonceConflict, match="not ours"):
        ledger.reserve(1)


def test_another_chain_under_the_same_ledger_is_refused(run):
    one = run()
    one.ledger.reserve(1)
    candidate = one.sign(0, make_plan())
    one.ledger.pending(0, 1)
    one.ledger.included(0, candidate.hash, 2, BLOCK_HASH)
    one.ledger.final(0)
    with pytest.raises(NonceConflict, match="data directory"):
        one.ledger.start(0, 0)
    one.ledger.start(1, 1)
    assert one.ledger.reserve(3) == 1


def test_two_nodes_cannot_share_a_key(run, store_path, wallet):
    """Covers: P7."""
    first = run()
    other = ExecutionStore(store_path.with_name("other.sqlite"))
    with pytest.raises(Misconfigured, match="in use by process"):
        NonceLedger(other, 31337, SENDER, lock_directory=store_path.parent)
    NonceLedger(other, 1, SENDER, lock_directory=store_path.parent).close()
    first.die()
    NonceLedger(other, 31337, SENDER, lock_directory=store_path.parent).close()
    other.close()


def test_the_number_of_waiting_nonces_is_bounded(run):
    one = run()
    for nonce in range(MAX_LIVE_SLOTS):
        assert one.ledger.reserve(1) == nonce
    with pytest.raises(LimitExceeded):
        one.ledger.reserve(1)


def test_an_orphaned_inclusion_waits_again(run):
    one = run()
    one.ledger.reserve(1)
    candidate = one.sign(0, make_plan())
    one.ledger.pending(0, 1)
    one.ledger.included(0, candidate.hash, 2, BLOCK_HASH)
    one.ledger.pending(0, 3)
    assert one.states() == {0: SlotState.PENDING}
    assert one.ledger.slot(0).included_hash is None
    with pytest.raises(InvariantError):
        one.ledger.included(0, Hash32(bytes(32)), 2, BLOCK_HASH)


def test_no_nonce_is_signed_for_twice_by_two_plans_that_could_both_be_sent(run):
    """A random walk over the ledger with restarts: every reservation is new, or of a slot whose bytes were refused."""
    seed = 8_877
    print(f"seed {seed}")
    draw = random.Random(seed)
    one = run()
    one.ledger.start(0, 0)
    refused: set[int] = set()
    signed: set[int] = set()
    chain = 0
    for step in range(150):
        action = draw.randrange(6)
        live = [slot for slot in one.ledger.live() if slot.state is SlotState.PENDING]
        if action <= 1:
            if len(one.ledger.live()) > 20:
                continue
            nonce = one.ledger.reserve(step)
            assert nonce not in signed or nonce in refused
            refused.discard(nonce)
            if draw.random() < 0.2:
                one.ledger.free(nonce) if nonce not in signed else refused.add(nonce)
                continue
            one.sign(nonce, make_plan(signal_id=step + 1), fee=10**9 + step)
            signed.add(nonce)
            one.ledger.pending(nonce, step)
        elif action == 2 and live:
            slot = draw.choice(live)
            one.ledger.expired(slot.nonce, step)
            refused.add(slot.nonce)
        elif action in (3, 4) and live and live[0].nonce == chain:
            slot = live[0]
            hit = draw.choice(slot.candidates).hash
            one.ledger.included(slot.nonce, hit, step, BLOCK_HASH)
            one.ledger.final(slot.nonce)
            chain += 1
        elif action == 5:
            before = (one.states(), one.ledger.next_nonce)
            one.die()
            one = run()
            one.ledger.start(chain, chain)
            assert (one.states(), one.ledger.next_nonce) == before
    assert signed
