"""Where a node keeps its files."""

from datetime import UTC, datetime
from pathlib import Path

from alphapulse.errors import Misconfigured
from alphapulse.node.config import Config

__all__ = ["lock_directory", "make_data_dir", "run_name"]


def run_name() -> str:
    """Return a folder name for one run: UTC time to the microsecond."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def make_data_dir(config: Config, *, is_live: bool) -> Path:
    """Return where a node keeps its stores, live and dry apart, and make it.

    Raises  Misconfigured when it cannot be made.
    """
    data_dir = Path(config.node.data_dir) / ("live" if is_live else "dry")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"`node.data_dir` `{config.node.data_dir}` cannot be written ({error.strerror})"
        ) from error
    return data_dir


def lock_directory() -> Path:
    """Return where this user's nodes lock their keys: one place, whatever their data directories.

    Raises  Misconfigured when it cannot be made.
    """
    directory = Path.home() / ".cache" / "alphapulse" / "locks"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"lock directory `{directory}` cannot be made ({error.strerror})"
        ) from error
    return directory
