"""What a page must be told because no message says it."""

from dataclasses import dataclass

__all__ = ["Facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while a node runs."""

    chain_id: int
    chain_name: str
    is_live: bool
