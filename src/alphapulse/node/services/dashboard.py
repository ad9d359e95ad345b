"""The dashboard in a process of its own: nobody waits for it, and nothing stops when it does."""

from collections.abc import Mapping

from alphapulse.node.config import Config
from alphapulse.node.link import open_bus
from alphapulse.node.page import Page
from alphapulse.node.reorder import InOrder
from alphapulse.node.services.life import LINK_S, DeskSilence, OrderLine
from alphapulse.node.together import first_of
from alphapulse.transport.bus import LinkedBus

__all__ = ["NAME", "serve"]

NAME = "dashboard"


async def serve(config: Config, environment: Mapping[str, str], line: OrderLine) -> None:
    """Show between `open` and `stop`.

    Raises  Misconfigured when the port is taken.
    """
    opening = await line.expect("open")
    page, silence = Page(config), DeskSilence()
    later = InOrder(page.followers())
    async with open_bus(config, environment, NAME) as linked:
        linked.bus.subscribe(later.on_message, name="later")
        linked.bus.subscribe(silence.on_message, name="silence")
        showing = _show(page, linked.bus, line, silence, is_live=bool(opening["is_live"]))
        await first_of(showing, linked.bus.failed(), later.run())
    line.answer("stop")


async def _show(
    page: Page, bus: LinkedBus, line: OrderLine, silence: DeskSilence, *, is_live: bool
) -> None:
    await bus.linked(timeout_s=LINK_S)
    async with page.served(is_live=is_live) as url:
        line.answer("open", page=url)
        await line.expect_end(silence)
