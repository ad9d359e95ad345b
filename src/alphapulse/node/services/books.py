"""The books in a process of their own. They book in the desk's order, which several connections do not keep."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

from alphapulse.node.books import Books
from alphapulse.node.config import Config
from alphapulse.node.folders import make_data_dir
from alphapulse.node.heard import Heard
from alphapulse.node.link import Linked, open_bus
from alphapulse.node.orders import numbers_of
from alphapulse.node.reorder import InOrder
from alphapulse.node.services.life import (
    BEAT_S,
    DRAIN_S,
    HEARD_S,
    LINK_S,
    DeskSilence,
    OrderLine,
    heartbeat,
)
from alphapulse.node.together import first_of
from alphapulse.node.watch import Condition, Watch
from alphapulse.node.wiring import rpc_url
from alphapulse.primitives.address import Address
from alphapulse.protocol.header import Source
from alphapulse.protocol.system import HealthStatus
from alphapulse.transport.order import OrderRecorder

__all__ = ["NAME", "serve"]

NAME = "books"
WINDOW_S = 1.0  # nobody waits for them, and a busy machine lags


async def serve(config: Config, environment: Mapping[str, str], line: OrderLine) -> None:
    """Book and judge between `open` and `stop`.

    Raises  as the parts of the books.
    """
    opening = await line.expect("open")
    is_live = bool(opening["is_live"])
    url = rpc_url(config, environment)
    data_dir = make_data_dir(config, is_live=is_live)
    account: dict[str, object] = {}
    async with AsyncExitStack() as stack:
        linked = await stack.enter_async_context(open_bus(config, environment, NAME))
        bus = linked.bus
        order = OrderRecorder(bus, name=NAME, source=Source.RISK, epoch=linked.sequencer.epoch)
        books = Books(config, url, bus=bus, data_dir=data_dir)
        stack.callback(books.keeper.close)
        script = _Script(books, linked, order, line)
        script.tie()
        await first_of(
            script.run(account, is_live=is_live), bus.failed(), script.beat(), script.later.run()
        )
        last = await linked.left(timeout_s=DRAIN_S)
    line.answer("stop", account=account, last=last, late=script.later.late)


class _Script:
    """What the books do from their first connection to their account."""

    def __init__(self, books: Books, linked: Linked, order: OrderRecorder, line: OrderLine) -> None:
        self._books = books
        self._linked = linked
        self._order = order
        self._line = line
        self._heard = Heard()
        self._silence = DeskSilence()
        self._watch = Watch()
        self.later = InOrder(books.followers(), window_s=WINDOW_S)

    def tie(self) -> None:
        """Subscribe: risk first, for it may have to stop the desk."""
        bus = self._linked.bus
        self._books.tie()
        bus.subscribe(self.later.on_message, name="later")
        bus.subscribe(self._heard.on_message, name="heard")
        bus.subscribe(self._silence.on_message, name="silence")

    async def run(self, account: dict[str, object], *, is_live: bool) -> None:
        """Link, say what was restored, book, and leave the account behind."""
        books, line = self._books, self._line
        await self._linked.bus.linked(timeout_s=LINK_S)
        line.answer("open")
        await line.expect("start")
        books.say_restored()
        line.answer("start")
        counting = await line.expect("count")
        await self._caught_up(numbers_of(counting["last"]))
        await books.open_account(Address(bytes.fromhex(str(counting["operator"]))))
        line.answer("count")
        ending = await line.expect_end(self._silence)
        if ending is not None:
            await self._caught_up(numbers_of(ending["last"]))
        self.later.deliver()
        await books.keeper.settle()
        # Books that could not hear everything differ from the chain, and need not say so.
        is_whole = ending is not None and bool(ending["compare"])
        account.update(await books.close_account(is_compared=is_live and is_whole))
        self._order.flush()

    async def beat(self) -> None:
        """Say that the books are kept, write them behind, and tell operators what changed."""
        while True:
            await asyncio.sleep(BEAT_S)
            keeper = self._books.keeper
            status = HealthStatus.DEGRADED if keeper.is_behind else HealthStatus.OK
            heartbeat(self._linked.bus, Source.RISK, status)
            keeper.write_behind()
            self._watch.look(Condition(store_error=keeper.last_error))

    async def _caught_up(self, last: Mapping[str, int]) -> None:
        """Wait for everything that the desk said, and book it."""
        await self._heard.until(last, timeout_s=HEARD_S)
        self.later.deliver()
