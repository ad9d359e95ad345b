"""Feeds an archive to fresh components and compares what they say with what was recorded.

The order is the record's own where one process made it. Where many did, each component gets the order in which its
process saw the run, from the archive's DeliveryOrder messages.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from alphapulse.archive.manifest import ArchiveState
from alphapulse.archive.reader import ArchiveReader
from alphapulse.errors import InvalidData, Misconfigured
from alphapulse.node.config import Config, parse_config
from alphapulse.node.replayed import COMPONENTS, Cast, Divergence
from alphapulse.node.wiring import ChainFacts
from alphapulse.primitives.address import address
from alphapulse.protocol.message import Message

__all__ = [
    "FULL_SPEED",
    "Delivery",
    "ReplayRequest",
    "ReplayResult",
    "archive_facts",
    "by_time",
    "deliveries_of",
    "pace",
    "replay",
]

FULL_SPEED = 0.0
_BOOKS = "books"  # the process of portfolio and risk, where processes are several
_WINDOW_NS = 10 * 10**9  # far beyond what one connection lags behind another
_NS = 1_000_000_000
Progress = Callable[[int], None]
Delivery = tuple[Message, int]
"""A message and the `now_ns` that came with it."""


class ReplayRequest(msgspec.Struct, frozen=True):
    """What to replay: which components, how fast (a multiple of real time, 0 for full speed), and which window.

    A window starts from what came before it: earlier messages are fed without being compared or paced, because a
    component's state is made of them.
    """

    components: tuple[str, ...] = ("strategy",)
    speed: float = FULL_SPEED
    from_ns: int = 0
    to_ns: int = 2**64

    @property
    def is_whole(self) -> bool:
        """Return whether the window is the whole run."""
        return self.from_ns == 0 and self.to_ns == 2**64


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay found. `recorded_digest` is empty where there is none to compare with.

    The live run's digest is that of the strategy over the whole run: a window or other components are judged by the
    recorded messages alone, `compared` of which the components said again.
    """

    messages: int
    decisions: int
    digest: str
    recorded_digest: str
    state: str
    compared: int = 0
    divergence: Divergence | None = None

    @property
    def is_equal(self) -> bool:
        """Return whether everything that could be compared agrees."""
        return self.divergence is None and self.digest == self.recorded_digest

    @property
    def has_failed(self) -> bool:
        """Return whether anything that could be compared differs."""
        differs = bool(self.recorded_digest) and self.digest != self.recorded_digest
        return differs or self.divergence is not None


class Recording(msgspec.Struct, frozen=True):
    """An archive with what a replay of it needs to know."""

    reader: ArchiveReader
    config: Config
    facts: ChainFacts

    @property
    def is_closed(self) -> bool:
        """Return whether the run ended by itself."""
        return self.reader.manifest.state is not ArchiveState.OPEN


def archive_facts(config: object, facts: ChainFacts) -> dict[str, object]:
    """Return what an archive must remember so that its decisions can be repeated."""
    return {
        "config": msgspec.to_builtins(config),
        "premium_bps": facts.premium_bps,
        "operator": facts.operator.hex(),
    }


def open_recording(root: Path) -> Recording:
    """Open the archive of a node.

    Raises  Misconfigured when the folder is none; ArchiveCorrupt where it is damaged.
    """
    reader = ArchiveReader(root)
    recorded = reader.manifest.facts
    try:
        config = parse_config(recorded["config"], f"{root}/manifest.json")
        facts = ChainFacts(int(recorded["premium_bps"]), address(recorded["operator"]))
    except (KeyError, TypeError, ValueError, InvalidData) as error:
        raise Misconfigured(f"`{root}` was not recorded by a node: it lacks {error}") from error
    if reader.expired().messages:
        raise Misconfigured(
            f"`{root}` has lost its beginning to retention: a replay starts from the first message of a run"
        )
    return Recording(reader, config, facts)


