"""What an archive says about itself: state, counts, digests and the facts its owner gave."""

from enum import StrEnum, unique
from typing import Any

import msgspec

from alphapulse.errors import ArchiveCorrupt, Misconfigured

__all__ = [
    "MANIFEST_NAME",
    "ArchiveState",
    "Manifest",
    "TableFacts",
    "dump_manifest",
    "load_manifest",
]

MANIFEST_NAME = "manifest.json"
_FORMAT = 2


@unique
class ArchiveState(StrEnum):
    """`open` in a manifest after its process ended means that the process was killed."""

    OPEN = "open"
    BEHIND = "behind"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


class TableFacts(msgspec.Struct, frozen=True):
    """What was recorded of one table; `sha256` is over each row's raw bytes after their length (u32).

    `segments` and `stored_bytes` are of finished files, rows may still be in a journal.
    """

    rows: int = 0
    segments: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0
    sha256: str = ""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The archive's own account; `facts` are its owner's (configuration, digest of decisions, ...).

    `lost` counts rows that were handed over and that no segment holds.
    """

    state: ArchiveState
    opened_ns: int
    closed_ns: int = 0
    cause: str = ""
    lost: int = 0
    messages: TableFacts = TableFacts()
    frames: TableFacts = TableFacts()
    facts: dict[str, Any] = {}
    format: int = _FORMAT


def dump_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as indented JSON.

    Raises  Misconfigured when a fact cannot be written as JSON.
    """
    try:
        return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    except TypeError as error:
        raise Misconfigured(f"facts of an archive must be plain JSON values: {error}") from error


def load_manifest(data: bytes, path: str) -> Manifest:
    """Return a manifest read from `path`.

    Raises  ArchiveCorrupt when it is not one; Misconfigured when its format is not ours.
    """
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ArchiveCorrupt(path, 0, f"not a manifest: {error}") from error
    if manifest.format != _FORMAT:
        raise Misconfigured(
            f"`{path}` has archive format {manifest.format}, this version reads format {_FORMAT}"
        )
    return manifest
