"""One command, `alphapulse`: verbs, exit codes, and results as table, JSON or picture."""
