"""Where the parts of an archive live: files by table, date and domain, seals beside them, journals on the disk."""

import datetime
from pathlib import PurePath
from typing import Final, TypeVar

__all__ = [
    "DAY_NS",
    "EXPIRED_NAME",
    "FRAMES",
    "JOURNALS",
    "MESSAGES",
    "SEALS",
    "date_of",
    "frames_path",
    "messages_path",
    "seal_path",
]

Where = TypeVar("Where", bound=PurePath)

MESSAGES: Final = "messages"
FRAMES: Final = "frames"
SEALS: Final = "seals"
JOURNALS: Final = "journal"
EXPIRED_NAME: Final = "expired.json"
DAY_NS = 86_400 * 10**9


def date_of(day: int) -> str:
    """Return the date of a day, counted from 1970-01-01, as YYYY-MM-DD."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=min(day, 2_932_896))).isoformat()


def messages_path(root: Where, date: str, domain: int, first: int) -> Where:
    """Return where a file of messages lives; its name carries the position of its first row."""
    return root / MESSAGES / f"date={date}" / f"domain={domain}" / f"part-{first:012d}.parquet"


def frames_path(root: Where, date: str, first: int) -> Where:
    """Return where a file of frames lives."""
    return root / FRAMES / f"date={date}" / f"part-{first:012d}.parquet"


def seal_path(root: Where, number: int) -> Where:
    """Return where the seal of a journal lives."""
    return root / SEALS / f"seal-{number:06d}.json"
