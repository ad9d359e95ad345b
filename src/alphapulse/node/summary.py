"""What a run did, as one JSON object. Money as exact integers in smallest units; USD as P8 integers and as text."""

from pathlib import Path

from alphapulse.amm import kernel
from alphapulse.node.config import Config
from alphapulse.node.embedded import EmbeddedNode
from alphapulse.node.reconcile import Difference
from alphapulse.observability.latency import LatencyRecorder
from alphapulse.portfolio.reports import Summary, summarise
from alphapulse.primitives.units import cut_toward_zero
from alphapulse.strategies.flash_arbitrage.outcome import Outcome

__all__ = ["summary_of"]

Json = dict[str, object]


def summary_of(
    node: EmbeddedNode,
    before: Summary,
    *,
    archive: Path,
    differences: tuple[Difference, ...] | None,
    elapsed_ns: int,
) -> Json:
    """Return the account of a finished run; `before` is what the books held when it began.

    `differences` is None where the chain could not be asked at the end.
    """
    collected = node.collector.statistics()
    funnel = node.strategy.statistics().funnel
    sent = node.executor.statistics()
    settled = node.settlements.statistics()
    books = summarise(node.portfolio.ledger)
    rejected = {
        name: count
        for name, count in funnel.outcomes.items()
        if name != Outcome.SIGNALLED and count
    }
    return {
        "mode": node.gate.mode.value,
        "seconds": round(elapsed_ns / 1e9, 3),
        "blocks": collected.blocks,
        "events": collected.logs,
        "messages": node.bus.statistics().messages,
        "candidates": funnel.candidates,
        "rejected": rejected,
        "opportunities": funnel.outcomes.get(Outcome.SIGNALLED, 0),
        "submitted": sent.submitted,
        "executed": settled.succeeded,
        "reverted": sent.reverted,
        "dropped": sent.dropped,
        "cancelled": sent.cancelled,
        "refused": sent.refused,
        "stopped_by_gate": sent.stopped_by_gate,
        "not_connected": sent.not_connected,
        "simulated": sent.simulated,
        "settlement": {
            "untouched": settled.untouched,
            "untouched_exact": settled.untouched_exact,
            "below_min_profit": settled.below_min,
        },
        "profit": _profit(node.config, before, books),
        "gas_used": books.gas_used - before.gas_used,
        "gas_cost_wei": sum(row.cost for row in books.gas) - sum(row.cost for row in before.gas),
        "latency_us": {
            "frame_to_plan": _percentiles(node.latency.frame_to_plan),
            "frame_to_submitted": _percentiles(node.latency.frame_to_submitted),
        },
        "books_equal_chain": None if differences is None else not differences,
        "differences": [
            {"asset": row.asset, "booked": row.booked, "on_chain": row.on_chain}
            for row in differences or ()
        ],
        "collector": {
            "reconnects": collected.reconnects,
            "backfilled_logs": collected.backfilled_logs,
            "reorgs": collected.reorgs,
            "odd_frames": collected.odd_frames,
        },
        "archive": str(archive),
        "archive_state": node.archive.state.value,
        "kernel": kernel.name,
        "decisions": node.decider.digest.count,
        "digest": node.decider.digest.hexdigest(),
    }


def _profit(config: Config, before: Summary, after: Summary) -> Json:
    symbols = {token.address.lower(): token.symbol for token in config.tokens}
    earned = [
        (symbols.get(token, token), predicted, realised)
        for token, predicted, realised in _earned(before, after)
    ]
    usd_e8 = after.realised_usd_e8 - before.realised_usd_e8
    return {
        "predicted": {name: predicted for name, predicted, _ in earned},
        "realised": {name: realised for name, _, realised in earned},
        "usd_e8": usd_e8,
        "usd": _usd(usd_e8),
    }


def _earned(before: Summary, after: Summary) -> list[tuple[str, int, int]]:
    """Return (token, predicted, realised) for each token that moved between two states of the books."""
    start = {row.token: row for row in before.tokens}
    rows = []
    for row in after.tokens:
        base = start.get(row.token)
        if base is None:
            rows.append((row.token, row.predicted, row.realised))
        elif row != base:
            rows.append((row.token, row.predicted - base.predicted, row.realised - base.realised))
    return rows


def _percentiles(recorder: LatencyRecorder) -> Json:
    seen = recorder.percentiles()
    if not seen.count:
        return {"count": 0, "p50": None, "p99": None, "max": None}
    return {
        "count": seen.count,
        "p50": _micros(seen.p50_ns),
        "p99": _micros(seen.p99_ns),
        "max": _micros(seen.max_ns),
    }


def _micros(nanoseconds: int) -> float:
    return round(nanoseconds / 1000, 1)


def _usd(value_e8: int) -> str:
    cents = cut_toward_zero(value_e8, 10**6)
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
