"""V2 swaps against the deployed pair bytecode: it pays the answer and reverts one unit above.

Oracle: @uniswap/v2-core UniswapV2Pair run in an EVM. Covers: M6, M10, M13, M14.
"""

import random

import pytest

from alphapulse.amm import uniswap_v2
from alphapulse.errors import InsufficientLiquidity
from support.amm_evm import Chain, V2Contract, seed_of_run

FEE_PIPS = 3000
SWAPS_PER_PAIR = 2600
RESERVES = [(10**18, 10**18), (10**6, 10**24), (2**111, 3), (1000, 1000)]


@pytest.mark.parametrize("reserves", RESERVES)
def test_answers_equal_the_deployed_pair(reserves: tuple[int, int]) -> None:
    rng = random.Random(f"{seed_of_run()}{reserves}")
    chain = Chain()
    pair = V2Contract(chain, *reserves)
    for _ in range(SWAPS_PER_PAIR):
        zero_for_one = rng.random() < 0.5
        state = pair.reserves()
        reserve_in, reserve_out = state if zero_for_one else state[::-1]
        token = chain.token0 if zero_for_one else chain.token1
        if rng.random() < 0.5:
            sent = rng.choice(
                [rng.randrange(1, 4), int(reserve_in * 10 ** rng.uniform(-6, 0.5)) + 1]
            )
            try:
                paid = uniswap_v2.amount_out(sent, reserve_in, reserve_out, FEE_PIPS)
            except InsufficientLiquidity:
                refused(pair, token, sent, zero_for_one)
                continue
            least = uniswap_v2.least_amount_in(paid, reserve_in, reserve_out, FEE_PIPS)
            assert least <= sent
        else:
            paid = max(1, min(reserve_out - 1, int(reserve_out * 10 ** rng.uniform(-6, 0))))
            if paid >= reserve_out:
                continue
            try:
                sent = uniswap_v2.amount_in(paid, reserve_in, reserve_out, FEE_PIPS)
                least = uniswap_v2.least_amount_in(paid, reserve_in, reserve_out, FEE_PIPS)
            except InsufficientLiquidity:
                continue
            assert sent - 1 <= least <= sent
            checkpoint = chain.evm.snapshot()
            if least > 1:
                pair.send(token, least - 1)
                assert not pair.swap(paid, zero_for_one)
                pair.send(token, 1)
            else:
                pair.send(token, least)
            assert pair.swap(paid, zero_for_one)
            chain.evm.revert(checkpoint)
            paid = uniswap_v2.amount_out(sent, reserve_in, reserve_out, FEE_PIPS)
        keep = min(reserve_in, reserve_out - paid) > 1 and rng.random() < 0.5
        checkpoint = None if keep else chain.evm.snapshot()
        pair.send(token, sent)
        assert not pair.swap(paid + 1, zero_for_one), (sent, state, zero_for_one)
        assert pair.swap(paid, zero_for_one), (sent, state, zero_for_one)
        after = pair.reserves()
        taken = (reserve_in + sent, reserve_out - paid)
        assert after == (taken if zero_for_one else taken[::-1])
        if checkpoint is not None:
            chain.evm.revert(checkpoint)


def refused(pair: V2Contract, token: str, sent: int, zero_for_one: bool) -> None:
    """A swap that we call impossible is one that the pair reverts for the least output."""
    checkpoint = pair.chain.evm.snapshot()
    pair.send(token, sent)
    assert not pair.swap(1, zero_for_one)
    pair.chain.evm.revert(checkpoint)
