"""Deployed pool bytecode in an in-process EVM: the highest oracle of the amm tests.

The receiver is assembled here. Called with (address, data) it forwards data to the address and
returns one word, success, before the answer. Called back by a V3 pool it pays what the pool asks,
unless the swap carried data: then it reverts with both deltas, the price, the tick and the liquidity
that the swap would leave, so that a thousand swaps can be asked of one state.
"""

import json
import os
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyrevm

from alphapulse.amm.uniswap_v3.pool import V3State
from alphapulse.evm.hashing import keccak256

MODULES = Path(__file__).resolve().parents[2] / "node_modules"
OWNER = "0x" + "11" * 20
ASK = b"\x01"

_OPCODES = {
    "STOP": 0x00,
    "ADD": 0x01,
    "SUB": 0x03,
    "GT": 0x11,
    "SGT": 0x13,
    "ISZERO": 0x15,
    "SHR": 0x1C,
    "CALLER": 0x33,
    "CALLDATALOAD": 0x35,
    "CALLDATASIZE": 0x36,
    "CALLDATACOPY": 0x37,
    "RETURNDATASIZE": 0x3D,
    "RETURNDATACOPY": 0x3E,
    "POP": 0x50,
    "MLOAD": 0x51,
    "MSTORE": 0x52,
    "JUMPI": 0x57,
    "GAS": 0x5A,
    "DUP1": 0x80,
    "DUP3": 0x82,
    "CALL": 0xF1,
    "RETURN": 0xF3,
    "STATICCALL": 0xFA,
    "REVERT": 0xFD,
}


def seed_of_run() -> int:
    """Return the seed of the random tests; ALPHAPULSE_TEST_SEED repeats a run."""
    seed = int(os.environ.get("ALPHAPULSE_TEST_SEED") or random.SystemRandom().getrandbits(32))
    print(f"ALPHAPULSE_TEST_SEED={seed}")
    return seed


@cache
def selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def word(value: int | str | bytes) -> bytes:
    if isinstance(value, str):
        value = int(value, 16)
    if isinstance(value, bytes):
        return value.rjust(32, b"\0")
    return (value % 2**256).to_bytes(32, "big")


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]


def signed(value: int) -> int:
    return value - 2**256 if value >> 255 else value


def creation_code(path: str) -> bytes:
    artifact = json.loads((MODULES / path).read_text())
    return bytes.fromhex(artifact["bytecode"].removeprefix("0x"))


def assemble(source: str) -> bytes:
    """Assemble mnemonics, hexadecimal pushes, `name:` labels and `@name` references."""
    code, labels, references = bytearray(), {}, []
    for token in source.split():
        if token.endswith(":"):
            labels[token[:-1]] = len(code)
            code.append(0x5B)
        elif token.startswith("@"):
            references.append((len(code) + 1, token[1:]))
            code += b"\x61\0\0"
        elif token.startswith("0x"):
            number = bytes.fromhex(token[2:])
            code += bytes([0x5F + len(number)]) + number
        else:
            code.append(_OPCODES[token])
    for at, name in references:
        code[at : at + 2] = labels[name].to_bytes(2, "big")
    return bytes(code)


