"""Who gets a run: consumers with equal filters are one group, and what a group wants is found once."""

from alphapulse.relays.connection import Connection
from alphapulse.relays.run import Run
from alphapulse.relays.subscription import NOTHING, Filter

__all__ = ["Fanout"]


class _Group:
    __slots__ = ("filter", "members")

    def __init__(self, chosen: Filter) -> None:
        self.filter = chosen
        self.members: list[Connection] = []

    def wants(self, run: Run) -> Run | None:
        """Return what of a run this group gets."""
        chosen = self.filter
        if chosen.is_everything:
            return run
        indexes = [
            i for i in range(len(run.sequences)) if chosen.matches(run.types(i), run.instruments(i))
        ]
        return run.chosen(indexes) if indexes else None


class Fanout:
    """The subscribed consumers of one relay."""

    __slots__ = ("_groups", "forwarded")

    def __init__(self) -> None:
        self._groups: dict[object, _Group] = {}
        self.forwarded = 0

    def place(self, connection: Connection, chosen: Filter) -> None:
        """Give a connection a filter, in place of the one it had."""
        self.remove(connection)
        connection.filter = chosen
        if chosen is NOTHING:
            return
        group = self._groups.setdefault(chosen.key, _Group(chosen))
        group.members.append(connection)

    def remove(self, connection: Connection) -> None:
        """Send nothing more to a connection."""
        group = self._groups.get(connection.filter.key)
        if group is not None and connection in group.members:
            group.members.remove(connection)
            if not group.members:
                del self._groups[connection.filter.key]
        connection.filter = NOTHING

    def send(self, run: Run, origin: Connection | None, now_ns: int) -> None:
        """Send a run to everyone who wants it; its producer gets it only on request."""
        for group in tuple(self._groups.values()):
            wanted = group.wants(run)
            if wanted is None:
                continue
            for connection in tuple(group.members):
                if connection is not origin or connection.wants_own:
                    connection.send(wanted, now_ns)
                    self.forwarded += len(wanted.sequences)

    def announce(self, run: Run, now_ns: int) -> None:
        """Send to every consumer, whatever it asked for."""
        for group in tuple(self._groups.values()):
            for connection in tuple(group.members):
                connection.send(run, now_ns)
