"""Components fed from an archive, and their words compared with those that were recorded, one by one."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from alphapulse.archive.digest import DecisionDigest
from alphapulse.errors import Misconfigured
from alphapulse.execution.plan import Plan
from alphapulse.node.config import Config
from alphapulse.node.decisions import Decider, is_timer
from alphapulse.node.wiring import ChainFacts, strategy_config
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.protocol.header import Source
from alphapulse.protocol.message import Draft, Message, Tlv
from alphapulse.protocol.system import SequenceSync
from alphapulse.risk.monitor import RiskConfig, RiskMonitor
from alphapulse.roles import Component
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage

__all__ = ["COMPONENTS", "Cast", "Divergence", "described"]

COMPONENTS = ("strategy", "portfolio", "risk")
_ROOM = 65_536  # drafts that may wait for their record; a block yields a few
Json = dict[str, object]


class Divergence(msgspec.Struct, frozen=True):
    """The first place where a component said otherwise: what it says now and what was recorded, decoded.

    `place` counts the messages fed; one side is empty where the other said something alone.
    """

    component: str
    place: int
    sequence: int
    replayed: Json | None
    recorded: Json | None


@dataclass(slots=True)
class _Role:
    name: str
    source: int
    feed: Callable[[Message, int], None]
    said: deque[tuple[int, Draft]] = field(default_factory=deque)


class Cast:
    """The components of one replay. `feed` them a recorded order; what they say stays here."""

    def __init__(
        self, config: Config, facts: ChainFacts, names: tuple[str, ...], *, from_ns: int
    ) -> None:
        self._roles: list[_Role] = []
        self._from_ns = from_ns
        self._place = 0
        self._has_begun = False
        self._is_inside = False
        self.divergence: Divergence | None = None
        self.compared = 0
        self.decider: Decider | None = None
        for name in names:
            self._roles.append(self._role(name, config, facts))
        self._by_source = {role.source: role for role in self._roles}

    def feed(self, message: Message, now_ns: int) -> None:
        """Give every component the next message of the order."""
        if not self._is_inside and now_ns >= self._from_ns:
            self._enter()
        role = self._by_source.get(message.header.source)
        if role is not None:
            self._compare(role, message)
        for one in self._roles:
            one.feed(message, now_ns)
        self._has_begun = self._has_begun or message.header.domain == 1
        self._place += 1

    def _enter(self) -> None:
        """Begin to judge: what was fed so far only made the state."""
        self._is_inside = True
        self.compared = 0
        self.divergence = None
        if self.decider is not None:
            self.decider.digest = DecisionDigest()

    def finish(self) -> None:
        """Take what was said and never recorded as a divergence: the record ended orderly."""
        for role in self._roles:
            if role.said:
                place, draft = role.said[0]
                self._differ(role.name, place, 0, draft, None)

    def _role(self, name: str, config: Config, facts: ChainFacts) -> _Role:
        if name == "strategy":
            settings = strategy_config(config, facts)
            role = _Role(name, settings.source, lambda message, now_ns: None)
            self.decider = Decider(
                FlashArbitrage(settings),
                settings.source,
                publish=lambda draft: self._said(role, draft),
                act=_leave_alone,
            )
            role.feed = self.decider.on_message
            return role
        if name == "portfolio":
            return self._component(name, Source.PORTFOLIO, Portfolio())
        if name == "risk":
            monitor = RiskMonitor(RiskConfig(config.risk.daily_loss_limit_usd_e8))
            return self._component(name, Source.RISK, monitor)
        raise Misconfigured(f"there is no component `{name}`; there are {', '.join(COMPONENTS)}")

    def _component(self, name: str, source: int, component: Component[object]) -> _Role:
        role = _Role(name, source, lambda message, now_ns: None)

        def feed(message: Message, now_ns: int) -> None:
            answers = [*component.on_message(message, now_ns)]
            if is_timer(message):
                answers += component.on_timer(now_ns)
            for answer in answers:
                assert isinstance(answer, Draft)
                self._said(role, answer)

        role.feed = feed
        return role

    def _said(self, role: _Role, draft: Draft) -> None:
        if len(role.said) < _ROOM:
            role.said.append((self._place, draft))

    def _compare(self, role: _Role, message: Message) -> None:
        recorded = tuple(tlv for tlv in message.tlvs if type(tlv) is not SequenceSync)
        if not role.said:
            # Before the world spoke a component says what its store remembers, which is not in the archive;
            # the link's own heartbeats and orders travel under the same source.
            if self._has_begun and not _is_link_word(message):
                self._differ(role.name, self._place, message.header.sequence, None, message)
            return
        place, draft = role.said[0]
        if draft.domain == message.header.domain and draft.tlvs == recorded:
            role.said.popleft()
            self.compared += 1
        elif not _is_link_word(message):
            role.said.popleft()
            self._differ(role.name, place, message.header.sequence, draft, message)

    def _differ(
        self,
        name: str,
        place: int,
        sequence: int,
        draft: Draft | None,
        message: Message | None,
    ) -> None:
        if self.divergence is None:
            self.divergence = Divergence(
                name,
                place,
                sequence,
                described(draft.domain, draft.source, draft.tlvs) if draft else None,
                described(message.header.domain, message.header.source, message.tlvs)
                if message
                else None,
            )


def _leave_alone(plan: Plan) -> None:
    """Act on no plan of a replay."""


def described(domain: int, source: int, tlvs: tuple[Tlv, ...]) -> Json:
    """Return a message's content as plain JSON values: bytes as hex, integers of any size as text beyond 53 bits."""
    parts = [{"tlv": type(tlv).__name__, **_plain(msgspec.structs.asdict(tlv))} for tlv in tlvs]
    return {"domain": int(domain), "source": int(source), "tlvs": parts}


def _plain(values: Mapping[str, object]) -> Json:
    return {name: _value(value) for name, value in values.items()}


def _value(value: object) -> object:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and abs(value) >= 1 << 53:
        return str(value)
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.structs.asdict(value))
    if isinstance(value, tuple) and hasattr(value, "venue"):
        return str(value)
    if isinstance(value, tuple):
        return [_value(one) for one in value]
    return value


def _is_link_word(message: Message) -> bool:
    """Return whether a message is of the process rather than of its component."""
    return bool(message.tlvs) and type(message.tlvs[0]).__name__ in ("Heartbeat", "DeliveryOrder")
