"""Logarithms of rates, the only floats of this room.

They screen and decide nothing: a cycle whose sum falls short of the loan's logarithm by more than
1e-12 cannot pay, and one that passes is decided in integers.
"""

from math import log

__all__ = ["LogRate", "log_of"]

LogRate = float


def log_of(rate_x128: int) -> LogRate:
    """Return the natural logarithm of a Q128 ratio of any size.

    Units   none.
    Range   rate_x128 >= 0; zero counts as the least rate above it. Its error is below 1e-13.
    Raises  nothing.
    Source  definition; a statistic, never a decision.
    """
    return log(rate_x128 or 1) - log(1 << 128)
