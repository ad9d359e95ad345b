"""Prices from pools. Oracle: reserves chosen so that the rate is plain, fee included."""

from alphapulse.market.pools import Market
from alphapulse.market.prices import Prices, Rate
from support.universe import V2_A, V2_B, Chain, address_of

NATIVE, USD, OTHER, LONELY = (address_of(name) for name in ("native", "usd", "other", "lonely"))
DECIMALS = {NATIVE: 18, USD: 6, OTHER: 8, LONELY: 18}


def prices_of(*pools, stale=()):
    chain, market = Chain(), Market()
    messages = [chain.token(token, decimals) for token, decimals in DECIMALS.items()]
    for number, (one, amount, other, other_amount) in enumerate(pools):
        (token0, reserve0), (token1, reserve1) = sorted(((one, amount), (other, other_amount)))
        address = address_of(f"pool{number}")
        venue = V2_B if number in stale else V2_A
        messages.append(chain.pool(address, token0, token1, venue=venue, fee_pips=10_000))
        messages.append(chain.state_v2(address, reserve0, reserve1, 1))
    messages.append(chain.block(1))
    messages.append(chain.invalidate(2, venue=V2_B))
    for message in messages:
        market.apply(message, 0)
    return Prices(market.pools.values(), NATIVE, (USD,), DECIMALS.get)


def test_the_deepest_usable_pool_tells():
    shallow = (USD, 10**9, NATIVE, 10**18)
    deep = (USD, 2 * 10**12, NATIVE, 10**21)
    deepest_but_stale = (USD, 10**15, NATIVE, 10**21)
    prices = prices_of(shallow, deep, deepest_but_stale, stale={2})
    # 1000 native for two million dollars, one per cent fee: a dollar buys 0.000495 native
    assert prices.native_per(USD).floor(10**6) == 495 * 10**12
    assert prices.native_per(USD).ceil(10**6) == 495 * 10**12


def test_the_native_token_is_worth_itself():
    assert prices_of().native_per(NATIVE) == Rate(1, 1)


def test_no_usable_pool_is_no_price():
    prices = prices_of((USD, 10**9, NATIVE, 10**18), stale={0})
    assert prices.native_per(USD) is None
    assert prices.usd_e8_per(NATIVE) is None
    assert prices.whole_token_usd_e8(LONELY) is None


def test_a_pair_that_holds_nothing_to_sell_tells_no_price():
    prices = prices_of((USD, 10**15, NATIVE, 0), (USD, 10**9, NATIVE, 10**18))
    assert prices.native_per(USD).floor(10**6) == 99 * 10**13


def test_dollars_directly_and_by_way_of_the_native_token():
    prices = prices_of((USD, 2 * 10**12, NATIVE, 10**21), (OTHER, 10**10, NATIVE, 2 * 10**21))
    assert prices.whole_token_usd_e8(USD) == 10**8
    assert prices.whole_token_usd_e8(NATIVE) == 1980 * 10**8 - 1  # 2000 dollars less the fee, cut
    # 100 other for 2000 native: 20 less one per cent, sold at 1980
    assert prices.whole_token_usd_e8(OTHER) == 39204 * 10**8 - 1


def test_conversions_round_to_the_safe_side():
    rate = Rate(2, 3)
    assert (rate.floor(2), rate.ceil(2), rate.inverse_ceil(1), rate.cut(-2)) == (1, 2, 2, -1)
    assert rate.floor(rate.inverse_ceil(10**9)) >= 10**9
