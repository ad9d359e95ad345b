"""Tokens, and how much of them everybody holds."""

from alphapulse.devnet.artifacts import Artifacts
from alphapulse.devnet.calls import arguments, call_data
from alphapulse.devnet.layout import ACCOUNTS, TOKENS
from alphapulse.devnet.script import Script
from alphapulse.primitives.address import Address

__all__ = ["WRAPPED_NATIVE_SYMBOL", "approve_all", "deploy_tokens", "fund_accounts"]

WETH9 = "canonical-weth/build/contracts/WETH9"
MINTABLE_ERC20 = "@aave/core-v3/artifacts/contracts/mocks/tokens/MintableERC20.sol/MintableERC20"
WRAPPED_NATIVE_SYMBOL = "WETH"
HOLDING_USD = 1_000_000_000  # of each token and account: nobody runs dry in a long run
MAX_UINT256 = 2**256 - 1


def deploy_tokens(script: Script, artifacts: Artifacts) -> dict[str, Address]:
    """Add the creation of all tokens; return their addresses by symbol."""
    places = {}
    for token in TOKENS:
        if token.symbol == WRAPPED_NATIVE_SYMBOL:
            code = artifacts.creation_code(WETH9)
        else:
            code = artifacts.creation_code(MINTABLE_ERC20) + arguments(
                ("string", "string", "uint8"), token.name, token.symbol, token.decimals
            )
        places[token.symbol] = script.create(token.symbol, code)
    return places


def fund_accounts(script: Script, tokens: dict[str, Address]) -> None:
    """Give every account its holding of every token."""
    for token in TOKENS:
        place = tokens[token.symbol]
        for account in ACCOUNTS:
            amount = token.amount_of_usd(HOLDING_USD)
            label = f"{token.symbol} for an account"
            if token.symbol == WRAPPED_NATIVE_SYMBOL:
                script.call(label, place, call_data("deposit()"), sender=account, value=amount)
            else:
                data = call_data("mint(address,uint256)", account, amount)
                script.call(label, place, data)


def approve_all(
    script: Script, tokens: dict[str, Address], owners: tuple[Address, ...], spender: Address
) -> None:
    """Let a spender take every token of these owners."""
    data = call_data("approve(address,uint256)", spender, MAX_UINT256)
    for owner in owners:
        for symbol, place in tokens.items():
            script.call(f"approval of {symbol}", place, data, sender=owner)
