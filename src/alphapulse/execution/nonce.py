"""The nonce ledger: one owner, one slot per (chain, sender, nonce), written down before the action it records.

A slot may hold many signed candidates; at most one lands. No slot is ever reused for another nonce, and a slot whose
bytes may have left this process is never free again.
"""

import fcntl
import os
from enum import StrEnum, unique
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from alphapulse.errors import InvariantError, LimitExceeded, Misconfigured, NonceConflict
from alphapulse.evm.transaction import SignedTransaction, UnsignedTransaction
from alphapulse.execution.plan import Plan
from alphapulse.execution.store import ExecutionStore
from alphapulse.primitives.address import Address, Hash32, hex_of

__all__ = ["Candidate", "CandidateKind", "NonceLedger", "Slot", "SlotState"]

MAX_LIVE_SLOTS = 64  # nodes keep as many queued transactions per sender
MAX_CANDIDATES = 16  # fees rise by an eighth each: more than six times the first offer


@unique
class SlotState(StrEnum):
    """States of a slot; FREE and FINAL are terminal."""

    RESERVED = "reserved"
    SIGNED = "signed"
    PENDING = "pending"
    EXPIRED = "expired"
    DROPPED = "dropped"
    INCLUDED = "included"
    FINAL = "final"
    FREE = "free"


@unique
class CandidateKind(StrEnum):
    """What a signed transaction of a slot is for."""

    PLAN = "plan"
    CANCEL = "cancel"


_ALLOWED: dict[SlotState, frozenset[SlotState]] = {
    SlotState.RESERVED: frozenset({SlotState.SIGNED, SlotState.FREE, SlotState.EXPIRED}),
    SlotState.SIGNED: frozenset({SlotState.PENDING}),
    SlotState.PENDING: frozenset(
        {
            SlotState.SIGNED,
            SlotState.INCLUDED,
            SlotState.DROPPED,
            SlotState.EXPIRED,
            SlotState.FINAL,
        }
    ),
    SlotState.EXPIRED: frozenset({SlotState.SIGNED, SlotState.INCLUDED, SlotState.FINAL}),
    SlotState.DROPPED: frozenset(
        {SlotState.SIGNED, SlotState.PENDING, SlotState.INCLUDED, SlotState.FINAL}
    ),
    SlotState.INCLUDED: frozenset({SlotState.FINAL, SlotState.PENDING}),
    SlotState.FINAL: frozenset(),
    SlotState.FREE: frozenset({SlotState.RESERVED}),
}
_TERMINAL = frozenset({SlotState.FINAL, SlotState.FREE})


class Candidate(msgspec.Struct, frozen=True):
    """A signed transaction of a slot; its text form shows no bytes that could be sent."""

    attempt: int
    kind: CandidateKind
    hash: Hash32
    raw: bytes
    plan: Plan | None
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    gas_limit: int

    def __repr__(self) -> str:
        return f"Candidate({self.kind}, attempt={self.attempt}, hash={hex_of(self.hash)})"


class Slot(msgspec.Struct, frozen=True):
    """What is known of one nonce. `since_block` is when it entered its state; `told` names the last result published."""

    nonce: int
    state: SlotState
    since_block: int
    candidates: tuple[Candidate, ...] = ()
    included_hash: Hash32 | None = None
    included_block: int = 0
    included_block_hash: Hash32 | None = None
    told: str = ""

    @property
    def plan(self) -> Plan | None:
        """The plan that holds this slot: the newest one signed for it."""
        for candidate in reversed(self.candidates):
            if candidate.plan is not None:
                return candidate.plan
        return None

    def candidate(self, tx_hash: bytes) -> Candidate:
        """Return the candidate with this hash."""
        for candidate in self.candidates:
            if candidate.hash == tx_hash:
                return candidate
        raise InvariantError(f"nonce {self.nonce} has no candidate {hex_of(tx_hash)}")


