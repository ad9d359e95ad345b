"""The bus of one process: function calls in one thread, and one total order of messages."""

from collections import deque
from collections.abc import Callable, Iterable
from threading import get_ident

from alphapulse.errors import CascadeTooLong, InvariantError, ValueOutOfRange
from alphapulse.protocol.message import Draft, Message
from alphapulse.transport.bus import (
    ALL_DOMAINS,
    BusStatistics,
    Subscriber,
    SubscriberStatistics,
)
from alphapulse.transport.sequence import Sequencer

__all__ = ["CASCADE_LIMIT", "LATEST_NS", "LocalBus"]

CASCADE_LIMIT = 65_536
"""Messages that subscribers may publish before the bus rests.

A pool universe of ten thousand answers one block with a few thousand messages at most; a cascade
beyond this is two components that answer each other for ever.
"""

LATEST_NS = 2**63 - 1
"""The year 2262: a foreign time beyond it would leave no room for the times after it."""


class _Subscription:
    __slots__ = ("callback", "domains", "name", "seen_before")

    def __init__(
        self, callback: Subscriber, name: str, domains: frozenset[int], seen_before: dict[int, int]
    ) -> None:
        self.callback = callback
        self.name = name
        self.domains = domains
        self.seen_before = seen_before


class LocalBus:
    """Delivers each message to all its subscribers before the next message exists.

    A draft published from within a delivery waits its turn, first in, first out. A message gets its
    number and its time when its turn comes, so sequences, timestamps and deliveries have one order.
    Timestamps rise strictly even when the clock stands still or steps back.

    What another process published enters the order by `deliver`, with its own number and time. Its `now_ns`
    is its timestamp, or the last `now_ns` of this bus if that is later; own timestamps stay above every
    `now_ns` before them. So time follows from the order alone.

    `outlet` is given each own message after its subscribers: the way out of the process.

    A subscriber that raises has broken the order for those behind it: the error goes to whoever
    published, and the bus refuses everything after it.
    """

    __slots__ = (
        "_broken_by",
        "_by_domain",
        "_calling",
        "_cascade",
        "_cascade_limit",
        "_clock",
        "_deepest_queue",
        "_delivering",
        "_foreign",
        "_last_ns",
        "_longest_cascade",
        "_nested",
        "_outlet",
        "_queue",
        "_routes",
        "_sequencer",
        "_subscriptions",
        "_thread",
    )

    def __init__(
        self,
        sequencer: Sequencer,
        clock: Callable[[], int],
        *,
        cascade_limit: int = CASCADE_LIMIT,
        outlet: Callable[[Message], None] | None = None,
    ) -> None:
        self._sequencer = sequencer
        self._outlet = outlet
        self._clock = clock
        self._cascade_limit = cascade_limit
        self._queue: deque[Draft | Message] = deque()
        self._subscriptions: list[_Subscription] = []
        self._routes: dict[int, tuple[_Subscription, ...]] = dict.fromkeys(ALL_DOMAINS, ())
        self._by_domain = dict.fromkeys(sorted(ALL_DOMAINS), 0)
        self._thread: int | None = None
        self._delivering = False
        self._calling = ""
        self._broken_by = ""
        self._last_ns = 0
        self._cascade = 0
        self._nested = 0
        self._foreign = 0
        self._longest_cascade = 0
        self._deepest_queue = 0

    def subscribe(
        self, callback: Subscriber, *, name: str, domains: frozenset[int] = ALL_DOMAINS
    ) -> None:
        """Deliver from the next message on, after those who subscribed earlier.

        Raises  InvariantError for a name that is taken or a domain that does not exist.
        """
        if any(one.name == name for one in self._subscriptions):
            raise InvariantError(f"`{name}` is subscribed already")
        if not domains or not domains <= ALL_DOMAINS:
            raise InvariantError(f"`{name}` must name domains 1 to 4, named {sorted(domains)}")
        added = _Subscription(callback, name, domains, dict(self._by_domain))
        self._subscriptions.append(added)
        for domain in domains:
            self._routes[domain] = (*self._routes[domain], added)

    def publish(self, draft: Draft) -> None:
        """Give one draft number and time and deliver it, or queue it during a delivery.

        Raises  CascadeTooLong when subscribers answer each other without end; InvariantError from
                a second thread, for an unknown domain, or after a subscriber has failed.
        """
        self._admit(draft)
        if not self._delivering:
            self._drain()

    def publish_all(self, drafts: Iterable[Draft]) -> None:
        """Publish drafts in a row: nothing that they cause comes between them.

        Raises  as `publish`.
        """
        if self._delivering:
            for draft in drafts:
                self._admit(draft)
            return
        waiting = tuple(drafts)
        for draft in waiting:
            self._admit(draft)
        if waiting:
            self._drain()

    def deliver(self, message: Message) -> None:
        """Take a message of another process into the order; during a delivery it waits its turn.

        Raises  ValueOutOfRange for a timestamp beyond LATEST_NS; InvariantError as `publish`.
        """
        self._admit_foreign(message)
        if not self._delivering:
            self._drain()

    def deliver_all(self, messages: Iterable[Message]) -> None:
        """Take messages of other processes in a row: nothing that they cause comes between them.

        Raises  as `deliver`.
        """
        waiting = tuple(messages)
        for message in waiting:
            self._admit_foreign(message)
        if waiting and not self._delivering:
            self._drain()

    def statistics(self) -> BusStatistics:
        """Return a frozen view of the counts."""
        return BusStatistics(
            messages=sum(self._by_domain.values()),
            by_domain=dict(self._by_domain),
            nested=self._nested,
            longest_cascade=self._longest_cascade,
            deepest_queue=self._deepest_queue,
            foreign=self._foreign,
            subscribers=tuple(
                SubscriberStatistics(
                    one.name,
                    sum(
                        self._by_domain[domain] - one.seen_before[domain] for domain in one.domains
                    ),
                )
                for one in self._subscriptions
            ),
        )

    def _admit(self, draft: Draft) -> None:
        if self._thread != get_ident() or self._broken_by:
            self._check_open()
        if draft.domain not in self._routes:
            raise InvariantError(f"`domain` must be 1 to 4, was {draft.domain}")
        if self._delivering:
            self._cascade += 1
            if self._cascade > self._cascade_limit:
                raise CascadeTooLong(self._cascade_limit, self._calling)
        self._queue.append(draft)

    def _admit_foreign(self, message: Message) -> None:
        if self._thread != get_ident() or self._broken_by:
            self._check_open()
        header = message.header
        if header.domain not in self._routes:
            raise InvariantError(f"`domain` must be 1 to 4, was {header.domain}")
        if header.timestamp_ns > LATEST_NS:
            raise ValueOutOfRange(
                f"`timestamp_ns` must be at most {LATEST_NS}, was {header.timestamp_ns}"
            )
        self._queue.append(message)

    def _check_open(self) -> None:
        if self._thread is None:
            self._thread = get_ident()
        if self._thread != get_ident():
            raise InvariantError("a local bus belongs to the thread that first published on it")
        if self._broken_by:
            raise InvariantError(f"the bus stopped when `{self._broken_by}` failed")

    def _drain(self) -> None:
        queue = self._queue
        self._delivering = True
        self._cascade = 0
        finished = False
        try:
            while queue:
                self._deepest_queue = max(self._deepest_queue, len(queue))
                said = queue.popleft()
                if type(said) is Draft:
                    self._say(said)
                elif type(said) is Message:
                    self._pass_on(said)
            finished = True
        finally:
            if not finished:
                self._broken_by = self._calling
                queue.clear()
            self._delivering = False
            self._nested += self._cascade
            self._longest_cascade = max(self._longest_cascade, self._cascade)

    def _say(self, draft: Draft) -> None:
        self._calling = "sequencer"
        now_ns = self._clock()
        if now_ns <= self._last_ns:
            now_ns = self._last_ns + 1
        message = self._sequencer.stamp(draft, now_ns)
        self._last_ns = now_ns
        self._by_domain[draft.domain] += 1
        for one in self._routes[draft.domain]:
            self._calling = one.name
            one.callback(message, now_ns)
        if self._outlet is not None:
            self._calling = "outlet"
            self._outlet(message)

    def _pass_on(self, message: Message) -> None:
        domain = message.header.domain
        now_ns = self._last_ns = max(self._last_ns, message.header.timestamp_ns)
        self._by_domain[domain] += 1
        self._foreign += 1
        for one in self._routes[domain]:
            self._calling = one.name
            one.callback(message, now_ns)
