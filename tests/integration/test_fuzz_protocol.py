"""The protocol's fuzzer, for a few thousand buffers: `make fuzz` sends a million. Covers: P9."""

import os
import random
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "fuzz_protocol.py"
BUFFERS = 4_000


def test_decoder_and_relay_take_any_bytes() -> None:
    seed = os.environ.get("ALPHAPULSE_TEST_SEED", str(random.SystemRandom().getrandbits(32)))
    print(f"ALPHAPULSE_TEST_SEED={seed}")
    command = [sys.executable, str(TOOL), str(BUFFERS), seed]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "decoder and framer clean" in done.stdout
    assert "relay clean" in done.stdout
