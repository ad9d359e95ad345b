"""Writes docs/exact_and_fast.md from results that `make bench` saved under bench-results/.

Run as `python benchmarks/peers/page.py`. The page has no figure that is not in the results, and no date.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench-results"
PAGE = ROOT / "docs" / "exact_and_fast.md"
DECISION = re.compile(r"D(\d+)$")
MESSAGES = re.compile(r"M(\d+)$")
TWINS = ("python", "rust")

COMPARISONS = ("chain_quotes", "optimum", "pipeline", "quotes", "transactions")

Row = dict[str, Any]
Report = dict[str, Any]

INTRODUCTION = """\
# How exact, how fast

Generated from the results of `make bench` by `make docs`. It quotes nothing else.

**Exact.** Quotes, events, calldata and signed bytes are compared before they are timed: a row whose answers differ says so and has no
ratio. Optima are compared as profits, in D6 and in the rows of D7 and D13. [exactness.md](exactness.md) names, for each kind of pool,
the oracle that its arithmetic is proved against.

**Fast.** A figure is the median of at least five rounds in which subject and peers had their turns in alternating order; each is timed
inside its own process, so that talking to it costs nothing. A ratio is the peer's time over ours, above 1 where ours takes less, both
from the same run. A peer that is not installed is absent, never beaten.

Reproduce: `make setup peers bench docs`. One table: `alphapulse bench quotes`, likewise `optimum`, `pipeline`, `transactions`,
`chain_quotes`. Peers are installed apart from AlphaPulse, in versions pinned by hash.
"""

NOTES = """\
## What was compared, and how

- Peers get their pools as values, without a node: what is timed is their arithmetic. degenbot's pools keep what they learn of a step;
  every figure is taken with that memory warm, and with our curves warm.
- D5, D6, D15: degenbot's published version searches between one unit and a bound; it is handed ten times the optimum. The development
  version solves all paths at once on all cores, and its figure is that time shared out. A profit is what a party's own exact quotes
  pay for the amount that it found.
- D7, D13: each event starts from a market at rest, moves one V3 pool by a trade of some thousand dollars, and ends with the cycle that
  pays most. D13 begins with the text of the frame and ends with signed bytes; the framing of the WebSocket and the header of the block
  are in neither side. degenbot's development version is not in D13: it brings no such stack around it.
- D10: a local chain trades at random; each state is asked the same quotes of everybody.
- D6: the random pairs include tokens of which one unit is worth thousands of units of the other. There the profit rises and falls
  with every unit, and no method short of trying all of them is sure of the best one. Where ours ended below, the row says by how much
  at most. Goals are those that the project set itself.
- D15: both native sides keep what they found, and make Python's numbers of an answer when it is looked at; nobody looks here.
- D11, D12: both sides begin with the text of the frame, sign with libsecp256k1, and give the same bytes.
- D14: by how much the process grows, native memory included.
"""

ALONE = """\
## Search and network

No peer runs in these: what stands beside a figure is another answer of our own, or a limit from a prototype on another machine. Only
figures are shown, no ratio.
"""

MESSAGES_TEXT = """\
## Messages

Delivered and checked counts, never sent ones. Peers run in the same interleaved rounds, each party in processes of its own.
A ratio is above 1 where ours is better; rows without a peer show the figure alone.
"""


def reports_of(results: Path) -> list[Report]:
    """Return the newest result of each benchmark, in the order of their names."""
    newest: dict[str, Report] = {}
    for path in sorted(results.glob("*.json*"), key=lambda path: path.stat().st_mtime_ns):
        text = path.read_text()
        lines = [text] if path.suffix == ".json" else text.splitlines()
        newest |= {report["name"]: report for report in map(json.loads, lines)}
    return [newest[name] for name in sorted(newest)]


def page(reports: Sequence[Report]) -> str:
    """Return the page."""
    beside = [report for report in reports if report["name"] in COMPARISONS]
    others = [report for report in reports if report["name"] not in COMPARISONS]
    machines = [report["machine"] for report in beside]
    places = sorted({machine.partition(", load")[0] for machine in machines})
    loads = ", ".join(machine.partition(", load ")[2] for machine in machines)
    names = ", ".join(report["name"] for report in beside)
    lines = [
        INTRODUCTION,
        f"Machine: {'; '.join(places)}. Load averages (1, 5, 15 minutes) when each began: {loads} ({names}).\n",
        *_table(_decision(beside)),
        "",
        NOTES,
    ]
    alone = _decision(others)
    if alone:
        lines += [ALONE, *_plain_table(alone), ""]
    messages = [row for report in reports for row in report["rows"] if MESSAGES.match(row["id"])]
    if messages:
        lines += [MESSAGES_TEXT, *_message_table(messages), ""]
    return "\n".join(lines)


def _decision(reports: Sequence[Report]) -> list[Row]:
    return [row for report in reports for row in report["rows"] if DECISION.match(row["id"])]


def _message_table(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| # | twin | what | value | peer | peer's | ratio | goal | met |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: int(row["id"][1:])):
        met = {True: "yes", False: "no", None: "-"}[row["met"]]
        figures = (
            _figure(row, "value"),
            row["peer"] or "",
            _figure(row, "peer_value"),
            _ratio(row),
        )
        goal = str(row["goal"]) if row["goal"] else "-"
        cells = (row["id"], row["twin"], row["what"], *figures, goal, met)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _plain_table(rows: Sequence[Row]) -> list[str]:
    lines = ["| # | twin | what | value | beside | its figure |", "|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: int(row["id"][1:])):
        figures = (_figure(row, "value"), row["peer"] or "", _figure(row, "peer_value"))
        lines.append("| " + " | ".join((row["id"], row["twin"], row["what"], *figures)) + " |")
    return lines


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| # | what | Python | Rust | peer | peer's | Python over it | Rust over it | goal Python; Rust | met |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        what = row["what"]
        groups.setdefault((row["id"], what, row["peer"] or ""), {})[row["twin"]] = row
    for (identity, what, peer), twins in sorted(groups.items(), key=_order):
        ours = [twins.get(twin) for twin in TWINS]
        some = next(row for row in ours if row)
        cells = [
            identity,
            what,
            *(_figure(row, "value") for row in ours),
            peer or "",
            _figure(some, "peer_value"),
            *(_ratio(row) for row in ours),
            "; ".join(str(row["goal"]) if row and row["goal"] else "-" for row in ours),
            "; ".join(
                {True: "yes", False: "no", None: "-"}[row["met"] if row else None] for row in ours
            ),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _order(group: tuple[tuple[str, str, str], object]) -> int:
    found = DECISION.match(group[0][0])
    assert found
    return int(found[1])


def _figure(row: Row | None, name: str) -> str:
    if row is None or row[name] is None:
        return "-"
    value = row[name]
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    if value >= 1e9:
        return f"{value:.4g} {row['unit']}"
    return f"{value:,.{digits}f} {row['unit']}"


def _ratio(row: Row | None) -> str:
    if row is None or row["ratio"] is None:
        return "-"
    return f"{row['ratio']:,.0f}x" if row["ratio"] >= 10 else f"{row['ratio']:.1f}x"


def main() -> None:
    """Write the page."""
    reports = reports_of(RESULTS)
    if not reports:
        raise SystemExit("docs: no results under `bench-results/`; run `make bench` first")
    PAGE.write_text(page(reports))
    print(f"docs: wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
