"""SQL and exports over an archive: what they answer is what the messages say.

Oracle: sums and counts over the messages themselves, in Python.
"""

import csv
import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from alphapulse.archive.export import ExportFormat, export
from alphapulse.archive.flat import flat_tables
from alphapulse.archive.query import ask
from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.selection import Query
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.errors import Misconfigured
from alphapulse.protocol.market_data import PoolSwap
from alphapulse.protocol.message import Draft, RawTlv
from alphapulse.protocol.registry import REGISTRY
from alphapulse.protocol.signals import SwapHop, SwapPath
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, stream

HOP = SwapHop(301, b"p" * 20, b"a" * 20, b"b" * 20, 2**127 + 1, 5, 3000, 18, 6)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("query") / "a"
    drafts = stream(4, 900)
    drafts[500] = Draft(2, 20, (SwapPath(7, 1, 1, (HOP, HOP)),))
    drafts[501] = Draft(4, 62, (RawTlv(250, b"unknown"),))
    sequencer = Sequencer(9)
    messages = [sequencer.stamp(draft, START_NS + n * 10**6) for n, draft in enumerate(drafts)]
    writer = ArchiveWriter(root, lambda: START_NS, limits=ArchiveLimits(segment_rows=400))
    for message in messages:
        writer.record_message(message)
        writer.record_frame(b"frame", message.header.timestamp_ns, "chain")
    writer.close()
    return ArchiveReader(root), messages


def test_a_sum_over_a_type_is_the_sum_over_its_messages(archive):
    reader, messages = archive
    swaps = [swap for message in messages for swap in message.all(PoolSwap)]
    answer = ask(
        reader,
        "select pool, count(*) as n, sum(amount_in::hugeint) as total, max(sqrt_price_x96_after) "
        "from pool_swap group by pool",
    )
    assert answer.columns[:3] == ("pool", "n", "total")
    counts = Counter("0x" + swap.pool.hex() for swap in swaps)
    assert {pool: n for pool, n, _, _ in answer.rows} == counts
    assert sum(total for _, _, total, _ in answer.rows) == sum(swap.amount_in for swap in swaps)


def test_headers_types_and_frames_are_tables_too(archive):
    reader, messages = archive
    ((count, last),) = ask(reader, "select count(*), max(position) from messages").rows
    assert (count, last) == (900, 899)
    by_domain = dict(ask(reader, "select domain, count(*) from messages group by 1").rows)
    assert by_domain == Counter(message.header.domain for message in messages)
    ((names,),) = ask(reader, "select names from messages where list_contains(types, 250)").rows
    assert names == ["type 250"]
    ((frames, size),) = ask(reader, "select count(*), sum(size) from frames").rows
    assert (frames, size) == (900, 4_500)


def test_records_are_lists_of_structs_and_wide_integers_are_exact(archive):
    reader, _ = archive
    ((length, amount, pool),) = ask(
        reader, "select len(hop), hop[2].amount_in, hop[1].pool from swap_path"
    ).rows
    assert (length, int(amount), pool) == (2, 2**127 + 1, "0x" + "70" * 20)


def test_every_type_has_a_table_that_can_be_asked(archive):
    reader, _ = archive
    tables = flat_tables()
    assert len(tables) == len(REGISTRY) + 2
    union = " union all ".join(f'select count(*) from "{name}"' for name in tables)
    assert len(ask(reader, union).rows) == len(tables)


def test_a_filter_is_applied_before_the_query(archive):
    reader, messages = archive
    end = messages[100].header.timestamp_ns
    ((count,),) = ask(reader, "select count(*) from messages", Query(to_ns=end)).rows
    assert count == 100


@pytest.mark.parametrize(
    "sql", ["selec", "select * from nothing", "copy (select 1) to 'here'", "select 1/"]
)
def test_a_refused_query_is_one_line_of_usage(archive, sql):
    with pytest.raises(Misconfigured, match="the query was refused"):
        ask(archive[0], sql)


@pytest.mark.parametrize("kind", [*ExportFormat])
def test_an_export_holds_every_row(archive, tmp_path, kind):
    reader, messages = archive
    swaps = [swap for message in messages for swap in message.all(PoolSwap)]
    target = tmp_path / "out"
    told = []
    count = export(
        reader,
        flat_tables()["pool_swap"],
        target,
        kind=kind,
        query=Query(),
        progress=told.append,
    )
    assert count == len(swaps) == told[-1]
    if kind is ExportFormat.PARQUET:
        found = pq.ParquetFile(target).read(["amount_in"])["amount_in"].to_pylist()
    elif kind is ExportFormat.CSV:
        found = [row["amount_in"] for row in csv.DictReader(target.read_text().splitlines())]
    else:
        found = [json.loads(line)["amount_in"] for line in target.read_text().splitlines()]
    assert [int(amount) for amount in found] == [swap.amount_in for swap in swaps]
    with pytest.raises(Misconfigured, match="cannot be written"):
        export(reader, flat_tables()["pool_swap"], target, kind=kind, query=Query())


@pytest.mark.parametrize("name", ["messages", "frames", "swap_path"])
def test_lists_and_bytes_survive_csv_as_text(archive, tmp_path, name):
    target = tmp_path / "out.csv"
    export(archive[0], flat_tables()[name], target, kind=ExportFormat.CSV, query=Query())
    rows = list(csv.DictReader(target.read_text().splitlines()))
    if name == "swap_path":
        assert json.loads(rows[0]["hop"])[0]["decimals_out"] == 6
    elif name == "frames":
        assert rows[0]["payload"] == "0x" + b"frame".hex()
    else:
        assert json.loads(rows[0]["types"])
