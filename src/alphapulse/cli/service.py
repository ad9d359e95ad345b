"""One service of a node as a process of its own, started by `run` and `demo`; orders come on standard input.

It loads its own parts only: a desk need not wait for the dashboard's.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

import uvloop

from alphapulse.amm import kernel
from alphapulse.cli.exit_codes import DONE, FAILED
from alphapulse.cli.main import exit_code_of
from alphapulse.node.config import load_config
from alphapulse.node.services.run import SERVICES, run_service
from alphapulse.observability.log import configure

__all__ = ["main"]


def main() -> int:
    """Be one service. Its file is resolved: the environment holds what it refers to, and changes nothing in it."""
    parser = argparse.ArgumentParser(prog="alphapulse service", description=__doc__)
    parser.add_argument("name", choices=SERVICES)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()

    def serve() -> int:
        kernel.require(os.environ.get("ALPHAPULSE_KERNEL", kernel.AUTO))
        config = load_config(options.config, {})
        configure(level=logging.WARNING)
        return DONE if uvloop.run(run_service(options.name, config, os.environ)) else FAILED

    return exit_code_of(serve)


if __name__ == "__main__":
    sys.exit(main())
