"""The deployment as data: known before any chain runs."""

from collections import Counter

import pytest

from alphapulse.devnet.artifacts import Artifacts
from alphapulse.devnet.deploy import plan_deployment
from alphapulse.devnet.layout import POOLS, POSITION_RANGES, V3_TICK_SPACING
from alphapulse.devnet.script import Script
from alphapulse.errors import Misconfigured
from alphapulse.primitives.address import Address


def test_nonces_count_per_sender_across_phases() -> None:
    first, second = Address(b"\x01" * 20), Address(b"\x02" * 20)
    script = Script(first)
    created = script.create("a", b"")
    script.call("b", second, b"", sender=second)
    script.barrier()
    script.call("c", second, b"")
    assert [[(step.sender, step.nonce) for step in phase] for phase in script.phases] == [
        [(first, 0), (second, 0)],
        [(first, 1)],
    ]
    assert script.phases[0][0].to is None
    assert len(created) == 20


def test_plan_is_the_same_each_time_and_covers_the_layout() -> None:
    plan, again = (plan_deployment(Artifacts.of_repository()) for _ in range(2))
    assert plan.manifest == again.manifest
    assert plan.script.phases == again.script.phases
    pools = plan.manifest.pools
    assert len({pool.address for pool in pools}) == len(POOLS) == 16
    assert all(pool.token0 < pool.token1 for pool in pools)
    assert Counter(pool.venue for pool in pools) == {300: 4, 302: 4, 301: 8}
    per_pool = Counter(position.pool for position in plan.manifest.positions)
    assert set(per_pool.values()) == {len(POSITION_RANGES)}
    spacing = {pool.address: pool.tick_spacing for pool in pools}
    for position in plan.manifest.positions:
        assert position.tick_lower < position.tick_upper
        assert position.tick_lower % spacing[position.pool] == 0
        assert position.tick_upper % spacing[position.pool] == 0
    assert V3_TICK_SPACING == {500: 10, 3_000: 60, 10_000: 200}


def test_init_code_hashes_are_those_of_mainnet() -> None:
    manifest = plan_deployment(Artifacts.of_repository()).manifest
    hashes = {router.venue: router.init_code_hash.hex() for router in manifest.routers}
    pair = "96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f"
    pool = "e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54"
    assert hashes == {300: pair, 302: pair, 301: pool}


def test_missing_packages_name_the_remedy(tmp_path) -> None:
    artifacts = Artifacts(tmp_path)
    for ask in (artifacts.anvil, artifacts.versions, artifacts.multicall):
        with pytest.raises(Misconfigured, match="make setup"):
            ask()
