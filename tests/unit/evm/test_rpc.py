"""One JSON-RPC connection. Oracle: a scripted peer made with another WebSocket library."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from alphapulse.errors import DecodeError, EndpointDown, OutcomeUnknown, RpcRefused, StreamLost
from alphapulse.evm.rpc import JsonRpc, masked_url


@asynccontextmanager
async def a_peer(behave):
    """Run `behave(socket)` for each client."""
    async with serve(behave, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def a_connection(behave, **options):
    async with a_peer(behave) as url:
        rpc = await JsonRpc.connect(url, **options)
        try:
            yield rpc
        finally:
            rpc.close()


def answering(make):
    """Return a peer that answers each request with what `make(request)` returns, None for silence."""

    async def behave(peer):
        async for frame in peer:
            answer = make(json.loads(frame))
            if answer is not None:
                await peer.send(answer if isinstance(answer, str | bytes) else json.dumps(answer))

    return behave


def result(request, value):
    return {"jsonrpc": "2.0", "id": request["id"], "result": value}


def test_an_answer_is_decoded_and_timed():
    async def scenario():
        frames = []
        peer = answering(lambda request: result(request, [1, 2]))
        async with a_connection(peer, tap=lambda *frame: frames.append(frame)) as rpc:
            assert await rpc.request(list[int], "m") == [1, 2]
            found, recv_ns = await rpc.request_timed(list[int], "m")
            assert (found, recv_ns) == ([1, 2], frames[1][1])
            assert rpc.statistics().frames == 2
            with pytest.raises(DecodeError, match="bad_answer"):
                await rpc.request(str, "m")

    asyncio.run(scenario())


def test_a_batch_keeps_the_order_of_its_calls():
    async def scenario():
        def make(requests):
            answers = [result(request, request["params"][0]) for request in requests]
            answers[1] = {"id": requests[1]["id"], "error": {"code": -1, "message": "no"}}
            return list(reversed(answers))

        async with a_connection(answering(make)) as rpc:
            one, two, three = await rpc.batch([("a", (1,)), ("b", (2,)), ("c", (3,))])
            assert (bytes(one), bytes(three)) == (b"1", b"3")
            assert isinstance(two, RpcRefused)
            assert (two.method, two.code) == ("b", -1)
            assert await rpc.batch([]) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "error", [{"code": -32000, "message": "no", "data": "0x"}, {"message": "no"}, {}]
)
def test_a_refusal_is_raised(error):
    async def scenario():
        def make(request):
            return {"jsonrpc": "2.0", "id": request["id"], "error": error}

        async with a_connection(answering(make)) as rpc:
            with pytest.raises(RpcRefused, match="eth_x"):
                await rpc.request(int, "eth_x")

    asyncio.run(scenario())


def test_a_refusal_without_an_id_reaches_whoever_waits():
    async def scenario():
        peer = answering(lambda request: {"id": None, "error": {"code": -32700, "message": "bad"}})
        async with a_connection(peer) as rpc:
            with pytest.raises(RpcRefused, match="bad"):
                await rpc.request(int, "m")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "garbage",
    ["<html>", "", "null", "[1]", '{"id":"x"}', b"\xff\xfe", '{"method":"eth_subscription"}'],
)
def test_garbage_ends_the_connection_and_what_waits(garbage):
    async def scenario():
        notes = []
        peer = answering(lambda request: garbage)
        async with a_connection(peer, on_notification=lambda *note: notes.append(note)) as rpc:
            with pytest.raises(DecodeError, match="bad_json"):
                await rpc.request(int, "m")
            assert isinstance(await rpc.closed, DecodeError)
            with pytest.raises(StreamLost):
                await rpc.request(int, "m")
            assert notes == []

    asyncio.run(scenario())


def test_frames_nobody_asked_for_are_left_alone():
    async def scenario():
        async def behave(peer):
            async for frame in peer:
                await peer.send('{"jsonrpc":"2.0","id":77,"result":1}')
                await peer.send('{"jsonrpc":"2.0","method":"hello","params":[1]}')
                await peer.send("[]")
                await peer.send(json.dumps(result(json.loads(frame), 5)))

        async with a_connection(behave) as rpc:
            assert await rpc.request(int, "m") == 5

    asyncio.run(scenario())


def test_notifications_and_fragments_arrive_whole():
    async def scenario():
        notes = []

        async def behave(peer):
            async for frame in peer:
                note = {"subscription": "0x1", "result": {"a": [1, 2]}}
                text = json.dumps({"method": "eth_subscription", "params": note})
                await peer.send(iter([text[:10], text[10:20], text[20:]]))
                await peer.send(json.dumps(result(json.loads(frame), "0x1")))

        async with a_connection(behave, on_notification=lambda *note: notes.append(note)) as rpc:
            assert await rpc.subscribe("newHeads") == "0x1"
            ((note, recv_ns),) = notes
            assert note.subscription == "0x1"
            assert json.loads(bytes(note.result)) == {"a": [1, 2]}
            assert recv_ns > 0

    asyncio.run(scenario())


def test_a_lost_connection_fails_what_waits():
    async def scenario():
        async def behave(peer):
            await peer.recv()
            peer.transport.abort()

        async with a_connection(behave) as rpc:
            with pytest.raises(StreamLost, match=r"127\.0\.0\.1"):
                await rpc.request(int, "m")
            assert isinstance(await rpc.closed, StreamLost)

    asyncio.run(scenario())


def test_silence_is_an_unknown_outcome():
    async def scenario():
        async with a_connection(answering(lambda request: None), request_timeout_s=0.02) as rpc:
            with pytest.raises(OutcomeUnknown, match="eth_slow"):
                await rpc.request(int, "eth_slow")

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["", "/v3/secret-key?token=abc"])
def test_nobody_listening_is_endpoint_down_without_the_secret(path):
    async def scenario():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"ws://user:word@127.0.0.1:{free.getsockname()[1]}{path}"
            with pytest.raises(EndpointDown) as caught:
                await JsonRpc.connect(url)
        assert "secret" not in str(caught.value)
        assert "word" not in str(caught.value)

    asyncio.run(scenario())


def test_what_is_no_websocket_is_endpoint_down():
    async def scenario():
        async def behave(reader, writer):
            await reader.readline()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            writer.close()

        async with await asyncio.start_server(behave, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(EndpointDown):
                await JsonRpc.connect(f"ws://127.0.0.1:{port}")

    asyncio.run(scenario())


@pytest.mark.parametrize("url", ["", "banana", "http://127.0.0.1", "ws://"])
def test_what_is_no_url_is_endpoint_down(url):
    async def scenario():
        with pytest.raises(EndpointDown):
            await JsonRpc.connect(url)

    asyncio.run(scenario())


def test_masked_url():
    assert masked_url("wss://user:word@host.example:99/key?x=1") == "wss://host.example:99"
