"""The deployed Uniswap V4 manager in an in-process EVM."""

import json
from dataclasses import dataclass

import pyrevm
from eth_abi import encode

from alphapulse.amm.kernel import V4Pool
from alphapulse.amm.pool_kinds import SingletonPool
from alphapulse.evm.hashing import keccak256
from support.amm_evm import MODULES, OWNER, creation_code, selector, signed, word, words

KEY = "(address,address,uint24,int24,address)"
NO_HOOKS = "0x" + "00" * 20
POOLS_SLOT = 6
LIQUIDITY_OFFSET = 3
TICKS_OFFSET = 4
UNLIMITED = 2**256 - 1


def _code(name: str) -> bytes:
    artifact = json.loads((MODULES / f"@uniswap/v4-core/out/{name}.sol/{name}.json").read_text())
    return bytes.fromhex(artifact["bytecode"]["object"].removeprefix("0x"))


@dataclass(frozen=True, slots=True)
class Swapped:
    """Deltas of the pool (positive: paid in) and the state that is left."""

    amount0: int
    amount1: int
    sqrt_price_x96: int
    tick: int
    liquidity: int


class V4Chain:
    """An EVM with the manager, its test routers and two tokens that the owner holds."""

    def __init__(self) -> None:
        self.evm = pyrevm.EVM()
        self.evm.set_balance(OWNER, 10**24)
        self.manager = self.evm.deploy(OWNER, _code("PoolManager") + word(OWNER))
        self.swapper = self.evm.deploy(OWNER, _code("PoolSwapTest") + word(self.manager))
        self.provider = self.evm.deploy(
            OWNER, _code("PoolModifyLiquidityTestNoChecks") + word(self.manager)
        )
        erc20 = creation_code("@uniswap/v2-core/build/ERC20.json")
        self.token0, self.token1 = sorted(
            (self.evm.deploy(OWNER, erc20 + word(2**255)) for _ in range(2)),
            key=lambda at: int(at, 16),
        )
        for token in (self.token0, self.token1):
            for spender in (self.swapper, self.provider):
                self.call(token, "approve(address,uint256)", word(spender) + word(UNLIMITED))
        self.call(self.manager, "setProtocolFeeController(address)", word(OWNER))

    def call(self, to: str, signature: str, data: bytes) -> list[int]:
        """Call as the owner; a revert raises."""
        return words(self.evm.message_call(OWNER, to, calldata=selector(signature) + data))


class V4Contract:
    """One pool of the manager."""

    def __init__(
        self, chain: V4Chain, fee: int, tick_spacing: int, sqrt_price_x96: int, protocol_fee: int
    ) -> None:
        self.chain = chain
        self.fee = fee
        self.tick_spacing = tick_spacing
        self.protocol_fee = protocol_fee
        self.key = (chain.token0, chain.token1, fee, tick_spacing, NO_HOOKS)
        encoded = encode([KEY, "uint160"], [self.key, sqrt_price_x96])
        chain.call(chain.manager, f"initialize({KEY},uint160)", encoded)
        pool_id = keccak256(encode([KEY], [self.key]))
        self.slot = int.from_bytes(keccak256(pool_id + word(POOLS_SLOT)), "big")
        self.edges: set[int] = set()
        if protocol_fee:
            self.set_protocol_fee(protocol_fee)

    def set_protocol_fee(self, protocol_fee: int) -> None:
        data = encode([KEY, "uint24"], [self.key, protocol_fee])
        self.chain.call(self.chain.manager, f"setProtocolFee({KEY},uint24)", data)
        self.protocol_fee = protocol_fee

    def modify(self, lower: int, upper: int, delta: int) -> bool:
        """Add or remove liquidity; False when the manager reverts."""
        params = "(int24,int24,int256,bytes32)"
        data = encode([KEY, params, "bytes"], [self.key, (lower, upper, delta, b"\0" * 32), b""])
        try:
            self.chain.call(self.chain.provider, f"modifyLiquidity({KEY},{params},bytes)", data)
        except RuntimeError:
            return False
        self.edges |= {lower, upper}
        return True

    def ask(self, zero_for_one: bool, amount: int, limit: int) -> Swapped | None:
        """Return what a swap would do (amount positive for exact input), None when it reverts."""
        checkpoint = self.chain.evm.snapshot()
        try:
            return self.swap(zero_for_one, amount, limit)
        except RuntimeError:
            return None
        finally:
            self.chain.evm.revert(checkpoint)

    def swap(self, zero_for_one: bool, amount: int, limit: int) -> Swapped:
        """Swap for good; the manager counts exact inputs as negative."""
        params, settings = "(bool,int256,uint160)", "(bool,bool)"
        data = encode(
            [KEY, params, settings, "bytes"],
            [self.key, (zero_for_one, -amount, limit), (False, False), b""],
        )
        signature = f"swap({KEY},{params},{settings},bytes)"
        (delta,) = self.chain.call(self.chain.swapper, signature, data)
        amount0, amount1 = _int128(delta >> 128), _int128(delta)
        price, tick = self._slot0()
        return Swapped(-amount0, -amount1, price, tick, self._read(LIQUIDITY_OFFSET))

    def pool(self) -> SingletonPool:
        """Read everything that a swap depends on from the manager's storage."""
        price, tick = self._slot0()
        ticks = {}
        for edge in self.edges:
            place = keccak256(word(edge) + word(self.slot + TICKS_OFFSET))
            held = self.chain.call(self.chain.manager, "extsload(bytes32)", place)[0]
            if held:
                ticks[edge] = (held % 2**128, _int128(held >> 128))
        return V4Pool(
            price,
            tick,
            self._read(LIQUIDITY_OFFSET),
            self.fee,
            self.tick_spacing,
            ticks,
            protocol_fee=self.protocol_fee,
        )

    def _slot0(self) -> tuple[int, int]:
        packed = self._read(0)
        assert packed >> 184 & 0xFFFFFF == self.protocol_fee
        tick = packed >> 160 & 0xFFFFFF
        return packed % 2**160, tick - 2**24 if tick >> 23 else tick

    def _read(self, offset: int) -> int:
        place = word(self.slot + offset)
        return self.chain.call(self.chain.manager, "extsload(bytes32)", place)[0]


def _int128(value: int) -> int:
    value %= 2**128
    return signed(value << 128) >> 128
