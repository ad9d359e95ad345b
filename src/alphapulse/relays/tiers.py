"""Which shard an instrument belongs to: by configuration, or by how much is said about it, and rarely another one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum, unique
from typing import NamedTuple

import msgspec

__all__ = ["Move", "Tier", "TierConfig", "Tiers"]


@unique
class Tier(IntEnum):
    """Volume tiers, busiest first."""

    HIGH = 0
    MEDIUM = 1
    LOW = 2


class TierConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How instruments find their tier.

    The `high` busiest are the first tier, the next `medium` the second, the rest the third. An instrument moves only
    when its rank has passed the bound by `margin_percent` of it in `windows` counts of `window_ms` in a row. `fixed`
    holds instruments (24 hex digits, their wire bytes) that stay where they are put: "high", "medium" or "low".
    """

    high: int = 100
    medium: int = 500
    window_ms: int = 10_000
    windows: int = 3
    margin_percent: int = 20
    fixed: dict[str, str] = msgspec.field(default_factory=dict)


class Move(NamedTuple):
    """An instrument that changes its shard."""

    instrument: bytes
    origin: Tier
    target: Tier


class Tiers:
    """The table of a running deployment. What is not in it is in the lowest tier."""

    __slots__ = ("_bounds", "_config", "_counts", "_fixed", "_pending", "_table")

    def __init__(self, config: TierConfig) -> None:
        self._config = config
        self._fixed = {
            bytes.fromhex(name): Tier[tier.upper()] for name, tier in config.fixed.items()
        }
        self._table: dict[bytes, Tier] = dict(self._fixed)
        self._counts: Counter[bytes] = Counter()
        self._pending: dict[bytes, tuple[Tier, int]] = {}
        self._bounds = (config.high, config.high + config.medium)

    def of(self, instrument: bytes) -> Tier:
        """Return the tier of an instrument."""
        return self._table.get(instrument, Tier.LOW)

    def table(self) -> Mapping[bytes, Tier]:
        """Return the instruments that are not in the lowest tier."""
        return self._table

    def count(self, instruments: Iterable[bytes]) -> None:
        """Count a message about these instruments."""
        self._counts.update(instruments)

    def close_window(self) -> list[Move]:
        """Return the moves that this window decides, and begin the next window; the caller makes them and `apply`s."""
        ranks = {
            instrument: rank
            for rank, (instrument, _) in enumerate(
                sorted(self._counts.items(), key=lambda one: (-one[1], one[0]))
            )
        }
        self._counts.clear()
        pending, self._pending = self._pending, {}
        moves = []
        for instrument in sorted(ranks.keys() | self._table.keys()):
            if instrument in self._fixed:
                continue
            present = self.of(instrument)
            wanted = self._wanted(ranks.get(instrument), present)
            if wanted is present:
                continue
            before, seen = pending.get(instrument, (wanted, 0))
            seen = seen + 1 if before is wanted else 1
            if seen >= self._config.windows:
                moves.append(Move(instrument, present, wanted))
            else:
                self._pending[instrument] = (wanted, seen)
        return moves

    def apply(self, move: Move) -> None:
        """Enter a move that was made."""
        if move.target is Tier.LOW:
            self._table.pop(move.instrument, None)
        else:
            self._table[move.instrument] = move.target

    def _wanted(self, rank: int | None, present: Tier) -> Tier:
        """Return the tier of a rank; near a bound it is the present one."""
        if rank is None:
            return Tier.LOW
        plain = Tier(sum(rank >= bound for bound in self._bounds))
        if plain is present:
            return present
        crossed = self._bounds[min(plain, present)]
        margin = crossed * self._config.margin_percent // 100
        has_passed = rank < crossed - margin if plain < present else rank >= crossed + margin
        return plain if has_passed else present
