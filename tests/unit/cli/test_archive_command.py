"""`alphapulse archive`: its answers on stdout, its complaints as one line, its exit codes."""

import json
import shutil

import pytest

from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.cli.main import main
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, stream


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command") / "a"
    sequencer = Sequencer(9)
    writer = ArchiveWriter(folder, lambda: START_NS, limits=ArchiveLimits(segment_rows=150))
    for number, draft in enumerate(stream(4, 300)):
        writer.record_message(sequencer.stamp(draft, START_NS + number * 10**6))
    writer.record_frame(b"frame", START_NS, "chain")
    writer.close()
    return folder


def run(capsys, *words):
    code = main(["archive", *map(str, words)])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_ls_lists_files_with_their_sizes(root, capsys):
    code, out, _ = run(capsys, "ls", root, "--json")
    answer = json.loads(out)
    assert code == 0
    assert sum(file["rows"] for file in answer["files"] if file["table"] == "messages") == 300
    assert answer["manifest"]["state"] == "complete"
    assert answer["open_journals"] == []
    code, out, _ = run(capsys, "ls", root)
    assert code == 0
    assert out.startswith("complete, 300 messages, 1 frames, 0 lost")
    assert "PoolSwap" in out


def test_verify_reads_everything(root, capsys):
    code, out, _ = run(capsys, "verify", root, "--json")
    assert code == 0
    assert json.loads(out)["messages"] == 300
    assert run(capsys, "verify", root)[1].startswith("whole: 300 messages and 1 frames")


def test_verify_names_damage_and_fails(root, tmp_path, capsys):

    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    segment = min(copy.glob("messages/*/*/part-*"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    code, out, err = run(capsys, "verify", copy)
    assert (code, out) == (1, "")
    assert segment.name in err


def test_export_and_sql_take_filters(root, tmp_path, capsys):
    target = tmp_path / "out.jsonl"
    code, out, _ = run(
        capsys,
        *("export", root, "--output", target, "--json", "--domain", "system"),
        *("--to", START_NS + 200 * 10**6),
    )
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert code == 0
    assert json.loads(out)["rows"] == len(rows) > 0
    assert {row["domain"] for row in rows} == {4}
    query = "select count(*) as n from messages"
    code, out, _ = run(capsys, "sql", root, query, "--json", "--domain", "system")
    assert json.loads(out)[0]["n"] > len(rows) - 1
    code, out, _ = run(capsys, "sql", root, query)
    assert out == "n\n300\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sql", "selec"), 2),
        (("export", "--table", "nothing", "--output", "x"), 2),
        (("export", "--type", "Nothing", "--output", "x"), 2),
    ],
)
def test_what_is_not_there_is_one_line_of_usage(root, capsys, words, code):
    found, out, err = run(capsys, words[0], root, *words[1:])
    assert (found, out) == (code, "")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("words", [("--from", "soon"), ("--instrument", "1/2"), ("--trace", "xyz")])
def test_a_filter_that_is_none_is_refused(root, capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(["archive", "sql", str(root), "select 1", *words])
    assert ended.value.code == 2
    assert "must be" in capsys.readouterr().err


def test_an_instrument_and_a_trace_are_filters(root, capsys):
    query = "select pool, trace_id from pool_swap limit 1"
    pool, trace = json.loads(run(capsys, "sql", root, query, "--json")[1])[0].values()
    count = "select count(*) as n from pool_swap"
    words = ("--instrument", f"301/100/0/{pool[2:18]}", "--trace", trace)
    assert json.loads(run(capsys, "sql", root, count, "--json", *words)[1]) == [{"n": 1}]


def test_a_folder_that_is_no_archive(tmp_path, capsys):
    code, _, err = run(capsys, "ls", tmp_path)
    assert code == 2
    assert "is not an archive" in err
