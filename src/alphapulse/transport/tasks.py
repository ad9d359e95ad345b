"""Ends tasks for sure: a wait inside a library may swallow a cancellation that comes together with its result."""

import asyncio
from collections.abc import Iterable
from typing import Any

__all__ = ["end_tasks"]


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], *, patience_s: float = 1.0) -> None:
    """Cancel tasks, and again whenever the patience is over, until all have ended; their errors are not raised."""
    every = list(tasks)
    waiting = {task for task in every if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=patience_s)
    for task in every:
        if not task.cancelled():
            task.exception()
