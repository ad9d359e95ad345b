"""Instruments find their tier by rank, and do not flutter at its bound."""

from alphapulse.relays.tiers import Move, Tier, TierConfig, Tiers

HIGH, MEDIUM, LOW = Tier


def window(tiers: Tiers, counts: dict[bytes, int]) -> list[Move]:
    for instrument, count in counts.items():
        for _ in range(count):
            tiers.count([instrument])
    moves = tiers.close_window()
    for move in moves:
        tiers.apply(move)
    return moves


def ranked(*instruments: int) -> dict[bytes, int]:
    """Return counts in which these instruments, the busiest first, have their ranks."""
    return {bytes([one]): 2 * (len(instruments) - at) for at, one in enumerate(instruments)}


def test_ranks_make_tiers_after_enough_windows() -> None:
    tiers = Tiers(TierConfig(high=2, medium=3, windows=2, margin_percent=0))
    assert window(tiers, ranked(*range(8))) == []
    assert window(tiers, ranked(*range(8))) == [
        *(Move(bytes([n]), LOW, HIGH) for n in (0, 1)),
        *(Move(bytes([n]), LOW, MEDIUM) for n in (2, 3, 4)),
    ]
    assert [tiers.of(bytes([n])) for n in range(7)] == [
        HIGH,
        HIGH,
        MEDIUM,
        MEDIUM,
        MEDIUM,
        LOW,
        LOW,
    ]


def test_a_rank_must_pass_the_bound_by_the_margin_and_stay_there() -> None:
    tiers = Tiers(TierConfig(high=10, medium=10, windows=2, margin_percent=20))
    order = list(range(30))
    window(tiers, ranked(*order))
    window(tiers, ranked(*order))
    high = {n for n in order if tiers.of(bytes([n])) is HIGH}
    assert high == set(range(8)), "ranks 8 and 9 are within the margin"
    swapped = [
        *range(7),
        10,
        11,
        7,
        *range(8, 10),
        *range(12, 30),
    ]  # 7 falls to rank 9, 10 rises to 7
    for _ in range(4):
        window(tiers, ranked(*swapped))
    assert tiers.of(bytes([7])) is HIGH
    assert tiers.of(bytes([10])) is HIGH
    fallen = [*range(7), *range(8, 30), 7]
    assert window(tiers, ranked(*fallen)) == []
    assert window(tiers, ranked(*swapped)) == [], "one window does not move it"
    window(tiers, ranked(*fallen))
    assert Move(bytes([7]), HIGH, LOW) in window(tiers, ranked(*fallen))


def test_silence_ends_in_the_lowest_tier_and_fixed_stays() -> None:
    fixed = bytes([9]) * 12
    tiers = Tiers(
        TierConfig(high=1, medium=1, windows=1, margin_percent=0, fixed={fixed.hex(): "high"})
    )
    window(tiers, {b"a": 3, b"b": 2, b"c": 1, fixed: 1})
    assert [tiers.of(one) for one in (b"a", b"b", b"c", fixed)] == [HIGH, MEDIUM, LOW, HIGH]
    window(tiers, {})
    assert [tiers.of(one) for one in (b"a", b"b", fixed)] == [LOW, LOW, HIGH]
    assert set(tiers.table()) == {fixed}
