"""Nouns: addresses, units, venues, instrument ids, pool ids. Knows nothing of messages, pools or chains' nodes."""
