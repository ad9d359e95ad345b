"""What we believe: pool state as a pure fold of messages, the graph of pools, and what may be used of it.

Knows protocol messages and amm pools. Must not know nodes, clocks, strategies or how anything is displayed. Strategies fold
messages through `pools.Market`, ask `graph` for cycles and `prices` for exchange rates.
"""
