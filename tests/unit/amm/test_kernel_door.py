"""Which twin answers, and what the door refuses. Covers: P6."""

from dataclasses import replace

import pytest

from alphapulse.amm import golden, kernel
from alphapulse.amm.pool import V2Pool, V3Pool
from alphapulse.errors import AlphaPulseError, Misconfigured, ValueOutOfRange

BUILT = len(kernel.twins()) == 2
needs_rust = pytest.mark.skipif(not BUILT, reason="alphapulse-kernel is not built")


def test_the_specification_is_always_there() -> None:
    assert kernel.choose("python") is kernel.PYTHON
    assert kernel.twins()[0] is kernel.PYTHON
    assert kernel.name in ("python", "rust")


def test_an_unknown_twin_is_refused() -> None:
    with pytest.raises(Misconfigured, match="`python`, `rust` or `auto`"):
        kernel.choose("cython")


@pytest.mark.skipif(BUILT, reason="alphapulse-kernel is built")
def test_the_missing_twin_is_named_with_its_remedy() -> None:
    with pytest.raises(Misconfigured, match="make setup"):
        kernel.choose("rust")
    assert kernel.choose("auto") is kernel.PYTHON


@needs_rust
def test_auto_is_the_fastest_twin() -> None:
    assert kernel.choose("auto").name == kernel.choose("rust").name == "rust"


@pytest.mark.parametrize("twin", kernel.twins(), ids=lambda twin: twin.name)
def test_golden_answers(twin: kernel.Kernel) -> None:
    assert golden.golden_answers(twin) == golden.GOLDEN


@needs_rust
def test_another_version_and_another_answer_are_defects() -> None:
    rust = kernel.choose("rust")
    assert kernel.defect_of(rust, kernel.BUILD) == ""
    assert "0.0.9" in kernel.defect_of(rust, ("0.0.9", kernel.BUILD[1]))
    assert "interface" in kernel.defect_of(rust, (kernel.BUILD[0], 99))
    wrong = replace(rust, v2_pool=lambda reserve0, reserve1, _: rust.v2_pool(reserve0, reserve1, 1))
    assert "golden" in kernel.defect_of(wrong, kernel.BUILD)

    def refuses(*_: int) -> kernel.PairPool:
        raise ValueOutOfRange("no")

    assert "golden" in kernel.defect_of(replace(rust, v2_pool=refuses), kernel.BUILD)


@pytest.mark.parametrize("twin", kernel.twins(), ids=lambda twin: twin.name)
def test_pools_are_of_their_kind_whichever_twin_keeps_them(twin: kernel.Kernel) -> None:
    pair = twin.v2_pool(10**18, 10**18, 3000)
    pool = twin.v3_pool(2**96, 0, 0, 3000, 60, {})
    assert isinstance(pair, kernel.PairPool)
    assert not isinstance(pair, kernel.ConcentratedPool)
    assert isinstance(pool, kernel.ConcentratedPool)
    assert not isinstance(pool, kernel.PairPool)


@needs_rust
def test_a_cycle_over_pools_of_both_twins_is_sized_alike() -> None:
    rust = kernel.choose("rust")
    python_hops = [
        (V2Pool(10**21, 2 * 10**21, 3000), True),
        (V2Pool(10**21, 19 * 10**20, 3000), False),
    ]
    mixed = [python_hops[0], (rust.v2_pool(10**21, 19 * 10**20, 3000), False)]
    pure = [(rust.v2_pool(10**21, 2 * 10**21, 3000), True), mixed[1]]
    sizing = kernel.PYTHON.optimise(python_hops, premium_bps=5, max_amount_in=10**30)
    assert sizing is not None
    for hops in (python_hops, mixed, pure):
        assert rust.optimise(hops, premium_bps=5, max_amount_in=10**30) == sizing
        found = rust.optimise_batch([hops, hops], premium_bps=5, max_amount_in=10**30)
        assert list(found) == [sizing] * 2


@pytest.mark.parametrize("twin", kernel.twins(), ids=lambda twin: twin.name)
def test_a_batch_of_quotes_is_the_quotes(twin: kernel.Kernel) -> None:
    ticks = {-600: (10**18, 10**18), 600: (10**18, -(10**18))}
    for pool in (
        twin.v2_pool(10**18, 10**18, 3000),
        twin.v3_pool(2**96, 0, 10**18, 500, 60, ticks),
    ):
        amounts = [1000, 10**12, 10**15]
        assert twin.quote_batch(pool, amounts, True) == [pool.amount_out(a, True) for a in amounts]
        with pytest.raises(AlphaPulseError):
            twin.quote_batch(pool, [1000, 0], True)
    assert twin.quote_batch(V3Pool(2**96, 0, 10**18, 500, 60, ticks), [1000], True) == [998]
