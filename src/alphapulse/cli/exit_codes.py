"""What an exit code of `alphapulse` means; stable."""

__all__ = ["DONE", "FAILED", "INTERRUPTED", "REFUSED", "USAGE"]

DONE = 0
FAILED = 1
USAGE = 2
REFUSED = 3
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells count
