"""`alphapulse relay serve` as a process: sockets, status, a second start, an orderly end."""

import json
import os
import signal
import stat
import subprocess
import sys
import time

import msgspec

from alphapulse.protocol.header import Domain
from alphapulse.relays.statistics import RelayStatistics
from alphapulse.relays.upkeep import status_path

WORDS = [sys.executable, "-m", "alphapulse.cli.main", "relay", "serve"]


def test_serve_listens_tells_and_ends(tmp_path) -> None:
    directory = tmp_path / "r"
    config = tmp_path / "relays.toml"
    config.write_text("heartbeat_ms = 100\n[market]\nqueue_messages = 7\n")
    words = [*WORDS, "--directory", str(directory), "--config", str(config), "--json"]
    first = subprocess.Popen(
        [*words, "--domain", "market", "--shard", "low"], stdout=subprocess.PIPE, text=True
    )
    try:
        sockets = json.loads(first.stdout.readline())["sockets"]
        names = ["market_data.sock", "market_data.low.sock"]
        assert sockets == [str(directory / name) for name in names]
        status = status_path(directory, "market_data.sock")
        end = time.monotonic() + 10
        while not status.exists() and time.monotonic() < end:
            time.sleep(0.02)
        told = msgspec.json.decode(status.read_bytes(), type=RelayStatistics)
        assert (told.domain, told.pid) == (Domain.MARKET, first.pid)
        assert stat.S_IMODE(status.stat().st_mode) == 0o600
        second = subprocess.run([*words, "--domain", "market"], capture_output=True, check=False)
        assert second.returncode == 2
        assert b"a relay is live at" in second.stderr
        assert os.path.exists(sockets[0])  # noqa: PTH110
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(10) == 0
        first.stdout.close()
    assert list(directory.glob("*.sock")) == []


def test_a_wrong_number_is_named(tmp_path) -> None:
    config = tmp_path / "relays.toml"
    config.write_text("[market]\nqueue_mesages = 7\n")
    words = [*WORDS, "--directory", str(tmp_path), "--config", str(config)]
    ended = subprocess.run(words, capture_output=True, check=False)
    assert ended.returncode == 2
    assert b"queue_mesages" in ended.stderr
