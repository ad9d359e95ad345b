"""How sentences travel: numbering, order and delivery. Knows messages, not their meaning."""
