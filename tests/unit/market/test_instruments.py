"""The instrument registry: first come stays, and a shared id is refused. Oracle: section 3.3 of the wire protocol."""

from alphapulse.market.instruments import Announcement, InstrumentRegistry
from alphapulse.protocol.market_data import InstrumentMeta
from support.universe import V2_A, Chain, address_of


def meta(message):
    return message.first(InstrumentMeta)


def twins():
    """Two addresses that share their first 8 bytes, so that their ids are equal."""
    one = address_of("one")
    return one, one[:8] + address_of("other")[8:]


def test_an_announcement_is_added_then_known_then_updated():
    chain, registry = Chain(), InstrumentRegistry()
    token = address_of("token")
    assert registry.announce(meta(chain.token(token, 18))) is Announcement.ADDED
    assert registry.announce(meta(chain.token(token, 18))) is Announcement.KNOWN
    assert registry.announce(meta(chain.token(token, 18, flags=4))) is Announcement.UPDATED
    assert registry.token(chain.chain_id, token).flags == 4


def test_an_older_announcement_changes_nothing():
    chain, registry = Chain(), InstrumentRegistry()
    token0, token1 = sorted((address_of("a"), address_of("b")))
    chain.decimals = {token0: 18, token1: 6}
    pool = address_of("pool")
    registry.announce(meta(chain.pool(pool, token0, token1, venue=V2_A, event_ns=9)))
    older = meta(chain.pool(pool, token0, token1, venue=V2_A, fee_pips=2500, event_ns=8))
    assert registry.announce(older) is Announcement.KNOWN
    assert registry.meta(older.instrument).fee_pips == 3000


def test_the_second_identity_under_one_id_is_refused():
    """Covers: T6"""
    chain, registry = Chain(), InstrumentRegistry()
    one, other = twins()
    registry.announce(meta(chain.token(one, 18)))
    refused = meta(chain.token(other, 6))
    assert registry.announce(refused) is Announcement.REFUSED
    assert registry.token(chain.chain_id, other) is None
    assert registry.meta(refused.instrument).key == one
    assert registry.refused == 1
    assert [collision.instrument for collision in registry.take_collisions()] == [
        refused.instrument
    ]
    assert registry.take_collisions() == ()


def test_a_pool_with_a_leg_of_a_taken_id_is_refused_whole():
    """Covers: T6"""
    chain, registry = Chain(), InstrumentRegistry()
    one, other = twins()
    third = address_of("third")
    registry.announce(meta(chain.token(one, 18)))
    chain.decimals |= {other: 18, third: 18}
    token0, token1 = sorted((other, third))
    pool = meta(chain.pool(address_of("pool"), token0, token1, venue=V2_A))
    assert registry.announce(pool) is Announcement.REFUSED
    assert registry.meta(pool.instrument) is None


def test_legs_announce_their_tokens():
    chain, registry = Chain(), InstrumentRegistry()
    token0, token1 = sorted((address_of("a"), address_of("b")))
    chain.decimals = {token0: 18, token1: 6}
    registry.announce(meta(chain.pool(address_of("pool"), token0, token1, venue=V2_A)))
    assert registry.token(chain.chain_id, token1).decimals == 6


def test_one_id_does_not_stand_for_two_chains():
    """Covers: T5, T6"""
    registry = InstrumentRegistry()
    token = address_of("token")
    assert registry.announce(meta(Chain(1).token(token, 18))) is Announcement.ADDED
    assert registry.announce(meta(Chain(8453).token(token, 18))) is Announcement.REFUSED
