"""Creation code out of the npm packages beside the repository, linked where it needs libraries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from alphapulse.errors import Misconfigured
from alphapulse.evm.hashing import keccak256

__all__ = ["PACKAGES", "Artifacts", "repository_root"]

PACKAGES = (
    "@aave/core-v3",
    "@foundry-rs/anvil-linux-amd64",
    "@uniswap/v2-core",
    "@uniswap/v2-periphery",
    "@uniswap/v3-core",
    "@uniswap/v3-periphery",
    "canonical-weth",
    "viem",
)
"""Every package whose content the saved state depends on."""

_REMEDY = "run `make setup` in a checkout of the repository"
_MULTICALL = "viem/_cjs/constants/contracts.js"


class _Artifact(msgspec.Struct, frozen=True):
    bytecode: str
    linkReferences: dict[str, dict[str, list[dict[str, int]]]] = {}


class _Package(msgspec.Struct, frozen=True):
    version: str


def repository_root() -> Path:
    """Return the nearest folder above this file that holds `package.json`.

    Raises  Misconfigured when there is none: an installed package has no local chain.
    """
    for folder in Path(__file__).resolve().parents:
        if (folder / "package.json").is_file():
            return folder
    raise Misconfigured(f"`package.json` is in no folder above `{Path(__file__).name}`; {_REMEDY}")


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The npm folder of one repository."""

    node_modules: Path

    @classmethod
    def of_repository(cls) -> "Artifacts":
        """Return the artifacts of the repository this file belongs to."""
        return cls(repository_root() / "node_modules")

    def creation_code(self, name: str, libraries: Mapping[str, bytes] | None = None) -> bytes:
        """Return the creation code of a contract, each library placeholder replaced by its address."""
        raw = self._read(f"{name}.json")
        try:
            artifact = msgspec.json.decode(raw, type=_Artifact)
        except msgspec.MsgspecError as error:
            raise Misconfigured(f"`{name}.json` is not an artifact: {error}; {_REMEDY}") from error
        digits = list(artifact.bytecode.removeprefix("0x"))
        for by_library in artifact.linkReferences.values():
            for library, places in by_library.items():
                for place in places:
                    start = 2 * place["start"]
                    digits[start : start + 40] = (libraries or {})[library].hex()
        return bytes.fromhex("".join(digits))

    def init_code_hash(self, name: str) -> bytes:
        """Return the hash that decides the addresses a factory creates."""
        return keccak256(self.creation_code(name))

    def multicall(self) -> bytes:
        """Return the creation code of Multicall3, which its package does not export."""
        found = re.search(rb"multicall3Bytecode = '0x([0-9a-f]+)'", self._read(_MULTICALL))
        if found is None:
            raise Misconfigured(f"`{_MULTICALL}` holds no Multicall3 bytecode; {_REMEDY}")
        return bytes.fromhex(found[1].decode())

    def versions(self) -> str:
        """Return names and versions of all packages, one a line."""
        lines = []
        for package in PACKAGES:
            raw = self._read(f"{package}/package.json")
            lines.append(f"{package} {msgspec.json.decode(raw, type=_Package).version}")
        return "\n".join(lines)

    def anvil(self) -> Path:
        """Return the path of the chain's executable.

        Raises  Misconfigured when it is not installed.
        """
        path = self.node_modules / ".bin" / "anvil"
        if not path.is_file():
            raise Misconfigured(f"`anvil` is not installed at `{path}`; {_REMEDY}")
        return path

    def _read(self, name: str) -> bytes:
        try:
            return (self.node_modules / name).read_bytes()
        except FileNotFoundError:
            raise Misconfigured(f"`node_modules/{name}` is not installed; {_REMEDY}") from None
