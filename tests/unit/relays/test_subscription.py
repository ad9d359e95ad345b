"""What a Subscribe selects, and what is delivered whether selected or not."""

import pytest

from alphapulse.errors import LimitExceeded
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.relays.subscription import ALL_TYPES, EVERYTHING, NOTHING
from support.relay_client import pair, subscribe

ADD, REMOVE, REPLACE = 1, 2, 3
A, B, OTHER = (pair(1).pack(), pair(2).pack(), pair(1, 101).pack())
WILD = InstrumentId.venue_wildcard(100)


def changed(*steps):
    chosen = NOTHING
    for mode, types, instruments in steps:
        chosen = chosen.changed(subscribe(1, mode=mode, types=types, instruments=instruments))
    return chosen


def hears(chosen, number: int, *instruments: bytes) -> bool:
    return chosen.matches(1 << number, frozenset(instruments))


def test_replacing_with_nothing_named_selects_everything() -> None:
    assert changed((REPLACE, [], [])).is_everything
    assert EVERYTHING.matches(1 << 200, frozenset())


def test_types_and_instruments_both_have_to_match() -> None:
    chosen = changed((REPLACE, [1, 2], [pair(1)]))
    assert hears(chosen, 1, A)
    assert hears(chosen, 2, A, B)
    assert not hears(chosen, 1, B)
    assert not hears(chosen, 11, A)
    assert hears(chosen, 1), "a message without instruments matches by its type"


def test_a_wildcard_selects_a_venue() -> None:
    chosen = changed((REPLACE, [], [WILD]))
    assert hears(chosen, 1, A)
    assert not hears(chosen, 1, OTHER)


@pytest.mark.parametrize("number", [51, 71, 100, 112])
def test_some_types_are_always_delivered(number: int) -> None:
    assert hears(changed((REPLACE, [1], [pair(1)])), number, OTHER)


@pytest.mark.parametrize("number", [4, 106])
def test_announcements_and_invalidations_follow_the_instruments(number: int) -> None:
    chosen = changed((REPLACE, [1], [pair(1)]))
    assert hears(chosen, number, A)
    assert not hears(chosen, number, B)
    assert hears(chosen, number, WILD.pack()), "a venue's wildcard concerns its instruments"
    assert not hears(chosen, number, InstrumentId.venue_wildcard(101).pack())


def test_adding_widens_and_removing_narrows() -> None:
    chosen = changed((ADD, [1], [pair(1)]), (ADD, [2], [pair(2)]))
    assert hears(chosen, 1, B)
    assert hears(chosen, 2, A)
    narrower = chosen.changed(subscribe(1, mode=REMOVE, instruments=[pair(1)]))
    assert not hears(narrower, 1, A)
    assert hears(narrower, 1, B)
    fewer = chosen.changed(subscribe(1, mode=REMOVE, types=[1]))
    assert not hears(fewer, 1, A)
    assert hears(fewer, 2, A)


def test_adding_all_instruments_or_types_is_all() -> None:
    assert changed((ADD, [1], [pair(1)]), (ADD, [1], [])).instruments is None
    assert changed((ADD, [1], []), (ADD, [], [])).types == ALL_TYPES


def test_removing_the_last_ends_the_subscription() -> None:
    assert changed((ADD, [1], [pair(1)]), (REMOVE, [], [pair(1)])) is NOTHING
    assert changed((ADD, [1], []), (REMOVE, [1], [])) is NOTHING
    assert changed((ADD, [1], [WILD]), (REMOVE, [], [])) is NOTHING


def test_a_hole_in_everything_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        changed((ADD, [], []), (REMOVE, [], [pair(1)]))


def test_equal_choices_are_one_filter() -> None:
    one = changed((ADD, [1], [pair(1)]), (ADD, [2], [pair(2), WILD]))
    assert one.key == changed((REPLACE, [2, 1], [WILD, pair(2), pair(1)])).key
