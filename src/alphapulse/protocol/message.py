"""Messages as values: a draft before it has number and time, a message after."""

from typing import TypeVar

import msgspec

from alphapulse.protocol.header import Header

__all__ = ["Draft", "Message", "RawTlv", "Tlv"]

T = TypeVar("T", bound="Tlv")


class Tlv(msgspec.Struct, frozen=True, gc=False):
    """One typed part of a message; its number and layout stand in the registry."""


class RawTlv(Tlv, frozen=True):
    """A part whose type is unknown, or a repeat that does not count; kept so that it survives."""

    type: int
    payload: bytes


class Draft(msgspec.Struct, frozen=True, gc=False):
    """What a component or collector says, before it has number and time."""

    domain: int
    source: int
    tlvs: tuple[Tlv, ...]
    flags: int = 0


class Message(msgspec.Struct, frozen=True, gc=False):
    """A numbered and dated statement of one producer."""

    header: Header
    tlvs: tuple[Tlv, ...]

    def first(self, kind: type[T]) -> T | None:
        """Return the first part of that class, which is the one that counts."""
        for tlv in self.tlvs:
            if isinstance(tlv, kind):
                return tlv
        return None

    def all(self, kind: type[T]) -> tuple[T, ...]:
        """Return every part of that class, in message order."""
        return tuple(tlv for tlv in self.tlvs if isinstance(tlv, kind))
