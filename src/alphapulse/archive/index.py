"""Filters that say which row groups cannot hold an instrument or a trace, a byte or two for each distinct one."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alphapulse.archive.shapes import Layout

__all__ = ["KeyFilter", "instrument_keys", "trace_key", "trace_keys"]

_BITS_PER_KEY = 10  # with three probes one in sixty absent keys is not told from a present one
_PROBES = 3
_FEWEST_BITS = 64
_MIX = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: spreads ids that differ in few bits
_WORD = 2**64 - 1


class KeyFilter:
    """A Bloom filter over 64-bit keys: what it denies is absent, what it admits may be there."""

    __slots__ = ("_bits", "_size")

    def __init__(self, bits: bytes) -> None:
        self._bits = bits
        self._size = len(bits) * 8

    @classmethod
    def of(cls, keys: Iterable[int]) -> "KeyFilter":
        """Return the filter of some keys."""
        distinct = set(keys)
        size = max(_FEWEST_BITS, -(-len(distinct) * _BITS_PER_KEY // 8) * 8)
        bits = 0
        for key in distinct:
            for probe in _probes(key, size):
                bits |= 1 << probe
        return cls(bits.to_bytes(size // 8, "little"))

    @classmethod
    def parse(cls, text: str) -> "KeyFilter":
        """Return the filter that `text` spells."""
        return cls(base64.b85decode(text))

    def text(self) -> str:
        """Return the filter as printable text."""
        return base64.b85encode(self._bits).decode()

    def admits(self, key: int) -> bool:
        """Return whether the key may be among those that went in."""
        return all(self._bits[probe >> 3] >> (probe & 7) & 1 for probe in _probes(key, self._size))


def trace_key(trace_id: int) -> int:
    """Return the key under which a trace is found."""
    return (trace_id ^ trace_id >> 64) & _WORD


def trace_keys(values: Mapping[str, Sequence[Any]]) -> set[int]:
    """Return the keys of the traces in some rows."""
    low = values.get("trace_context_trace_id_lo", ())
    high = values.get("trace_context_trace_id_hi", ())
    return {one ^ other for one, other in zip(low, high, strict=True)}


def instrument_keys(layout: Layout, values: Mapping[str, Sequence[Any]]) -> set[int]:
    """Return the asset ids of all instruments and pools in some rows."""
    found: set[int] = set()
    named = [("", leaf) for leaf in layout.root.leaves]
    named += [(f"{group.name}.", leaf) for group in layout.groups for leaf in group.leaves]
    for prefix, leaf in named:
        column = values[prefix + leaf.name]
        if leaf.kind == "id" and leaf.name.endswith("_asset"):
            found.update(column)
        elif leaf.kind == "addr" and (leaf.name == "pool" or leaf.name.endswith("_pool")):
            found.update(int.from_bytes(pool[:8], "big") for pool in set(column))
    return found


def _probes(key: int, size: int) -> tuple[int, ...]:
    mixed = (key ^ key >> 31) * _MIX & _WORD
    first, step = mixed >> 32, (mixed & 0xFFFFFFFF) | 1
    return tuple((first + number * step) % size for number in range(_PROBES))
