"""What stands on the chain: accounts, tokens, pools and their depth. Data only; changing it makes a new saved state."""

from dataclasses import dataclass

from alphapulse.primitives.address import Address, address
from alphapulse.primitives.venue import Venue

__all__ = [
    "ACCOUNTS",
    "DEPLOYER",
    "LIQUIDITY_PROVIDER",
    "MULTICALL",
    "POOLS",
    "POSITION_RANGES",
    "PREMIUM_BPS",
    "TOKENS",
    "TRADERS",
    "V3_TICK_SPACING",
    "PoolPlan",
    "TokenPlan",
    "token_plan",
]

ACCOUNTS: tuple[Address, ...] = tuple(
    address(text)
    for text in (
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
    )
)
"""The first accounts of anvil's well-known mnemonic, unlocked on every anvil."""

DEPLOYER = ACCOUNTS[0]
LIQUIDITY_PROVIDER = ACCOUNTS[1]
TRADERS = ACCOUNTS[2:]

MULTICALL = address("0xcA11bde05977b3631167028862bE2a173976CA11")
PREMIUM_BPS = 5


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """One token; `price_usd` is where the market starts, `lent` is what the lender holds (whole tokens)."""

    symbol: str
    name: str
    decimals: int
    price_usd: int
    lent: int = 0
    is_usd: bool = False

    def amount_of_usd(self, usd: int) -> int:
        """Return the smallest units that are worth so many dollars at the starting price."""
        unit: int = 10**self.decimals
        return usd * unit // self.price_usd


TOKENS = (
    TokenPlan("WETH", "Wrapped Ether", 18, 3_000, lent=50_000),
    TokenPlan("USDC", "USD Coin", 6, 1, lent=150_000_000, is_usd=True),
    TokenPlan("DAI", "Dai Stablecoin", 18, 1, lent=150_000_000, is_usd=True),
    TokenPlan("WBTC", "Wrapped BTC", 8, 60_000),
)


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """One pool; `depth_usd` is the worth of both sides together."""

    venue: int
    symbol_a: str
    symbol_b: str
    fee_pips: int
    depth_usd: int

    @property
    def is_v3(self) -> bool:
        """Whether liquidity is concentrated here."""
        return self.venue == Venue.UNISWAP_V3

    @property
    def is_stable(self) -> bool:
        """Whether both tokens are worth the same."""
        return token_plan(self.symbol_a).is_usd and token_plan(self.symbol_b).is_usd


_A, _B, _V3 = int(Venue.UNISWAP_V2), int(Venue.SUSHISWAP), int(Venue.UNISWAP_V3)

POOLS = (
    PoolPlan(_A, "WETH", "USDC", 3_000, 6_000_000),
    PoolPlan(_A, "WETH", "DAI", 3_000, 3_000_000),
    PoolPlan(_A, "WBTC", "WETH", 3_000, 4_000_000),
    PoolPlan(_A, "USDC", "DAI", 3_000, 2_000_000),
    PoolPlan(_B, "WETH", "USDC", 3_000, 4_000_000),
    PoolPlan(_B, "WETH", "DAI", 3_000, 2_000_000),
    PoolPlan(_B, "WBTC", "WETH", 3_000, 3_000_000),
    PoolPlan(_B, "WBTC", "USDC", 3_000, 2_000_000),
    PoolPlan(_V3, "WETH", "USDC", 500, 8_000_000),
    PoolPlan(_V3, "WETH", "USDC", 3_000, 5_000_000),
    PoolPlan(_V3, "WETH", "USDC", 10_000, 1_000_000),
    PoolPlan(_V3, "WETH", "DAI", 3_000, 2_000_000),
    PoolPlan(_V3, "WBTC", "WETH", 500, 4_000_000),
    PoolPlan(_V3, "WBTC", "WETH", 3_000, 3_000_000),
    PoolPlan(_V3, "WBTC", "USDC", 3_000, 2_000_000),
    PoolPlan(_V3, "USDC", "DAI", 500, 4_000_000),
)

V3_TICK_SPACING = {500: 10, 3_000: 60, 10_000: 200}

POSITION_RANGES = (
    (-240, 240, 60),
    (-420, 300, 70),
    (-300, 540, 70),
    (-840, 840, 120),
    (-1_260, 600, 80),
    (-600, 1_320, 80),
    (180, 960, 40),
    (-960, -180, 40),
    (-1_980, 2_040, 120),
    (-3_000, 1_500, 60),
    (-1_620, 2_760, 60),
    (-5_040, 4_980, 100),
    (-12_000, 12_000, 60),
    (-40_020, 40_020, 40),
)
"""Lower tick, upper tick (from the starting tick; a tenth of it in stable pools) and share of the depth in permille."""


def token_plan(symbol: str) -> TokenPlan:
    """Return the plan of a token by its symbol."""
    return next(token for token in TOKENS if token.symbol == symbol)
