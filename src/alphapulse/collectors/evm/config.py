"""What the EVM collector is told: the chain, the endpoint, the pools and their tokens. Built by the node, read here."""

from typing import Literal

import msgspec

from alphapulse.errors import Misconfigured
from alphapulse.evm.rpc import masked_url
from alphapulse.primitives.address import ZERO_ADDRESS, hex_of
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.units import PIPS

__all__ = ["EvmCollectorConfig", "PoolConfig", "TokenConfig"]

MAX_DECIMALS = 36  # 10**36 whole-token scale keeps every display figure within plain integers


class TokenConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One token; `address` has 20 bytes."""

    address: bytes
    symbol: str
    decimals: int


class PoolConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One pool; `token0` is the lower address, `tick_spacing` is 0 for V2."""

    address: bytes
    venue: int
    kind: Literal["uniswap_v2", "uniswap_v3"]
    token0: bytes
    token1: bytes
    fee_pips: int
    tick_spacing: int = 0

    @property
    def instrument(self) -> InstrumentId:
        """Return the pool's id on the wire."""
        return InstrumentId.pool(self.venue, self.address)


class EvmCollectorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a collector needs; it never reads anything else.

    `block_time_ms` 0 switches the watchdog off: a development chain that mines on demand has no cadence.
    `multicall` all zero means that the chain has no Multicall3 and reads travel as JSON-RPC batches.
    """

    name: str
    source: int = 6
    chain_id: int
    rpc_ws: str
    pools: tuple[PoolConfig, ...]
    tokens: tuple[TokenConfig, ...]
    priority_fee_per_gas: int
    multicall: bytes = ZERO_ADDRESS
    reconnect_min_ms: int = 1_000
    reconnect_max_ms: int = 30_000
    block_time_ms: int = 12_000
    silent_blocks: int = 5
    max_gap_blocks: int = 2_048
    log_range_blocks: int = 256
    audit_pools: int = 8
    trust_logs_bloom: bool = True

    def __post_init__(self) -> None:
        _positive(self.name, "chain_id", self.chain_id)
        _positive(self.name, "reconnect_min_ms", self.reconnect_min_ms)
        _positive(self.name, "silent_blocks", self.silent_blocks)
        _positive(self.name, "max_gap_blocks", self.max_gap_blocks)
        _positive(self.name, "log_range_blocks", self.log_range_blocks)
        if self.reconnect_max_ms < self.reconnect_min_ms:
            raise Misconfigured(
                f"collector `{self.name}`: `reconnect_max_ms` must be at least `reconnect_min_ms`, "
                f"was {self.reconnect_max_ms}"
            )
        if not 0 < self.source < 256 or not 0 <= self.priority_fee_per_gas < 1 << 64:
            raise Misconfigured(
                f"collector `{self.name}`: `source` must be 1 to 255 and `priority_fee_per_gas` 64 bits wide, "
                f"were {self.source} and {self.priority_fee_per_gas}"
            )
        self._check_pools()

    def _check_pools(self) -> None:
        tokens = {token.address for token in self.tokens}
        for token in self.tokens:
            if len(token.address) != 20 or not 0 <= token.decimals <= MAX_DECIMALS:
                raise Misconfigured(
                    f"collector `{self.name}`: token `{token.symbol}` must have a 20-byte address and "
                    f"0 to {MAX_DECIMALS} decimals, had {len(token.address)} bytes and {token.decimals}"
                )
        seen: set[bytes] = set()
        for pool in self.pools:
            where = f"collector `{self.name}`, pool `{hex_of(pool.address)}`"
            if len(pool.address) != 20 or pool.address in seen:
                raise Misconfigured(f"{where}: addresses must have 20 bytes and be listed once")
            seen.add(pool.address)
            if not pool.token0 < pool.token1 or not {pool.token0, pool.token1} <= tokens:
                raise Misconfigured(
                    f"{where}: `token0` must be below `token1` and both must be in `tokens`, "
                    f"were `{hex_of(pool.token0)}` and `{hex_of(pool.token1)}`"
                )
            if not 0 <= pool.fee_pips < PIPS or (pool.kind == "uniswap_v3") != (
                pool.tick_spacing > 0
            ):
                raise Misconfigured(
                    f"{where}: `fee_pips` must be below {PIPS} and `tick_spacing` positive for V3, 0 for V2, "
                    f"were {pool.fee_pips} and {pool.tick_spacing}"
                )

    def __repr__(self) -> str:
        return (
            f"EvmCollectorConfig({self.name}, chain {self.chain_id}, {masked_url(self.rpc_ws)}, "
            f"{len(self.pools)} pools)"
        )


def _positive(name: str, key: str, value: int) -> None:
    if value <= 0:
        raise Misconfigured(f"collector `{name}`: `{key}` must be positive, was {value}")
