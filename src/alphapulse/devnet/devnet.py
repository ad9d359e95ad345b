"""One running devnet: the chain, its manifest, and what a demonstration or a test may do to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from alphapulse.devnet.activity import Activity, ActivityStatistics
from alphapulse.devnet.anvil import Anvil, AnvilOptions, save_state
from alphapulse.devnet.artifacts import Artifacts
from alphapulse.devnet.calls import arguments
from alphapulse.devnet.manifest import Manifest
from alphapulse.devnet.saved import (
    BASE_FEE_WEI,
    DEFAULT_GAS_LIMIT,
    at_endpoint,
    default_cache_dir,
    saved_chain,
)
from alphapulse.errors import EndpointDown, Reverted
from alphapulse.evm.rpc import JsonRpc
from alphapulse.primitives.address import Address, address, hex_of

__all__ = ["Devnet", "DevnetOptions"]

OWNER_BALANCE_WEI = 100 * 10**18
CREATION_GAS = 5_000_000
RECEIPT_POLL_S = 0.01
RECEIPT_ATTEMPTS = 500


@dataclass(frozen=True, slots=True)
class DevnetOptions:
    """How a devnet runs.

    Units   `port` 0 takes a free one; `block_time_s` 0 mines on request only; `seconds` None runs until stopped;
            `owner` deploys FlashArbitrage for that account.
    """

    port: int = 0
    block_time_s: float = 1.0
    seed: int = 1
    activity: bool = True
    cache_dir: Path = field(default_factory=default_cache_dir)
    owner: Address | None = None
    gas_limit: int = DEFAULT_GAS_LIMIT
    seconds: float | None = None


class _Receipt(msgspec.Struct, frozen=True):
    status: str
    contractAddress: str | None = None


class Devnet:
    """A chain with everything deployed. Make it with `Devnet.start`."""

    def __init__(
        self, options: DevnetOptions, anvil: Anvil, rpc: JsonRpc, manifest: Manifest
    ) -> None:
        self.options = options
        self.anvil = anvil
        self.rpc = rpc
        self.manifest = manifest
        self._activity = Activity(manifest, options.seed)

    @classmethod
    @asynccontextmanager
    async def start(cls, options: DevnetOptions) -> AsyncIterator["Devnet"]:
        """Start the chain, from its saved state where there is one; the process ends with the block.

        Raises  Misconfigured when packages are missing; EndpointDown when anvil does not start.
        """
        artifacts = Artifacts.of_repository()
        saved = await saved_chain(artifacts, options.cache_dir)
        anvil = await Anvil.start(
            artifacts.anvil(), AnvilOptions(options.port, options.block_time_s, saved.state)
        )
        try:
            rpc = await JsonRpc.connect(anvil.rpc_ws)
            manifest = at_endpoint(saved.manifest, anvil, options.block_time_s)
            devnet = cls(options, anvil, rpc, manifest)
            try:
                await devnet._settle()
                yield devnet
            finally:
                devnet.rpc.close()
        finally:
            await anvil.stop()

    async def run_activity(self) -> None:
        """Let people trade until cancelled."""
        await self._activity.run()

    def statistics(self) -> ActivityStatistics:
        """Return what people did so far."""
        return self._activity.statistics()

    async def set_balance(self, account: bytes, balance_wei: int) -> None:
        """Give an account exactly so much native money."""
        await self.rpc.request(object, "anvil_setBalance", hex_of(account), hex(balance_wei))

    async def mine(self, blocks: int = 1) -> None:
        """Mine blocks at once, whatever the block time."""
        for _ in range(blocks):
            await self.rpc.request(object, "evm_mine")

    async def deploy_flash_arbitrage(self, owner: bytes, creation_code: bytes) -> Address:
        """Deploy the contract in the name of its owner, who is given gas money, and note it in the manifest.

        Raises  Reverted when the constructor refuses.
        """
        await self.set_balance(owner, OWNER_BALANCE_WEI)
        await self.rpc.request(object, "anvil_impersonateAccount", hex_of(owner))
        data = creation_code + arguments(("address",), self.manifest.lender)
        sent = await self.rpc.request(
            str,
            "eth_sendTransaction",
            {"from": hex_of(owner), "data": hex_of(data), "gas": hex(CREATION_GAS)},
        )
        receipt = await self._receipt(sent)
        await self.rpc.request(object, "anvil_stopImpersonatingAccount", hex_of(owner))
        if receipt.status != "0x1" or receipt.contractAddress is None:
            raise Reverted(b"", "the constructor of FlashArbitrage reverted")
        contract = address(receipt.contractAddress)
        self.manifest = msgspec.structs.replace(self.manifest, contract=contract)
        return contract

    async def save(self, path: Path) -> None:
        """Write the chain as it is now: state, blocks, transactions and receipts."""
        await save_state(self.rpc, path)

    async def kill(self) -> None:
        """End the chain as a crash would; `restart` uses the same port again."""
        self.rpc.close()
        await self.anvil.kill()

    async def restart(self, state: Path) -> None:
        """Start the chain again on its port, from a file that `save` wrote."""
        await self.anvil.restart(state)
        self.rpc = await JsonRpc.connect(self.anvil.rpc_ws)
        await self.rpc.request(object, "evm_setBlockGasLimit", hex(self.options.gas_limit))

    async def _settle(self) -> None:
        """Give the loaded chain our block size and a usual base fee."""
        await self.rpc.request(object, "evm_setBlockGasLimit", hex(self.options.gas_limit))
        await self.rpc.request(object, "anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
        await self.mine()
        if not self.anvil.is_running():
            raise EndpointDown(f"port {self.anvil.port} was taken by another process")

    async def _receipt(self, sent: str) -> _Receipt:
        await self.mine()
        for _ in range(RECEIPT_ATTEMPTS):
            found = await self.rpc.request(
                _Receipt | None,  # type: ignore[arg-type]  # a union is a type to msgspec
                "eth_getTransactionReceipt",
                sent,
            )
            if isinstance(found, _Receipt):
                return found
            await asyncio.sleep(RECEIPT_POLL_S)
        raise Reverted(b"", "the creation of FlashArbitrage was not mined")
