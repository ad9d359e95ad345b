"""Types of this deployment, from the vendor range: at home on its own relays, raw bytes to everybody else."""

import msgspec

from alphapulse.protocol.message import Tlv

__all__ = ["VENDOR_TYPES", "DeliveredNotice", "DeliveredRun", "DeliveryOrder"]

VENDOR_TYPES = range(200, 255)
"""Numbers that mean something only where they were agreed on. A payload that does not fit our layout is somebody
else's type: it is kept raw and never refused."""


class DeliveredRun(msgspec.Struct, frozen=True):
    """Consecutive messages of one producer that stood next to each other in an order.

    `sequence` is the first one's, `length` their number; epoch 0 says that the producer's run was not
    announced where the order was recorded.
    """

    domain: int
    source: int
    epoch: int
    sequence: int
    length: int


class DeliveryOrder(Tlv, frozen=True):
    """The order in which the bus of one process delivered messages, part by part.

    `name` is the process and `epoch` its run; `position` counts what that bus had delivered before the
    first message of this part. Parts that follow each other cover every delivery, their own messages
    included, so that the order of messages and `now_ns` of each delivery can be rebuilt from them.
    """

    epoch: int
    position: int
    event_ns: int
    run: tuple[DeliveredRun, ...]
    name: str


class DeliveredNotice(Tlv, frozen=True):
    """A message with sequence 0 that the bus of one process delivered: it is in no journal, so it is here, whole.

    `position` is its place in the order that the DeliveryOrder of the same message belongs to.
    """

    position: int
    message: tuple[int, ...]