class NonceLedger:
    """Slots of one sender on one chain. Opening takes a lock that a second node cannot take."""

    __slots__ = (
        "_chain_nonce",
        "_foreign",
        "_lock",
        "_next",
        "_pool_nonce",
        "_slots",
        "_store",
        "_waiting",
        "chain_id",
        "sender",
    )

    def __init__(
        self, store: ExecutionStore, chain_id: int, sender: Address, *, lock_directory: Path
    ) -> None:
        self._store = store
        self.chain_id = chain_id
        self.sender = sender
        self._lock = _lock(lock_directory, chain_id, sender)
        self._slots: dict[int, Slot] = {}  # ascending: a new nonce is above all others
        self._waiting: dict[int, Slot] = {}  # those of them that no block holds
        self._chain_nonce = 0
        self._pool_nonce = 0
        self._foreign: int | None = None
        self._next = 0
        self._load()

    @property
    def next_nonce(self) -> int:
        """The nonce that comes after every slot."""
        return self._next

    def start(self, latest: int, pending: int) -> None:
        """Take the chain's view of the sender's next nonce, by included and by waiting transactions.

        Raises  NonceConflict when the chain has undone what this ledger holds as final: another chain, or a node
                that lags too far behind.
        """
        settled = self._settled()
        if latest < settled:
            raise NonceConflict(
                f"`{hex_of(self.sender)}` has {settled} final transactions in `{self._store.path}`, the chain "
                f"says {latest}: wait for the node to catch up, or use another data directory for another chain"
            )
        self._chain_nonce = latest
        self._pool_nonce = max(latest, pending)
        self._next = max(self._next, self._pool_nonce)

    def observe(self, latest: int) -> None:
        """Take the number of the sender's included transactions; a lagging node cannot move it back.

        A nonce beyond every slot means that somebody else signs with this key: no more reservations.
        """
        if latest > self._next:
            self._foreign = latest - 1
        self._chain_nonce = max(self._chain_nonce, latest)
        self._next = max(self._next, self._chain_nonce)

    def reserve(self, block: int) -> int:
        """Return a nonce of which no transaction is waiting: the lowest one to be filled again, else a new one.

        Raises  NonceConflict when a nonce below a live slot is missing, or the key is used elsewhere; LimitExceeded
                when too many are live.
        """
        if self._foreign is not None:
            raise NonceConflict(
                f"nonce {self._foreign} of `{hex_of(self.sender)}` was used by a transaction that is not ours: "
                "find out who else holds the key, then restart"
            )
        missing = self.missing()
        if missing:
            raise NonceConflict(
                f"nonce {missing[0]} of `{hex_of(self.sender)}` is missing below a live one: fill it or wait"
            )
        expired = [
            slot.nonce
            for slot in self._waiting.values()
            if slot.state is SlotState.EXPIRED and len(slot.candidates) < MAX_CANDIDATES
        ]
        if expired:
            return min(expired)
        if len(self._waiting) >= MAX_LIVE_SLOTS:
            raise LimitExceeded(
                f"{len(self._waiting)} nonces are waiting, at most {MAX_LIVE_SLOTS}"
            )
        nonce = self._next
        self._write(Slot(nonce, SlotState.RESERVED, block), durable=False)
        self._next = nonce + 1
        return nonce

    def free(self, nonce: int) -> None:
        """Give a nonce back that nothing was signed for.

        Raises  NonceConflict when it is not the highest: it must be filled or cancelled then.
        """
        slot = self._slots[nonce]
        if slot.state is SlotState.EXPIRED:
            return
        if nonce != self._next - 1:
            raise NonceConflict(f"nonce {nonce} is below a live one and cannot be freed")
        self._move(slot, SlotState.FREE, durable=False)
        self._next = nonce

    def sign(
        self,
        nonce: int,
        transaction: UnsignedTransaction,
        signed: SignedTransaction,
        plan: Plan | None,
        block: int,
    ) -> Candidate:
        """Put a candidate's bytes on disk, before anyone may send them."""
        slot = self._slots[nonce]
        if signed.sender != self.sender or transaction.nonce != nonce:
            raise InvariantError(f"a candidate of nonce {nonce} has another sender or nonce")
        if len(slot.candidates) >= MAX_CANDIDATES:
            raise LimitExceeded(f"nonce {nonce} has {MAX_CANDIDATES} candidates already")
        candidate = Candidate(
            attempt=len(slot.candidates) + 1,
            kind=CandidateKind.CANCEL if plan is None else CandidateKind.PLAN,
            hash=signed.hash,
            raw=signed.raw,
            plan=plan,
            max_fee_per_gas=transaction.max_fee_per_gas,
            max_priority_fee_per_gas=transaction.max_priority_fee_per_gas,
            gas_limit=transaction.gas_limit,
        )
        told = slot.told if plan is None else ""
        self._move(
            slot,
            SlotState.SIGNED,
            durable=True,
            candidate=candidate,
            since_block=block,
            told=told,
            candidates=(*slot.candidates, candidate),
        )
        return candidate

    def pending(self, nonce: int, block: int) -> None:
        """Record that an endpoint was given a candidate, or that a slot waits again."""
        slot = self._slots[nonce]
        if slot.state is not SlotState.PENDING:
            self._move(
                slot,
                SlotState.PENDING,
                durable=False,
                since_block=block,
                included_hash=None,
                included_block=0,
                included_block_hash=None,
            )

    def expired(self, nonce: int, block: int) -> None:
        """Record that every candidate was refused: the slot must be filled again."""
        self._move(self._slots[nonce], SlotState.EXPIRED, durable=False, since_block=block)

    def dropped(self, nonce: int, block: int) -> None:
        """Record that the node knows no candidate and the nonce has not moved."""
        self._move(self._slots[nonce], SlotState.DROPPED, durable=False, since_block=block)

    def included(self, nonce: int, tx_hash: Hash32, block: int, block_hash: Hash32) -> None:
        """Record that a candidate has a receipt in a block."""
        slot = self._slots[nonce]
        slot.candidate(tx_hash)
        self._move(
            slot,
            SlotState.INCLUDED,
            durable=False,
            since_block=block,
            included_hash=tx_hash,
            included_block=block,
            included_block_hash=block_hash,
        )
        self._chain_nonce = max(self._chain_nonce, nonce + 1)

    def final(self, nonce: int) -> None:
        """Record that the block of a slot is final."""
        self._move(self._slots[nonce], SlotState.FINAL, durable=False)

    def foreign(self, nonce: int) -> None:
        """Record that a transaction of somebody else took this nonce; no more reservations after that."""
        self._move(self._slots[nonce], SlotState.FINAL, durable=False)
        self._foreign = nonce

    def told(self, nonce: int, what: str) -> None:
        """Record which result was published for a slot, so that a restart does not say it twice."""
        self._write(msgspec.structs.replace(self._slots[nonce], told=what), durable=False)

    def slot(self, nonce: int) -> Slot:
        """Return a live slot."""
        return self._slots[nonce]

    def live(self) -> tuple[Slot, ...]:
        """Return the slots that are neither free nor final, by nonce."""
        return tuple(self._slots.values())

    def committed_wei(self) -> int:
        """Return what the waiting slots may cost at most, each by its dearest candidate."""
        return sum(
            max((item.gas_limit * item.max_fee_per_gas for item in slot.candidates), default=0)
            for slot in self._waiting.values()
        )

    def missing(self) -> tuple[int, ...]:
        """Return the nonces between the chain's next one and ours that no slot holds."""
        return tuple(
            nonce
            for nonce in range(max(self._chain_nonce, self._pool_nonce), self._next)
            if nonce not in self._slots
        )

    def close(self) -> None:
        """Give up the lock."""
        self._lock.close()

    def __repr__(self) -> str:
        return f"NonceLedger({self.chain_id}, {hex_of(self.sender)}, next={self._next})"

    def _settled(self) -> int:
        rows = self._store.rows(
            "SELECT max(nonce) FROM slots WHERE chain_id = ? AND sender = ? AND state = ?",
            str(self.chain_id),
            self.sender,
            SlotState.FINAL.value,
        )
        highest = rows[0][0]
        return highest + 1 if isinstance(highest, int) else 0

    def _load(self) -> None:
        rows = self._store.rows(
            "SELECT nonce, state, since_block, included_hash, included_block, included_block_hash, told "
            "FROM slots WHERE chain_id = ? AND sender = ? AND state NOT IN ('final', 'free') ORDER BY nonce",
            str(self.chain_id),
            self.sender,
        )
        for row in rows:
            slot = msgspec.convert(
                dict(zip(_SLOT_COLUMNS, row, strict=True)), type=Slot, strict=False
            )
            slot = msgspec.structs.replace(slot, candidates=self._load_candidates(slot.nonce))
            self._keep(slot)
        self._next = max(self._settled(), 0, *(nonce + 1 for nonce in self._slots))
        for slot in reversed(self.live()):
            if slot.state is SlotState.SIGNED:
                self.pending(slot.nonce, slot.since_block)
            elif slot.state is SlotState.RESERVED and slot.nonce == self._next - 1:
                self.free(slot.nonce)
            elif slot.state is SlotState.RESERVED:
                self.expired(slot.nonce, slot.since_block)

    def _load_candidates(self, nonce: int) -> tuple[Candidate, ...]:
        rows = self._store.rows(
            "SELECT attempt, kind, hash, raw, plan, max_fee_per_gas, max_priority_fee_per_gas, gas_limit "
            "FROM candidates WHERE chain_id = ? AND sender = ? AND nonce = ? ORDER BY attempt",
            str(self.chain_id),
            self.sender,
            nonce,
        )
        return tuple(_candidate(row) for row in rows)

    def _move(
        self,
        slot: Slot,
        state: SlotState,
        *,
        durable: bool,
        candidate: Candidate | None = None,
        **changes: object,
    ) -> None:
        if state not in _ALLOWED[slot.state]:
            raise InvariantError(f"nonce {slot.nonce} cannot go from {slot.state} to {state}")
        moved = msgspec.structs.replace(slot, state=state, **changes)
        self._write(moved, durable=durable, candidate=candidate)

    def _write(self, slot: Slot, *, durable: bool, candidate: Candidate | None = None) -> None:
        key = (str(self.chain_id), self.sender, slot.nonce)
        with self._store.commit(durable=durable) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO slots (chain_id, sender, nonce, state, since_block, included_hash, "
                "included_block, included_block_hash, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *key,
                    slot.state.value,
                    slot.since_block,
                    slot.included_hash,
                    slot.included_block,
                    slot.included_block_hash,
                    slot.told,
                ),
            )
            if candidate is not None:
                connection.execute(
                    "INSERT INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *key,
                        candidate.attempt,
                        candidate.kind.value,
                        candidate.hash,
                        candidate.raw,
                        candidate.plan.canonical() if candidate.plan is not None else None,
                        str(candidate.max_fee_per_gas),
                        str(candidate.max_priority_fee_per_gas),
                        candidate.gas_limit,
                    ),
                )
        self._keep(slot)

    def _keep(self, slot: Slot) -> None:
        if slot.state in _TERMINAL:
            self._slots.pop(slot.nonce, None)
            self._waiting.pop(slot.nonce, None)
            return
        self._slots[slot.nonce] = slot
        if slot.state is SlotState.INCLUDED:
            self._waiting.pop(slot.nonce, None)
        else:
            self._waiting[slot.nonce] = slot


