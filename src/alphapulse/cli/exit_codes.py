"""What an exit code of `alphapulse` means; stable."""

__all__ = ["DONE", "FAILED", "REFUSED", "USAGE"]

DONE = 0
FAILED = 1
USAGE = 2
REFUSED = 3
