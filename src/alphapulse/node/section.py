"""What every table of a configuration is made of."""

from typing import Annotated

import msgspec

__all__ = ["NotNegative", "Section"]

NotNegative = Annotated[int, msgspec.Meta(ge=0)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file; a key that it does not name is an error."""
