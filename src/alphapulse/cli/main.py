"""The command line: finds a verb, runs it, turns errors into one line and an exit code."""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from alphapulse.amm import kernel
from alphapulse.cli.exit_codes import FAILED, INTERRUPTED, REFUSED, USAGE
from alphapulse.errors import AlphaPulseError, GateClosed, InvariantError, Misconfigured

__all__ = ["exit_code_of", "main"]

VERBS = {
    "demo": "local chain with the real protocols, market activity, the whole system, dashboard",
    "run": "a node from a configuration file; dry run unless --live",
    "replay": "an archive through the strategy again; prints the digest of its decisions",
    "relay": "relays between processes: `serve` them on Unix sockets",
    "archive": "what a recorded run holds: list, verify, export, SQL",
    "devnet": "the local chain alone, with its market activity",
    "keys": "create or import a keystore, list keystores",
    "bench": "every benchmark, as a table or as JSON",
}
EPILOGUE = "exit codes: 0 done, 1 failed, 2 usage or configuration, 3 refused by a safety check"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="alphapulse",
        description="Arbitrage trading system: from a swap on a chain to a booked profit.",
        epilog=EPILOGUE,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, purpose in VERBS.items():
        verb = verbs.add_parser(name, help=purpose, description=purpose, epilog=EPILOGUE)
        if words[:1] == [name]:
            # Only the verb that runs is loaded: a local chain should not wait for the dashboard's parts.
            module = importlib.import_module(f"alphapulse.cli.{name}")
            module.add_arguments(verb)
            verb.set_defaults(run=module.run)
    options = parser.parse_args(words)
    return exit_code_of(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    """Choose the twin of the pool arithmetic, then run the verb."""
    kernel.require(os.environ.get("ALPHAPULSE_KERNEL", kernel.AUTO))
    code: int = options.run(options)
    return code


def exit_code_of(run: Callable[[], int]) -> int:
    """Return what a verb returns, or print its error as one line and return the code of its kind."""
    try:
        return run()
    except Misconfigured as error:
        return _fail(error, USAGE)
    except GateClosed as error:
        return _fail(error, REFUSED)
    except AlphaPulseError as error:
        return _fail(error, FAILED)
    except InvariantError as error:  # our mistake: whoever reports it needs the place
        traceback.print_exc()
        return _fail(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _fail(error: Exception, code: int) -> int:
    print(f"alphapulse: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
