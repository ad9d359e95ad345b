"""The typed stub says what the binary is."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.kernel_twins import needs_rust

# The binary itself, inside the package that carries its stub.
UNSTUBBED = "alphapulse_kernel.alphapulse_kernel\n"


@needs_rust
def test_the_stub_equals_the_binary(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    allowed = tmp_path / "allowed"
    allowed.write_text(UNSTUBBED)
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy.stubtest",
            "alphapulse_kernel",
            "--concise",
            "--allowlist",
            str(allowed),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


@needs_rust
def test_the_installed_stub_is_the_one_in_the_tree() -> None:
    package = pytest.importorskip("alphapulse_kernel")
    installed = Path(package.__file__).with_name("__init__.pyi")
    tree = Path(__file__).parents[3] / "kernel" / "alphapulse_kernel.pyi"
    assert installed.read_text() == tree.read_text()
