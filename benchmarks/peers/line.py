"""One line in, one line out: how a benchmark talks to a worker in another environment, and how a worker times itself.

A worker is a process that answers JSON lines on its standard input with JSON lines on its standard output. It times its own loops,
so that no figure holds the cost of the conversation. Whole numbers travel as they are between Python processes; a worker that cannot
hold them takes them as text. This file needs the standard library only: workers of other environments load it too.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ANSWER_LIMIT = 1 << 28
STOP_S = 5

Answer = Any
Operation = Callable[..., Answer]


class PeerFailed(Exception):
    """A worker said that it could not do what was asked, or ended."""


def nanoseconds(call: Callable[[], object], budget_ms: float) -> float:
    """Return the mean time of a call, from as many calls as fit the budget; at least one."""
    clock = perf_counter_ns
    gc.collect()
    gc.disable()
    try:
        begin = clock()
        call()
        once = clock() - begin
        repeats = int(budget_ms * 1e6 / max(once, 1))
        if repeats < 2:
            return float(once)
        repeats = min(repeats, 100_000)
        begin = clock()
        for _ in range(repeats):
            call()
        return (clock() - begin) / repeats
    finally:
        gc.enable()


def growth(texts: Sequence[str], build: Callable[[str], object]) -> float:
    """Return bytes by which the process grows with each thing that is built from a text, native memory included.

    The first fifth is built before, so that what is made only once is not counted.
    """
    ahead = max(1, len(texts) // 5)
    for text in texts[:ahead]:
        build(text)
    gc.collect()
    before = _resident_bytes()
    for text in texts[ahead:]:
        build(text)
    gc.collect()
    return (_resident_bytes() - before) / (len(texts) - ahead)


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def serve(operations: Mapping[str, Operation]) -> None:
    """Answer requests until the input ends; an error is an answer too."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not stand between the lines
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"answer": operations[request.pop("do")](**request)}
        except Exception as error:  # noqa: BLE001 - a worker reports whatever its library raises
            answer = {"error": f"{type(error).__name__}: {error}"}
        output.write(json.dumps(answer) + "\n")
        output.flush()


def _text(value: Answer) -> Answer:
    """Return a request with its whole numbers as text."""
    if isinstance(value, dict):
        return {key: _text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_text(item) for item in value]
    return str(value) if type(value) is int else value


class Worker:
    """One running worker; use it as a context."""

    def __init__(self, name: str, command: Sequence[str], *, as_text: bool = False) -> None:
        self.name = name
        self._as_text = as_text
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, do: str, **arguments: object) -> Answer:
        """Return the answer to one request."""
        self.begin(do, **arguments)
        return self.finish(do)

    def begin(self, do: str, **arguments: object) -> None:
        """Send a request whose answer `finish` will wait for, so that several workers can be busy at once."""
        assert self._process.stdin is not None
        request = {"do": do, **(_text(arguments) if self._as_text else arguments)}
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise PeerFailed(f"{self.name} ended") from error

    def finish(self, do: str) -> Answer:
        """Return the answer to the request that was begun."""
        assert self._process.stdout is not None
        try:
            line = self._process.stdout.readline(ANSWER_LIMIT)
        except OSError as error:
            raise PeerFailed(f"{self.name} ended") from error
        if not line:
            raise PeerFailed(f"{self.name} ended")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerFailed(f"{self.name}, asked to {do}: {answer['error']}")
        return answer["answer"]

    def close(self) -> None:
        """End the process: its input ends, so does it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
