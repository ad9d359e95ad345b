"""The order in which one process saw a run, put together from its DeliveryOrder messages."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from alphapulse.errors import ArchiveCorrupt, Misconfigured
from alphapulse.protocol.codec import decode
from alphapulse.protocol.message import Message
from alphapulse.protocol.private import DeliveredNotice, DeliveredRun, DeliveryOrder
from alphapulse.protocol.system import SequenceSync

__all__ = ["DeliveredMessage", "delivered", "processes_of"]

UNKNOWN = 0  # epoch of a run that was not announced where it was heard
_Key = tuple[int, int, int]  # domain, source, sequence
_Rows = Callable[[], Iterable[tuple[int, Message]]]


class DeliveredMessage(msgspec.Struct, frozen=True):
    """A message with its place in the order of one process and the `now_ns` its subscribers were given."""

    place: int
    now_ns: int
    message: Message


def processes_of(rows: Iterable[Message]) -> list[str]:
    """Return the names of the processes that left an order."""
    return sorted({order.name for message in rows for order in message.all(DeliveryOrder)})


def delivered(rows: _Rows, name: str) -> Iterator[DeliveredMessage]:
    """Yield what a process was given, in its order. `rows` is read twice: for the order, then for the messages.

    A message is held until its turn comes, so memory is what the order and the record differ by.

    Raises  Misconfigured when the process left no order, or more than one run of it is in the archive;
            ArchiveCorrupt when a part of the order or a message of it is missing.
    """
    waiting: dict[_Key, dict[int, Message]] = {}
    stream = _keyed(rows())
    now_ns = 0
    runs, notices = _order_of(rows, name)
    for place, (key, epoch) in enumerate(_keys(runs)):
        message = notices.get(place) or _taken(waiting, key, epoch)
        while message is None:
            found = next(stream, None)
            if found is None:
                raise ArchiveCorrupt(
                    name,
                    place,
                    "message {}/{}/{} (domain/source/sequence) of the recorded order is not in the archive".format(
                        *key
                    ),
                )
            waiting.setdefault(found[0], {})[found[1]] = found[2]
            if found[0] == key:
                message = _taken(waiting, key, epoch)
        now_ns = max(now_ns, message.header.timestamp_ns)
        yield DeliveredMessage(place, now_ns, message)


def _taken(waiting: dict[_Key, dict[int, Message]], key: _Key, epoch: int) -> Message | None:
    """Return the waiting message of a producer's run; a run that one side did not know matches the only one there is."""
    found = waiting.get(key)
    if not found:
        return None
    if epoch not in found:
        if len(found) > 1 or (epoch != UNKNOWN and UNKNOWN not in found):
            return None
        epoch = next(iter(found))
    message = found.pop(epoch)
    if not found:
        del waiting[key]
    return message


def _order_of(rows: _Rows, name: str) -> tuple[list[DeliveredRun], dict[int, Message]]:
    """Return the runs of an order, and by their place the notices that came with it."""
    runs: list[DeliveredRun] = []
    notices: dict[int, Message] = {}
    position = 0
    epoch: int | None = None
    others: set[str] = set()
    for at, message in rows():
        for order in message.all(DeliveryOrder):
            others.add(order.name)
            if order.name != name:
                continue
            if epoch not in (None, order.epoch):
                raise Misconfigured(f"the archive holds more than one run of `{name}`")
            epoch = order.epoch
            if order.position != position:
                raise ArchiveCorrupt(
                    name, at, f"the order must go on at {position}, went on at {order.position}"
                )
            runs += order.run
            for notice in message.all(DeliveredNotice):
                notices[notice.position] = decode(bytes(notice.message))
            position += sum(run.length for run in order.run)
    if epoch is None:
        known = ", ".join(f"`{other}`" for other in sorted(others)) or "nobody"
        raise Misconfigured(f"no order of `{name}` was recorded; the archive knows that of {known}")
    return runs, notices


def _keys(runs: list[DeliveredRun]) -> Iterator[tuple[_Key, int]]:
    for run in runs:
        for step in range(run.length):
            yield (run.domain, run.source, run.sequence + step), run.epoch


def _keyed(rows: Iterable[tuple[int, Message]]) -> Iterator[tuple[_Key, int, Message]]:
    epochs: dict[tuple[int, int], int] = {}
    for _, message in rows:
        header = message.header
        producer = (header.domain, header.source)
        sync = message.first(SequenceSync)
        if sync is not None and sync.source == header.source:
            epochs[producer] = sync.epoch
        yield (*producer, header.sequence), epochs.get(producer, UNKNOWN), message
