"""Runs the services of a node apart: starts them, tells them when, notices who is lost, puts their accounts together.

Whoever must hold everything is linked before anybody speaks. The desk stops first, then the books settle what it said,
and the archiver closes when it holds what all of them said.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from alphapulse.dashboard.replica import Replica
from alphapulse.errors import AlphaPulseError, InvariantError, ServiceLost
from alphapulse.execution.gate import TradingState
from alphapulse.node.config import Config
from alphapulse.node.devnet_config import config_to_toml
from alphapulse.node.link import open_bus
from alphapulse.node.orders import Json, facts_of, numbers_of
from alphapulse.node.process import ServiceProcess
from alphapulse.node.recovery import RECOVERY_TIMEOUT_S
from alphapulse.node.reorder import InOrder
from alphapulse.node.started import Started
from alphapulse.node.summary import summary_of
from alphapulse.node.together import first_of
from alphapulse.observability.log import Event, log_event

__all__ = ["OnStart", "run_apart"]

ANSWER_S = 60.0  # a service imports, links and asks the chain; on a busy machine that takes seconds
STOP_S = 60.0  # the desk drains for 15 s, the others wait for what it said, and write
ORPHAN_S = 20.0
# Nobody waits for the dashboard: the run goes on without it, and says so at its end.
DISPENSABLE = frozenset({"dashboard"})
IN_ORDER_OF_END = ("desk", "books", "archiver", "dashboard", "bridge", "relays")


OnStart = Callable[[Started], None]


async def run_apart(
    config: Config,
    environment: Mapping[str, str],
    *,
    is_live: bool,
    archive_root: Path,
    stop: asyncio.Event,
    on_start: OnStart,
    resume: bool = False,
) -> Json:
    """Run until `stop` and return the account of the run, as a node in one process would give it.

    Raises  what the start of a service raises; ServiceLost naming the one that ended in the middle.
    """
    async with AsyncExitStack() as stack:
        # Readable by its owner only, and short enough for the path of a socket.
        private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alphapulse-")))
        config = _with_directory(config, private)
        file = private / "node.toml"
        file.touch(mode=0o600)
        file.write_text(config_to_toml(config))
        node = _Apart(config, file)
        stack.push_async_callback(node.end)
        replica = await stack.enter_async_context(node.opened(environment, archive_root))
        began_ns = time.monotonic_ns()
        trading, page = await node.start(archive_root, is_live=is_live, resume=resume)
        on_start(Started(replica, is_live, trading, page, node.processes()))
        await node.until(stop)
        return await node.stop(time.monotonic_ns() - began_ns)


class _Apart:
    """The services of one run, in the order in which they end."""

    def __init__(self, config: Config, file: Path) -> None:
        self._config = config
        self._file = file
        self._services: dict[str, ServiceProcess] = {}
        self._lost: dict[str, str] = {}

    def processes(self) -> dict[str, int]:
        """Return the process number of each service."""
        return {name: service.pid for name, service in self._services.items()}

    @asynccontextmanager
    async def opened(
        self, environment: Mapping[str, str], archive_root: Path
    ) -> AsyncIterator[Replica]:
        """Start what carries messages; gives a replica that hears them."""
        if self._config.transport.mode in ("unix", "mixed"):
            await self._launch("relays")
            journal = _beside(archive_root, "journal")
            await self._ask("relays", "open", ANSWER_S, journal=str(journal))
        if self._config.transport.mode == "mixed":
            await self._launch("bridge")
            await self._ask("bridge", "open", ANSWER_S)
        replica = Replica()
        later = InOrder((replica.on_message,))
        async with open_bus(self._config, environment, "screen") as linked:
            linked.bus.subscribe(later.on_message, name="later")
            hearing = asyncio.create_task(first_of(later.run(), linked.bus.failed()))
            try:
                yield replica
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)

    async def start(
        self, archive_root: Path, *, is_live: bool, resume: bool
    ) -> tuple[TradingState, str | None]:
        """Bring every service to where it trades, books and records; gives the state of the gate and the page.

        Raises  what a service raises.
        """
        names = ["desk", "books", "archiver"]
        if self._config.dashboard.enabled:
            names.append("dashboard")
        for name in names:
            await self._launch(name)
        frames = _beside(archive_root, "frames")
        opening = {"is_live": is_live, "archive": str(archive_root), "frames": str(frames)}
        # Others speak from the moment they are linked, and the archiver holds all of it.
        await self._ask("archiver", "open", ANSWER_S, **opening)
        others = [name for name in names if name != "archiver"]
        opened = await asyncio.gather(
            *(self._ask(name, "open", ANSWER_S, **opening) for name in others)
        )
        answers = dict(zip(others, opened, strict=True))
        facts = answers["desk"]
        await self._ask("archiver", "start", ANSWER_S, **facts)
        await self._ask("books", "start", ANSWER_S)
        prepared = await self._ask("desk", "prepare", RECOVERY_TIMEOUT_S + ANSWER_S, resume=resume)
        await self._ask(
            "books", "count", ANSWER_S, last=prepared["last"], operator=facts["operator"]
        )
        await self._ask("desk", "trade", ANSWER_S)
        page = answers["dashboard"].get("page") if "dashboard" in answers else None
        return TradingState(str(prepared["trading"])), None if page is None else str(page)

    async def until(self, stop: asyncio.Event) -> None:
        """Wait until somebody asks for the end, or a service is lost that the run cannot do without."""
        while not stop.is_set():
            watched = {
                asyncio.create_task(service.ended()): name
                for name, service in self._services.items()
                if name not in self._lost
            }
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({stopping, *watched}, return_when=asyncio.FIRST_COMPLETED)
            ended = {name: task.result() for task, name in watched.items() if task.done()}
            for task in (stopping, *watched):
                task.cancel()
            await asyncio.gather(stopping, *watched, return_exceptions=True)
            for name, how in ended.items():
                self._lost[name] = how
                log_event(Event.SERVICE_LOST, level=logging.ERROR, service=name, how=how)
            if ended.keys() - DISPENSABLE:
                return

    async def stop(self, elapsed_ns: int) -> Json:
        """End the services in order and return their accounts as one.

        Raises  ServiceLost, or what a service raised, when there is no whole account.
        """
        errors: list[AlphaPulseError | InvariantError] = []
        said: dict[str, int] = {}
        parts: dict[str, Json] = {}
        is_whole = not self._lost.keys() - DISPENSABLE
        for name in IN_ORDER_OF_END:
            if name not in self._services:
                continue
            try:
                parts[name] = part = await self._ask(
                    name, "stop", STOP_S, last=said, facts=_decided(parts), compare=is_whole
                )
                said |= numbers_of(part.get("last", {}))
            except (AlphaPulseError, InvariantError) as error:
                self._lost.setdefault(name, str(error))
                if name not in DISPENSABLE:
                    errors.append(self._explained(name, error))
        if errors:
            raise errors[0]
        summary = summary_of(
            facts_of(parts["desk"]["account"]),
            facts_of(parts["books"]["account"]),
            facts_of(parts["archiver"]["account"]),
            messages=_number(parts["archiver"]["messages"]),
            elapsed_ns=elapsed_ns,
        )
        summary["transport"] = self._config.transport.mode
        summary["frames"] = parts["desk"]["frames"]
        summary["said"] = said
        summary["booked_late"] = parts["books"]["late"]
        summary["lost"] = list(self._lost)
        return summary

    async def end(self) -> None:
        """End what still runs: without orders a desk drains, and the others wait for it."""
        for name in IN_ORDER_OF_END:
            service = self._services.get(name)
            if service is not None:
                await service.end(timeout_s=ORPHAN_S)

    def _explained(
        self, name: str, error: AlphaPulseError | InvariantError
    ) -> AlphaPulseError | InvariantError:
        """Return a service's own error where it has told one, else how it was lost and what to do."""
        if not isinstance(error, ServiceLost) or name not in self._lost:
            return error
        return ServiceLost(
            name,
            f"was lost: {self._lost[name]}; start the node again, it settles what was sent before it trades",
        )

    async def _launch(self, name: str) -> None:
        self._services[name] = await ServiceProcess.start(name, self._file)

    async def _ask(self, name: str, order: str, timeout_s: float, **arguments: object) -> Json:
        return await self._services[name].ask(order, timeout_s=timeout_s, **arguments)


def _beside(archive_root: Path, what: str) -> Path:
    """Return where a run keeps what is not in its archive: frames do not travel, and relays remember for themselves."""
    return archive_root.with_name(f"{archive_root.name}-{what}")


def _with_directory(config: Config, private: Path) -> Config:
    if config.transport.directory:
        return config
    section = msgspec.structs.replace(config.transport, directory=str(private / "relays"))
    return msgspec.structs.replace(config, transport=section)


def _decided(parts: Mapping[str, Json]) -> Json:
    """Return what the archive must remember of the desk's account."""
    if "desk" not in parts:
        return {}
    account = facts_of(parts["desk"]["account"])
    return {name: account[name] for name in ("digest", "decisions")}


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
