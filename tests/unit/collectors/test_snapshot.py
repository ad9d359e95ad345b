"""Pools made from logs. Oracle: the fake pool's own bookkeeping, and conservation of liquidity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.collectors.evm.fake_pools import FakePool, first_state, log_of
from alphapulse.collectors.evm.snapshot import PoolSnapshot, born_in, snapshot_after
from alphapulse.collectors.evm.tracker import PoolTracker, V2Track, V3Track
from alphapulse.errors import DecodeError
from alphapulse.evm.logs import LogEntry, V2Sync, V3Burn, V3Initialize, V3Mint, V3Swap
from support.collecting import V2_POOL, V3_POOL

NOBODY = bytes(20)
Q96 = 1 << 96


def entries(logs, pool=V3_POOL):
    return [
        LogEntry(
            address=pool.address,
            topics=log_of(log)[0],
            data=log_of(log)[1],
            block=1,
            block_hash=b"\1" * 32,
            tx_hash=b"\2" * 32,
            tx_index=0,
            log_index=index,
        )
        for index, log in enumerate(logs)
    ]


def as_snapshot(pool: FakePool):
    rows = tuple((tick, *pool.ticks[tick]) for tick in sorted(pool.ticks))
    track = V3Track(pool.sqrt_price_x96, pool.tick, pool.liquidity)
    return PoolSnapshot(V3_POOL.address, track, rows)


ranges = st.tuples(st.integers(-20, 20), st.integers(1, 20), st.integers(0, 10**20))


@given(st.lists(ranges, max_size=12), st.integers(-1500, 1500))
def test_mints_and_burns_keep_the_ledger(positions, at):
    """Covers: E11 (Mint and Burn alter a quote as much as Swap does)."""
    pool = FakePool()
    logs = [V3Initialize(Q96, at)]
    for lower, width, liquidity in positions:
        place = (NOBODY, 60 * lower, 60 * (lower + width), liquidity, 0, 0)
        logs.append(V3Mint(*place))
    for lower, width, liquidity in positions[::2]:
        logs.append(V3Burn(NOBODY, 60 * lower, 60 * (lower + width), liquidity, 0, 0))
    for log in logs:
        pool = pool.after(log) if getattr(log, "liquidity", 1) != 0 else pool
    found = born_in(entries(logs), V3_POOL.address)
    assert found == as_snapshot(pool)
    assert found.is_consistent()


def test_a_swap_moves_price_tick_and_liquidity():
    before = as_snapshot(first_state(V3_POOL))
    swap = V3Swap(NOBODY, NOBODY, 1, -1, Q96 + 5, 10**18, 3)
    after = snapshot_after(before, entries([swap]))
    assert after.track == V3Track(Q96 + 5, 3, 10**18)
    assert after.ticks == before.ticks
    assert snapshot_after(before, entries([swap], V2_POOL)) == before


def test_a_pair():
    pair = PoolSnapshot(V2_POOL.address, V2Track(1, 2))
    assert snapshot_after(pair, entries([V2Sync(3, 4)], V2_POOL)).track == V2Track(3, 4)
    assert pair.is_consistent()


def test_no_first_price_is_no_birth():
    assert born_in(entries([V3Mint(NOBODY, -60, 60, 1, 1, 1)]), V3_POOL.address) is None


def test_more_out_than_in_is_refused():
    burn = V3Burn(NOBODY, -60, 60, 1, 1, 1)
    with pytest.raises(DecodeError):
        snapshot_after(PoolSnapshot(V3_POOL.address, V3Track(1, 0, 0)), entries([burn]))


def test_ticks_that_do_not_add_up_are_noticed():
    """Covers: E13, M3."""
    whole = as_snapshot(first_state(V3_POOL))
    assert whole.is_consistent()
    assert not PoolSnapshot(whole.pool, whole.track, whole.ticks[:1]).is_consistent()
    assert not PoolSnapshot(whole.pool, whole.track, ()).is_consistent()


def test_the_tracker_folds_and_copies():
    tracker = PoolTracker({V2_POOL.address: V2Track(1, 2), V3_POOL.address: V3Track(Q96, 0, 7)})
    trial = tracker.copy()
    trial.apply(V2_POOL.address, V2Sync(3, 4))
    trial.apply(V3_POOL.address, V3Mint(NOBODY, -60, 60, 5, 0, 0))
    trial.apply(V3_POOL.address, V3Burn(NOBODY, 60, 120, 5, 0, 0))
    trial.apply(b"\0" * 20, V2Sync(3, 4))
    assert trial.expected(V2_POOL.address) == V2Track(3, 4)
    assert trial.expected(V3_POOL.address) == V3Track(Q96, 0, 12)
    assert trial.expected(b"\0" * 20) is None
    assert tracker.expected(V2_POOL.address) == V2Track(1, 2)
