"""The compiled arbitrage contract as the node knows it: its custom errors, for naming reverts."""

from pathlib import Path

import msgspec

from alphapulse.errors import Misconfigured
from alphapulse.execution.reverts import ErrorTable, error_table

__all__ = ["contract_errors"]

ARTIFACT = Path(__file__).parents[3] / "contracts" / "artifacts" / "FlashArbitrage.json"


class _Artifact(msgspec.Struct, frozen=True):
    abi: list[dict[str, object]]


def contract_errors() -> ErrorTable:
    """Return the contract's errors by selector; empty where the sources are not installed beside the package.

    Raises  Misconfigured when the artifact is not one.
    """
    if not ARTIFACT.exists():
        return {}
    try:
        return error_table(msgspec.json.decode(ARTIFACT.read_bytes(), type=_Artifact).abi)
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(f"`{ARTIFACT.name}` is not a contract artifact: {error}") from error
