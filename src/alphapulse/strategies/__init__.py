"""What we want: each strategy is a pure capsule that turns market state into plans.

A strategy knows the market and how a plan is made. It must not know other strategies, nodes, wallets or clocks. The node
feeds it messages and hands its plans to an executor.
"""
