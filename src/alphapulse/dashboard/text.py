"""Amounts, times and names as people read them. Display only: nothing here flows back."""

from alphapulse.dashboard.replica import Instrument
from alphapulse.primitives.venue import Venue

__all__ = [
    "amount",
    "fee",
    "latency",
    "pool_name",
    "short_hash",
    "signal_name",
    "usd",
    "venue_name",
]

VENUE_NAMES = {
    Venue.UNISWAP_V2: "Uniswap V2",
    Venue.UNISWAP_V3: "Uniswap V3",
    Venue.SUSHISWAP: "SushiSwap",
}


def usd(value_e8: int, *, signed: bool = False) -> str:
    """Return dollars and cents of a USD * 1e8 figure."""
    sign = "-" if value_e8 < 0 else ("+" if signed else "")
    return f"{sign}${abs(value_e8) / 1e8:,.2f}"


def amount(value: int, decimals: int, symbol: str = "") -> str:
    """Return an amount of smallest units in whole tokens, with six significant digits."""
    whole = value / 10**decimals
    text = f"{whole:,.2f}" if abs(whole) >= 1000 else f"{whole:.6g}"
    return f"{text} {symbol}".rstrip()


def fee(fee_pips: int) -> str:
    """Return a pool fee in per cent."""
    return f"{fee_pips / 10_000:g}%"


def latency(nanoseconds: int) -> str:
    """Return a duration in the unit that suits it."""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1_000:.0f} µs"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1_000_000:.2f} ms"
    return f"{nanoseconds / 1_000_000_000:.2f} s"


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
