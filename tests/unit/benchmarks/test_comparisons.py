"""Shapes of the comparisons with other software, never their times. Oracle: the shape that `alphapulse bench` reads."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from alphapulse.cli.bench import _Report

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
IDS = {
    "quotes": {"D1", "D2", "D3", "D14"},
    "optimum": {"D5", "D15"},
    "pipeline": {"D7", "D13"},
    "smooth": {"D16"},
    "transactions": {"D11", "D12"},
    "chain_quotes": {"D10"},
    "messages": {
        "M1",
        "M1-rate",
        "M1-swap",
        "M1-values",
        "M2",
        "M2-swap",
        "M3",
        "M4",
        "M5",
        "M6",
        "M7",
    },
}


def report_of(name: str) -> _Report:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--alone"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    return msgspec.json.decode(done.stdout, type=_Report)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.chain] * (name == "chain_quotes")) for name in IDS],
)
def test_a_comparison_without_peers_prints_one_report_and_names_who_is_absent(name: str) -> None:
    report = report_of(name)
    assert report.name == name
    assert {row.id for row in report.rows} == IDS[name]
    assert {row.twin for row in report.rows} <= {"python", "rust"}
    for row in report.rows:
        assert row.value is not None
        assert row.value >= 0
        if row.peer is not None and row.peer.endswith("absent"):
            assert (row.peer_value, row.ratio) == (None, None)
