"""The chain as a process: it ends with its owner, and it can be killed and come back from a file on the same port."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphapulse.devnet.devnet import Devnet, DevnetOptions
from alphapulse.devnet.layout import DEPLOYER
from alphapulse.errors import EndpointDown, StreamLost
from alphapulse.evm.rpc import JsonRpc
from alphapulse.primitives.address import hex_of
from support.devnet import running_devnet

pytestmark = pytest.mark.chain

SWAP_TOPIC = "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_process_ends_with_the_block_even_on_error() -> None:
    async def body() -> int:
        pid = 0
        with pytest.raises(ZeroDivisionError):
            async with running_devnet() as devnet:
                pid = devnet.anvil.pid
                assert is_alive(pid)
                raise ZeroDivisionError
        return pid

    assert not is_alive(asyncio.run(body()))


def test_process_ends_when_its_task_is_cancelled() -> None:
    async def body() -> None:
        pids: list[int] = []
        started = asyncio.Event()

        async def run() -> None:
            async with running_devnet(block_time_s=0.2) as devnet:
                pids.append(devnet.anvil.pid)
                started.set()
                await devnet.run_activity()

        task = asyncio.create_task(run())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_alive(pids[0])

    asyncio.run(body())


def test_kill_and_restart_keeps_the_chain(tmp_path: Path) -> None:
    async def body() -> None:
        async with running_devnet() as devnet:
            sent = await devnet.rpc.request(
                str,
                "eth_sendTransaction",
                {"from": hex_of(DEPLOYER), "to": "0x" + "99" * 20, "value": "0x7", "gas": "0x5208"},
            )
            await devnet.mine()

            async def seen() -> list[object]:
                rpc = devnet.rpc
                head = await rpc.request(dict, "eth_getBlockByNumber", "latest", True)
                receipt = await rpc.request(dict, "eth_getTransactionReceipt", sent)
                logs = await rpc.request(list, "eth_getLogs", {"fromBlock": "0x0"})
                balance = await rpc.request(str, "eth_getBalance", "0x" + "99" * 20, "latest")
                return [head, receipt, logs, balance]

            before = await seen()
            assert len(before[2]) > 100
            state, port, pid = tmp_path / "state.json", devnet.anvil.port, devnet.anvil.pid
            await devnet.save(state)
            watcher = await JsonRpc.connect(devnet.manifest.rpc_ws)
            await devnet.mine()
            await devnet.kill()
            assert not is_alive(pid)
            async with asyncio.timeout(5):
                assert isinstance(await watcher.closed, StreamLost)
            with pytest.raises(EndpointDown):
                await JsonRpc.connect(devnet.manifest.rpc_ws)

            await devnet.restart(state)
            assert devnet.anvil.port == port
            assert await seen() == before, "what was saved is there, what came after is not"
            parent = before[0]["hash"]
            await devnet.mine()
            head = await devnet.rpc.request(dict, "eth_getBlockByNumber", "latest", False)
            assert head["parentHash"] == parent
            assert int(head["gasLimit"], 16) == devnet.options.gas_limit

    asyncio.run(body())


def test_people_go_on_after_a_restart(tmp_path: Path) -> None:
    async def body() -> None:
        async with running_devnet(block_time_s=0.2) as devnet:
            task = asyncio.create_task(devnet.run_activity())
            await swaps(devnet, 5)
            await devnet.save(tmp_path / "state.json")
            await devnet.kill()
            await devnet.restart(tmp_path / "state.json")
            await swaps(devnet, 5)
            assert not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(body())


async def swaps(devnet: Devnet, wanted: int) -> None:
    """Wait for so many V3 swaps to come."""
    arrived: asyncio.Queue[None] = asyncio.Queue(maxsize=10_000)
    rpc = await JsonRpc.connect(
        devnet.manifest.rpc_ws, on_notification=lambda *_: arrived.put_nowait(None)
    )
    await rpc.subscribe("logs", {"topics": [SWAP_TOPIC]})
    async with asyncio.timeout(20):
        for _ in range(wanted):
            await arrived.get()
    rpc.close()


def test_a_taken_port_is_named() -> None:
    async def body() -> None:
        async with running_devnet() as devnet:
            options = DevnetOptions(port=devnet.anvil.port, block_time_s=0)
            with pytest.raises(EndpointDown, match=str(devnet.anvil.port)):
                async with Devnet.start(options):
                    pass

    asyncio.run(body())


SERVICE = """
import asyncio
from alphapulse.devnet.devnet import DevnetOptions
from alphapulse.devnet.service import serve
asyncio.run(serve(DevnetOptions(block_time_s=0.2), lambda manifest: print(manifest.rpc_ws, flush=True)))
print("ended", flush=True)
"""


def started_service() -> tuple["subprocess.Popen[bytes]", int]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "src"},
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
    assert accepts(port)
    return process, port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_service_ends_on_a_signal_and_leaves_no_process(number: signal.Signals) -> None:
    process, port = started_service()
    with process:
        process.send_signal(number)
        output, _ = process.communicate(timeout=15)
    assert output == b"ended\n"
    assert process.returncode == 0
    assert not accepts(port)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="the guard is part of util-linux")
def test_chain_ends_when_the_service_is_killed() -> None:
    process, port = started_service()
    with process:
        process.kill()
    deadline = time.monotonic() + 10
    while accepts(port) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not accepts(port)
