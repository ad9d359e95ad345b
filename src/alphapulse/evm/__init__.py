"""What a chain would accept: JSON-RPC, ABI, logs, transactions. Thin over eth-abi, eth-account and coincurve."""
