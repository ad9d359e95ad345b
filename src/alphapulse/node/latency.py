"""Wall-clock latencies of the hot path, counted from the frame that completed a block."""

from collections import OrderedDict

from alphapulse.observability.latency import LatencyRecorder
from alphapulse.protocol.execution import ExecutionStarted
from alphapulse.protocol.message import Message

__all__ = ["FrameLatency"]

SAMPLES_KEPT = 65_536
SIGNALS_KEPT = 4_096


class FrameLatency:
    """From the receipt of the completing frame to the plan, and to its bytes being with the connection."""

    def __init__(self) -> None:
        self.frame_to_plan = LatencyRecorder(SAMPLES_KEPT)
        self.frame_to_submitted = LatencyRecorder(SAMPLES_KEPT)
        self._frames: OrderedDict[int, int] = OrderedDict()

    def on_plan(self, signal_id: int, recv_ns: int, now_ns: int) -> None:
        """Note a plan and the frame it rests on."""
        self.frame_to_plan.record(now_ns - recv_ns)
        self._frames[signal_id] = recv_ns
        while len(self._frames) > SIGNALS_KEPT:
            self._frames.popitem(last=False)

    def on_message(self, message: Message, now_ns: int) -> None:
        """Note the first submission of a signal."""
        started = message.first(ExecutionStarted)
        if started is None:
            return
        recv_ns = self._frames.pop(started.signal_id, None)
        if recv_ns is not None:
            self.frame_to_submitted.record(started.event_ns - recv_ns)
