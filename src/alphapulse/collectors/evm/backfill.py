"""Blocks that nobody announced: fetched by range, proved by parent hashes, blooms and block-hash questions.

Called for a gap between heads and after a reconnect; nothing newer is released before its answer.
"""

from collections.abc import Sequence

from alphapulse.collectors.evm.blocks import BlockHeader, BloomScreen, check_joins
from alphapulse.collectors.evm.reader import ChainReader
from alphapulse.errors import HashMismatch
from alphapulse.evm.logs import LogEntry

__all__ = ["fetch_missed"]

Missed = list[tuple[BlockHeader, list[LogEntry]]]


async def fetch_missed(
    reader: ChainReader, base: BlockHeader, head: BlockHeader, bloom: BloomScreen | None
) -> Missed:
    """Return every block after `base` up to and with `head`, each with our logs.

    A range answer may be cut without an error: a block whose bloom may hold our logs and that came without any, and the
    last block that came with logs, are asked for again by hash. Without a trusted bloom every block is.

    Raises  HashMismatch when headers do not join from base to head, or a log belongs to no block among them.
    """
    headers = await _joined_headers(reader, base, head)
    by_hash: dict[bytes, list[LogEntry]] = {header.block_hash: [] for header in headers}
    if not headers:
        return []
    for entry in await reader.range_logs(headers[0].number, headers[-1].number):
        logs = by_hash.get(entry.block_hash)
        if logs is None:
            raise HashMismatch(
                f"a log of block {entry.block} came with a hash that is not in the chain"
            )
        logs.append(entry)
    last_with_logs = max(
        (header.number for header in headers if by_hash[header.block_hash]), default=-1
    )
    for header in headers:
        doubtful = bloom is None or (
            not by_hash[header.block_hash] and bloom.may_contain(header.logs_bloom)
        )
        if doubtful or header.number == last_with_logs:
            by_hash[header.block_hash], _ = await reader.block_logs(header)
    return [(header, _in_order(by_hash[header.block_hash])) for header in headers]


def _in_order(logs: Sequence[LogEntry]) -> list[LogEntry]:
    """Return logs of one block in chain order, each once."""
    once = {entry.identity: entry for entry in logs}
    return sorted(once.values(), key=lambda entry: entry.position)


async def _joined_headers(
    reader: ChainReader, base: BlockHeader, head: BlockHeader
) -> Sequence[BlockHeader]:
    if head.number == base.number and head.block_hash == base.block_hash:
        return ()
    found = await reader.headers(base.number + 1, head.number - 1)
    headers = [header for header in found if header is not None]
    if len(headers) != len(found):
        raise HashMismatch(f"the chain is shorter than its head {head.number}")
    joined = [*headers, head]
    check_joins(base, joined)
    return joined
