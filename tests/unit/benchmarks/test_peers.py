"""The conversation with workers, the order of rounds, rows and the page. No times are tested."""

import re
import sys
from pathlib import Path

import pytest

from peers import page
from peers.line import PeerFailed, Worker, nanoseconds
from peers.report import PYTHON, RUST, Party, compared, interleaved, row

WORKER = """
import sys
sys.path.insert(0, {folder!r})
from line import serve
def fail():
    raise ValueError("no")
def noise(value):
    print("more of it")
    return value
serve({{"echo": noise, "fail": fail, "kind": lambda value: type(value).__name__, "leave": lambda: sys.exit(0)}})
"""
FOLDER = str(Path(__file__).resolve().parents[3] / "benchmarks" / "peers")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(WORKER.format(folder=FOLDER))
    return path


def test_a_worker_answers_with_whole_numbers_of_any_size_whatever_its_libraries_print(
    script: Path,
) -> None:
    with Worker("echo", [sys.executable, str(script)]) as worker:
        assert worker.ask("echo", value=[2**255, True, None, "x"]) == [2**255, True, None, "x"]


def test_a_worker_that_cannot_hold_large_numbers_gets_text(script: Path) -> None:
    with Worker("echo", [sys.executable, str(script)], as_text=True) as worker:
        assert worker.ask("kind", value=2**255) == "str"
        assert worker.ask("echo", value=[[1, True]]) == [["1", True]]


def test_an_error_is_told_and_the_worker_goes_on(script: Path) -> None:
    with Worker("echo", [sys.executable, str(script)]) as worker:
        with pytest.raises(PeerFailed, match="echo, asked to fail: ValueError: no"):
            worker.ask("fail")
        assert worker.ask("echo", value=1) == 1


def test_a_worker_that_ended_is_named(script: Path) -> None:
    worker = Worker("echo", [sys.executable, str(script)])
    with worker, pytest.raises(PeerFailed, match="echo ended"):
        worker.ask("leave")


def test_everyone_has_a_turn_in_each_round_after_a_first_that_counts_for_nobody() -> None:
    turns: list[str] = []
    values = {"a": iter([99.0, 3.0, 1.0, 9.0]), "b": iter([99.0, 5.0, 5.0, 4.0])}

    def measure(name: str) -> float:
        turns.append(name)
        return next(values[name])

    taken = interleaved({"a": lambda: measure("a"), "b": lambda: measure("b")}, 3)
    assert turns == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert taken == {"a": 3.0, "b": 5.0}


def test_a_slow_call_is_made_once_and_a_quick_one_often() -> None:
    calls: list[int] = []
    assert nanoseconds(lambda: calls.append(1), 0.0) > 0
    assert len(calls) == 1
    assert nanoseconds(lambda: calls.append(1), 1.0) > 0
    assert len(calls) > 3


def party_of(*peers: str) -> Party:
    found = Party()
    found.twins = dict.fromkeys((PYTHON, RUST))  # type: ignore[assignment]
    found.names = dict.fromkeys(peers, "peer 1.0")
    return found


def test_a_ratio_is_the_peers_time_over_ours() -> None:
    rows = compared(
        "D1",
        "quote",
        {PYTHON: 1000.0, RUST: 100.0, "peer": 5000.0},
        party_of("peer"),
        peers={"peer": {PYTHON: 5.0, RUST: 60.0}},
    )
    assert [(one["twin"], one["ratio"], one["goal"], one["met"]) for one in rows] == [
        ("python", 5.0, ">= 5x", True),
        ("rust", 50.0, ">= 60x", False),
    ]


def test_an_absent_peer_is_never_beaten() -> None:
    (one, _) = compared(
        "D1", "quote", {PYTHON: 1.0, RUST: 1.0}, party_of(), peers={"peer": {PYTHON: 5.0}}
    )
    assert (one["peer"], one["peer_value"], one["ratio"], one["met"]) == (
        "peer: absent",
        None,
        None,
        None,
    )


def test_a_peer_that_answers_otherwise_is_not_compared_with() -> None:
    (one, _) = compared(
        "D1",
        "quote",
        {PYTHON: 1.0, RUST: 1.0, "peer": 9.0},
        party_of("peer"),
        peers={"peer": {PYTHON: 5.0}},
        wrong=["peer"],
    )
    assert (one["peer"], one["ratio"], one["met"]) == ("peer 1.0: answers differ", None, None)


def test_the_page_shows_both_twins_in_one_line_in_the_order_of_ids() -> None:
    rows = [
        row("D12", "sign", twin="python", value=60.0, peer="other", peer_value=600.0, goal=20.0),
        row("D2", "quote", twin="python", value=0.8, peer="other", peer_value=40.0, goal=60.0),
        row("D2", "quote", twin="rust", value=0.2, peer="other", peer_value=40.0, goal=100.0),
        row("decode_p50", "not of this page", twin="python", value=1.0),
    ]
    reports = [
        {"name": "quotes", "machine": "2 cpus, load 0.5/0.5/0.5", "rows": rows},
        {"name": "scale", "machine": "m", "rows": [row("D8", "search", twin="python", value=1e12)]},
    ]
    carried = row("M4", "relay", twin="python", value=2.0, peer="zmq", peer_value=5.0, goal=2.0)
    reports.append({"name": "messages", "machine": "m", "rows": [carried]})
    text = page.page(reports)
    lines = [line for line in text.splitlines() if re.match(r"\| [DM]\d", line)]
    assert lines == [
        "| D2 | quote | 0.80 us | 0.20 us | other | 40.0 us | 50x | 200x | >= 60x; >= 100x | no; yes |",
        "| D12 | sign | 60.0 us | - | other | 600 us | 10x | - | >= 20x; - | no; - |",
        "| D8 | python | search | 1e+12 us |  | - |",
        "| M4 | python | relay | 2.00 us | zmq | 5.00 us | 2.5x | >= 2x | yes |",
    ]
    assert (
        "Machine: 2 cpus. Load averages (1, 5, 15 minutes) when each began: 0.5/0.5/0.5 (quotes)."
        in text
    )


def test_the_newest_result_of_a_benchmark_counts(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text(
        '{"name": "a", "machine": "m", "rows": [{"id": "D1"}]}\n'
        '{"name": "b", "machine": "m", "rows": [{"id": "D2"}]}\n'
    )
    (tmp_path / "a.json").write_text('{"name": "a", "machine": "n", "rows": [{"id": "D3"}]}')
    reports = page.reports_of(tmp_path)
    assert [(report["machine"], report["rows"]) for report in reports] == [
        ("n", [{"id": "D3"}]),
        ("m", [{"id": "D2"}]),
    ]
