"""Venues by their wire numbers, and what a number says about the venue."""

from enum import IntEnum, unique

__all__ = ["Venue", "chain_id_of", "chain_venue"]


@unique
class Venue(IntEnum):
    """Venue numbers of the wire protocol; a list that stays open, so unknown numbers are legal on the wire."""

    GENERIC = 0
    NYSE = 1
    NASDAQ = 2
    LSE = 3
    TSE = 4
    HKEX = 5
    BINANCE = 100
    KRAKEN = 101
    COINBASE = 102
    HUOBI = 103
    OKX = 104
    BYBIT = 106
    KUCOIN = 107
    GEMINI = 108
    ETHEREUM = 200
    BITCOIN = 201
    POLYGON = 202
    BSC = 203
    AVALANCHE = 204
    FANTOM = 205
    ARBITRUM = 206
    OPTIMISM = 207
    SOLANA = 208
    CARDANO = 209
    POLKADOT = 210
    COSMOS = 211
    BASE = 212
    UNISWAP_V2 = 300
    UNISWAP_V3 = 301
    SUSHISWAP = 302
    CURVE = 303
    BALANCER = 304
    AAVE = 305
    COMPOUND = 306
    MAKER = 307
    YEARN = 308
    SYNTHETIX = 309
    DYDX = 310
    UNISWAP_V4 = 311
    SUSHI_V3 = 312
    PANCAKE_V3 = 313
    POLYGON_QUICKSWAP = 400
    POLYGON_SUSHI = 401
    POLYGON_CURVE = 402
    POLYGON_AAVE = 403
    POLYGON_BALANCER = 404
    POLYGON_UNISWAP_V3 = 405
    POLYGON_QUICKSWAP_V3 = 406
    POLYGON_UNISWAP_V4 = 407
    POLYGON_UNISWAP_V2 = 408
    POLYGON_SUSHI_V3 = 409
    BSC_PANCAKE = 500
    BSC_VENUS = 501
    ARBITRUM_UNISWAP_V3 = 600
    ARBITRUM_SUSHI = 601
    ARBITRUM_CURVE = 602
    ARBITRUM_UNISWAP_V4 = 603
    ARBITRUM_CAMELOT_V3 = 604
    ARBITRUM_PANCAKE_V3 = 605
    ARBITRUM_BALANCER = 606
    ARBITRUM_AAVE = 607
    ARBITRUM_UNISWAP_V2 = 608
    ARBITRUM_CAMELOT_V2 = 609
    ARBITRUM_SUSHI_V3 = 610
    DERIBIT = 700
    BYBIT_DERIVATIVES = 701
    OPYN = 702
    HEGIC = 703
    COMEX = 800
    CME = 801
    ICE = 802
    FOREX = 803
    BASE_UNISWAP_V3 = 900
    BASE_AERODROME = 901
    BASE_SUSHI = 902
    BASE_UNISWAP_V2 = 903
    BASE_UNISWAP_V4 = 904
    BASE_AERODROME_SLIPSTREAM = 905
    BASE_PANCAKE_V3 = 906
    BASE_AAVE = 907
    BASE_BALANCER = 908
    TEST_A = 65000
    TEST_B = 65001


_CHAIN_ID: dict[int, int] = {
    Venue.ETHEREUM: 1,
    Venue.POLYGON: 137,
    Venue.BSC: 56,
    Venue.AVALANCHE: 43114,
    Venue.FANTOM: 250,
    Venue.ARBITRUM: 42161,
    Venue.OPTIMISM: 10,
    Venue.BASE: 8453,
}
_CHAIN_VENUE = {chain_id: Venue(venue) for venue, chain_id in _CHAIN_ID.items()}

# Ranges of venue numbers whose venues live on one chain.
_CHAIN_OF_RANGE = (
    (range(300, 400), Venue.ETHEREUM),
    (range(400, 500), Venue.POLYGON),
    (range(500, 600), Venue.BSC),
    (range(600, 700), Venue.ARBITRUM),
    (range(900, 1000), Venue.BASE),
)


def chain_venue(chain_id: int) -> Venue:
    """Return the venue of a chain's own tokens; a local chain stands in for Ethereum."""
    return _CHAIN_VENUE.get(chain_id, Venue.ETHEREUM)


def chain_id_of(venue: int) -> int | None:
    """Return the chain a venue number stands on, None where the number does not say."""
    for numbers, chain in _CHAIN_OF_RANGE:
        if venue in numbers:
            return _CHAIN_ID[chain]
    return _CHAIN_ID.get(venue)
