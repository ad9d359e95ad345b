"""How a stable pool's amplification moves with block time; the time is always told, never read."""

from dataclasses import dataclass

from alphapulse.amm.uniswap_v3.full_math import div_floor, require_uint
from alphapulse.errors import ValueOutOfRange

__all__ = ["Ramp"]


@dataclass(frozen=True, slots=True)
class Ramp:
    """A straight line from one amplification at a time to another at a later one, flat beyond it."""

    start_value: int
    end_value: int
    start_time: int = 0
    end_time: int = 0

    def __post_init__(self) -> None:
        if self.start_value < 1 or self.end_value < 1:
            raise ValueOutOfRange(f"`amplification` must be positive in {self}")
        if not 0 <= self.start_time <= self.end_time:
            raise ValueOutOfRange(f"`start_time` must not be after `end_time` in {self}")
        require_uint("end_time", self.end_time, 64)

    def at(self, timestamp: int) -> int:
        """Return the amplification of a block.

        Units   the contract's own, precision included; timestamp in seconds.
        Range   a timestamp before the start is the start's.
        Raises  nothing.
        Source  Curve's _A and Balancer's _getAmplificationParameter: the part that has passed is
                rounded down, in both directions.
        """
        if timestamp >= self.end_time:
            return self.end_value
        passed = max(0, timestamp - self.start_time)
        span = self.end_time - self.start_time
        if self.end_value > self.start_value:
            return self.start_value + div_floor((self.end_value - self.start_value) * passed, span)
        return self.start_value - div_floor((self.start_value - self.end_value) * passed, span)
