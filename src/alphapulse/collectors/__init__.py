"""How the world enters: one connection per venue, turned into messages. Knows no consumer."""
