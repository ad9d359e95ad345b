"""Makes a node's configuration for a devnet from what stands on it."""

from alphapulse.devnet.manifest import Manifest
from alphapulse.errors import Misconfigured
from alphapulse.node.config import (
    ChainSection,
    Config,
    ContractSection,
    DashboardSection,
    NodeSection,
    PoolSection,
    TokenSection,
    WalletSection,
)
from alphapulse.primitives.address import Address, hex_of
from alphapulse.primitives.venue import Venue

__all__ = ["DEVNET_CHAIN_ID", "config_of_devnet", "config_to_toml"]

DEVNET_CHAIN_ID = 31337

# What one loan may borrow, in whole tokens: below what the devnet's lender holds.
MAX_LOAN_WHOLE = {"WETH": 1_000, "USDC": 3_000_000, "DAI": 3_000_000}


def config_of_devnet(
    manifest: Manifest,
    *,
    recipient: Address,
    data_dir: str,
    wallet: WalletSection | None,
    dashboard: DashboardSection,
) -> Config:
    """Return the configuration of a node that watches and trades a whole devnet.

    Raises  Misconfigured when the manifest names no arbitrage contract or another chain.
    """
    if manifest.chain_id != DEVNET_CHAIN_ID:
        raise Misconfigured(
            f"a devnet has chain id {DEVNET_CHAIN_ID}, this chain has {manifest.chain_id}"
        )
    if manifest.contract is None:
        raise Misconfigured("the devnet holds no arbitrage contract; start it with an owner")
    return Config(
        node=NodeSection(data_dir=data_dir, live=wallet is not None),
        chain=ChainSection(
            chain_id=manifest.chain_id,
            rpc_ws=manifest.rpc_ws,
            block_time_ms=max(1, manifest.block_time_ms),
            wrapped_native=hex_of(manifest.wrapped_native),
            multicall=hex_of(manifest.multicall),
        ),
        tokens=tuple(
            TokenSection(
                address=hex_of(token.address),
                symbol=token.symbol,
                decimals=token.decimals,
                max_loan=MAX_LOAN_WHOLE.get(token.symbol, 0) * 10**token.decimals
                if token.borrowable
                else 0,
                usd=token.usd,
            )
            for token in manifest.tokens
        ),
        pools=tuple(
            PoolSection(
                address=hex_of(pool.address),
                venue=Venue(pool.venue).name.lower(),
                kind=pool.kind,
                token0=hex_of(pool.token0),
                token1=hex_of(pool.token1),
                fee_pips=pool.fee_pips,
                tick_spacing=pool.tick_spacing,
            )
            for pool in manifest.pools
        ),
        contract=ContractSection(
            address=hex_of(manifest.contract),
            lender=hex_of(manifest.lender),
            recipient=hex_of(recipient),
        ),
        wallet=wallet,
        dashboard=dashboard,
    )


def config_to_toml(config: Config) -> str:
    """Return the configuration as TOML that `load_config` reads back to an equal value."""
    tables: list[str] = []
    for name in config.__struct_fields__:
        section = getattr(config, name)
        if section is None:
            continue
        if isinstance(section, tuple):
            tables += [f"[[{name}]]\n{_pairs(item)}" for item in section]
        else:
            tables.append(f"[{name}]\n{_pairs(section)}")
    return "\n".join(tables)


def _pairs(section: object) -> str:
    lines = []
    for key in section.__struct_fields__:  # type: ignore[attr-defined]  # every section is a Struct
        value = getattr(section, key)
        if value is None:
            continue
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, int):
            text = str(value)
        elif isinstance(value, tuple):
            text = f"[{', '.join(map(_quoted, value))}]"
        else:
            text = _quoted(value)
        lines.append(f"{key} = {text}\n")
    return "".join(lines)


def _quoted(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
