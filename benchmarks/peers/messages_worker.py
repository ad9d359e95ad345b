"""The other sides of the message benchmark, one role a process: ZeroMQ, NATS, JetStream and Redis by their Python clients.

Usage: messages_worker.py PARTY, one of `zmq`, `zmq-proxy`, `nats`, `jetstream`, `redis`. No queue has a limit, so that nobody may
drop anything; every subscriber checks number and checksum of each message, as ours does.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from line import serve
from messages_line import FIRST, Tally, build, due_times, pace

PARTY = sys.argv[1]
SUBJECT = "market"
BATCH = 512
JETSTREAM_BATCH = 128
TIMEOUT_S = 60
MANY = 1 << 30
_state: dict[str, Any] = {}


def hello() -> str:
    """Return who this is."""
    if PARTY.startswith("zmq"):
        import zmq  # noqa: PLC0415 - a party needs its own client only

        return f"pyzmq {zmq.__version__}, libzmq {zmq.zmq_version()}"
    if PARTY == "redis":
        import redis  # noqa: PLC0415 - a party needs its own client only

        return f"redis-py {redis.__version__}"
    import nats  # noqa: PLC0415 - a party needs its own client only

    return f"nats-py {getattr(nats, '__version__', '')}".strip()


# --- ZeroMQ -------------------------------------------------------------------------------------------------------------------


def _zmq_socket(kind: str) -> Any:  # noqa: ANN401
    import zmq  # noqa: PLC0415 - a party needs its own client only

    context = _state.setdefault("context", zmq.Context())
    link = context.socket(getattr(zmq, kind))
    for option in (zmq.SNDHWM, zmq.RCVHWM):
        link.setsockopt(option, 0)
    link.setsockopt(zmq.RCVTIMEO, TIMEOUT_S * 1000)
    return link


def broker(folder: str) -> bool:
    """Run a proxy between publishers and subscribers in a thread of this process."""
    import zmq  # noqa: PLC0415 - a party needs its own client only

    front, back = _zmq_socket("XSUB"), _zmq_socket("XPUB")
    front.bind(f"ipc://{folder}/in")
    back.bind(f"ipc://{folder}/out")
    threading.Thread(target=lambda: zmq.proxy(front, back), daemon=True).start()
    return True


def _zmq_subscribe(folder: str) -> None:
    link = _zmq_socket("SUB")
    link.subscribe(b"")
    link.connect(f"ipc://{folder}/{'out' if PARTY == 'zmq-proxy' else 'direct'}")
    _state["link"] = link


def _zmq_publisher(folder: str) -> None:
    link = _zmq_socket("PUB")
    if PARTY == "zmq-proxy":
        link.connect(f"ipc://{folder}/in")
    else:
        link.bind(f"ipc://{folder}/direct")
    _state["link"] = link


def _zmq_receive(tally: Tally) -> None:
    take, recv = tally.take, _state["link"].recv
    while take(recv()):
        pass


# --- Redis --------------------------------------------------------------------------------------------------------------------


def _redis(folder: str) -> Any:  # noqa: ANN401
    import redis  # noqa: PLC0415 - a party needs its own client only

    return redis.Redis(unix_socket_path=f"{folder}/redis.sock", socket_timeout=TIMEOUT_S)


def _redis_receive(tally: Tally) -> None:
    for item in _state["link"].listen():
        if item["type"] == "message" and not tally.take(item["data"]):
            return


def _redis_publish(parts: list[bytes]) -> None:
    client = _state["link"]
    for at in range(0, len(parts), BATCH):
        pipeline = client.pipeline(transaction=False)
        for part in parts[at : at + BATCH]:
            pipeline.publish(SUBJECT, part)
        pipeline.execute()


# --- NATS ---------------------------------------------------------------------------------------------------------------------


def _run(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
    loop = _state.setdefault("loop", asyncio.new_event_loop())
    return loop.run_until_complete(work)


async def _nats(folder: str) -> Any:  # noqa: ANN401
    import nats  # noqa: PLC0415 - a party needs its own client only

    url = (Path(folder) / "nats.url").read_text()
    return await nats.connect(url, pending_size=MANY, max_outstanding_pings=100)


async def _nats_subscribe(folder: str) -> None:
    client = _state["client"] = await _nats(folder)
    queue = _state["queue"] = asyncio.Queue()

    async def keep(message: Any) -> None:  # noqa: ANN401
        queue.put_nowait(message.data)

    limits = {"pending_msgs_limit": MANY, "pending_bytes_limit": MANY}
    if PARTY == "jetstream":
        await client.jetstream().subscribe(SUBJECT, cb=keep, ordered_consumer=True, **limits)
    else:
        await client.subscribe(SUBJECT, cb=keep, **limits)
    await client.flush()


async def _nats_publisher(folder: str) -> None:
    client = _state["client"] = await _nats(folder)
    if PARTY == "jetstream":
        await client.jetstream().add_stream(name="M", subjects=[SUBJECT], storage="memory")


async def _nats_receive(tally: Tally) -> None:
    queue = _state["queue"]
    while tally.take(await asyncio.wait_for(queue.get(), TIMEOUT_S)):
        pass


async def _nats_publish(parts: list[bytes]) -> None:
    client = _state["client"]
    if PARTY == "jetstream":
        stream = client.jetstream()
        for at in range(0, len(parts), JETSTREAM_BATCH):
            await asyncio.gather(
                *(stream.publish(SUBJECT, part) for part in parts[at : at + JETSTREAM_BATCH])
            )
        return
    for part in parts:
        await client.publish(SUBJECT, part)
    await client.flush(TIMEOUT_S)


async def _nats_paced(due: list[int]) -> dict[str, int]:
    """Pace inside the client's own loop, which sends when it is given time to."""
    client = _state["client"]
    start = time.monotonic_ns() + 20_000_000
    for index, offset in enumerate(due):
        at = start + offset
        while (left := at - time.monotonic_ns()) > 0:  # noqa: ASYNC110 - a time, not an event
            await asyncio.sleep(max(left - 60_000, 0) / 1e9)
        await client.publish(SUBJECT, build(FIRST + index, at))
    await client.flush(TIMEOUT_S)
    return {"start_ns": start, "end_ns": time.monotonic_ns()}


