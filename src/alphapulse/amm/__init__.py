"""What a pool would answer, in plain integers: no protocol types, no chain, no clock.

`market` folds events into the pools; `strategies` size cycles over them. Pairs, concentrated pools and
sizing, which have a twin, are reached through `kernel.py`. The other families have none: each is a module
named after its contract, and hands out two tokens at a time as a `PairView`.
"""

__all__: list[str] = []
