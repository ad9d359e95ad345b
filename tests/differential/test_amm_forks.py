"""Pancake V3 pools against their deployed code: other tiers and another callback, the same steps.

Oracle: the PancakeV3Pool bytecode of @pancakeswap/v3-core in an EVM, made by a small deployer of our own
that hands the constructor its parameters. Covers: M5, M6, M7, M14.
"""

import random

import pytest

from alphapulse.amm import uniswap_v2
from alphapulse.amm.forks import V2_FORKS, V3_FORKS
from alphapulse.amm.pool import V3Pool
from alphapulse.amm.uniswap_v3.pool import limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, sqrt_ratio_at_tick
from alphapulse.errors import InsufficientLiquidity, Rejected
from alphapulse.evm.hashing import keccak256
from alphapulse.primitives.venue import Venue
from support.amm_evm import (
    OWNER,
    Asked,
    Chain,
    V3Contract,
    assemble,
    creation_code,
    seed_of_run,
    word,
    words,
)
from support.amm_random import v3_pool

PANCAKE = V3_FORKS[Venue.PANCAKE_V3]
# The init code hash of the pools on the main network.
POOL_HASH = "6ce8eb472fa82df5469c6ab6d485f17c3ad13c8cd7af59b3d4a8026c5ce0f7e2"
POOLS_PER_TIER = 8
SWAPS = 100


class PancakeContract(V3Contract):
    """One deployed Pancake V3 pool."""

    def __init__(self, chain: Chain, fee_pips: int, sqrt_price_x96: int) -> None:
        self.chain = chain
        self.fee_pips = fee_pips
        self.tick_spacing = PANCAKE.spacing_of(fee_pips)
        self.edges = set()
        parameters = (OWNER, chain.token0, chain.token1, fee_pips, self.tick_spacing)
        answers = " ".join(
            f"0x{word(value).hex()} 0x{32 * place:02x} MSTORE"
            for place, value in enumerate(parameters)
        )
        runtime = assemble(f"""
            0x05 CALLDATASIZE GT @create JUMPI
            {answers} 0xa0 0x00 RETURN
            create: CALLDATASIZE 0x00 0x00 CALLDATACOPY CALLDATASIZE 0x00 0x00
        """)
        runtime += b"\xf0" + assemble("0x00 MSTORE 0x20 0x00 RETURN")
        size = len(runtime).to_bytes(2, "big")
        deployer = chain.evm.deploy(
            OWNER, b"\x61" + size + b"\x80\x60\x0a\x3d\x39\x3d\xf3" + runtime
        )
        code = creation_code(
            "@pancakeswap/v3-core/artifacts/contracts/PancakeV3Pool.sol/PancakeV3Pool.json"
        )
        assert keccak256(code).hex() == POOL_HASH
        answer = words(chain.evm.message_call(OWNER, deployer, calldata=code))
        assert answer[0]
        self.address = f"0x{answer[0]:040x}"
        chain.call(self.address, "initialize(uint160)", sqrt_price_x96)


@pytest.mark.parametrize("fee_pips", sorted(PANCAKE.tiers))
def test_pancake_swaps_equal_the_deployed_pool(fee_pips: int) -> None:
    rng = random.Random(seed_of_run())
    chain = Chain()
    filled = 0
    for _ in range(POOLS_PER_TIER):
        centre = rng.choice([0, rng.randrange(-MAX_TICK // 2, MAX_TICK // 2)])
        contract = PancakeContract(chain, fee_pips, sqrt_ratio_at_tick(centre) + 12345)
        pool = fill(rng, contract)
        state = contract.state()
        for _ in range(SWAPS):
            zero_for_one, exact_in = rng.random() < 0.5, rng.random() < 0.6
            amount = rng.choice([1, 2, 10 ** rng.randrange(1, 28), rng.getrandbits(90) + 1])
            signed = amount if exact_in else -amount
            limit = limit_of(zero_for_one=zero_for_one)
            theirs = contract.ask(zero_for_one, signed, limit)
            ours = swap(state, zero_for_one, signed, limit)
            assert isinstance(theirs, Asked)
            assert theirs == Asked(
                ours.amount0, ours.amount1, ours.sqrt_price_x96, ours.tick, ours.liquidity
            )
            filled += quoted(pool, zero_for_one, amount, theirs, exact_in=exact_in)
    assert filled > POOLS_PER_TIER * SWAPS // 4


def fill(rng: random.Random, contract: PancakeContract) -> V3Pool:
    spacing = contract.tick_spacing
    middle = contract.state().tick // spacing
    edge = MAX_TICK // spacing
    for _ in range(rng.randrange(2, 12)):
        lower = max(-edge, middle + rng.randrange(-200, 100))
        upper = min(edge, lower + rng.randrange(1, 300))
        contract.mint(lower * spacing, upper * spacing, 10 ** rng.randrange(3, 26))
    return v3_pool(contract.state())


def quoted(pool: V3Pool, zero_for_one: bool, amount: int, theirs: Asked, *, exact_in: bool) -> bool:
    """Compare the curve with a swap; True when the swap was filled."""
    taken, paid = theirs.amount0, -theirs.amount1
    if not zero_for_one:
        taken, paid = theirs.amount1, -theirs.amount0
    if (taken if exact_in else paid) != amount:
        with pytest.raises(Rejected):
            (pool.amount_out if exact_in else pool.amount_in)(amount, zero_for_one)
        return False
    if exact_in:
        assert pool.amount_out(amount, zero_for_one) == paid
    else:
        assert pool.amount_in(amount, zero_for_one) == taken
    return True


def test_fees_as_pips_are_the_forks_own_fractions() -> None:
    """The quotient with pips equals the fork's own, for every fee of the table. Covers: M6."""
    rng = random.Random(seed_of_run())
    for fork in V2_FORKS.values():
        for _ in range(200):
            reserve_in, reserve_out = (rng.getrandbits(rng.randrange(2, 100)) + 1 for _ in "ab")
            amount = rng.getrandbits(rng.randrange(1, 100)) + 1
            less_fee = amount * fork.kept
            expected = less_fee * reserve_out // (reserve_in * fork.denominator + less_fee)
            try:
                paid = uniswap_v2.amount_out(amount, reserve_in, reserve_out, fork.fee_pips)
            except InsufficientLiquidity:
                paid = 0
            assert paid == expected
