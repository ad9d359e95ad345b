"""Looks at the chain before anything starts: the right one, our contract, a key that may use it."""

from dataclasses import dataclass

from alphapulse.errors import (
    DecodeError,
    GateClosed,
    InvalidData,
    Misconfigured,
    RpcRefused,
    Unavailable,
)
from alphapulse.evm.abi import decode, encode_call
from alphapulse.evm.rpc import JsonRpc, masked_url
from alphapulse.node.config import Config, to_address
from alphapulse.node.wiring import ChainFacts
from alphapulse.primitives.address import Address, hex_of
from alphapulse.protocol.execution import ExecutionReason

__all__ = ["Preflight", "balance_of", "inspect_chain"]


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the chain answered."""

    facts: ChainFacts
    owner: Address
    balance_wei: int
    head: int


async def inspect_chain(config: Config, url: str, sender: Address | None) -> Preflight:
    """Return the facts that a run rests on; `sender` is the live key's address, None for a dry run.

    Raises  EndpointDown, InvalidData naming the endpoint; Misconfigured for another chain or a contract that is not
            there; GateClosed when the key may not trade with the contract.
    """
    rpc: JsonRpc | None = None
    try:
        rpc = await JsonRpc.connect(url)
        return await _inspect(rpc, config, sender)
    except (DecodeError, RpcRefused) as error:
        raise InvalidData(
            f"RPC endpoint `{masked_url(url)}` does not answer like an Ethereum node ({error}); "
            "check `chain.rpc_ws`"
        ) from error
    except Unavailable as error:
        raise type(error)(f"{error}; check `chain.rpc_ws` and that the node is up") from error
    finally:
        if rpc is not None:
            rpc.close()


async def _inspect(rpc: JsonRpc, config: Config, sender: Address | None) -> Preflight:
    chain_id = await _quantity(rpc, "eth_chainId")
    if chain_id != config.chain.chain_id:
        raise Misconfigured(
            f"`chain.chain_id` is {config.chain.chain_id}, but the endpoint serves chain {chain_id}; "
            "correct one of the two"
        )
    contract = to_address(config.contract.address)
    if not await _code(rpc, contract):
        raise Misconfigured(
            f"`contract.address` {hex_of(contract)} holds no code on chain {chain_id}; "
            "deploy the contract, or correct the address"
        )
    try:
        owner = Address(_bytes(await _view(rpc, contract, "owner()", "address")))
        lender = _bytes(await _view(rpc, contract, "lender()", "address"))
        premium = await _view(rpc, lender, "FLASHLOAN_PREMIUM_TOTAL()", "uint128")
    except (DecodeError, RpcRefused) as error:
        raise Misconfigured(
            f"`contract.address` {hex_of(contract)} is not an arbitrage contract with a lender ({error}); "
            "correct the address"
        ) from error
    if lender != to_address(config.contract.lender):
        raise Misconfigured(f"`contract.lender` differs from the contract's own, {hex_of(lender)}")
    assert isinstance(premium, int)
    if sender is not None and sender != owner:
        raise GateClosed(
            f"the key's account {hex_of(sender)} does not own the contract, {hex_of(owner)} does; "
            "use the owner's keystore",
            ExecutionReason.INVALID_PARAMETERS,
        )
    account = sender if sender is not None else owner
    balance = await _quantity(rpc, "eth_getBalance", hex_of(account), "latest")
    if sender is not None and balance == 0:
        raise GateClosed(
            f"the key's account {hex_of(sender)} holds no native token for gas; fund it",
            ExecutionReason.INSUFFICIENT_FUNDS,
        )
    head = await _quantity(rpc, "eth_blockNumber")
    return Preflight(ChainFacts(premium, account), owner, balance, head)


async def balance_of(rpc: JsonRpc, token: bytes, account: bytes) -> int:
    """Return an account's token balance at the latest block."""
    balance = await _view(rpc, token, "balanceOf(address)", "uint256", account)
    assert isinstance(balance, int)
    return balance


async def _quantity(rpc: JsonRpc, method: str, *params: object) -> int:
    text = await rpc.request(str, method, *params)
    try:
        return int(text, 16)
    except ValueError:
        raise DecodeError(
            "bad_answer", 0, f"`{method}` answered `{text[:40]}`, not a quantity"
        ) from None


async def _code(rpc: JsonRpc, account: bytes) -> bytes:
    text = await rpc.request(str, "eth_getCode", hex_of(account), "latest")
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise DecodeError("bad_answer", 0, f"`eth_getCode` answered `{text[:40]}`") from None


async def _view(
    rpc: JsonRpc, contract: bytes, signature: str, kind: str, *arguments: object
) -> object:
    call = {"to": hex_of(contract), "data": hex_of(encode_call(signature, *arguments))}
    answer = await rpc.request(str, "eth_call", call, "latest")
    try:
        (value,) = decode([kind], bytes.fromhex(answer.removeprefix("0x")))
    except ValueError:
        raise DecodeError("bad_answer", 0, f"`{signature}` answered `{answer[:40]}`") from None
    return value


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value
