"""The consumer in the how-to works when pasted: the page's own text is run against live relays."""

import asyncio
import random
import re
import sys
from pathlib import Path

from alphapulse.protocol.market_data import Trade
from alphapulse.relays.service import serve_relays
from alphapulse.transport.settings import UnixConfig
from alphapulse.transport.unix import UnixBus
from support.links import joined, swaps

PAGES = Path(__file__).parents[2] / "docs" / "how_to"
PATIENCE_S = 30


def blocks(name):
    return re.findall(r"```python\n(.*?)```", (PAGES / name).read_text(), re.DOTALL)


def test_the_pasted_consumer_prints_every_trade(tmp_path):
    (code,) = blocks("write_a_consumer.md")
    file = tmp_path / "trades.py"
    file.write_text(code)
    relays = tmp_path / "relays"

    async def scenario():
        drafts = swaps(random.Random(1), 25)
        config = UnixConfig(name="desk:1", directory=relays, produces=frozenset({(1, 6)}))
        async with serve_relays(relays), joined(UnixBus, config) as (desk, _):
            consumer = await asyncio.create_subprocess_exec(
                sys.executable, str(file), str(relays), stdout=asyncio.subprocess.PIPE
            )
            try:
                assert await consumer.stdout.readline() == b"link: live\n"
                desk.publish_all(drafts)
                lines = [(await consumer.stdout.readline()).decode() for _ in drafts]
            finally:
                consumer.terminate()
                await consumer.wait()
        prices = [draft.tlvs[0].price for draft in drafts]
        assert all(isinstance(draft.tlvs[0], Trade) for draft in drafts)
        assert [int(line.rsplit(" ", 1)[1]) for line in lines] == prices
        assert all(line.startswith("source 6 #") for line in lines)

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_the_pages_code_compiles_and_its_consumer_is_short():
    for page in ("write_a_consumer.md", "many_machines.md"):
        for code in blocks(page):
            compile(code, page, "exec")
    assert len(blocks("write_a_consumer.md")[0].splitlines()) <= 40
