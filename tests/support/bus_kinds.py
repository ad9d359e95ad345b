"""Every kind of bus behind one way to open it: a world holds processes that hear each other."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager

from alphapulse.primitives.secret import Secret
from alphapulse.relays.service import serve_relays
from alphapulse.transport.local import LocalBus
from alphapulse.transport.nats import NatsBus
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import NatsConfig, UnixConfig
from alphapulse.transport.unix import UnixBus
from support.links import EPOCHS, Heard
from support.nats_server import NatsServer

KINDS = ("local", "unix", "nats")


class World:
    """Opens processes on one kind of bus. On a local bus all of them are one."""

    def __init__(self, kind, stack, directory, server):
        self.kind = kind
        self._stack = stack
        self._directory = directory
        self._server = server
        self._closers = {}
        self._local = LocalBus(Sequencer(next(EPOCHS)), time.time_ns)

    async def process(self, name, *, produces=(), consumes=(1, 2, 3, 4), linked=True, **options):
        """Return a bus and what it heard."""
        heard = Heard()
        if self.kind == "local":
            self._local.subscribe(heard, name=name, domains=frozenset(consumes or {1, 2, 3, 4}))
            return self._local, heard
        shared = dict(
            name=f"{name}:1",
            produces=frozenset(produces),
            consumes=frozenset(consumes),
            reconnect_min_ms=20,
            reconnect_max_ms=200,
            **options,
        )
        epoch = Sequencer(next(EPOCHS))
        if self.kind == "unix":
            config = UnixConfig(directory=self._directory, **shared)
            opened = UnixBus.open(config, epoch, time.time_ns)
        else:
            config = NatsConfig(url=Secret(self._server.url), **shared)
            opened = NatsBus.open(config, epoch, time.time_ns)
        closer = await self._stack.enter_async_context(AsyncExitStack())
        bus = await closer.enter_async_context(opened)
        self._closers[id(bus)] = closer
        bus.subscribe(heard, name="heard")
        if linked:
            await bus.linked(timeout_s=15)
        return bus, heard

    async def close(self, bus):
        """End one process."""
        await self._closers.pop(id(bus)).aclose()


@asynccontextmanager
async def world(kind, directory):
    async with AsyncExitStack() as stack:
        server = None
        if kind == "unix":
            await stack.enter_async_context(serve_relays(directory / "relays"))
        elif kind == "nats":
            server = stack.enter_context(NatsServer(directory / "nats"))
        yield World(kind, stack, directory / "relays", server)
