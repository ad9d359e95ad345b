"""How sentences are remembered: every raw frame and every message, in order, as Parquet segments."""
