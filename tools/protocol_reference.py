"""Writes the protocol's reference page and its schema from the registry; with --check it only says whether they are current.

Usage: protocol_reference.py [--check]. Exit code 1 means that a file differs from what the registry says.
"""

import sys
from pathlib import Path

from alphapulse.protocol.reference import page, schema_text

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "tools" / "protocol.md.in"


def generated() -> dict[Path, str]:
    """Return each generated file with its text."""
    return {
        ROOT / "docs" / "protocol.md": page(TEMPLATE.read_text("utf-8")),
        ROOT / "docs" / "protocol.schema.json": schema_text(),
    }


def main() -> int:
    """Write or check, and name what differs."""
    stale = [
        file
        for file, text in generated().items()
        if not file.is_file() or file.read_text("utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for file in stale:
            print(
                f"{file.relative_to(ROOT)} differs from the registry; run `tools/protocol_reference.py` or `make docs`"
            )
        return 1 if stale else 0
    for file in stale:
        file.write_text(generated()[file], "utf-8")
        print(f"wrote {file.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