def _receiver() -> bytes:
    pays = ""
    for token, at in (("token0()", "0x04"), ("token1()", "0x24")):
        ask = "0x" + (selector(token) + bytes(28)).hex()
        transfer = "0x" + (selector("transfer(address,uint256)") + bytes(28)).hex()
        pays += f"""
            0x00 {at} CALLDATALOAD SGT ISZERO @{token[:6]} JUMPI
            {ask} 0x60 MSTORE 0x20 0x60 0x04 0x60 CALLER GAS STATICCALL POP
            {transfer} 0x00 MSTORE CALLER 0x04 MSTORE {at} CALLDATALOAD 0x24 MSTORE
            0x00 0x00 0x44 0x00 0x00 0x60 MLOAD GAS CALL POP
            {token[:6]}:
        """
    slot0 = "0x" + (selector("slot0()") + bytes(28)).hex()
    liquidity = "0x" + (selector("liquidity()") + bytes(28)).hex()
    return assemble(f"""
        0x00 CALLDATALOAD 0xe0 SHR @callback JUMPI
        0x20 CALLDATASIZE SUB DUP1 0x20 0x00 CALLDATACOPY
        0x00 0x00 DUP3 0x00 0x00 0x00 CALLDATALOAD GAS CALL
        0x00 MSTORE RETURNDATASIZE 0x00 0x20 RETURNDATACOPY
        0x20 RETURNDATASIZE ADD 0x00 RETURN
        callback:
        0x84 CALLDATASIZE GT @ask JUMPI
        {pays} STOP
        ask:
        0x04 CALLDATALOAD 0x00 MSTORE 0x24 CALLDATALOAD 0x20 MSTORE
        {slot0} 0x40 MSTORE 0x40 0x40 0x04 0x40 CALLER GAS STATICCALL POP
        {liquidity} 0x80 MSTORE 0x20 0x80 0x04 0x80 CALLER GAS STATICCALL POP
        0xa0 0x00 REVERT
    """)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a swap would leave behind."""

    amount0: int
    amount1: int
    sqrt_price_x96: int
    tick: int
    liquidity: int


class Chain:
    """An EVM with two tokens, both held by the receiver."""

    def __init__(self) -> None:
        self.evm = pyrevm.EVM()
        self.evm.set_balance(OWNER, 10**24)
        runtime = _receiver()
        size = len(runtime).to_bytes(2, "big")
        self.receiver = self.evm.deploy(
            OWNER, b"\x61" + size + b"\x80\x60\x0a\x3d\x39\x3d\xf3" + runtime
        )
        erc20 = creation_code("@uniswap/v2-core/build/ERC20.json")
        tokens = sorted(
            (self.evm.deploy(OWNER, erc20 + word(2**255)) for _ in range(2)),
            key=lambda at: int(at, 16),
        )
        self.token0, self.token1 = tokens
        for token in tokens:
            self.call(token, "transfer(address,uint256)", self.receiver, 2**255)

    def call(self, to: str, signature: str, *arguments: int | str) -> list[int]:
        """Call as the owner; a revert raises."""
        data = selector(signature) + b"".join(map(word, arguments))
        return words(self.evm.message_call(OWNER, to, calldata=data))

    def forward(self, to: str, data: bytes) -> tuple[bool, bytes]:
        """Call as the receiver; returns (success, answer)."""
        answer = self.evm.message_call(OWNER, self.receiver, calldata=word(to) + data)
        return bool(answer[31]), answer[32:]


class V3Contract:
    """One deployed pool."""

    def __init__(self, chain: Chain, fee_pips: int, tick_spacing: int, sqrt_price_x96: int) -> None:
        self.chain = chain
        self.fee_pips = fee_pips
        self.tick_spacing = tick_spacing
        path = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"
        factory = chain.evm.deploy(OWNER, creation_code(path))
        if fee_pips not in (500, 3000, 10000):
            chain.call(factory, "enableFeeAmount(uint24,int24)", fee_pips, tick_spacing)
        signature = "createPool(address,address,uint24)"
        answer = chain.call(factory, signature, chain.token0, chain.token1, fee_pips)
        self.address = f"0x{answer[0]:040x}"
        chain.call(self.address, "initialize(uint160)", sqrt_price_x96)
        self.edges: set[int] = set()

    def mint(self, lower: int, upper: int, liquidity: int) -> bool:
        data = selector("mint(address,int24,int24,uint128,bytes)") + b"".join(
            map(word, (self.chain.receiver, lower, upper, liquidity, 160, 0))
        )
        success, _ = self.chain.forward(self.address, data)
        if success:
            self.edges |= {lower, upper}
        return success

    def burn(self, lower: int, upper: int, liquidity: int) -> bool:
        data = selector("burn(int24,int24,uint128)") + b"".join(
            map(word, (lower, upper, liquidity))
        )
        return self.chain.forward(self.address, data)[0]

    def _swap(self, zero_for_one: bool, amount: int, limit: int, data: bytes) -> tuple[bool, bytes]:
        arguments = (self.chain.receiver, int(zero_for_one), amount, limit, 160, len(data))
        calldata = selector("swap(address,bool,int256,uint160,bytes)") + b"".join(
            map(word, arguments)
        )
        return self.chain.forward(self.address, calldata + data.ljust(32, b"\0") * bool(data))

    def ask(self, zero_for_one: bool, amount: int, limit: int) -> Asked | bytes:
        """Return what the swap would do, or the revert data with which the pool refuses it."""
        success, answer = self._swap(zero_for_one, amount, limit, ASK)
        assert not success
        if len(answer) != 160:
            return answer
        delta0, delta1, price, tick, liquidity = words(answer)
        return Asked(signed(delta0), signed(delta1), price, signed(tick), liquidity)

    def execute(self, zero_for_one: bool, amount: int, limit: int) -> tuple[int, int]:
        success, answer = self._swap(zero_for_one, amount, limit, b"")
        assert success, answer
        delta0, delta1 = words(answer)
        return signed(delta0), signed(delta1)

    def state(self) -> V3State:
        """Read everything that a swap depends on from the contract."""
        price, tick = self.chain.call(self.address, "slot0()")[:2]
        liquidity = self.chain.call(self.address, "liquidity()")[0]
        ticks = {}
        for edge in self.edges:
            gross, net = self.chain.call(self.address, "ticks(int24)", edge)[:2]
            if gross:
                ticks[edge] = (gross, signed(net))
        return V3State(price, signed(tick), liquidity, self.fee_pips, self.tick_spacing, ticks)


class V2Contract:
    """One deployed pair."""

    def __init__(self, chain: Chain, amount0: int, amount1: int) -> None:
        self.chain = chain
        factory = chain.evm.deploy(
            OWNER, creation_code("@uniswap/v2-core/build/UniswapV2Factory.json") + word(OWNER)
        )
        answer = chain.call(factory, "createPair(address,address)", chain.token0, chain.token1)
        self.address = f"0x{answer[0]:040x}"
        self.fill(amount0, amount1)

    def send(self, token: str, amount: int) -> None:
        data = selector("transfer(address,uint256)") + word(self.address) + word(amount)
        assert self.chain.forward(token, data)[0]

    def fill(self, amount0: int, amount1: int) -> None:
        """Give the pair tokens and let it take them for reserves."""
        self.send(self.chain.token0, amount0)
        self.send(self.chain.token1, amount1)
        self.chain.call(self.address, "sync()")

    def reserves(self) -> tuple[int, int]:
        reserve0, reserve1, _ = self.chain.call(self.address, "getReserves()")
        return reserve0, reserve1

    def swap(self, amount_out: int, zero_for_one: bool) -> bool:
        """Take an output for what was sent; False when the pair reverts."""
        amounts = (0, amount_out) if zero_for_one else (amount_out, 0)
        data = selector("swap(uint256,uint256,address,bytes)") + b"".join(
            map(word, (*amounts, self.chain.receiver, 128, 0))
        )
        return self.chain.forward(self.address, data)[0]
