"""The two twins of the pool arithmetic side by side."""

from collections.abc import Callable
from typing import Any

import pytest

from alphapulse.amm import kernel
from alphapulse.amm.pool import V2Pool
from alphapulse.errors import AlphaPulseError

TWINS = kernel.twins()
RUST = TWINS[-1]
needs_rust = pytest.mark.skipif(len(TWINS) < 2, reason="alphapulse-kernel is not built")


def said(question: Callable[..., object], *arguments: object, **keywords: object) -> Any:
    """Return the answer, or the class of the refusal."""
    try:
        return question(*arguments, **keywords)
    except AlphaPulseError as refusal:
        return type(refusal)


def rust_twin(pool: Any) -> Any:
    """Return the Rust pool of a Python pool's state."""
    if isinstance(pool, V2Pool):
        return RUST.v2_pool(pool.reserve0, pool.reserve1, pool.fee_pips)
    state = pool.state()
    return RUST.v3_pool(
        state.sqrt_price_x96,
        state.tick,
        state.liquidity,
        state.fee_pips,
        state.tick_spacing,
        state.ticks,
        known_lower=state.known_lower,
        known_upper=state.known_upper,
    )
