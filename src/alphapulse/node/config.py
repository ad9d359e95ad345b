"""Configuration of one node: TOML file, environment over it, unknown keys refused, secrets by reference only."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from alphapulse.errors import Misconfigured, ValueOutOfRange
from alphapulse.node.fees import FeesSection, L1FeeSection, TransferGas, check_fees
from alphapulse.node.section import NotNegative, Section
from alphapulse.primitives.address import Address, address
from alphapulse.primitives.venue import Venue

__all__ = [
    "LOOPBACK_URL",
    "REFERENCES",
    "ChainSection",
    "Config",
    "ContractSection",
    "DashboardSection",
    "ExecutionSection",
    "HexAddress",
    "NodeSection",
    "PoolSection",
    "RiskSection",
    "StrategySection",
    "TokenSection",
    "TransportSection",
    "WalletSection",
    "load_config",
    "parse_config",
    "resolve_secret",
    "to_address",
    "transport_section",
    "venue_number",
]

ENVIRONMENT_PREFIX = "ALPHAPULSE__"
REFERENCES = ("env:", "file:")
# Nothing but host and port: a path, a query or a user may be a key.
LOOPBACK_URL = re.compile(r"ws://(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}/?")
LOOPBACK_NATS = re.compile(r"nats://(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}/?")

Positive = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
HexAddress = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{40}$")]


class NodeSection(Section, frozen=True):
    """Where this node keeps its files, and whether it may trade at all."""

    data_dir: str = "var/node"
    live: bool = False


class ChainSection(Section, frozen=True):
    """The chain and how to reach it. `rpc_ws` is a loopback URL, or `env:NAME` or `file:PATH` that holds one."""

    chain_id: Positive
    rpc_ws: str
    block_time_ms: Positive
    wrapped_native: HexAddress
    multicall: HexAddress


class TokenSection(Section, frozen=True):
    """A token; `max_loan` in smallest units makes it borrowable, `usd` values it at one dollar.

    `transfer_gas` is what its transfers burn beyond those of a plain token.
    """

    address: HexAddress
    symbol: str
    decimals: Annotated[int, msgspec.Meta(ge=0, le=36)]
    max_loan: NotNegative = 0
    usd: bool = False
    transfer_gas: TransferGas = 0


class PoolSection(Section, frozen=True):
    """A pool to watch."""

    address: HexAddress
    venue: str
    kind: Literal["uniswap_v2", "uniswap_v3"]
    token0: HexAddress
    token1: HexAddress
    fee_pips: Annotated[int, msgspec.Meta(ge=0, lt=1_000_000)]
    tick_spacing: NotNegative = 0


class ContractSection(Section, frozen=True):
    """The arbitrage contract, the lender that it borrows from, and who receives the profit."""

    address: HexAddress
    lender: HexAddress
    recipient: HexAddress


class WalletSection(Section, frozen=True):
    """An Ethereum V3 keystore file; `password` is `env:NAME` or `file:PATH`, never the word itself."""

    keystore: str
    password: str


class StrategySection(Section, frozen=True):
    """What the flash arbitrage strategy looks for. `min_net_profit` is in wei of the native token."""

    max_hops: Annotated[int, msgspec.Meta(ge=2, le=4)] = 3
    min_net_profit: NotNegative = 0
    suppress_blocks: NotNegative = 5


class ExecutionSection(Section, frozen=True):
    """Fees and patience of a submission; a result younger than `final_blocks` is taken back when its block is."""

    tip_per_gas_wei: NotNegative = 1_000_000_000
    valid_blocks: Positive = 2
    final_blocks: Annotated[int, msgspec.Meta(ge=0, le=64)] = 12


class RiskSection(Section, frozen=True):
    """Limits, named as positive amounts."""

    daily_loss_limit_usd_e8: NotNegative = 1000 * 10**8


class ArchiveSection(Section, frozen=True):
    """How long a run's finished segments are kept, by age and by stored bytes; 0 is for ever."""

    keep_days: NotNegative = 0
    keep_bytes: NotNegative = 0


class DashboardSection(Section, frozen=True):
    """Where the dashboard listens; loopback unless told otherwise. Port 0 takes a free one."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 8700


class TransportSection(Section, frozen=True):
    """How the services of a node hear each other: in one process, over relays, over a NATS server, or some each way.

    `directory` is where the relays' sockets are; empty takes a private folder for each run. `nats_url` is a loopback
    URL without credentials, or `env:NAME` or `file:PATH` that holds one. `on_bus` names the services that use the
    server when the mode is mixed.
    """

    mode: Literal["local", "unix", "nats", "mixed"] = "local"
    directory: str = ""
    nats_url: str = ""
    on_bus: tuple[Literal["books", "archiver", "dashboard"], ...] = ()


class Config(Section, frozen=True):
    """One node's whole configuration."""

    chain: ChainSection
    contract: ContractSection
    tokens: tuple[TokenSection, ...]
    pools: tuple[PoolSection, ...]
    wallet: WalletSection | None = None
    node: NodeSection = NodeSection()
    strategy: StrategySection = StrategySection()
    execution: ExecutionSection = ExecutionSection()
    risk: RiskSection = RiskSection()
    archive: ArchiveSection = ArchiveSection()
    dashboard: DashboardSection = DashboardSection()
    transport: TransportSection = TransportSection()
    fees: FeesSection = FeesSection()
    l1_fee: L1FeeSection | None = None


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Return the configuration of a TOML file with `ALPHAPULSE__SECTION__KEY` variables over it.

    Raises  Misconfigured, naming file, key and rule.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"configuration `{path}` cannot be read ({error.strerror}); "
            "pass an existing file with `--config`, or make one with `alphapulse devnet --config-out FILE`"
        ) from error
    try:
        tables = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"configuration `{path}` is not TOML: {error}") from error
    return parse_config(_with_environment(tables, environment), str(path))


