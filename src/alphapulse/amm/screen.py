"""Logarithms of rates: the one place of this room with floats.

They only screen: a cycle whose sum of logarithms is below the threshold by more than the margin
cannot pay. Every decision past the screen is taken again in integers.
"""

from math import log

__all__ = ["LOG_RATE_MARGIN", "LogRate", "log_ratio"]

LogRate = float

# Three logarithms of numbers below 2**400 carry an error under 1e-13 each.
LOG_RATE_MARGIN: LogRate = 1e-12


def log_ratio(numerator: int, denominator: int) -> LogRate:
    """Return the natural logarithm of a ratio of positive integers of any size.

    Units   none.
    Range   numerator, denominator > 0.
    Raises  ValueError for zero.
    Source  definition; a statistic, never a decision.
    """
    return log(numerator) - log(denominator)
