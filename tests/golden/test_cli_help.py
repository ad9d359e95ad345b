"""Help says what there is, in words that people rely on; the rest of its text is free to change."""

import pytest

from alphapulse.cli.main import VERBS, main

WORDS = {
    "demo": ["--seconds", "--headless", "--json", "--seed", "--block-time", "--port", "--data-dir"],
    "run": ["--config", "--live", "--resume", "--seconds", "--headless", "--json"],
    "replay": [
        "ARCHIVE",
        "--speed",
        "--from",
        "--to",
        "--components",
        "--transport",
        "--json",
    ],
    "archive": ["ls", "verify", "export", "sql"],
    "devnet": [
        "--port",
        "--seed",
        "--block-time",
        "--seconds",
        "--owner",
        "--config-out",
        "--json",
    ],
    "bench": ["--json"],
    "relay": ["serve", "tail", "stats"],
    "keys": ["import", "create", "list"],
}


def shown(capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out


def test_the_command_lists_every_verb(capsys) -> None:
    text = shown(capsys, "--help")
    assert set(WORDS) == set(VERBS)
    for verb, purpose in VERBS.items():
        assert verb in text
        assert purpose.split(";")[0].split(",")[0] in " ".join(text.split())
    assert "0 done, 1 failed, 2 usage or configuration, 3 refused" in " ".join(text.split())


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_each_verb_lists_its_options(capsys, verb: str) -> None:
    text = shown(capsys, verb, "--help")
    assert f"usage: alphapulse {verb}" in text
    assert [word for word in WORDS[verb] if word not in text] == []
    assert "exit codes" in text


@pytest.mark.parametrize(
    "words",
    [(), ("fly",), ("run",), ("replay",), ("demo", "--seconds", "soon"), ("run", "--nothing")],
    ids=" ".join,
)
def test_wrong_usage_is_code_2_and_says_how(capsys, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "usage: alphapulse" in output.err
    assert "Traceback" not in output.err


def test_relay_serve_lists_its_options(capsys) -> None:
    text = shown(capsys, "relay", "serve", "--help")
    assert "usage: alphapulse relay serve" in text
    words = ["--directory", "--domain", "--shard", "--journal", "--config", "--json", "exit codes"]
    assert [word for word in words if word not in text] == []
