"""The tree holds what a stranger needs, and nothing of how it came to be."""

import re
import subprocess

import pytest

from support.source import ROOT, modules

HISTORY = re.compile(
    r"\b(TODO|FIXME|XXX|HACK)\b|\b(for now|no longer|used to be|previously)\b", re.IGNORECASE
)
UNNAMED = re.compile(r"(^|[/_])(utils?|common|misc|manager|handler|new|old|final|simple)([/_.]|$)")
ADDRESS_IN_LOCK = re.compile(
    r'"resolved": *"http|registry\+|--index-url|--extra-index-url|--find-links'
)
LARGEST_FILE = 1_000_000


def tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [
        name for name in listing.stdout.decode().split("\0") if name and (ROOT / name).is_file()
    ]


def test_source_tells_no_history() -> None:
    found = [f"{m.path}: {hit.group()}" for m in modules() for hit in HISTORY.finditer(m.text)]
    assert found == []


def test_no_path_is_a_catch_all() -> None:
    assert [name for name in tracked() if name.startswith("src/") and UNNAMED.search(name)] == []


def test_lock_files_carry_no_address() -> None:
    locks = [
        n
        for n in tracked()
        if n.endswith(("package-lock.json", ".toml", "requirements.txt", ".npmrc"))
    ]
    assert [n for n in locks if ADDRESS_IN_LOCK.search((ROOT / n).read_text())] == []
    assert [n for n in tracked() if n.endswith(("uv.lock", "Cargo.lock", "poetry.lock"))] == []


def test_no_tracked_file_is_large() -> None:
    assert [n for n in tracked() if (ROOT / n).stat().st_size > LARGEST_FILE] == []


def test_no_file_names_a_machine() -> None:
    home = re.compile(rb"(^|[^a-zA-Z0-9_.])/(work|root|home/[a-z]+)/")
    assert [n for n in tracked() if home.search((ROOT / n).read_bytes())] == []