_SLOT_COLUMNS = (
    "nonce",
    "state",
    "since_block",
    "included_hash",
    "included_block",
    "included_block_hash",
    "told",
)


def _candidate(row: tuple[object, ...]) -> Candidate:
    attempt, kind, tx_hash, raw, plan, max_fee, tip, gas_limit = row
    return Candidate(
        attempt=cast(int, attempt),
        kind=CandidateKind(cast(str, kind)),
        hash=Hash32(cast(bytes, tx_hash)),
        raw=cast(bytes, raw),
        plan=Plan.from_canonical(plan) if isinstance(plan, bytes) else None,
        max_fee_per_gas=int(cast(str, max_fee)),
        max_priority_fee_per_gas=int(cast(str, tip)),
        gas_limit=cast(int, gas_limit),
    )


def _lock(directory: Path, chain_id: int, sender: bytes) -> BinaryIO:
    path = directory / f"{chain_id}-{sender.hex()}.lock"
    try:
        file = path.open("a+b")
    except OSError as error:
        raise Misconfigured(
            f"lock `{path}` cannot be opened: {error.strerror}; check the lock directory"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read(20).decode("ascii", "replace").strip()
        file.close()
        raise Misconfigured(
            f"account `{hex_of(sender)}` on chain {chain_id} is in use by process {holder} (lock `{path}`); "
            "stop it first: two nodes must not share a key"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()).encode("ascii"))
    file.flush()
    return file
