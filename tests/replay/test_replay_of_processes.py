"""A run of several processes replays to the live digest, in the order in which its desk saw it, over any transport.

Oracle: the digest that the live desk reported, and every message that its services published.
"""

import json
import shutil

import pytest

from alphapulse.archive.reader import ArchiveReader
from support.node_runs import command, finished_demos_apart

pytestmark = [
    pytest.mark.chain,
    pytest.mark.skipif(not shutil.which("nats-server"), reason="nats-server is not installed"),
]
MODES = ("unix", "nats", "mixed")


@pytest.fixture(scope="module", params=MODES)
def demo(request):
    run = finished_demos_apart(*MODES)[request.param]
    assert run.code == 0, run.stderr
    return run


def replayed(demo, *words):
    done = command("replay", demo.archive, "--json", *words)
    assert done.code == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["digest"] == answer["recorded_digest"] == demo.account["digest"]
    assert answer["divergence"] is None
    return answer


def test_strategy_and_risk_say_again_what_they_said(demo) -> None:
    answer = replayed(demo, "--components", "strategy,risk")
    assert answer["compared"] >= answer["decisions"] / 2


def test_the_books_say_again_what_they_said(demo) -> None:
    """Books wait a moment for what is late; what came later still they booked in an order that nobody recorded."""
    if demo.account["booked_late"]:
        pytest.skip("the machine was so busy that the books did not wait long enough")
    done = command("replay", demo.archive, "--json", "--components", "portfolio")
    answer = json.loads(done.stdout)
    assert answer["divergence"] is None
    assert answer["compared"] >= demo.account["executed"]


def test_the_record_and_the_desk_saw_other_orders(demo) -> None:
    reader = ArchiveReader(demo.archive)
    desk = [one.message for one in reader.deliveries("desk") if one.message.header.sequence]
    keys = [(m.header.domain, m.header.source, m.header.sequence) for m in desk]
    assert len(set(keys)) == len(keys)
    recorded = [(m.header.domain, m.header.source, m.header.sequence) for m in reader.messages()]
    assert set(keys) <= set(recorded)
    assert recorded[: len(keys)] != keys


@pytest.mark.parametrize("transport", ["unix", "nats"])
def test_one_archive_gives_one_digest_over_every_transport(transport) -> None:
    replayed(finished_demos_apart(*MODES)["unix"], "--transport", transport)
