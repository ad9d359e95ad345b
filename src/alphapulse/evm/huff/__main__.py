"""Compile a Huff source: `python -m alphapulse.evm.huff contracts/src/X.huff -o contracts/artifacts`.

The only file of this package that reads or writes files.
"""

import argparse
import sys
from pathlib import Path

from alphapulse.errors import AlphaPulseError
from alphapulse.evm.huff.artifact import artifact_text, manifest_text
from alphapulse.evm.huff.compiler import compile_file
from alphapulse.evm.huff.opcodes import EVM_VERSIONS

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0 written, 1 does not compile, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m alphapulse.evm.huff", description=__doc__)
    parser.add_argument("source", type=Path, help="the Huff source that defines MAIN")
    parser.add_argument("-o", "--output", type=Path, help="folder of artifact and manifest")
    parser.add_argument("-e", "--evm-version", default="cancun", choices=EVM_VERSIONS)
    options = parser.parse_args(arguments)
    folder: Path = options.source.parent
    texts: dict[str, str] = {}

    def read(path: str) -> str:
        texts[path] = (folder / path).read_text(encoding="utf-8")
        return texts[path]

    try:
        contract = compile_file(read, options.source.name, options.evm_version)
    except (AlphaPulseError, OSError) as error:
        print(f"cannot compile: {error}", file=sys.stderr)
        return 1
    if options.output is None:
        print(contract.creation_code.hex())
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    artifact = options.output / f"{contract.name}.json"
    artifact.write_text(artifact_text(contract), encoding="utf-8")
    manifest = options.output / "manifest.json"
    manifest.write_text(manifest_text(contract, texts), encoding="utf-8")
    print(f"{artifact}: {len(contract.runtime_code)} bytes of runtime code")
    return 0


if __name__ == "__main__":
    sys.exit(main())
