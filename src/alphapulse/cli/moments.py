"""Moments on the command line: nanoseconds since the epoch, or a date and time in UTC."""

import argparse
from datetime import UTC, datetime

__all__ = ["moment"]

_NS = 1_000_000_000


def moment(text: str) -> int:
    """Return nanoseconds since the epoch.

    Raises  ArgumentTypeError for what is neither a number nor a time.
    """
    if text.isdecimal():
        return int(text)
    whole, _, fraction = text.removesuffix("Z").partition(".")
    try:
        parsed = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"`{text}` must be nanoseconds or a time such as `2026-11-24T18:30:00`"
        ) from error
    if fraction and not (fraction.isdecimal() and len(fraction) <= 9):
        raise argparse.ArgumentTypeError(f"`{text}` has more than nanoseconds")
    return int(parsed.timestamp()) * _NS + int((fraction or "0").ljust(9, "0"))
