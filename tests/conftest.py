"""One choice per run: which twin of the pool arithmetic answers, by ALPHAPULSE_KERNEL."""

import os

import pytest

from alphapulse.amm import kernel


def pytest_configure(config: pytest.Config) -> None:
    """Take the twin before any test module makes a pool, and let child processes take the same."""
    os.environ["ALPHAPULSE_KERNEL"] = kernel.require(os.environ.get("ALPHAPULSE_KERNEL", "auto"))


def pytest_report_header(config: pytest.Config) -> str:
    """Name the twin."""
    return f"kernel: {kernel.name}"
