"""The archiver in a process of its own. It says whether it holds every message that was said."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from alphapulse.archive.manifest import ArchiveState
from alphapulse.node.archiver import Archiver
from alphapulse.node.config import Config
from alphapulse.node.heard import Heard
from alphapulse.node.link import Linked, open_bus
from alphapulse.node.orders import Json, facts_of, numbers_of
from alphapulse.node.replay import archive_facts
from alphapulse.node.services.life import BEAT_S, HEARD_S, LINK_S, DeskSilence, OrderLine, heartbeat
from alphapulse.node.together import first_of
from alphapulse.node.watch import Condition, Watch
from alphapulse.node.wiring import ChainFacts
from alphapulse.primitives.address import Address
from alphapulse.protocol.header import Source
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import HealthStatus

__all__ = ["NAME", "serve"]

NAME = "archiver"


async def serve(config: Config, environment: Mapping[str, str], line: OrderLine) -> None:
    """Record between `open` and `stop`.

    Raises  Misconfigured when the archive cannot be written.
    """
    opening = await line.expect("open")
    root = Path(str(opening["archive"]))
    async with AsyncExitStack() as stack:
        linked = await stack.enter_async_context(open_bus(config, environment, NAME))
        keeping = _Keeping(linked, line)
        linked.bus.subscribe(keeping.on_message, name="archive")
        await first_of(keeping.run(config, root), linked.bus.failed())


class _Keeping:
    """What is heard before the facts of the run are known waits for the archive; what is said after its end is not kept."""

    def __init__(self, linked: Linked, line: OrderLine) -> None:
        self._linked = linked
        self._line = line
        self._heard = Heard()
        self._silence = DeskSilence()
        self._watch = Watch()
        self._early: list[Message] = []
        self._archiver: Archiver | None = None
        self._is_over = False
        self._ending: Json | None = None

    def on_message(self, message: Message, now_ns: int) -> None:
        """Keep a message that a producer numbered."""
        if self._is_over or not message.header.sequence:
            return
        self._heard.on_message(message, now_ns)
        self._silence.on_message(message, now_ns)
        if self._archiver is None:
            self._early.append(message)
        else:
            self._archiver.writer.record_message(message)

    async def run(self, config: Config, root: Path) -> None:
        """Link, learn what the run rests on, record, and close."""
        line = self._line
        await self._linked.bus.linked(timeout_s=LINK_S)
        line.answer("open")
        starting = await line.expect("start")
        operator = Address(bytes.fromhex(str(starting["operator"])))
        premium_bps = starting["premium_bps"]
        assert isinstance(premium_bps, int)
        facts = archive_facts(config, ChainFacts(premium_bps, operator))
        archiver = Archiver(root, config.archive, facts={**facts, "seen_by": "desk"})
        try:
            for message in self._early:
                archiver.writer.record_message(message)
            self._early.clear()
            self._archiver = archiver
            line.answer("start")
            await self._record(archiver)
        finally:
            self._is_over = True
            archiver.close()

    async def _record(self, archiver: Archiver) -> None:
        await first_of(self._wait(), self._beat(archiver))
        ending = self._ending
        last = numbers_of(ending["last"]) if ending is not None else {}
        await self._heard.until(last, timeout_s=HEARD_S)
        self._is_over = True
        said = {**last, **self._linked.last()}
        missing = self._heard.missing(said)
        manifest = archiver.close(
            {
                **(facts_of(ending["facts"]) if ending is not None else {}),
                "last": said,
                "missing": missing,
            }
        )
        self._line.answer(
            "stop",
            account={
                **archiver.account(),
                "archive_whole": not missing,
                "archive_missing": missing,
            },
            messages=manifest.messages.rows,
            last=said,
        )

    async def _wait(self) -> None:
        self._ending = await self._line.expect_end(self._silence)

    async def _beat(self, archiver: Archiver) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            state = archiver.writer.state
            status = {
                ArchiveState.INCOMPLETE: HealthStatus.UNHEALTHY,
                ArchiveState.BEHIND: HealthStatus.DEGRADED,
            }.get(state, HealthStatus.OK)
            heartbeat(self._linked.bus, Source.ARCHIVER, status)
            cause = archiver.writer.statistics().cause
            self._watch.look(Condition(archive=state, archive_cause=cause))
