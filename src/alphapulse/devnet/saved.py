"""The deployed chain as a file: made once per version of code and packages, loaded in a fraction of a second."""

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from alphapulse.devnet.anvil import Anvil, AnvilOptions, save_state
from alphapulse.devnet.artifacts import Artifacts
from alphapulse.devnet.deploy import deploy, plan_deployment
from alphapulse.devnet.manifest import Manifest
from alphapulse.errors import DecodeError
from alphapulse.evm.rpc import JsonRpc

__all__ = [
    "BASE_FEE_WEI",
    "DEFAULT_GAS_LIMIT",
    "SavedChain",
    "at_endpoint",
    "default_cache_dir",
    "saved_chain",
]

DEPLOYMENT_GAS_LIMIT = 10**12
DEFAULT_GAS_LIMIT = 6_000_000
BASE_FEE_WEI = 10**9
KEY_DIGITS = 20
MAX_SAVED_FILES = 8  # two for each saved chain
_DEPLOYMENT_MODULES = (
    "anvil",
    "artifacts",
    "calls",
    "deploy",
    "deploy_aave",
    "deploy_tokens",
    "deploy_uniswap",
    "layout",
    "manifest",
    "saved",
    "script",
)


@dataclass(frozen=True, slots=True)
class SavedChain:
    """A state to load and what stands in it; `is_fresh` when it was deployed just now."""

    state: Path
    manifest: Manifest
    is_fresh: bool


def default_cache_dir() -> Path:
    """Return the folder of saved chains for this user."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "alphapulse"


async def saved_chain(artifacts: Artifacts, cache_dir: Path) -> SavedChain:
    """Return the saved chain of this version, deploying it first where there is none.

    Raises  Misconfigured when packages are missing; EndpointDown when anvil does not start.
    """
    stem = f"devnet-{_key(artifacts)}"
    state, facts = cache_dir / f"{stem}.state.json", cache_dir / f"{stem}.manifest.json"
    if state.is_file() and facts.is_file():
        try:
            return SavedChain(state, Manifest.from_json(facts.read_bytes()), is_fresh=False)
        except DecodeError:
            facts.unlink(missing_ok=True)  # half a file is no file
    await asyncio.to_thread(cache_dir.mkdir, parents=True, exist_ok=True)
    deployment = plan_deployment(artifacts)
    options = AnvilOptions(0, 0, None, DEPLOYMENT_GAS_LIMIT, BASE_FEE_WEI)
    anvil = await Anvil.start(artifacts.anvil(), options)
    try:
        rpc = await JsonRpc.connect(anvil.rpc_ws)
        await deploy(rpc, deployment)
        await rpc.request(object, "evm_setBlockGasLimit", hex(DEFAULT_GAS_LIMIT))
        await rpc.request(object, "anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
        await rpc.request(object, "evm_mine")
        await save_state(rpc, state)
        rpc.close()
    finally:
        await anvil.stop()
    part = facts.with_name(f"{facts.name}.{anvil.pid}.part")
    part.write_bytes(deployment.manifest.to_json())
    part.replace(facts)
    _forget_old(cache_dir)
    return SavedChain(state, deployment.manifest, is_fresh=True)


def _forget_old(cache_dir: Path) -> None:
    """Keep the newest saved chains only: each version of the deploying code makes its own."""
    files = sorted(cache_dir.glob("devnet-*.json"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-MAX_SAVED_FILES]:
        file.unlink(missing_ok=True)


def at_endpoint(manifest: Manifest, anvil: Anvil, block_time_s: float) -> Manifest:
    """Return the manifest of a saved chain that now runs."""
    return msgspec.structs.replace(
        manifest,
        rpc_ws=anvil.rpc_ws,
        rpc_http=anvil.rpc_http,
        block_time_ms=round(block_time_s * 1_000),
    )


def _key(artifacts: Artifacts) -> str:
    """Return a name for everything the saved state depends on: package versions and the deploying code."""
    digest = hashlib.sha256(artifacts.versions().encode())
    for name in _DEPLOYMENT_MODULES:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()[:KEY_DIGITS]