def replay(
    root: Path,
    progress: Progress | None = None,
    *,
    request: ReplayRequest | None = None,
    carry: Callable[[Iterable[Delivery]], Iterator[Delivery]] = iter,
) -> ReplayResult:
    """Return the outcome of one replay; `progress` is told how many messages were fed.

    `carry` takes the recorded order and gives it back, for a transport that stands between record and components.

    Raises  Misconfigured when the folder is no archive of a node; ArchiveCorrupt where it is damaged.
    """
    request = request or ReplayRequest()
    recording = open_recording(root)
    casts: list[Cast] = []
    messages = 0
    for group in _groups(recording, request.components):
        cast = Cast(recording.config, recording.facts, group.names, from_ns=request.from_ns)
        casts.append(cast)
        order = carry(_until(deliveries_of(recording.reader, group.process), request.to_ns))
        if group.is_sorted:
            order = by_time(order)
        count = 0
        for count, (message, now_ns) in enumerate(
            pace(order, request.speed, from_ns=request.from_ns), 1
        ):
            cast.feed(message, now_ns)
            if progress is not None:
                progress(count)
        if request.to_ns == 2**64 and recording.is_closed:
            cast.finish()
        messages = max(messages, count)
    return _result(recording, request, casts, messages)


def deliveries_of(reader: ArchiveReader, process: str) -> Iterator[Delivery]:
    """Yield a process's deliveries in its order; without a name the record is the order."""
    if process:
        for one in reader.deliveries(process):
            yield one.message, one.now_ns
    else:
        for message in reader.messages():
            yield message, message.header.timestamp_ns


def pace(
    order: Iterable[Delivery],
    speed: float,
    *,
    from_ns: int = 0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Delivery]:
    """Yield deliveries not before their time, at a multiple of real time from `from_ns` on; 0 does not wait."""
    began: tuple[int, float] | None = None
    for message, now_ns in order:
        if speed > FULL_SPEED and now_ns >= from_ns:
            if began is None:
                began = (now_ns, clock())
            due = began[1] + (now_ns - began[0]) / _NS / speed
            wait = due - clock()
            if wait > 0:
                sleep(wait)
        yield message, now_ns


def _until(order: Iterator[Delivery], to_ns: int) -> Iterator[Delivery]:
    for message, now_ns in order:
        if now_ns >= to_ns:
            return
        yield message, now_ns


def by_time(order: Iterable[Delivery]) -> Iterator[Delivery]:
    """Yield deliveries by their timestamps: what follows several connections in the books waits to see them so."""
    waiting: list[tuple[int, int, Message]] = []
    delivered_ns = 0
    for place, (message, now_ns) in enumerate(order):
        heapq.heappush(waiting, (message.header.timestamp_ns, place, message))
        while waiting and waiting[0][0] < now_ns - _WINDOW_NS:
            stamp_ns, _, oldest = heapq.heappop(waiting)
            delivered_ns = max(delivered_ns, stamp_ns)
            yield oldest, delivered_ns
    while waiting:
        stamp_ns, _, oldest = heapq.heappop(waiting)
        delivered_ns = max(delivered_ns, stamp_ns)
        yield oldest, delivered_ns


class _Group(msgspec.Struct, frozen=True):
    """Components that share an order: whose it is, and whether it is sorted by time first."""

    names: tuple[str, ...]
    process: str = ""
    is_sorted: bool = False


def _groups(recording: Recording, components: tuple[str, ...]) -> list[_Group]:
    """Return which components share an order, and which order it is."""
    unknown = sorted(set(components) - set(COMPONENTS))
    if unknown or not components:
        raise Misconfigured(
            f"there is no component `{', '.join(unknown)}`; there are {', '.join(COMPONENTS)}"
        )
    desk = str(recording.reader.manifest.facts.get("seen_by", ""))
    if not desk:
        return [_Group(components)]
    orders = {
        "strategy": _Group(("strategy",), desk),
        "risk": _Group(("risk",), _BOOKS),
        "portfolio": _Group(("portfolio",), _BOOKS, is_sorted=True),
    }
    return [orders[name] for name in COMPONENTS if name in components]


def _result(
    recording: Recording, request: ReplayRequest, casts: list[Cast], messages: int
) -> ReplayResult:
    decider = next((cast.decider for cast in casts if cast.decider is not None), None)
    found = next((cast.divergence for cast in casts if cast.divergence is not None), None)
    manifest = recording.reader.manifest
    is_comparable = decider is not None and request.is_whole and recording.is_closed
    return ReplayResult(
        messages=messages,
        decisions=decider.digest.count if decider else 0,
        digest=decider.digest.hexdigest() if decider else "",
        recorded_digest=str(manifest.facts.get("digest", "")) if is_comparable else "",
        state=manifest.state.value,
        compared=sum(cast.compared for cast in casts),
        divergence=found,
    )
