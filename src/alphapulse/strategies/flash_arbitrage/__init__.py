"""Cycles of pools on one chain, closed in one transaction with a flash loan."""
