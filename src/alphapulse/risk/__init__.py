"""What we forbid: pure judges of results, whose verdicts reach every executor's gate as messages."""
