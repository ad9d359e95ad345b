"""`alphapulse relay tail`: what relays forward, as it comes, in one line a message, as JSON, or as bytes.

It listens like any consumer and says nothing. The relay filters by type, venue and instrument; by source it is done here.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uvloop

from alphapulse.cli.exit_codes import DONE
from alphapulse.errors import DecodeError, EndpointDown, Misconfigured, ValueOutOfRange
from alphapulse.primitives.address import address
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import DOMAIN_LIMITS, VERSION, Domain, Header, Source
from alphapulse.protocol.message import Message, RawTlv
from alphapulse.protocol.plain import plain_message, sentence, source_text
from alphapulse.protocol.registry import REGISTRY, number_of
from alphapulse.protocol.system import Error, Hello, PeerRole, Subscribe
from alphapulse.relays.config import DOMAIN_NAMES, default_directory
from alphapulse.transport.framing import Framer
from alphapulse.transport.sockets import socket_path

__all__ = ["add_arguments", "run"]

_READ = 1 << 18
_LISTENER = 255  # source of a connection that produces nothing
_REPLACE = 3
_AGAIN_S = 0.5
_HEARTBEAT_MS = 1_000
_NUMBERS = {row.tlv.__name__.lower(): row.number for row in REGISTRY}
_KINDS: dict[str, Callable[[int, str], InstrumentId]] = {
    "pool": lambda venue, text: InstrumentId.pool(venue, bytes.fromhex(text.removeprefix("0x"))),
    "token": lambda venue, text: InstrumentId.token(venue, address(text)),
    "coin": InstrumentId.coin,
    "pair": InstrumentId.spot_pair,
    "stock": InstrumentId.stock,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the deed."""
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="where the relays' sockets are"
    )
    parser.add_argument(
        "--domain",
        action="append",
        choices=sorted(DOMAIN_NAMES, key=DOMAIN_NAMES.__getitem__),
        help="this domain only; may be repeated, like the other filters",
    )
    parser.add_argument("--type", action="append", metavar="NAME", help="TLV type, name or number")
    parser.add_argument("--source", action="append", metavar="NAME", help="producer")
    parser.add_argument("--venue", action="append", metavar="NAME", help="every instrument of it")
    parser.add_argument(
        "--instrument",
        action="append",
        metavar="KIND:VENUE:WHAT",
        help="`pool:uniswap_v3:0x88e6...`, `token:base:0x4200...`, `pair:binance:BTCUSDT`, `coin:...`, `stock:...`",
    )
    parser.add_argument("--count", type=int, metavar="N", help="end after so many messages")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so long")
    parser.add_argument("--snapshot", action="store_true", help="begin with what the relays keep")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line, every field")
    form.add_argument("--hex", action="store_true", help="the bytes of each message")


class _Choice(msgspec.Struct, frozen=True):
    """What is wanted."""

    types: frozenset[int]
    sources: frozenset[int]
    instruments: tuple[InstrumentId, ...]
    snapshot: bool


def run(options: argparse.Namespace) -> int:
    """Print until the count, the time, or a signal."""
    directory = options.directory or default_directory()
    choice = _Choice(
        frozenset(_type_number(name) for name in options.type or ()),
        frozenset(_source_number(name) for name in options.source or ()),
        (
            *(InstrumentId.venue_wildcard(_venue(name)) for name in options.venue or ()),
            *(_instrument(text) for text in options.instrument or ()),
        ),
        options.snapshot,
    )
    domains = [DOMAIN_NAMES[name] for name in options.domain or DOMAIN_NAMES]
    missing = [d for d in domains if not socket_path(directory, d).is_socket()]
    if len(missing) == len(domains):
        raise EndpointDown(f"no relay listens in `{directory}`; start `alphapulse relay serve`")
    printer = _Printer(choice, _form(options), options.count)
    with contextlib.suppress(BrokenPipeError):
        uvloop.run(_tail(directory, domains, choice, printer, options.seconds))
    return DONE


def _type_number(name: str) -> int:
    number = int(name) if name.isdigit() else _NUMBERS.get(name.lower().replace("_", ""), 0)
    if not 0 < number < 255:
        raise Misconfigured(f"`--type` must be a type of the protocol or its number, was `{name}`")
    return number


def _source_number(name: str) -> int:
    if name.isdigit():
        return int(name)
    try:
        return Source[name.upper()]
    except KeyError:
        names = ", ".join(source.name.lower() for source in Source)
        raise Misconfigured(f"`--source` must be a number or one of {names}") from None


