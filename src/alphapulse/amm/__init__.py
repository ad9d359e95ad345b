"""What a pool would answer, in plain integers: no protocol types, no chain, no clock.

`market` folds events into the pools of `pool.py`; `strategies` size cycles over them with `sizing.py`.
Both reach this room through `kernel.py`.
"""

__all__: list[str] = []
