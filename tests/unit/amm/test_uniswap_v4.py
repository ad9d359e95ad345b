"""Which V4 pools are priced, and why others are not. Covers: M8."""

import pytest

from alphapulse.amm.kernel import V4Pool
from alphapulse.amm.pool_kinds import SingletonPool
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from alphapulse.amm.uniswap_v4 import (
    DYNAMIC_FEE,
    HookFlag,
    Refusal,
    refusal_of,
    swap_fee_pips,
    unpack_protocol_fee,
)
from alphapulse.errors import ValueOutOfRange

TICKS = {-600: (10**18, 10**18), 600: (10**18, -(10**18))}


def hooks(flags: int) -> bytes:
    return bytes.fromhex("c0ffee" * 6) + flags.to_bytes(2, "big")


def pool(protocol_fee: int = 0, fee: int = 3000) -> SingletonPool:
    return V4Pool(sqrt_ratio_at_tick(0), 0, 10**18, fee, 60, TICKS, protocol_fee=protocol_fee)


@pytest.mark.parametrize(
    ("fee", "flags", "expected"),
    [
        (3000, 0, None),
        (0, 0, None),
        (3000, HookFlag.BEFORE_INITIALIZE | HookFlag.AFTER_ADD_LIQUIDITY, None),
        (3000, HookFlag.BEFORE_DONATE | HookFlag.AFTER_REMOVE_LIQUIDITY_RETURNS_DELTA, None),
        (DYNAMIC_FEE, 0, Refusal.DYNAMIC_FEE),
        (DYNAMIC_FEE, HookFlag.BEFORE_SWAP, Refusal.DYNAMIC_FEE),
        (10**6, 0, Refusal.FEE_TOO_LARGE),
        (3000, HookFlag.BEFORE_SWAP, Refusal.HOOK_IN_SWAP),
        (3000, HookFlag.AFTER_SWAP, Refusal.HOOK_IN_SWAP),
        (3000, HookFlag.BEFORE_SWAP_RETURNS_DELTA, Refusal.HOOK_RETURNS_DELTA),
        (3000, HookFlag.AFTER_SWAP_RETURNS_DELTA, Refusal.HOOK_RETURNS_DELTA),
        (3000, 0xFFFF, Refusal.HOOK_RETURNS_DELTA),
        (3000, 0xC000, None),
    ],
)
def test_refusals_are_named(fee: int, flags: int, expected: Refusal | None) -> None:
    assert refusal_of(fee, hooks(flags)) is expected


def test_a_hook_that_was_read_may_act_but_never_change_amounts() -> None:
    acting = hooks(HookFlag.BEFORE_SWAP)
    changing = hooks(HookFlag.BEFORE_SWAP | HookFlag.BEFORE_SWAP_RETURNS_DELTA)
    allowed = {acting, changing}
    assert refusal_of(500, acting, allowed_hooks=allowed) is None
    assert refusal_of(500, changing, allowed_hooks=allowed) is Refusal.HOOK_RETURNS_DELTA
    assert refusal_of(DYNAMIC_FEE, acting, allowed_hooks=allowed) is Refusal.DYNAMIC_FEE
    with pytest.raises(ValueOutOfRange):
        refusal_of(500, b"\0" * 19)


def test_fees_join_and_unpack() -> None:
    assert swap_fee_pips(3000, 0) == 3000
    assert swap_fee_pips(3000, 1000) == 3997
    assert swap_fee_pips(1, 1) == 2
    assert unpack_protocol_fee(250 << 12 | 777) == (777, 250)
    for packed in (-1, 1001, 1001 << 12, 2**24):
        with pytest.raises(ValueOutOfRange):
            unpack_protocol_fee(packed)


def test_the_protocol_s_fee_is_part_of_the_state() -> None:
    plain, taxed = pool(), pool(1000)
    assert plain.fee_pips == taxed.fee_pips == 3000
    assert taxed.floored_fee_pips == 3997
    assert plain.fingerprint() != taxed.fingerprint()
    assert taxed.amount_out(10**12, True) < plain.amount_out(10**12, True)
    assert taxed.amount_out(10**12, False) == plain.amount_out(10**12, False)
    taxed.set_protocol_fee(0)
    assert plain.fingerprint() == taxed.fingerprint()
    assert taxed.amount_out(10**12, True) == plain.amount_out(10**12, True)


def test_fees_that_leave_nothing_are_refused() -> None:
    greedy = pool(fee=999_999)
    before = greedy.fingerprint()
    with pytest.raises(ValueOutOfRange):
        greedy.set_protocol_fee(1000)
    assert greedy.fingerprint() == before
    with pytest.raises(ValueOutOfRange):
        V4Pool(sqrt_ratio_at_tick(0), 0, 10**18, 10**6, 60, {})
    with pytest.raises(ValueOutOfRange):
        V4Pool(sqrt_ratio_at_tick(0), 0, 0, 3000, 2**15, {})
