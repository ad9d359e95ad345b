"""Sentences on the wire: header, TLV codec, registry, typed messages. Pure; knows no socket and no clock."""
