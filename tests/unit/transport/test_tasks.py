"""Tasks end, even those that swallow a cancellation, and their errors do not escape."""

import asyncio

from alphapulse.transport.tasks import end_tasks


def test_a_swallowed_cancellation_is_repeated_and_errors_stay_inside():
    async def stubborn():
        for _ in range(3):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    async def failing():
        raise KeyError("mistake")

    async def scenario():
        tasks = [asyncio.create_task(one()) for one in (stubborn, failing)]
        await asyncio.sleep(0)
        await end_tasks(tasks, patience_s=0.01)
        assert all(task.done() for task in tasks)
        await end_tasks([])

    asyncio.run(asyncio.wait_for(scenario(), 10))
