"""Both twins of the pool arithmetic decide the same from the same archive. Covers: P6."""

import json

import pytest

from support.kernel_twins import needs_rust
from support.node_runs import command, finished_demo

pytestmark = [pytest.mark.chain, needs_rust]


@pytest.mark.parametrize("twin", ["python", "rust"])
def test_the_digest_of_an_archive_is_that_of_either_twin(twin: str) -> None:
    demo = finished_demo()
    assert demo.code == 0, demo.stderr
    done = command("replay", demo.archive, "--json", ALPHAPULSE_KERNEL=twin)
    assert done.code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["kernel"] == twin
    assert answer["digest"] == answer["recorded_digest"] == demo.account["digest"]
    assert answer["decisions"] == demo.account["decisions"] > 0
