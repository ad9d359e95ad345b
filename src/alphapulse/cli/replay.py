"""`alphapulse replay`: an archive through its components again; prints the digest of their decisions."""

import argparse
import json
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from alphapulse.amm import kernel
from alphapulse.cli.exit_codes import DONE, FAILED
from alphapulse.cli.moments import moment
from alphapulse.node.replay import FULL_SPEED, ReplayRequest, ReplayResult, replay
from alphapulse.node.replay_link import replay_over
from alphapulse.node.replayed import COMPONENTS, Divergence

__all__ = ["add_arguments", "run"]

PROGRESS_EVERY = 1_000
LOCAL = "local"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("archive", type=Path, metavar="ARCHIVE", help="folder of one recorded run")
    parser.add_argument(
        "--speed",
        type=_speed,
        default=FULL_SPEED,
        metavar="max|N",
        help="as fast as it goes, or N times real time",
    )
    parser.add_argument(
        "--from",
        dest="from_ns",
        type=moment,
        default=0,
        metavar="T",
        help="judge and pace from here on; what came before is fed silently",
    )
    parser.add_argument(
        "--to", dest="to_ns", type=moment, default=2**64, metavar="T", help="end before this"
    )
    parser.add_argument(
        "--components",
        default="strategy",
        metavar="LIST",
        help=f"any of {','.join(COMPONENTS)}; the strategy unless told otherwise",
    )
    parser.add_argument(
        "--transport",
        choices=(LOCAL, "unix", "nats"),
        default=LOCAL,
        help="what carries the messages to the components: calls, relays or a NATS server of its own",
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Replay; a digest or a message that differs from the recorded one is a failure."""
    request = ReplayRequest(
        components=tuple(name for name in options.components.split(",") if name),
        speed=options.speed,
        from_ns=options.from_ns,
        to_ns=options.to_ns,
    )
    result = _with_progress(options.archive, request, options.transport)
    if options.json:
        print(json.dumps(_as_json(options, request, result)))
    else:
        _print(result)
    if result.has_failed:
        print("alphapulse: the replay decided otherwise than the live run", file=sys.stderr)
        return FAILED
    return DONE


def _as_json(
    options: argparse.Namespace, request: ReplayRequest, result: ReplayResult
) -> dict[str, object]:
    return {
        "archive": str(options.archive),
        "kernel": kernel.name,
        "transport": options.transport,
        "components": list(request.components),
        "messages": result.messages,
        "decisions": result.decisions,
        "compared": result.compared,
        "digest": result.digest,
        "recorded_digest": result.recorded_digest,
        "state": result.state,
        "equal": not result.has_failed and (result.is_equal or bool(result.compared)),
        "divergence": msgspec.to_builtins(result.divergence),
    }


def _print(result: ReplayResult) -> None:
    print(
        f"{result.messages} messages, {result.decisions} decisions, archive {result.state}, {kernel.name} kernel"
    )
    print(f"{result.compared} recorded messages said again")
    if result.digest:
        print(f"digest   {result.digest}")
        print(f"recorded {result.recorded_digest or 'none: a window, or the run was cut off'}")
    if result.divergence is not None:
        _print_divergence(result.divergence)


def _print_divergence(found: Divergence) -> None:
    print(f"first difference: {found.component}, message {found.place} of its order")
    for side, content in (("replayed", found.replayed), ("recorded", found.recorded)):
        print(f"{side}: {json.dumps(content, indent=2) if content else 'nothing'}")


def _speed(text: str) -> float:
    if text == "max":
        return FULL_SPEED
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` must be `max` or a number above 0")
    return speed


def _with_progress(archive: Path, request: ReplayRequest, transport: str) -> ReplayResult:
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("replaying, {task.completed:,.0f} messages"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("replay", total=None)

        def show(count: int) -> None:
            if count % PROGRESS_EVERY == 0:
                bar.update(task, completed=count)

        if transport == LOCAL:
            return replay(archive, show, request=request)
        return replay_over(transport, archive, show, request=request)
