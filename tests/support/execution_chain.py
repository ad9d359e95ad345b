"""Flash arbitrages on a devnet: open a price difference, ask the real contracts what a path pays, make the plan of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from alphapulse.devnet.devnet import Devnet
from alphapulse.devnet.layout import TRADERS
from alphapulse.devnet.manifest import PoolEntry
from alphapulse.devnet.orders import order_of
from alphapulse.devnet.people import Motive, Swap
from alphapulse.devnet.service import contract_code
from alphapulse.evm import abi
from alphapulse.evm.rpc import JsonRpc
from alphapulse.execution.client import ChainClient
from alphapulse.execution.executor import ExecutorConfig, FlashExecutor
from alphapulse.execution.gas import GasModel, Hop, fees, gas_limit
from alphapulse.execution.gate import Gate, Mode
from alphapulse.execution.nonce import NonceLedger
from alphapulse.execution.plan import Plan, PlanHop
from alphapulse.execution.reverts import ErrorTable
from alphapulse.execution.store import ExecutionStore
from alphapulse.execution.tracking import TrackingConfig
from alphapulse.execution.transaction_builder import flash_arbitrage_calldata
from alphapulse.execution.wallet import Wallet
from alphapulse.primitives.address import Address, hex_of
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.execution import ExecutionResult, ExecutionStarted
from alphapulse.protocol.message import Draft
from support.devnet import running_devnet

__all__ = ["FIRST_NONCE", "KEY", "RECIPIENT", "Desk", "Leg", "arbitrage_devnet", "plan_on"]

KEY = bytes(31) + b"\x2a"
RECIPIENT = Address(b"\x77" * 20)
Leg = tuple[PoolEntry, bool]
"""A pool and whether token0 is sold to it."""

TIP = 10**8
FIRST_NONCE = 1  # the wallet created the contract


class Chain:
    """A quiet devnet with the contract on it."""

    def __init__(self, devnet: Devnet, wallet: Wallet, contract: Address) -> None:
        self.devnet = devnet
        self.wallet = wallet
        self.contract = contract
        self.manifest = devnet.manifest

    def pool(self, venue: int, symbol_a: str, symbol_b: str, fee_pips: int = 3_000) -> PoolEntry:
        """Return the pool of two tokens at a venue."""
        tokens = {self.manifest.token(symbol).address for symbol in (symbol_a, symbol_b)}
        return next(
            pool
            for pool in self.manifest.pools
            if pool.venue == venue
            and pool.fee_pips == fee_pips
            and {pool.token0, pool.token1} == tokens
        )

    def leg(self, pool: PoolEntry, symbol_in: str) -> Leg:
        """Return the leg that sells a token to a pool."""
        return pool, pool.token0 == self.manifest.token(symbol_in).address

    async def call(self, to: bytes, types: Sequence[str], signature: str, *values: object):
        """Return what a view answers at the head."""
        request = {"to": hex_of(to), "data": hex_of(abi.encode_call(signature, *values))}
        raw = await self.devnet.rpc.request(str, "eth_call", request, "latest")
        return abi.decode(types, bytes.fromhex(raw[2:]))

    async def balance(self, token: bytes, account: bytes) -> int:
        """Return a token balance at the head."""
        return (await self.call(token, ["uint256"], "balanceOf(address)", account))[0]

    async def mine(self) -> None:
        """Mine one block, a second after the one before, as a live chain does: pools write time into their state."""
        head = await self.devnet.rpc.request(dict, "eth_getBlockByNumber", "latest", False)
        later = hex(int(head["timestamp"], 16) + 1)
        await self.devnet.rpc.request(object, "evm_setNextBlockTimestamp", later)
        await self.devnet.mine()

    async def push(self, leg: Leg, amount_in: int) -> None:
        """Let a trader sell so much to a pool, and mine it."""
        pool, zero_for_one = leg
        order = order_of(
            self.manifest, Swap(next(iter(Motive)), 0, pool, zero_for_one, amount_in, 0, 0)
        )
        request = {
            "from": hex_of(TRADERS[0]),
            "to": hex_of(order.to),
            "data": hex_of(order.data),
            "gas": hex(3_000_000),
        }
        sent = await self.devnet.rpc.request(str, "eth_sendTransaction", request)
        await self.mine()
        receipt = await self.devnet.rpc.request(dict, "eth_getTransactionReceipt", sent)
        assert receipt["status"] == "0x1"

    async def quote(self, leg: Leg, amount_in: int) -> tuple[int, int]:
        """Return what the deployed quoter or pair says a pool pays, and how many ticks that crosses."""
        pool, zero_for_one = leg
        if pool.kind == "uniswap_v2":
            reserves = await self.call(
                pool.address, ["uint112", "uint112", "uint32"], "getReserves()"
            )
            reserve_in, reserve_out = reserves[:2] if zero_for_one else reserves[1::-1]
            (out,) = await self.call(
                self.manifest.router(pool.venue).router,
                ["uint256"],
                "getAmountOut(uint256,uint256,uint256)",
                *(amount_in, reserve_in, reserve_out),
            )
            return out, 0
        tokens = (pool.token0, pool.token1) if zero_for_one else (pool.token1, pool.token0)
        out, _, ticks, _ = await self.call(
            self.manifest.quoter,
            ["uint256", "uint160", "uint32", "uint256"],
            "quoteExactInputSingle((address,address,uint256,uint24,uint160))",
            (*tokens, amount_in, pool.fee_pips, 0),
        )
        return out, ticks

    async def transactions(self) -> int:
        """Return how many transactions the sender has on the chain, beside the creation of the contract."""
        count = await self.devnet.rpc.request(
            str, "eth_getTransactionCount", hex_of(self.wallet.address), "latest"
        )
        return int(count, 16) - FIRST_NONCE

    async def head(self) -> tuple[int, int]:
        """Return number and base fee of the newest block."""
        block = await self.devnet.rpc.request(dict, "eth_getBlockByNumber", "latest", False)
        return int(block["number"], 16), int(block["baseFeePerGas"], 16)


@asynccontextmanager
async def arbitrage_devnet() -> AsyncIterator[Chain]:
    """Start a quiet devnet with the contract owned by the wallet of `KEY`."""
    wallet = Wallet(Secret(KEY))
    async with running_devnet() as devnet:
        contract = await devnet.deploy_flash_arbitrage(wallet.address, contract_code())
        yield Chain(devnet, wallet, contract)


async def plan_on(
    chain: Chain,
    legs: Sequence[Leg],
    amount_in: int,
    *,
    min_profit: int | None = None,
    **changes: object,
) -> tuple[Plan, tuple[int, ...], int]:
    """Return a plan, the pool types of its path, and the ticks it crosses."""
    amounts, ticks, hops = [amount_in], 0, []
    for leg in legs:
        pool, zero_for_one = leg
        out, crossed = await chain.quote(leg, amounts[-1])
        ticks += crossed
        tokens = (pool.token0, pool.token1) if zero_for_one else (pool.token1, pool.token0)
        hops.append(PlanHop(pool.address, pool.venue, *tokens, amounts[-1], out, zero_for_one))
        amounts.append(out)
    token = hops[0].token_in
    premium = (amount_in * chain.manifest.premium_bps + 5_000) // 10_000
    profit = amounts[-1] - amount_in - premium
    calldata = flash_arbitrage_calldata(
        [hop.pool for hop in hops],
        [amount_in] + [0] * (len(hops) - 1),
        profit if min_profit is None else min_profit,
        token,
        RECIPIENT,
    )
    kinds = tuple(int(pool.kind == "uniswap_v3") for pool, _ in legs)
    block, base_fee = await chain.head()
    offered = fees(base_fee, TIP, 3)
    fields: dict[str, object] = {
        "signal_id": block * 1_000 + 1,
        "strategy_id": 1,
        "chain_id": 31337,
        "contract": chain.contract,
        "sender": chain.wallet.address,
        "calldata": calldata,
        "path": tuple(hops),
        "profit_token": token,
        "profit_decimals": 6,
        "amount_in": amount_in,
        "predicted_profit": profit,
        "gas_cost": 1,
        "min_profit": profit if min_profit is None else min_profit,
        "gas_limit": gas_limit(
            GasModel().path([Hop(kind, ticks if kind else 0) for kind in kinds], calldata).most
        ),
        "max_fee_per_gas": offered.max_fee_per_gas,
        "max_priority_fee_per_gas": offered.max_priority_fee_per_gas,
        "observed_block": block,
        "valid_until_block": block + 3,
        "trace_id": 5,
        "span_id": 6,
        "native_usd_e8": 3_000 * 10**8,
        "profit_token_usd_e8": 10**8,
    }
    return Plan(**(fields | changes)), kinds, ticks


class Desk:
    """An executor on a chain, and what it published."""

    def __init__(
        self, chain: Chain, folder: Path, mode: Mode = Mode.LIVE, errors: ErrorTable | None = None
    ) -> None:
        self.chain = chain
        self.drafts: list[Draft] = []
        self.store = ExecutionStore(folder / "execution.sqlite")
        self.gate = Gate(self.store, 31337, mode=mode)
        live = mode is Mode.LIVE
        self.ledger = (
            NonceLedger(self.store, 31337, chain.wallet.address, lock_directory=folder)
            if live
            else None
        )
        self.client = ChainClient(lambda: JsonRpc.connect(chain.devnet.anvil.rpc_ws))
        self.now_ns = 0
        self.executor = FlashExecutor(
            self.client,
            chain.wallet if live else None,
            self.ledger,
            self.gate,
            self.drafts.append,
            self._clock,
            ExecutorConfig(31337, TrackingConfig(), errors or {}),
        )

    async def block(self, *, mine: bool = True) -> None:
        """Mine a block and tell the executor."""
        if mine:
            await self.chain.mine()
        await self.executor.on_block(*await self.chain.head())

    def results(self) -> list[ExecutionResult]:
        """Return the results published so far."""
        return [tlv for draft in self.drafts for tlv in draft.tlvs if type(tlv) is ExecutionResult]

    def starts(self) -> list[ExecutionStarted]:
        """Return the starts published so far."""
        return [tlv for draft in self.drafts for tlv in draft.tlvs if type(tlv) is ExecutionStarted]

    def die(self) -> None:
        """End as a killed process does: nothing is told to anybody."""
        self.client.close()
        if self.ledger is not None:
            self.ledger.close()
        self.store.close()

    def _clock(self) -> int:
        self.now_ns += 1
        return self.now_ns