def _venue(name: str) -> int:
    if name.isdigit():
        return int(name)
    try:
        return Venue[name.upper()]
    except KeyError:
        raise Misconfigured(f"`--venue` must be a venue or its number, was `{name}`") from None


def _instrument(text: str) -> InstrumentId:
    kind, _, rest = text.partition(":")
    venue, _, what = rest.partition(":")
    if kind not in _KINDS or not what:
        raise Misconfigured(f"`--instrument` must be KIND:VENUE:WHAT, was `{text}`")
    try:
        return _KINDS[kind](_venue(venue), what)
    except (ValueError, ValueOutOfRange) as error:
        raise Misconfigured(f"`--instrument {text}`: {error}") from error


def _form(options: argparse.Namespace) -> Callable[[Message, bytes], str]:
    if options.hex:
        return lambda _message, raw: raw.hex()
    if options.json:
        return lambda message, _raw: msgspec.json.encode(plain_message(message)).decode()
    return lambda message, _raw: _line(message)


def _line(message: Message) -> str:
    header = message.header
    at = datetime.fromtimestamp(header.timestamp_ns / 1e9, UTC)
    domain = Domain(header.domain).name.lower()
    number = f"#{header.sequence}" if header.sequence else "-"
    return (
        f"{at:%H:%M:%S.%f} {domain:9} {source_text(header.source):15} {number:>9}  "
        f"{sentence(message)}"
    )


class _Printer:
    """Writes what is wanted and says when there is enough."""

    def __init__(
        self, choice: _Choice, form: Callable[[Message, bytes], str], count: int | None
    ) -> None:
        self._choice = choice
        self._form = form
        self._left = count
        self._enough = asyncio.Event()

    async def until_enough(self) -> None:
        """Wait until the count is reached."""
        await self._enough.wait()

    def take(self, raw: bytes) -> None:
        """Print a message unless it is not wanted; damaged ones are named and not shown."""
        try:
            message = decode(raw)
        except DecodeError as error:
            print(
                f"alphapulse: a message of {len(raw)} bytes was invalid: {error}", file=sys.stderr
            )
            return
        if self._enough.is_set() or not self._is_wanted(message):
            return
        sys.stdout.write(self._form(message, raw) + "\n")
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._enough.set()

    def _is_wanted(self, message: Message) -> bool:
        choice = self._choice
        if choice.sources and message.header.source not in choice.sources:
            return False
        if not choice.types:
            return message.header.sequence > 0 or message.first(Error) is not None
        return any(
            (tlv.type if isinstance(tlv, RawTlv) else number_of(type(tlv))) in choice.types
            for tlv in message.tlvs
        )


async def _tail(
    directory: Path,
    domains: list[int],
    choice: _Choice,
    printer: _Printer,
    seconds: float | None,
) -> None:
    tasks = [asyncio.create_task(_listen(directory, domain, choice, printer)) for domain in domains]
    tasks.append(asyncio.create_task(printer.until_enough()))
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        sys.stdout.flush()
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome


async def _listen(directory: Path, domain: int, choice: _Choice, printer: _Printer) -> None:
    """Listen to one relay, and to the next one that takes its place."""
    while True:
        with contextlib.suppress(OSError):
            path = str(socket_path(directory, domain))
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(_words(domain, choice))
                await _copy(reader, printer)
            finally:
                writer.close()
        await asyncio.sleep(_AGAIN_S)


async def _copy(reader: asyncio.StreamReader, printer: _Printer) -> None:
    framer = Framer()
    while data := await reader.read(_READ):
        block = framer.feed(data)
        for raw in block.messages() if block is not None else ():
            printer.take(raw)
        framer.rejected.clear()
        if framer.failure is not None:
            raise framer.failure
        sys.stdout.flush()


def _words(domain: int, choice: _Choice) -> bytes:
    bit = 1 << (domain - 1)
    hello = Hello(
        VERSION,
        PeerRole.CONSUMER,
        0,
        bit,
        0,
        0,
        DOMAIN_LIMITS[domain],
        _HEARTBEAT_MS,
        "tail:1",
    )
    types = sum(1 << number for number in choice.types).to_bytes(32, "little")
    subscribe = Subscribe(_REPLACE, bit, 1 if choice.snapshot else 0, types, choice.instruments)
    header = Header(domain, _LISTENER, 0, 0, time.time_ns())
    return b"".join(encode(Message(header, (word,))) for word in (hello, subscribe))
