"""The in-band registry of instruments: what an id stands for, refused when two things claim one id."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto, unique

from alphapulse.market.assets import UNLISTED, AssetKey, AssetTable
from alphapulse.primitives.address import Address
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.market_data import InstrumentKind, InstrumentMeta

__all__ = [
    "Announcement",
    "ClassConflict",
    "Collision",
    "InstrumentRegistry",
    "Token",
]


MAX_CONFLICTS = 256  # remembered for reporting; an instrument is reported once
MAX_COLLISIONS = 256  # remembered for reporting; more than this many is one and the same attack

Identity = tuple[object, ...]


@unique
class Announcement(Enum):
    """What became of an announcement."""

    ADDED = auto()
    UPDATED = auto()
    KNOWN = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a chain, as announced."""

    chain_id: int
    address: Address
    decimals: int
    symbol: str
    flags: int


@dataclass(frozen=True, slots=True)
class Collision:
    """Two identities under one id; the newcomer was refused."""

    instrument: InstrumentId
    refused: InstrumentId


@dataclass(frozen=True, slots=True)
class ClassConflict:
    """A producer puts an asset into another class than our table does; ours is the one that counts."""

    instrument: InstrumentId
    announced: int
    held: int


class InstrumentRegistry:
    """Maps instrument ids to what was announced under them.

    Identity is (chain_id, key); for pairs and long symbols also the symbol and the legs' ids. The first identity of an id
    stays, another one under the same id is refused for good. Which assets are the same is said by `assets` alone.
    """

    __slots__ = (
        "_collisions",
        "_conflicting",
        "_conflicts",
        "_identities",
        "_metas",
        "_refused",
        "_tokens",
        "assets",
    )

    def __init__(self, assets: AssetTable | None = None) -> None:
        self.assets = AssetTable() if assets is None else assets
        self._conflicts: list[ClassConflict] = []
        self._conflicting: set[InstrumentId] = set()
        self._identities: dict[InstrumentId, Identity] = {}
        self._metas: dict[InstrumentId, InstrumentMeta] = {}
        self._tokens: dict[tuple[int, bytes], Token] = {}
        self._collisions: list[Collision] = []
        self._refused = 0

    def announce(self, meta: InstrumentMeta) -> Announcement:
        """Return what became of the announcement; its legs announce their tokens.

        A pool with a leg whose id belongs to another token is refused whole, since it cannot be traded.
        """
        identity = _identity(meta)
        if not self._claim(meta.instrument, identity, meta.instrument):
            return Announcement.REFUSED
        if meta.kind == InstrumentKind.POOL:
            for leg in meta.leg:
                if not self._claim(leg.leg_id, (meta.chain_id, leg.address), meta.instrument):
                    return Announcement.REFUSED
        known = self._metas.get(meta.instrument)
        if known is not None and (known == meta or meta.event_ns < known.event_ns):
            return Announcement.KNOWN
        self._metas[meta.instrument] = meta
        self._note_tokens(meta)
        self._compare_class(meta)
        return Announcement.ADDED if known is None else Announcement.UPDATED

    def meta(self, instrument: InstrumentId) -> InstrumentMeta | None:
        """Return the last accepted announcement of an id."""
        return self._metas.get(instrument)

    def token(self, chain_id: int, address: bytes) -> Token | None:
        """Return a token by its identity."""
        return self._tokens.get((chain_id, address))

    @property
    def refused(self) -> int:
        """How many announcements were refused."""
        return self._refused

    def take_collisions(self) -> tuple[Collision, ...]:
        """Return the collisions since the last call."""
        taken = tuple(self._collisions)
        self._collisions.clear()
        return taken

    def asset_key(self, instrument: InstrumentId) -> AssetKey | None:
        """Return what an announced token or coin must share with another to be the same asset."""
        meta = self._metas.get(instrument)
        return None if meta is None else self.assets.asset_key(meta)

    def base_tokens(self, instrument: InstrumentId) -> tuple[AssetKey, ...] | None:
        """Return the sorted asset keys of an announced instrument's legs, None before its announcement.

        Two instruments can be arbitraged when these are equal and their ids differ.
        """
        meta = self._metas.get(instrument)
        return None if meta is None else self.assets.base_tokens(meta)

    def take_class_conflicts(self) -> tuple[ClassConflict, ...]:
        """Return the announced classes that are not ours, since the last call."""
        taken = tuple(self._conflicts)
        self._conflicts.clear()
        return taken

    def _compare_class(self, meta: InstrumentMeta) -> None:
        """Note a class that differs from ours; a producer without a table announces UNLISTED and says nothing."""
        held = self.assets.class_of(meta)
        if meta.asset_class in (UNLISTED, held) or len(self._conflicting) >= MAX_CONFLICTS:
            return
        if meta.instrument not in self._conflicting:
            self._conflicting.add(meta.instrument)
            self._conflicts.append(ClassConflict(meta.instrument, meta.asset_class, held))

    def _claim(self, instrument: InstrumentId, identity: Identity, whole: InstrumentId) -> bool:
        held = self._identities.setdefault(instrument, identity)
        if held == identity:
            return True
        self._refused += 1
        if len(self._collisions) < MAX_COLLISIONS:
            self._collisions.append(Collision(instrument, whole))
        return False

    def _note_tokens(self, meta: InstrumentMeta) -> None:
        if meta.kind == InstrumentKind.TOKEN and len(meta.key) == 20:
            self._tokens[meta.chain_id, meta.key] = Token(
                meta.chain_id, Address(meta.key), meta.decimals, meta.symbol, meta.flags
            )
        for address, decimals in _legs(meta):
            self._tokens.setdefault(
                (meta.chain_id, address), Token(meta.chain_id, Address(address), decimals, "", 0)
            )


def _legs(meta: InstrumentMeta) -> Iterable[tuple[bytes, int]]:
    if meta.kind == InstrumentKind.POOL:
        for leg in meta.leg:
            yield leg.address, leg.decimals


def _identity(meta: InstrumentMeta) -> Identity:
    if meta.kind == InstrumentKind.SPOT_PAIR or not meta.key:
        return (meta.chain_id, meta.key, meta.symbol, tuple(leg.leg_id for leg in meta.leg))
    return (meta.chain_id, meta.key)