async def _leave() -> None:
    """Close the client, and end what it leaves running."""
    await _state["client"].close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)


# --- roles --------------------------------------------------------------------------------------------------------------------


def subscribe(folder: str, domain: int = 1) -> bool:
    """Connect and ask for everything."""
    if PARTY.startswith("zmq"):
        _zmq_subscribe(folder)
    elif PARTY == "redis":
        link = _state["link"] = _redis(folder).pubsub()
        link.subscribe(SUBJECT)
        assert link.get_message(timeout=TIMEOUT_S) is not None
    else:
        _run(_nats_subscribe(folder))
    return True


def open_publisher(folder: str, domain: int = 1) -> bool:
    """Connect as the publisher."""
    if PARTY.startswith("zmq"):
        _zmq_publisher(folder)
    elif PARTY == "redis":
        _state["link"] = _redis(folder)
    else:
        _run(_nats_publisher(folder))
    return True


def receive(count: int, is_timed: bool) -> dict[str, object]:
    """Take messages until there are enough, check each, and say what came."""
    tally = Tally(count, is_timed=is_timed)
    if PARTY.startswith("zmq"):
        _zmq_receive(tally)
    elif PARTY == "redis":
        _redis_receive(tally)
    else:
        _run(_nats_receive(tally))
    return tally.answer()


def publish(count: int) -> dict[str, int]:
    """Send messages as fast as they are taken."""
    parts = [build(FIRST + index, 1) for index in range(count)]
    start = time.monotonic_ns()
    if PARTY.startswith("zmq"):
        send = _state["link"].send
        for part in parts:
            send(part)
    elif PARTY == "redis":
        _redis_publish(parts)
    else:
        _run(_nats_publish(parts))
    return {"start_ns": start, "end_ns": time.monotonic_ns()}


def publish_paced(seed: int, rate: float, count: int) -> dict[str, int]:
    """Send messages when they are due."""
    due = due_times(seed, rate, count)
    if PARTY.startswith("zmq"):
        send = _state["link"].send
        return pace(due, lambda number, at: send(build(number, at)))
    if PARTY == "redis":
        say = _state["link"].publish
        return pace(due, lambda number, at: say(SUBJECT, build(number, at)))
    return _run(_nats_paced(due))


if __name__ == "__main__":
    serve(
        {
            "hello": hello,
            "broker": broker,
            "subscribe": subscribe,
            "open_publisher": open_publisher,
            "receive": receive,
            "publish": publish,
            "publish_paced": publish_paced,
        }
    )
    if "client" in _state:
        _run(_leave())
