"""Which settlements count as undisturbed: no foreign transaction in the path's pools between the observed block and ours."""

import pytest

from alphapulse.node.settlement import SettlementAudit
from alphapulse.primitives.address import ZERO_HASH
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import ChainEvent, PoolSync
from alphapulse.protocol.message import Message
from support.drafts import block_draft
from support.results import CHAIN_ID, result, said, signalled, tx_of

POOL, ELSEWHERE = b"\x01" * 20, b"\x09" * 20
PREDICTED = 900  # what support.results.signal predicts: 1,000 gross less a fee of 100
OURS, FOREIGN = tx_of(1), tx_of(99)


def touch(pool, block, index, tx):
    sync = PoolSync(
        venue=300,
        pool=pool,
        token0=b"\x03" * 20,
        token1=b"\x04" * 20,
        reserve0=1,
        reserve1=1,
        decimals0=18,
        decimals1=18,
        event_ns=1,
        block=block,
    )
    event = ChainEvent(
        chain_id=CHAIN_ID,
        block=block,
        block_hash=ZERO_HASH,
        tx_hash=tx,
        tx_index=index,
        log_index=index,
        flags=0,
    )
    return Message(Header(1, 6, 0, 1, 1), (sync, event))


def block_message(block):
    draft = block_draft(block)
    return Message(Header(draft.domain, draft.source, 0, 1, 1), draft.tlvs)


def counts_after(*touches, profit=PREDICTED, status=1):
    audit = SettlementAudit()
    for message in (
        signalled(1),
        *touches,
        said(result(1, block=11, profit=profit, status=status)),
        block_message(11),
    ):
        audit.on_message(message, 1)
    return audit.statistics()


@pytest.mark.parametrize(
    "touches",
    [
        (),
        (touch(POOL, 11, 3, OURS),),
        (touch(POOL, 10, 9, FOREIGN),),
        (touch(POOL, 11, 3, OURS), touch(POOL, 11, 4, FOREIGN)),
        (touch(POOL, 11, 3, OURS), touch(POOL, 12, 0, FOREIGN)),
        (touch(ELSEWHERE, 11, 0, FOREIGN), touch(POOL, 11, 3, OURS)),
    ],
    ids=["nothing", "ours", "observed", "behind", "later", "elsewhere"],
)
def test_untouched(touches):
    counts = counts_after(*touches)
    assert (counts.succeeded, counts.untouched, counts.untouched_exact) == (1, 1, 1)


@pytest.mark.parametrize(
    "touches",
    [
        (touch(POOL, 11, 2, FOREIGN), touch(POOL, 11, 3, OURS)),
        (touch(b"\x02" * 20, 11, 0, FOREIGN), touch(POOL, 11, 3, OURS)),
    ],
    ids=["before", "other pool of the path"],
)
def test_touched(touches):
    counts = counts_after(*touches, profit=PREDICTED - 7)
    assert (counts.succeeded, counts.untouched, counts.below_min) == (1, 0, 0)


def test_a_receipt_may_be_here_before_its_blocks_logs():
    audit = SettlementAudit()
    audit.on_message(signalled(1), 1)
    audit.on_message(block_message(10), 1)
    audit.on_message(said(result(1, block=11, profit=PREDICTED - 7)), 1)
    assert (audit.statistics().succeeded, audit.statistics().untouched) == (1, 0)
    for message in (touch(POOL, 11, 2, FOREIGN), touch(POOL, 11, 3, OURS), block_message(11)):
        audit.on_message(message, 1)
    assert audit.statistics().untouched == 0


def test_a_settlement_that_differs_undisturbed_is_seen():
    counts = counts_after(touch(POOL, 11, 3, OURS), profit=PREDICTED + 1)
    assert (counts.untouched, counts.untouched_exact) == (1, 0)


def test_below_the_least_profit_is_seen():
    assert counts_after(profit=49).below_min == 1
    assert counts_after(profit=50).below_min == 0


def test_reverts_are_no_settlements():
    assert counts_after(profit=0, status=2).succeeded == 0


def test_a_result_said_again_counts_once():
    audit = SettlementAudit()
    for message in (signalled(1), said(result(1)), said(result(1))):
        audit.on_message(message, 1)
    assert audit.statistics().succeeded == 1