def parse_config(tables: Mapping[str, object], name: str) -> Config:
    """Return the configuration that decoded tables describe; `name` is what errors call them.

    Raises  Misconfigured, naming key and rule.
    """
    try:
        config = msgspec.convert(tables, Config, strict=False)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"configuration `{name}`: {_readable(error)}") from error
    _check_references(config, name)
    return config


def resolve_secret(reference: str, environment: Mapping[str, str], what: str) -> str:
    """Return what a reference points to, without its final newline.

    Raises  Misconfigured naming the reference, never its content.
    """
    kind, _, rest = reference.partition(":")
    if kind == "env":
        if rest not in environment:
            raise Misconfigured(
                f"`{what}` refers to environment variable `{rest}`, which is not set"
            )
        return environment[rest]
    if kind == "file":
        try:
            return Path(rest).read_text().rstrip("\n")
        except OSError as error:
            raise Misconfigured(
                f"`{what}` refers to file `{rest}`, which cannot be read ({error.strerror})"
            ) from error
        except UnicodeDecodeError:
            raise Misconfigured(
                f"`{what}` refers to file `{rest}`, which does not hold text"
            ) from None
    raise Misconfigured(f"`{what}` must be a reference (`env:NAME` or `file:PATH`)")


def venue_number(name: str) -> int:
    """Return a venue's wire number by its name.

    Raises  Misconfigured listing the names that exist.
    """
    try:
        return Venue[name.upper()].value
    except KeyError:
        names = ", ".join(venue.name.lower() for venue in Venue)
        raise Misconfigured(f"`pools.venue` must be one of {names}, was `{name}`") from None


def to_address(text: str) -> Address:
    """Return the bytes of a configured address.

    Raises  Misconfigured when it is none.
    """
    try:
        return address(text)
    except ValueOutOfRange as error:
        raise Misconfigured(str(error)) from error


def transport_section(environment: Mapping[str, str], mode: str | None) -> TransportSection:
    """Return the transport of a node that has no file: what the environment says, and the command line over it.

    Raises  Misconfigured, naming key and rule.
    """
    name = "of the environment"
    prefix = f"{ENVIRONMENT_PREFIX}TRANSPORT__"
    ours = {key: value for key, value in environment.items() if key.startswith(prefix)}
    tables = _with_environment({}, ours).get("transport", {})
    assert isinstance(tables, Mapping)
    try:
        section = msgspec.convert(
            {**tables, **({} if mode is None else {"mode": mode})}, TransportSection, strict=False
        )
    except msgspec.ValidationError as error:
        raise Misconfigured(f"configuration `{name}`: {_readable(error)}") from error
    _check_transport(section, name)
    return section


def _with_environment(
    tables: Mapping[str, object], environment: Mapping[str, str]
) -> dict[str, object]:
    merged = dict(tables)
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        section, _, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        table = merged.get(section, {})
        if not key or not isinstance(table, Mapping):
            raise Misconfigured(
                f"environment variable `{variable}` must be ALPHAPULSE__SECTION__KEY"
            )
        merged[section] = {**table, key: _value(variable, environment[variable])}
    return merged


def _value(variable: str, text: str) -> object:
    """Return a variable's value: a list where it is written as one in TOML, else the text itself."""
    if not text.startswith("["):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(
            f'environment variable `{variable}` must hold a list such as ["books"]: {error}'
        ) from error


def _check_references(config: Config, name: str) -> None:
    url = config.chain.rpc_ws
    if not url.startswith(REFERENCES) and not LOOPBACK_URL.fullmatch(url):
        raise Misconfigured(
            f"configuration `{name}`: `chain.rpc_ws` must be `ws://127.0.0.1:PORT`, or `env:NAME` or "
            "`file:PATH` that holds the URL, since an endpoint's URL often carries a key"
        )
    if config.wallet is not None and not config.wallet.password.startswith(REFERENCES):
        raise Misconfigured(
            f"configuration `{name}`: `wallet.password` must be `env:NAME` or `file:PATH`, "
            "never the password itself"
        )
    _check_transport(config.transport, name)
    check_fees(config.fees, config.l1_fee, name)
    known = {token.address.lower() for token in config.tokens}
    for pool in config.pools:
        venue_number(pool.venue)
        for token in (pool.token0, pool.token1):
            if token.lower() not in known:
                raise Misconfigured(
                    f"configuration `{name}`: pool `{pool.address}` uses token `{token}`, which `tokens` lacks"
                )


def _check_transport(section: TransportSection, name: str) -> None:
    url = section.nats_url
    if url and not url.startswith(REFERENCES) and not LOOPBACK_NATS.fullmatch(url):
        raise Misconfigured(
            f"configuration `{name}`: `transport.nats_url` must be `nats://127.0.0.1:PORT`, or `env:NAME` or "
            "`file:PATH` that holds the URL, since it may carry credentials"
        )
    if (section.mode == "mixed") != bool(section.on_bus):
        raise Misconfigured(
            f"configuration `{name}`: `transport.on_bus` names the services on the server when `transport.mode` is "
            "`mixed`, and only then"
        )


def _readable(error: msgspec.ValidationError) -> str:
    text, _, place = str(error).partition(" - at ")
    where = place.strip("`").removeprefix("$.").removeprefix("$")
    return f"{text[0].lower()}{text[1:]}" + (f" in `{where}`" if where else "")
