"""How we act: a plan becomes calldata, fees, a nonce, a signature, a submission and a receipt.

The planning half (plan, transaction_builder, gas, reverts, receipts) is pure. The shell (wallet, nonce, gate, client,
executor) holds keys, files and connections. It knows chains and money; it must not know why a plan was made.
"""
