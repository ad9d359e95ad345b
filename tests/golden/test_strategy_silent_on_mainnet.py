"""Two mainnet pools of one pair never stand further apart at a block's end than their fees: a detector must stay silent.

Oracle: recorded swap logs of the USDC/WETH pools of 0.05 % and 0.30 %, mainnet blocks 18937382 to 18938000.
"""

import ast
import csv
from itertools import groupby
from pathlib import Path

import pytest

from alphapulse.evm.logs import TOPIC_V3_SWAP, V3Swap, decode_log
from alphapulse.evm.logs import LogEntry as Entry
from alphapulse.execution.gas import GasModel
from alphapulse.strategies.flash_arbitrage.config import BorrowableToken, FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from support.flash import feed, plans_of
from support.universe import V3, Chain

SAMPLES = (
    Path(__file__).parents[2].parent
    / "shared/data/evm_logs/zelos-alpha__demeter-fetch/tests/samples"
)
USDC = bytes.fromhex("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")
WETH = bytes.fromhex("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")
POOLS = {
    "88e6a0c2ddd26feeb64f039a2c41296fcb3f5640": (500, 10),
    "8ad599c3a0ff1de082011efddc58f1908eb6e6d8": (3000, 60),
}

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not SAMPLES.is_dir(), reason="shared data is not here"),
]


def swaps():
    """Every recorded swap as (block, tx_index, log_index, pool, event), in chain order."""
    found = []
    for name in POOLS:
        path = next(SAMPLES.glob(f"ethereum-0x{name}-*.raw.csv"))
        for row in csv.DictReader(path.read_text().splitlines()):
            topics = tuple(bytes.fromhex(topic[2:]) for topic in ast.literal_eval(row["topics"]))
            if topics[0] != TOPIC_V3_SWAP:
                continue
            place = (int(row["block_number"]), int(row["transaction_index"]), int(row["log_index"]))
            entry = Entry(
                bytes.fromhex(name),
                topics,
                bytes.fromhex(row["data"][2:]),
                place[0],
                bytes(32),
                bytes.fromhex(row["transaction_hash"][2:]),
                place[1],
                place[2],
            )
            found.append((*place, entry.address, decode_log(entry)))
    return sorted(found, key=lambda swap: swap[:3])


def detector():
    """A detector for which nothing costs anything but the pools' own fees."""
    chain = Chain()
    strategy = FlashArbitrage(
        FlashArbitrageConfig(
            chain_id=chain.chain_id,
            contract=b"c" * 20,
            recipient=b"r" * 20,
            operator=b"o" * 20,
            borrowable=(BorrowableToken(WETH, 10**22), BorrowableToken(USDC, 10**14)),
            wrapped_native=WETH,
            usd_tokens=(USDC,),
            premium_bps=0,
            tip_per_gas_wei=0,
            gas_model=GasModel(0, 0, 0, 0),
        )
    )
    feed(strategy, chain.token(USDC, 6), chain.token(WETH, 18))
    for name, (fee_pips, spacing) in POOLS.items():
        address = bytes.fromhex(name)
        feed(
            strategy,
            chain.pool(address, USDC, WETH, venue=V3, fee_pips=fee_pips, tick_spacing=spacing),
        )
    return chain, strategy


def base(chain, address, price, tick, liquidity, block):
    """The pool's price and depth of that moment, taken as one wide range."""
    edge = 880_020  # a multiple of both spacings
    edge -= edge % chain.pools[address][4]
    ticks = [(-edge, liquidity, liquidity), (edge, liquidity, -liquidity)]
    return chain.state_v3(address, price, tick, liquidity, ticks, block)


def test_block_ends_of_two_mainnet_pools_offer_nothing():
    chain, strategy = detector()
    blocks = 0
    for block, group in groupby(swaps(), key=lambda swap: swap[0]):
        last = {address: event for _, _, _, address, event in group}
        for address, event in sorted(last.items()):
            assert isinstance(event, V3Swap)
            feed(
                strategy,
                *base(chain, address, event.sqrt_price_x96, event.tick, event.liquidity, block),
            )
        assert feed(strategy, chain.block(block, base_fee=0)) == []
        blocks += 1
    funnel = strategy.statistics().funnel
    print(f"{blocks} blocks, {funnel.screened} sums looked at")
    assert strategy.statistics().market.live == 2
    assert blocks > 300
    assert funnel.candidates == 0


def test_the_same_detector_speaks_when_one_of_them_is_moved():
    chain, strategy = detector()
    last = {address: event for _, _, _, address, event in swaps()}
    for number, (address, event) in enumerate(sorted(last.items())):
        price = event.sqrt_price_x96 * (1000 + 5 * number) // 1000  # one per cent in price
        tick = event.tick + 100 * number
        feed(strategy, *base(chain, address, price, tick, event.liquidity, 1))
    assert len(plans_of(feed(strategy, chain.block(1, base_fee=0)))) == 1
