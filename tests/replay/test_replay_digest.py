"""A replay decides what the live run decided, whatever the interpreter's hash seed, and says when it does not."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.writer import ArchiveWriter
from alphapulse.cli.main import main
from alphapulse.node.decisions import Decider
from alphapulse.node.replay import ReplayRequest, replay
from alphapulse.primitives.units import div_floor
from alphapulse.protocol.market_data import PoolSync
from alphapulse.protocol.message import Message
from support.node_runs import command, finished_demo

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def demo():
    run = finished_demo()
    assert run.code == 0, run.stderr
    return run


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_digest_equals_the_live_run_under_any_hash_seed(demo, hash_seed: str) -> None:
    done = command("replay", demo.archive, "--json", PYTHONHASHSEED=hash_seed)
    assert done.code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["digest"] == answer["recorded_digest"] == demo.account["digest"]
    assert answer["equal"] is True
    assert answer["decisions"] == demo.account["decisions"] >= 2 * demo.account["submitted"]
    assert answer["messages"] == demo.account["messages"]


def test_decisions_come_from_messages_alone(demo) -> None:
    """The result does not depend on what the folder is called or when it is read."""
    assert replay(demo.archive) == replay(demo.archive)


@pytest.mark.parametrize(
    "words",
    [
        ("--transport", "unix"),
        pytest.param(
            ("--transport", "nats"),
            marks=pytest.mark.skipif(not shutil.which("nats-server"), reason="no nats-server"),
        ),
        ("--speed", "50"),
        ("--components", "strategy,portfolio,risk"),
        ("--components", "portfolio,strategy", "--transport", "unix", "--speed", "100"),
    ],
)
def test_every_mode_gives_the_live_digest(demo, words) -> None:
    done = command("replay", demo.archive, "--json", *words)
    assert done.code == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["digest"] == answer["recorded_digest"] == demo.account["digest"]
    assert answer["compared"] >= demo.account["decisions"] / 2
    assert answer["divergence"] is None


def test_a_window_says_again_what_was_recorded_in_it(demo) -> None:
    messages = list(ArchiveReader(demo.archive).messages())
    signals = [m.header.timestamp_ns for m in messages if m.header.domain == 2]
    begin, end = signals[len(signals) // 3], signals[-len(signals) // 3]
    request = ReplayRequest(from_ns=begin - 1_000_000, to_ns=end + 1)
    result = replay(demo.archive, request=request)
    assert result.divergence is None
    assert 0 < result.compared < len(signals)
    assert result.recorded_digest == ""
    assert not result.has_failed


def rewritten(source: Path, target: Path, change, *, keep: int | None = None) -> None:
    """Write an archive anew with changed messages; its facts, and so the recorded digest, stay."""
    reader = ArchiveReader(source)
    facts = dict(reader.manifest.facts)
    writer = ArchiveWriter(target, lambda: 1, facts=facts)
    for position, message in enumerate(reader.messages()):
        if keep is None or position < keep:
            writer.record_message(change(message))
    writer.close()


def one_more(message: Message) -> Message:
    """Move every announced reserve by one part in a thousand."""
    tlvs = tuple(
        msgspec.structs.replace(tlv, reserve0=tlv.reserve0 + div_floor(tlv.reserve0, 1000))
        if isinstance(tlv, PoolSync)
        else tlv
        for tlv in message.tlvs
    )
    return Message(message.header, tlvs)


def test_a_copy_of_the_same_messages_has_the_same_digest(demo, tmp_path: Path) -> None:
    rewritten(demo.archive, tmp_path / "copy", lambda message: message)
    assert replay(tmp_path / "copy").is_equal


def test_messages_that_differ_decide_otherwise(demo, tmp_path: Path, capsys) -> None:
    rewritten(demo.archive, tmp_path / "changed", one_more)
    assert main(["replay", str(tmp_path / "changed")]) == 1
    output = capsys.readouterr()
    assert output.err.splitlines() == ["alphapulse: the replay decided otherwise than the live run"]
    assert demo.account["digest"] in output.out
    assert "first difference: strategy, message " in output.out
    replayed, _, recorded = output.out.partition("recorded: ")
    assert '"tlv": "ArbitrageSignal"' in replayed
    assert '"tlv": "ArbitrageSignal"' in recorded


def test_a_decision_that_is_missing_is_noticed(demo, tmp_path: Path) -> None:
    messages = demo.account["messages"]
    rewritten(demo.archive, tmp_path / "short", lambda message: message, keep=messages // 2)
    result = replay(tmp_path / "short")
    assert result.decisions < demo.account["decisions"]
    assert not result.is_equal


def fail(capsys, *words: object) -> str:
    """Run a replay that must fail and return its one line."""
    code = main(["replay", *map(str, words)])
    output = capsys.readouterr()
    (line,) = output.err.splitlines()
    assert line.startswith("alphapulse: ")
    assert output.out == ""
    return f"{code} {line}"


def test_a_folder_that_is_no_archive(tmp_path: Path, capsys) -> None:
    line = fail(capsys, tmp_path / "absent")
    assert line.startswith("2 ")
    assert "absent" in line
    assert "is not an archive" in line


def test_a_manifest_that_is_none(tmp_path: Path, capsys) -> None:
    (tmp_path / "manifest.json").write_text("{]")
    line = fail(capsys, tmp_path)
    assert line.startswith("1 ")
    assert "not a manifest" in line


def test_an_archive_that_no_node_made(tmp_path: Path, capsys) -> None:
    ArchiveWriter(tmp_path / "other", lambda: 1, facts={"about": "something else"}).close()
    line = fail(capsys, tmp_path / "other")
    assert line.startswith("2 ")
    assert "was not recorded by a node" in line
    assert "config" in line


def test_a_damaged_segment_is_named(demo, tmp_path: Path, capsys) -> None:
    copy = tmp_path / "damaged"
    shutil.copytree(demo.archive, copy)
    segment = min(copy.glob("messages/*/*/part-*"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    line = fail(capsys, copy)
    assert line.startswith("1 ")
    assert segment.name in line


def test_a_missing_segment_is_named(demo, tmp_path: Path, capsys) -> None:
    copy = tmp_path / "torn"
    shutil.copytree(demo.archive, copy)
    min(copy.glob("messages/*/*/part-*")).unlink()
    line = fail(capsys, copy)
    assert line.startswith("1 ")
    assert "a segment is missing" in line


def test_the_strategy_is_not_fed_its_own_words(demo) -> None:
    """Signals are in the archive too; feeding them back would count them as the world's."""
    fed: list[int] = []

    class Listener:
        def on_message(self, message, now_ns):
            fed.append(message.header.source)
            return ()

        def on_timer(self, now_ns):
            fed.append(-1)
            return ()

    decider = Decider(Listener(), 20, publish=lambda _: None, act=lambda _: None)
    for message in ArchiveReader(demo.archive).messages():
        decider.on_message(message, message.header.timestamp_ns)
    assert 20 not in fed
    assert {6, 42, 62, -1} <= set(fed)
