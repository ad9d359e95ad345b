"""Which tokens and coins are the same asset: the asset-equivalence table of whoever decides, as a value.

An equal ticker makes nobody a member; what the table does not list equals only itself. The file is read by the node.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from alphapulse.errors import Misconfigured
from alphapulse.primitives.address import Address
from alphapulse.primitives.instrument_id import ASSET_COIN, ASSET_TOKEN, InstrumentId
from alphapulse.primitives.venue import chain_id_of
from alphapulse.protocol.market_data import InstrumentKind, InstrumentMeta, Leg

__all__ = ["UNLISTED", "AssetClass", "AssetKey", "AssetTable", "ChainMember", "CoinMember"]

UNLISTED = 0
_MAX_CLASS = 2**32 - 1
_ADDRESS_SIZE = 20


class AssetKey(NamedTuple):
    """What two things must share to be the same asset: a class of the table, or the id of something unlisted."""

    kind: str
    number: int
    instrument: bytes


@dataclass(frozen=True, slots=True)
class ChainMember:
    """A token of a chain; the zero address is the chain's own currency."""

    chain_id: int
    address: Address


@dataclass(frozen=True, slots=True)
class CoinMember:
    """A coin of an exchange, by that exchange's symbol."""

    venue: int
    symbol: str


@dataclass(frozen=True, slots=True)
class AssetClass:
    """A class of the table: number, canonical symbol, members."""

    number: int
    symbol: str
    members: tuple[ChainMember | CoinMember, ...]


class AssetTable:
    """The classes by their members.

    Raises  Misconfigured for a number below 1 or used twice, and for a member of two classes.
    """

    __slots__ = ("_class_of", "_symbols")

    def __init__(self, classes: Iterable[AssetClass] = ()) -> None:
        self._class_of: dict[tuple[int, bytes] | InstrumentId, int] = {}
        self._symbols: dict[int, str] = {}
        for held in classes:
            if not UNLISTED < held.number <= _MAX_CLASS or held.number in self._symbols:
                raise Misconfigured(
                    f"asset class numbers must be 1 to {_MAX_CLASS} and differ, was `{held.number}`"
                )
            self._symbols[held.number] = held.symbol
            for member in held.members:
                self._add(member, held)

    def _add(self, member: ChainMember | CoinMember, held: AssetClass) -> None:
        key: tuple[int, bytes] | InstrumentId
        if isinstance(member, ChainMember):
            key = (member.chain_id, member.address)
        else:
            key = InstrumentId.coin(member.venue, member.symbol)
        other = self._class_of.setdefault(key, held.number)
        if other != held.number:
            raise Misconfigured(
                f"`{member}` must belong to one asset class, was in {other} and {held.number}"
            )

    def __len__(self) -> int:
        return len(self._symbols)

    def symbol(self, number: int) -> str | None:
        """Return the canonical symbol of a class."""
        return self._symbols.get(number)

    def class_of_token(self, chain_id: int, address: bytes) -> int:
        """Return the class of a token by its whole address, UNLISTED for none."""
        return self._class_of.get((chain_id, address), UNLISTED)

    def class_of_coin(self, coin: InstrumentId) -> int:
        """Return the class of an exchange's coin, UNLISTED for none."""
        return self._class_of.get(coin, UNLISTED)

    def class_of(self, meta: InstrumentMeta) -> int:
        """Return the class of an announced token or coin, UNLISTED for none and for everything else."""
        if meta.kind == InstrumentKind.TOKEN and len(meta.key) == _ADDRESS_SIZE:
            return self.class_of_token(meta.chain_id, meta.key)
        return self.class_of_coin(meta.instrument)

    def asset_key(self, meta: InstrumentMeta) -> AssetKey:
        """Return the key of an announced token or coin: `(class, n)` when it is listed, else its id."""
        return _key(self.class_of(meta), meta.instrument)

    def base_tokens(self, meta: InstrumentMeta) -> tuple[AssetKey, ...]:
        """Return the sorted asset keys of an instrument's legs.

        Two instruments can be arbitraged when these are equal and their ids differ.
        """
        return tuple(sorted(_key(self._class_of_leg(meta, leg), leg.leg_id) for leg in meta.leg))

    def _class_of_leg(self, meta: InstrumentMeta, leg: Leg) -> int:
        if meta.kind == InstrumentKind.POOL or leg.leg_id.asset_type == ASSET_TOKEN:
            chain_id = meta.chain_id or chain_id_of(leg.leg_id.venue) or 0
            return self.class_of_token(chain_id, leg.address)
        return self.class_of_coin(leg.leg_id) if leg.leg_id.asset_type == ASSET_COIN else UNLISTED


def _key(number: int, instrument: InstrumentId) -> AssetKey:
    if number != UNLISTED:
        return AssetKey("class", number, b"")
    return AssetKey("id", 0, instrument.pack())
