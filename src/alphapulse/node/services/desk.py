"""The desk in a process of its own. Its order is written down, for the archive hears it from outside."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from alphapulse.archive.writer import ArchiveWriter
from alphapulse.node.config import Config
from alphapulse.node.decisions import TIMER_SOURCE
from alphapulse.node.desk import Desk
from alphapulse.node.folders import make_data_dir
from alphapulse.node.link import Linked, open_bus
from alphapulse.node.preflight import Preflight, inspect_chain
from alphapulse.node.replay import archive_facts
from alphapulse.node.services.life import BEAT_S, DRAIN_S, LINK_S, OrderLine
from alphapulse.node.together import first_of
from alphapulse.node.wallet import load_wallet
from alphapulse.node.watch import Condition, Watch
from alphapulse.node.wiring import rpc_url
from alphapulse.node.witnesses import Witnesses
from alphapulse.protocol.header import Source
from alphapulse.transport.order import OrderRecorder

__all__ = ["NAME", "serve"]

NAME = "desk"
WITNESSES: Mapping[int, str] = {Source.RISK: "risk", Source.ARCHIVER: "the archiver"}


async def serve(config: Config, environment: Mapping[str, str], line: OrderLine) -> None:
    """Trade between `open` and `stop`.

    Raises  as the parts of the desk.
    """
    opening = await line.expect("open")
    wallet = load_wallet(config, environment, is_live=bool(opening["is_live"]))
    url = rpc_url(config, environment)
    preflight = await inspect_chain(config, url, wallet.address if wallet else None)
    data_dir = make_data_dir(config, is_live=wallet is not None)
    account: dict[str, object] = {}
    async with AsyncExitStack() as stack:
        linked = await stack.enter_async_context(open_bus(config, environment, NAME))
        frames = ArchiveWriter(
            Path(str(opening["frames"])), time.time_ns, facts=archive_facts(config, preflight.facts)
        )
        stack.callback(frames.close)
        bus = linked.bus
        guard = Witnesses(WITNESSES, frames=frames, link=lambda: bus.state, interval_s=BEAT_S)
        order = OrderRecorder(bus, name=NAME, source=TIMER_SOURCE, epoch=linked.sequencer.epoch)
        bus.subscribe(guard.on_message, name="witnesses")
        desk = Desk(
            config,
            url,
            preflight.facts,
            wallet=wallet,
            bus=bus,
            guard=guard,
            data_dir=data_dir,
        )
        stack.callback(desk.close)
        desk.tie()
        script = _Script(desk, guard, linked, order, line)
        await first_of(script.run(preflight, account), bus.failed())
        last = await linked.left(timeout_s=DRAIN_S)
    line.answer("stop", account=account, frames=opening["frames"], last=last)


class _Script:
    """What a desk does from its first connection to its last message."""

    def __init__(
        self, desk: Desk, guard: Witnesses, linked: Linked, order: OrderRecorder, line: OrderLine
    ) -> None:
        self._desk = desk
        self._guard = guard
        self._linked = linked
        self._order = order
        self._line = line
        self._watch = Watch()

    async def run(self, preflight: Preflight, account: dict[str, object]) -> None:
        """Link, settle what was, trade, and leave the account behind."""
        desk, line = self._desk, self._line
        await self._linked.bus.linked(timeout_s=LINK_S)
        facts = preflight.facts
        line.answer("open", premium_bps=facts.premium_bps, operator=facts.operator.hex())
        preparing = await line.expect("prepare")
        desk.say_stops()
        if preparing["resume"]:
            desk.resume()
        await desk.start()
        line.answer("prepare", last=self._linked.last(), trading=desk.gate.trading_state().value)
        await line.expect("trade")
        line.answer("trade")
        stop = asyncio.Event()
        trading = asyncio.create_task(
            desk.run(stop, on_beat=self._on_beat, beat_s=BEAT_S), name="trading"
        )
        asking = asyncio.create_task(line.expect_end(), name="orders")
        try:
            await asyncio.wait({trading, asking}, return_when=asyncio.FIRST_COMPLETED)
            stop.set()
            await trading
            if asking.done():
                asking.result()
        finally:
            for task in (trading, asking):
                task.cancel()
            await asyncio.gather(trading, asking, return_exceptions=True)
        account.update(desk.account())
        self._order.flush()

    def _on_beat(self) -> None:
        frames = self._guard.frames
        self._watch.look(
            Condition(
                is_live=self._desk.collector.statistics().is_live,
                trading=self._desk.gate.trading_state(),
                archive=frames.state,
                archive_cause=frames.statistics().cause,
                closed_by=self._guard.closed_by(),
            )
        )
