"""Balancer V2's deployed vault and pools in an in-process EVM: the highest oracle of their families.

A pool answers `onSwap` to its vault only. The real vault registers each pool; then its code is
removed, so that its address may call the pools with any balances a test wants to ask about.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pyrevm
from eth_abi import encode

from support.amm_evm import MODULES, OWNER, assemble, selector, word, words

TASKS = MODULES / "@balancer-labs/v2-deployments/dist/tasks"
ZERO = "0x" + "00" * 20
REQUEST = "(uint8,address,address,uint256,bytes32,uint256,address,address,bytes)"
GIVEN_IN, GIVEN_OUT = 0, 1
ONE = 10**18


def creation_code(task: str, name: str) -> bytes:
    """Return the creation code that was deployed on the main network."""
    for kind, field in (("bytecode", "creationCode"), ("artifact", "bytecode")):
        path: Path = TASKS / task / kind / f"{name}.json"
        if path.is_file():
            return bytes.fromhex(json.loads(path.read_text())[field].removeprefix("0x"))
    raise FileNotFoundError(f"{task}/{name}")


class BalancerChain:
    """An EVM with the vault, and a token for each number of decimals."""

    def __init__(self) -> None:
        self.evm = pyrevm.EVM()
        self.evm.set_balance(OWNER, 10**24)
        authorizer = self.evm.deploy(
            OWNER, creation_code("20210418-authorizer", "Authorizer") + word(OWNER)
        )
        vault = creation_code("20210418-vault", "Vault")
        vault += encode(
            ["address", "address", "uint256", "uint256"], [authorizer, OWNER, 7776000, 2592000]
        )
        self.vault = self.evm.deploy(OWNER, vault)

    def token(self, decimals: int) -> str:
        """Deploy a contract that answers every question with a token's decimals."""
        push = f"0x{decimals:02x} 0x00 MSTORE 0x20 0x00 RETURN"
        runtime = assemble(push)
        size = len(runtime).to_bytes(2, "big")
        return self.evm.deploy(OWNER, b"\x61" + size + b"\x80\x60\x0a\x3d\x39\x3d\xf3" + runtime)

    def tokens(self, decimals: Sequence[int]) -> list[str]:
        """Return tokens in ascending order of address, with their decimals in the order given."""
        made: list[str] = []
        for decimal in decimals:
            token = self.token(decimal)
            while made and int(token, 16) < int(made[-1], 16):
                token = self.token(decimal)
            made.append(token)
        return made

    def call(self, to: str, signature: str, data: bytes = b"", caller: str = OWNER) -> bytes:
        return self.evm.message_call(caller, to, calldata=selector(signature) + data)

    def silence_vault(self) -> None:
        """Remove the vault's code: from here on its address calls pools as an account."""
        self.evm.insert_account_info(self.vault, pyrevm.AccountInfo(balance=10**24))


class WeightedContract:
    """One deployed weighted pool: of 2021, or of 2022 whose power has shortcuts."""

    def __init__(
        self,
        chain: BalancerChain,
        weights: Sequence[int],
        decimals: Sequence[int],
        fee: int,
        *,
        with_shortcuts: bool = False,
    ) -> None:
        self.chain = chain
        self.tokens = chain.tokens(decimals)
        code = self._second(weights, fee) if with_shortcuts else self._first(weights, fee)
        self.address = chain.evm.deploy(OWNER, code)
        self.pool_id = chain.call(self.address, "getPoolId()")

    def _first(self, weights: Sequence[int], fee: int) -> bytes:
        strings = ["address", "string", "string", "address[]", "uint256[]"]
        return creation_code("20210418-weighted-pool", "WeightedPool") + encode(
            [*strings, "uint256", "uint256", "uint256", "address"],
            [self.chain.vault, "w", "w", self.tokens, list(weights), fee, 7776000, 2592000, OWNER],
        )

    def _second(self, weights: Sequence[int], fee: int) -> bytes:
        provider = self.chain.evm.deploy(
            OWNER,
            creation_code(
                "20220725-protocol-fee-percentages-provider", "ProtocolFeePercentagesProvider"
            )
            + encode(["address", "uint256", "uint256"], [self.chain.vault, ONE, ONE]),
        )
        nobody = [ZERO] * len(weights)
        parts = ("w", "w", self.tokens, list(weights), nobody, nobody, fee)
        tail = ["address", "address", "uint256", "uint256", "address"]
        return creation_code("20220908-weighted-pool-v2", "WeightedPool") + encode(
            ["(string,string,address[],uint256[],address[],address[],uint256)", *tail],
            [parts, self.chain.vault, provider, 7776000, 2592000, OWNER],
        )

    def on_swap(
        self, kind: int, amount: int, i: int, j: int, balances: Sequence[int]
    ) -> int | None:
        """Return what the pool answers its vault, None where it reverts."""
        request = (kind, self.tokens[i], self.tokens[j], amount, self.pool_id, 1, OWNER, OWNER, b"")
        data = encode([REQUEST, "uint256", "uint256"], [request, balances[i], balances[j]])
        return _asked(self.chain, self.address, f"onSwap({REQUEST},uint256,uint256)", data)


class StableContract:
    """One deployed stable pool, by the task whose code it runs."""

    def __init__(
        self,
        chain: BalancerChain,
        task: str,
        amplification: int,
        decimals: Sequence[int],
        fee: int,
    ) -> None:
        self.chain = chain
        self.tokens = chain.tokens(decimals)
        if task == "20220609-stable-pool-v2":
            factory = chain.evm.deploy(
                OWNER, creation_code(task, "StablePoolFactory") + word(chain.vault)
            )
            data = encode(
                ["string", "string", "address[]", "uint256", "uint256", "address"],
                ["s", "s", self.tokens, amplification, fee, OWNER],
            )
            signature = "create(string,string,address[],uint256,uint256,address)"
            self.address = f"0x{words(chain.call(factory, signature, data))[0]:040x}"
        else:
            code = creation_code(task, "StablePool")
            code += encode(
                [
                    "address",
                    "string",
                    "string",
                    "address[]",
                    "uint256",
                    "uint256",
                    "uint256",
                    "uint256",
                    "address",
                ],
                [chain.vault, "s", "s", self.tokens, amplification, fee, 7776000, 2592000, OWNER],
            )
            self.address = chain.evm.deploy(OWNER, code)
        self.pool_id = chain.call(self.address, "getPoolId()")

    def on_swap(
        self, kind: int, amount: int, i: int, j: int, balances: Sequence[int]
    ) -> int | None:
        """Return what the pool answers its vault, None where it reverts."""
        request = (kind, self.tokens[i], self.tokens[j], amount, self.pool_id, 1, OWNER, OWNER, b"")
        data = encode([REQUEST, "uint256[]", "uint256", "uint256"], [request, list(balances), i, j])
        signature = f"onSwap({REQUEST},uint256[],uint256,uint256)"
        return _asked(self.chain, self.address, signature, data)


def _asked(chain: BalancerChain, to: str, signature: str, data: bytes) -> int | None:
    try:
        return words(chain.call(to, signature, data, caller=chain.vault))[0]
    except RuntimeError as error:
        assert "Revert" in str(error) or "Halt" in str(error), error
        return None
