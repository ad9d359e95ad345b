"""Amounts, times and names as people read them. Display only: nothing here flows back."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

from alphapulse.dashboard.pool import Instrument
from alphapulse.primitives.venue import Venue

__all__ = [
    "NO_DATA",
    "age",
    "amount",
    "blocks_ago",
    "fee",
    "gwei",
    "latency",
    "pool_name",
    "short_hash",
    "signal_name",
    "usd",
    "venue_name",
]

NO_DATA = "no data"
VENUE_NAMES = {
    Venue.UNISWAP_V2: "Uniswap V2",
    Venue.UNISWAP_V3: "Uniswap V3",
    Venue.SUSHISWAP: "SushiSwap",
    Venue.SUSHI_V3: "SushiSwap V3",
    Venue.PANCAKE_V3: "PancakeSwap V3",
    Venue.POLYGON_QUICKSWAP: "QuickSwap",
    Venue.POLYGON_SUSHI: "SushiSwap",
    Venue.POLYGON_UNISWAP_V3: "Uniswap V3",
    Venue.POLYGON_UNISWAP_V2: "Uniswap V2",
    Venue.ARBITRUM_UNISWAP_V3: "Uniswap V3",
    Venue.ARBITRUM_UNISWAP_V2: "Uniswap V2",
    Venue.ARBITRUM_SUSHI: "SushiSwap",
    Venue.BASE_UNISWAP_V3: "Uniswap V3",
    Venue.BASE_UNISWAP_V2: "Uniswap V2",
    Venue.BASE_SUSHI: "SushiSwap",
}
_EXACT = Context(prec=90)  # digits of any 256-bit number
_SHOWN = Context(prec=6, rounding=ROUND_HALF_EVEN)
_CENT_E8 = 10**6


def usd(value_e8: int, *, signed: bool = False) -> str:
    """Return dollars and cents of a USD * 1e8 figure; below one cent every digit that it has."""
    sign = "-" if value_e8 < 0 else ("+" if signed and value_e8 else "")
    whole = Decimal(abs(value_e8)).scaleb(-8, _EXACT)
    if 0 < abs(value_e8) < _CENT_E8:
        return f"{sign}${whole:f}".rstrip("0")
    return f"{sign}${whole:,.2f}"


def amount(value: int, decimals: int, symbol: str = "") -> str:
    """Return an amount of smallest units in whole tokens: cents above 1,000, else six significant digits."""
    whole = Decimal(value).scaleb(-decimals, _EXACT)
    text = f"{whole:,.2f}" if abs(whole) >= 1000 else _plain(_SHOWN.plus(whole))
    return f"{text} {symbol}".rstrip()


def fee(fee_pips: int) -> str:
    """Return a pool fee in per cent."""
    return f"{fee_pips / 10_000:g}%"


def gwei(wei: int) -> str:
    """Return a gas price in gwei, with four significant digits."""
    return f"{_plain(Context(prec=4).plus(Decimal(wei).scaleb(-9, _EXACT)))} gwei"


def latency(nanoseconds: int) -> str:
    """Return a duration in the unit that suits it."""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1_000:.0f} µs"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1_000_000:.2f} ms"
    return f"{nanoseconds / 1_000_000_000:.2f} s"


def age(nanoseconds: int) -> str:
    """Return how long ago something was, in whole units that people count in."""
    seconds = max(nanoseconds, 0) // 10**9
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds // 3600} h ago"


def blocks_ago(block: int, head: int) -> str:
    """Return the distance of a block from the head; the head itself is now."""
    distance = head - block
    if distance <= 0:
        return "now"
    return "1 block" if distance == 1 else f"{distance:,} blocks"


def short_hash(value: bytes) -> str:
    """Return the first and last bytes of a hash."""
    text = value.hex()
    return f"0x{text[:8]}…{text[-6:]}"


def signal_name(signal_id: int) -> str:
    """Return a signal id as 16 hex digits, the form that links use."""
    return f"{signal_id:016x}"


def venue_name(number: int) -> str:
    """Return a venue's name, or its number where it has none here."""
    try:
        return VENUE_NAMES[Venue(number)]
    except (KeyError, ValueError):
        return f"venue {number}"


def pool_name(pool: Instrument) -> str:
    """Return venue and fee of a pool; the pair stands beside it."""
    return f"{venue_name(pool.venue)} {fee(pool.fee_pips)}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
