"""The prices people believe in: a seeded random walk per token that returns slowly to where the market started.

People are a simulation; nothing here is money, so floats are at home.
"""

import math
import random
from collections.abc import Mapping

from alphapulse.devnet.layout import TOKENS

__all__ = ["ReferencePrices"]

VOLATILITY_PER_BLOCK = {"WETH": 0.0012, "WBTC": 0.0009, "DAI": 0.0001, "USDC": 0.0}
REVERSION_PER_BLOCK = 0.002  # keeps a long run inside the ranges that hold liquidity


class ReferencePrices:
    """Dollars per whole token at each step; the same seed walks the same way."""

    __slots__ = ("_deviations", "_seed", "_step")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._step = 0
        self._deviations = dict.fromkeys((token.symbol for token in TOKENS), 0.0)

    def at(self, step: int) -> Mapping[str, float]:
        """Return the prices at a step; steps count from 0, where the market starts.

        Range   step >= 0; going back costs a walk from the start.
        """
        if step < self._step:
            self._step = 0
            self._deviations = dict.fromkeys(self._deviations, 0.0)
        while self._step < step:
            self._step += 1
            for symbol, deviation in self._deviations.items():
                draw = random.Random(f"{self._seed}:{symbol}:{self._step}")  # noqa: S311
                shock = draw.gauss(0.0, VOLATILITY_PER_BLOCK[symbol])
                self._deviations[symbol] = deviation * (1.0 - REVERSION_PER_BLOCK) + shock
        return {
            token.symbol: token.price_usd * math.exp(self._deviations[token.symbol])
            for token in TOKENS
        }
