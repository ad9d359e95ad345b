"""Runs one service by its name and tells the supervisor what ends it."""

import importlib
from collections.abc import Mapping

from alphapulse.errors import AlphaPulseError, InvariantError
from alphapulse.node.config import Config
from alphapulse.node.orders import FAILED, Orders, failure_of
from alphapulse.node.services.life import OrderLine

__all__ = ["SERVICES", "run_service"]

SERVICES = ("desk", "books", "archiver", "dashboard", "relays", "bridge")


async def run_service(name: str, config: Config, environment: Mapping[str, str]) -> bool:
    """Obey until the end, and return whether it was one in order.

    Raises  what ended the service where nobody listens any more.
    """
    # Only the service that runs is loaded: a desk should not wait for the dashboard's parts.
    module = importlib.import_module(f"alphapulse.node.services.{name}")
    orders = Orders()
    await orders.open()
    try:
        await module.serve(config, environment, OrderLine(orders))
    except (AlphaPulseError, InvariantError) as error:
        if not orders.answer(FAILED, failure_of(error)):
            raise
        return False
    return True
