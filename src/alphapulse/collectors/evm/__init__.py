"""One EVM chain over one WebSocket: whole blocks, each log once, in chain order, or an invalidation that says otherwise."""
