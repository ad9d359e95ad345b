"""Relays in a process of their own, so that they can be killed without a word."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

from alphapulse.transport.sockets import SOCKET_NAMES

START_S = 20.0


class RelayProcess:
    """`alphapulse relay serve` on a directory; `kill` ends it at once, `start` begins again on the same files."""

    def __init__(self, directory: Path, config: Path | None = None) -> None:
        self.directory = directory
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "alphapulse.cli.main", "relay", "serve"]
        command += ["--directory", str(self.directory)]
        if self._config is not None:
            command += ["--config", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        for name in SOCKET_NAMES.values():
            while not self._answers(name):
                if self._process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"`{name}` does not answer")
                time.sleep(0.02)

    def _answers(self, name: str) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.directory / name))
            return True
        return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> RelayProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
