"""Compares the books with the chain: the recipient's tokens and the sender's gas, since this run began."""

from dataclasses import dataclass

from alphapulse.errors import DecodeError, Misconfigured, RpcRefused
from alphapulse.evm.rpc import JsonRpc
from alphapulse.node.config import Config, TokenSection, to_address
from alphapulse.node.preflight import balance_of
from alphapulse.portfolio.ledger import Balances
from alphapulse.primitives.address import hex_of

__all__ = ["ChainBalances", "Difference", "differences", "read_balances"]

NATIVE = "native"


@dataclass(frozen=True, slots=True)
class ChainBalances:
    """Smallest units: the recipient's by token symbol, and the sender's native balance."""

    tokens: dict[str, int]
    native: int


@dataclass(frozen=True, slots=True)
class Difference:
    """An asset of which the chain moved otherwise than the books say."""

    asset: str
    booked: int
    on_chain: int


async def read_balances(url: str, config: Config, sender: bytes) -> ChainBalances:
    """Return what the chain shows now.

    Raises  Unavailable when the node does not answer; Misconfigured for a token that is none.
    """
    rpc = await JsonRpc.connect(url)
    try:
        recipient = to_address(config.contract.recipient)
        tokens = {
            token.symbol: await _token_balance(rpc, token, recipient) for token in config.tokens
        }
        native = int(await rpc.request(str, "eth_getBalance", hex_of(sender), "latest"), 16)
    finally:
        rpc.close()
    return ChainBalances(tokens, native)


async def _token_balance(rpc: JsonRpc, token: TokenSection, recipient: bytes) -> int:
    try:
        return await balance_of(rpc, to_address(token.address), recipient)
    except (DecodeError, RpcRefused) as error:
        raise Misconfigured(
            f"`tokens`: `{token.symbol}` at {token.address} does not tell a balance ({error}); "
            "correct its address"
        ) from error


def differences(
    config: Config, before: ChainBalances, after: ChainBalances, start: Balances, end: Balances
) -> tuple[Difference, ...]:
    """Return where the change on chain and the change in the books differ; empty is what is wanted."""
    chain_id = config.chain.chain_id
    found = []
    for token in config.tokens:
        address = to_address(token.address)
        booked = _token(end, chain_id, address) - _token(start, chain_id, address)
        moved = after.tokens[token.symbol] - before.tokens[token.symbol]
        if booked != moved:
            found.append(Difference(token.symbol, booked, moved))
    spent = _spent(end, chain_id) - _spent(start, chain_id)
    if before.native - after.native != spent:
        found.append(Difference(NATIVE, -spent, after.native - before.native))
    return tuple(found)


def _token(balances: Balances, chain_id: int, token: bytes) -> int:
    return sum(
        row.amount for row in balances.tokens if (row.chain_id, row.token) == (chain_id, token)
    )


def _spent(balances: Balances, chain_id: int) -> int:
    return sum(row.amount for row in balances.native_spent if row.chain_id == chain_id)
