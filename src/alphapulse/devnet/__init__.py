"""A local chain with the real protocols on it and people who trade there.

It knows npm's bytecode, anvil and how a market is seeded; it knows nothing of strategies, executors or the node.
Called by the command line, which starts it, and by tests.
"""
