"""The door to the pool arithmetic: callers cannot tell which twin answers, except by `name`.

The caller reads its configuration once and hands the choice to `require`; the names it then uses
are this module's.
"""

from alphapulse.amm.pool import PoolQuoter, V2Pool, V3Pool
from alphapulse.amm.sizing import Sizing, optimise
from alphapulse.errors import Misconfigured

__all__ = ["PoolQuoter", "Sizing", "V2Pool", "V3Pool", "name", "optimise", "require"]

name = "python"


def require(choice: str) -> str:
    """Return the name of the twin that answers, having checked that it is the one asked for.

    Raises  Misconfigured for any other than `python`, the only one in this build.
    """
    if choice != name:
        raise Misconfigured(
            f"`ALPHAPULSE_KERNEL` must be `python` in this build, was `{choice}`; "
            "unset it or set `ALPHAPULSE_KERNEL=python`"
        )
    return name
