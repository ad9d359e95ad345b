"""What happened: every trade booked in a double-entry ledger of integers, from execution results only.

Knows messages, no chain and no price source. Everything but `store` is pure.
"""
