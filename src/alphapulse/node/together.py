"""Runs what belongs together: when one part ends, so do the others."""

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["first_of"]


async def first_of(main: Coroutine[Any, Any, None], *beside: Coroutine[Any, Any, None]) -> None:
    """Wait until one ends, and end the others.

    Raises  what the one raised that ended first.
    """
    tasks = [asyncio.create_task(one) for one in (main, *beside)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
