"""Publishing for those who answer faults of the chain: a subscriber's fault must not look like one of theirs."""

import sys

from alphapulse.errors import AlphaPulseError, InvariantError
from alphapulse.protocol.message import Draft
from alphapulse.transport.bus import Bus

__all__ = ["Publisher"]


class Publisher:
    """Remembers the first fault of a delivery; what follows it only says that the bus stopped."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.fault: BaseException | None = None

    def publish(self, draft: Draft) -> None:
        """Publish a draft.

        Raises  InvariantError when a part of the node fails on it.
        """
        is_delivered = False
        try:
            self._bus.publish(draft)
            is_delivered = True
        except AlphaPulseError as error:
            raise InvariantError(f"a part of the node failed on a message: {error}") from error
        finally:
            if not is_delivered and self.fault is None:
                self.fault = sys.exception()
