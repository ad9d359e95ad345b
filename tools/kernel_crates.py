"""Compares the crates that cargo resolved for the kernel with `kernel/crates.txt`, or rewrites that list.

Usage: kernel_crates.py check | write. Only crates that are compiled or tested with count: the lock also names
optional parts that nothing asks for.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

KERNEL = Path(__file__).parents[1] / "kernel"
LIST = KERNEL / "crates.txt"


def compiled() -> set[tuple[str, str]]:
    """Return name and version of every crate that cargo compiles on Linux x86-64, tests included."""
    words = "cargo tree --workspace --target x86_64-unknown-linux-gnu -e normal,build,dev --prefix none --no-dedupe"
    output = subprocess.run(  # noqa: S603 - a constant command
        words.split(), cwd=KERNEL, capture_output=True, text=True, check=True
    ).stdout
    lines = (line.split() for line in output.splitlines() if line and "(/" not in line)
    return {(words[0], words[1].removeprefix("v")) for words in lines}


def lines() -> list[str]:
    """Return `name version checksum` of each."""
    lock = tomllib.loads((KERNEL / "Cargo.lock").read_text())
    used = compiled()
    return sorted(
        f"{package['name']} {package['version']} {package['checksum']}"
        for package in lock["package"]
        if "checksum" in package and (package["name"], package["version"]) in used
    )


def main() -> int:
    """Check or write; 1 when they differ."""
    found = lines()
    if sys.argv[1:] == ["write"]:
        LIST.write_text("\n".join(found) + "\n")
        return 0
    listed = LIST.read_text().splitlines()
    for line in sorted({*listed, *found}):
        if (line in listed) != (line in found):
            print(f"{'only listed' if line in listed else 'not listed'}: {line}", file=sys.stderr)
    return int(listed != found)


if __name__ == "__main__":
    sys.exit(main())
