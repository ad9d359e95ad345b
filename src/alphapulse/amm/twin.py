"""What a twin of the pool arithmetic offers; `kernel` holds the twins and chooses one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

from alphapulse.amm.contest import Terms, Walk
from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.pool_graph import Anchors, Change, Expected
from alphapulse.amm.pool_kinds import ConcentratedPool, PairPool, SingletonPool
from alphapulse.amm.sizing import Sizing
from alphapulse.amm.token_kinds import PlainStablePool, ReservePool, VaultPool, VaultStablePool

__all__ = ["CycleContest", "CycleGraph", "Kernel", "Sizings", "WireReader", "sizing_of"]

# Amounts, premium and gross profit of a sizing.
SizingParts = tuple[tuple[int, ...], int, int]


class PartsByPlace(Protocol):
    """Parts of sizings, by the place of the path."""

    def __len__(self) -> int:
        """Return how many paths there are."""
        ...

    def __getitem__(self, index: int, /) -> SizingParts | None:
        """Return the parts of one path's sizing."""
        ...


class CycleContest(Protocol):
    """The cycles of one question; `amm.contest.Contest` says what each answer means."""

    @property
    def sums(self) -> int:
        """Return how many sums were made to find the cycles."""
        ...

    @property
    def sized(self) -> int:
        """Return how many walks have been sized."""
        ...

    def __len__(self) -> int:
        """Return how many cycles take part."""
        ...

    def best(self, above: int) -> Walk | None:
        """Return the sized walk that could be worth most, None when none can be worth so much."""
        ...

    def close(self, place: int, end: int) -> None:
        """Note that a walk which was handed out is not worth it."""
        ...

    def take(self, place: int) -> bool:
        """Take a cycle and its pools, if none of them is taken."""
        ...

    def ends(self) -> list[int]:
        """Return how many cycles came to each end, by code."""
        ...

    def waiting(self) -> list[int]:
        """Return the pools of cycles that a lower cost could let pass."""
        ...


class CycleGraph(Protocol):
    """A graph over pools; `amm.pool_graph.PoolGraph` says what each answer means."""

    def __len__(self) -> int:
        """Return how many pools there are."""
        ...

    def add(
        self,
        token0: int,
        token1: int,
        pool: PoolQuoter | None,
        *,
        kind: int = 0,
        place: int | None = None,
    ) -> int:
        """Add a pool and return its number."""
        ...

    def expect(self, expected: Expected) -> None:
        """Take what walks cost and count at least and at most."""
        ...

    def update(self, changes: Sequence[Change]) -> None:
        """Take over pools that changed."""
        ...

    def contest(self, changed: Sequence[int], terms: Terms) -> CycleContest:
        """Return the cycles through changed pools that could pay."""
        ...

    def search(
        self, changed: Sequence[int], anchors: Anchors
    ) -> list[tuple[tuple[int, ...], Sizing]]:
        """Return every cycle through a changed pool that earns anything, best first."""
        ...


@dataclass(frozen=True, slots=True)
class WireReader:
    """Coarse readers of bytes that only the Rust twin has: whoever has none reads message by message.

    `scan_messages(block, rules, verify=, relay=)` answers columns of little-endian numbers, `gather` one field of many
    payloads, `decode_logs` events as (kind, values ...) or (-1, word, offset).
    """

    scan_messages: Callable[..., dict[str, bytes]]
    gather: Callable[[bytes, bytes, int, int], bytes]
    decode_logs: Callable[[Sequence[tuple[Sequence[bytes], bytes]]], list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Kernel:
    """One twin: its name, its pool classes and its questions."""

    name: str
    v2_pool: Callable[[int, int, int], PairPool]
    v3_pool: Callable[..., ConcentratedPool]
    v4_pool: Callable[..., SingletonPool]
    curve_pool: Callable[..., PlainStablePool]
    balancer_stable_pool: Callable[..., VaultStablePool]
    weighted_pool: Callable[..., VaultPool]
    solidly_volatile_pool: Callable[..., ReservePool]
    solidly_stable_pool: Callable[..., ReservePool]
    optimise: Callable[..., Sizing | None]
    optimise_batch: Callable[..., Sequence[Sizing | None]]
    quote_batch: Callable[[PoolQuoter, Sequence[int], bool], list[int]]
    pool_graph: Callable[..., CycleGraph]
    wire: WireReader | None


def sizing_of(parts: SizingParts | None) -> Sizing | None:
    """Return a sizing of its amounts, premium and gross profit."""
    if parts is None:
        return None
    amounts, premium, gross_profit = parts
    return Sizing(amounts[0], amounts, premium, gross_profit)


class Sizings(Sequence[Sizing | None]):
    """The sizings of a batch, each made when it is looked at."""

    __slots__ = ("_found",)

    def __init__(self, found: PartsByPlace) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Sizing | None: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sizing | None]: ...

    def __getitem__(self, index: int | slice) -> Sizing | list[Sizing | None] | None:
        """Return the sizing of one path, or of some."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return sizing_of(self._found[range(len(self))[index]])
