"""The key of a live run, from the keystore that the configuration names."""

from collections.abc import Mapping
from pathlib import Path

from alphapulse.errors import GateClosed, Misconfigured
from alphapulse.execution.wallet import Wallet
from alphapulse.node.config import Config, resolve_secret
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.execution import ExecutionReason

__all__ = ["load_wallet"]


def load_wallet(config: Config, environment: Mapping[str, str], *, is_live: bool) -> Wallet | None:
    """Return the wallet of a live run; None for a dry run, whose configuration is checked all the same.

    Raises  GateClosed when live trading is asked for but not allowed by the configuration; Misconfigured for a wallet
            that is missing or does not open.
    """
    section = config.wallet
    if section is not None and not Path(section.keystore).is_file():
        raise Misconfigured(
            f"`wallet.keystore` names `{section.keystore}`, which does not exist; correct the path, or remove "
            "the `[wallet]` table for dry runs"
        )
    if not is_live:
        return None
    if not config.node.live:
        raise GateClosed(
            "`--live` also needs `live = true` under `[node]` in the configuration",
            ExecutionReason.STOPPED_BY_BREAKER,
        )
    if section is None:
        raise Misconfigured("live trading needs a `[wallet]` table with `keystore` and `password`")
    password = Secret(resolve_secret(section.password, environment, "wallet.password"))
    return Wallet.load(Path(section.keystore), password)
