"""The place where relays listen: a directory for its owner only, and sockets nobody else answers on."""

import contextlib
import socket
import stat
from pathlib import Path

from alphapulse.errors import Misconfigured

__all__ = ["bind", "prepare_directory"]

_DIRECTORY_MODE = 0o700
_SOCKET_MODE = 0o600
_BACKLOG = 512
_PATH_LIMIT = 107
"""Bytes of a Unix socket's path that Linux can hold, without the closing zero."""


def prepare_directory(directory: Path) -> None:
    """Make the directory, or refuse one that is not its owner's alone.

    Raises  Misconfigured when it cannot be made or is open to others.
    """
    try:
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        held = directory.stat()
        if stat.S_IMODE(held.st_mode) != _DIRECTORY_MODE:
            directory.chmod(_DIRECTORY_MODE)
    except OSError as error:
        raise Misconfigured(
            f"`{directory}` cannot be a directory of mode 0700 ({error.strerror})"
        ) from error


def bind(path: Path) -> socket.socket:
    """Return a listening socket of mode 0600; the file of a dead one is replaced.

    Raises  Misconfigured when somebody listens there, or the path cannot be used.
    """
    if len(bytes(path)) > _PATH_LIMIT:
        raise Misconfigured(f"`{path}` must have at most {_PATH_LIMIT} bytes to be a socket")
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind(str(path))
        path.chmod(_SOCKET_MODE)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise Misconfigured(f"`{path}` cannot be bound ({error.strerror})") from error
    return listener


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Misconfigured(f"`{path}` is not a socket: remove it or choose another directory")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return
        except FileNotFoundError:
            return
        except BlockingIOError:
            pass
    raise Misconfigured(f"a relay is live at `{path}`")
