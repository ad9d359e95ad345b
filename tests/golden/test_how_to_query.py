"""The page on querying an archive works as it is pasted. Oracle: exit codes, and that every statement has an answer."""

import re
import shlex
import subprocess
import sys

import pytest

from alphapulse.archive.writer import ArchiveWriter
from alphapulse.cli.main import main
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, stream
from support.source import ROOT

PAGE = (ROOT / "docs/how_to/query_the_archive.md").read_text("utf-8")
SHELL = [
    command
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for command in re.findall(r"^alphapulse archive (?:[^\n\"]|\"[^\"]*\")*$", block, re.MULTILINE)
]
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "ARCHIVE"
    sequencer = Sequencer(9)
    writer = ArchiveWriter(folder, lambda: START_NS)
    for number, draft in enumerate(stream(4, 200)):
        writer.record_message(sequencer.stamp(draft, START_NS + number * 10**6))
    writer.close()
    return folder


def test_the_page_has_commands() -> None:
    assert len(SHELL) >= 10
    assert len(PYTHON) == 1


@pytest.mark.parametrize("command", SHELL)
def test_a_command_of_the_page_works(root, monkeypatch, tmp_path, capsys, command) -> None:
    words = shlex.split(command, comments=True)[1:]
    monkeypatch.chdir(tmp_path)
    assert main([str(root) if word == "ARCHIVE" else word for word in words]) == 0
    assert capsys.readouterr().out


def test_the_script_of_the_page_works(root) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[0]],
        cwd=root.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "row_groups_read" in done.stdout
