"""Venues by their wire numbers, and what a number says about the venue."""

from enum import IntEnum, unique

__all__ = ["Venue", "chain_venue"]


@unique
class Venue(IntEnum):
    """Venue numbers of the wire protocol; a list that stays open, so unknown numbers are legal on the wire."""

    GENERIC = 0
    BINANCE = 100
    KRAKEN = 101
    COINBASE = 102
    ETHEREUM = 200
    POLYGON = 202
    ARBITRUM = 206
    BASE = 212
    UNISWAP_V2 = 300
    UNISWAP_V3 = 301
    SUSHISWAP = 302
    TEST_A = 65000
    TEST_B = 65001


_CHAIN_VENUE = {1: Venue.ETHEREUM, 137: Venue.POLYGON, 42161: Venue.ARBITRUM, 8453: Venue.BASE}


def chain_venue(chain_id: int) -> Venue:
    """Return the venue of a chain's own tokens; a local chain stands in for Ethereum."""
    return _CHAIN_VENUE.get(chain_id, Venue.ETHEREUM)
