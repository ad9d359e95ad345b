"""Turns configuration into the parts' own settings. Values only; nothing here is started."""

from collections.abc import Mapping
from dataclasses import dataclass

from alphapulse.collectors.evm.config import EvmCollectorConfig, PoolConfig, TokenConfig
from alphapulse.errors import Misconfigured
from alphapulse.node.config import (
    REFERENCES,
    Config,
    resolve_secret,
    to_address,
    venue_number,
)
from alphapulse.node.fees import fee_rule, l1_fee_model, tip_policy
from alphapulse.primitives.address import Address
from alphapulse.strategies.flash_arbitrage.config import BorrowableToken, FlashArbitrageConfig

__all__ = ["ChainFacts", "collector_config", "rpc_url", "strategy_config"]

RECONNECT_MIN_MS = (
    250  # a local or dedicated node; a shared provider's limits are met by the doubling
)


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """What was read from the chain before the start: the decisions of a run depend on it."""

    premium_bps: int
    operator: Address


def rpc_url(config: Config, environment: Mapping[str, str]) -> str:
    """Return the endpoint's URL, resolved where it is a reference.

    Raises  Misconfigured naming the reference, never what it holds.
    """
    reference = config.chain.rpc_ws
    if not reference.startswith(REFERENCES):
        return reference
    url = resolve_secret(reference, environment, "chain.rpc_ws").strip()
    if not url.startswith(("ws://", "wss://")):
        raise Misconfigured(
            f"`chain.rpc_ws`: `{reference}` must hold a URL that begins with `ws://` or `wss://`"
        )
    return url


def collector_config(config: Config, url: str) -> EvmCollectorConfig:
    """Return what the collector of the configured chain is told."""
    return EvmCollectorConfig(
        name="evm",
        chain_id=config.chain.chain_id,
        rpc_ws=url,
        pools=tuple(
            PoolConfig(
                address=to_address(pool.address),
                venue=venue_number(pool.venue),
                kind=pool.kind,
                token0=to_address(pool.token0),
                token1=to_address(pool.token1),
                fee_pips=pool.fee_pips,
                tick_spacing=pool.tick_spacing,
            )
            for pool in config.pools
        ),
        tokens=tuple(
            TokenConfig(
                address=to_address(token.address), symbol=token.symbol, decimals=token.decimals
            )
            for token in config.tokens
        ),
        priority_fee_per_gas=config.execution.tip_per_gas_wei,
        multicall=to_address(config.chain.multicall),
        block_time_ms=config.chain.block_time_ms,
        reconnect_min_ms=RECONNECT_MIN_MS,
    )


def strategy_config(config: Config, facts: ChainFacts) -> FlashArbitrageConfig:
    """Return what the flash arbitrage strategy is told."""
    return FlashArbitrageConfig(
        chain_id=config.chain.chain_id,
        contract=to_address(config.contract.address),
        recipient=to_address(config.contract.recipient),
        operator=facts.operator,
        borrowable=tuple(
            BorrowableToken(to_address(token.address), token.max_loan)
            for token in config.tokens
            if token.max_loan
        ),
        wrapped_native=to_address(config.chain.wrapped_native),
        usd_tokens=tuple(to_address(token.address) for token in config.tokens if token.usd),
        premium_bps=facts.premium_bps,
        max_hops=config.strategy.max_hops,
        tip_per_gas_wei=config.execution.tip_per_gas_wei,
        valid_blocks=config.execution.valid_blocks,
        min_net_profit=config.strategy.min_net_profit,
        suppress_blocks=config.strategy.suppress_blocks,
        fee_rule=fee_rule(config.fees),
        tip_policy=tip_policy(config.fees, config.execution.tip_per_gas_wei),
        l1_fee_model=l1_fee_model(config.l1_fee),
        builder_share_bps=config.fees.builder_share_bps,
        token_gas=tuple(
            (to_address(token.address), token.transfer_gas)
            for token in config.tokens
            if token.transfer_gas
        ),
    )
