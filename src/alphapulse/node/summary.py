"""The account of a run, put together from those of its services. Money as exact integers in smallest units; USD as P8."""

from collections.abc import Mapping

__all__ = ["summary_of"]

Json = Mapping[str, object]


def summary_of(
    desk: Json, books: Json, archiver: Json, *, messages: int, elapsed_ns: int
) -> dict[str, object]:
    """Return one JSON object; `messages` is how many were said, `elapsed_ns` how long that took.

    A key that only some ways of running have stands at the end.
    """
    parts = {**desk, **books, **archiver, "messages": messages}
    summary = {"mode": parts.pop("mode"), "seconds": round(elapsed_ns / 1e9, 3)}
    for name in _ORDER:
        summary[name] = parts.pop(name)
    return {**summary, **parts}


_ORDER = (
    *("blocks", "events", "messages", "candidates", "rejected", "opportunities"),
    *("submitted", "executed", "reverted", "dropped", "cancelled", "refused"),
    *("stopped_by_gate", "not_connected", "simulated", "settlement", "profit"),
    *("gas_used", "gas_cost_wei", "latency_us", "books_equal_chain", "differences", "collector"),
    *("archive", "archive_state", "kernel", "decisions", "digest"),
)
