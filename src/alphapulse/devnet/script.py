"""A deployment as data: every transaction known before the first one is sent, every address computed beforehand."""

from collections import defaultdict
from dataclasses import dataclass

import msgspec

from alphapulse.devnet.calls import create_address
from alphapulse.errors import InvariantError, RpcRefused
from alphapulse.evm.rpc import JsonRpc, decode_answer
from alphapulse.primitives.address import Address, hex_of

__all__ = ["Script", "Step", "run"]

STEP_GAS = 16_000_000
MAX_STEPS_PER_BLOCK = 32  # one batch of requests stays below the node's message limit
MAX_BLOCKS_PER_BATCH = 8
GAS_PRICE_WEI = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction; without `to` it creates a contract."""

    label: str
    sender: Address
    nonce: int
    to: Address | None
    data: bytes
    value: int

    def request(self) -> dict[str, str]:
        """Return the transaction as a node takes it."""
        request = {
            "from": hex_of(self.sender),
            "nonce": hex(self.nonce),
            "data": hex_of(self.data),
            "value": hex(self.value),
            "gas": hex(STEP_GAS),
            "gasPrice": hex(GAS_PRICE_WEI),
        }
        if self.to is not None:
            request["to"] = hex_of(self.to)
        return request


class Script:
    """Steps in phases; a phase begins when all before it is in a block. Nonces start at 0."""

    __slots__ = ("_nonces", "deployer", "phases")

    def __init__(self, deployer: Address) -> None:
        self.deployer = deployer
        self.phases: list[list[Step]] = [[]]
        self._nonces: defaultdict[Address, int] = defaultdict(int)

    def create(self, label: str, creation_code: bytes) -> Address:
        """Add the creation of a contract and return its address."""
        place = create_address(self.deployer, self._nonces[self.deployer])
        self._add(label, self.deployer, None, creation_code, 0)
        return place

    def call(
        self,
        label: str,
        to: Address,
        data: bytes,
        *,
        sender: Address | None = None,
        value: int = 0,
    ) -> None:
        """Add a call, by the deployer unless told otherwise."""
        self._add(label, sender or self.deployer, to, data, value)

    def barrier(self) -> None:
        """Begin a new phase: what follows depends on steps of other senders."""
        self.phases.append([])

    def _add(
        self, label: str, sender: Address, to: Address | None, data: bytes, value: int
    ) -> None:
        self.phases[-1].append(Step(label, sender, self._nonces[sender], to, data, value))
        self._nonces[sender] += 1


class _Receipt(msgspec.Struct, frozen=True):
    status: str


async def run(rpc: JsonRpc, script: Script) -> None:
    """Send all steps to a chain that mines on request only.

    Raises  InvariantError when a step does not succeed.
    """
    for phase in script.phases:
        for start in range(0, len(phase), MAX_STEPS_PER_BLOCK):
            await _run_batch(rpc, phase[start : start + MAX_STEPS_PER_BLOCK])


async def _run_batch(rpc: JsonRpc, steps: list[Step]) -> None:
    answers = await rpc.batch([("eth_sendTransaction", (step.request(),)) for step in steps])
    hashes = []
    for step, answer in zip(steps, answers, strict=True):
        if isinstance(answer, RpcRefused):
            raise InvariantError(f"deployment step `{step.label}` was refused: {answer.message}")
        hashes.append(decode_answer(str, answer, "eth_sendTransaction"))
    for _ in range(MAX_BLOCKS_PER_BATCH):
        await rpc.request(object, "evm_mine")
        receipts = await rpc.batch([("eth_getTransactionReceipt", (item,)) for item in hashes])
        found = [
            None
            if isinstance(receipt, RpcRefused)
            else decode_answer(_Receipt | None, receipt, "eth_getTransactionReceipt")  # type: ignore[arg-type]  # a union is a type to msgspec
            for receipt in receipts
        ]
        if None not in found:
            break
    for step, receipt in zip(steps, found, strict=True):
        if receipt is None or receipt.status != "0x1":
            reason = await _reason(rpc, step)
            raise InvariantError(f"deployment step `{step.label}` failed: {reason}")


async def _reason(rpc: JsonRpc, step: Step) -> str:
    request = {key: value for key, value in step.request().items() if key != "nonce"}
    try:
        await rpc.request(str, "eth_call", request, "latest")
    except RpcRefused as error:
        return error.message
    return "it passes when called again, so it depends on the block or ran out of gas"
