"""Feeds an archive to a fresh strategy and compares its decisions with those of the live run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from alphapulse.archive.manifest import ArchiveState
from alphapulse.archive.reader import ArchiveReader
from alphapulse.errors import InvalidData, Misconfigured
from alphapulse.node.config import parse_config
from alphapulse.node.decisions import Decider
from alphapulse.node.wiring import ChainFacts, strategy_config
from alphapulse.primitives.address import address
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage

__all__ = ["ReplayResult", "archive_facts", "replay"]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay found. `recorded_digest` is empty where the live run did not end by itself."""

    messages: int
    decisions: int
    digest: str
    recorded_digest: str
    state: str

    @property
    def is_equal(self) -> bool:
        """Return whether the digests agree."""
        return self.digest == self.recorded_digest


def archive_facts(config: object, facts: ChainFacts) -> dict[str, object]:
    """Return what an archive must remember so that its decisions can be repeated."""
    return {
        "config": msgspec.to_builtins(config),
        "premium_bps": facts.premium_bps,
        "operator": facts.operator.hex(),
    }


def replay(root: Path, progress: Callable[[int], None] | None = None) -> ReplayResult:
    """Return the outcome of one replay; `progress` is told how many messages were fed.

    Raises  Misconfigured when the folder is no archive of a node; ArchiveCorrupt where it is damaged.
    """
    reader = ArchiveReader(root)
    recorded = reader.manifest.facts
    try:
        config = parse_config(recorded["config"], f"{root}/manifest.json")
        facts = ChainFacts(int(recorded["premium_bps"]), address(recorded["operator"]))
    except (KeyError, TypeError, ValueError, InvalidData) as error:
        raise Misconfigured(f"`{root}` was not recorded by a node: it lacks {error}") from error
    settings = strategy_config(config, facts)
    decider = Decider(
        FlashArbitrage(settings), settings.source, publish=lambda _: None, act=lambda _: None
    )
    count = 0
    for count, message in enumerate(reader.messages(), 1):
        decider.on_message(message, message.header.timestamp_ns)
        if progress is not None:
            progress(count)
    closed = reader.manifest.state is not ArchiveState.OPEN
    return ReplayResult(
        messages=count,
        decisions=decider.digest.count,
        digest=decider.digest.hexdigest(),
        recorded_digest=str(recorded.get("digest", "")) if closed else "",
        state=reader.manifest.state.value,
    )
