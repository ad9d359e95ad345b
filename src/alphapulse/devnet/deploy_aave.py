"""An Aave V3 market: address book, libraries, pool, reserves and supply, added to a script.

Source  the package's own deployment order; premium and flash loans are off until switched on.
"""

from dataclasses import dataclass

from alphapulse.devnet.artifacts import Artifacts
from alphapulse.devnet.calls import arguments, call_data, create_address
from alphapulse.devnet.layout import ACCOUNTS, PREMIUM_BPS, TOKENS, TokenPlan
from alphapulse.devnet.script import Script
from alphapulse.primitives.address import ZERO_ADDRESS, Address

__all__ = ["Lender", "deploy_lender", "supply_lender"]

_AAVE = "@aave/core-v3/artifacts/contracts"
_CONFIGURATION = _AAVE + "/protocol/configuration/{0}.sol/{0}"
_LOGIC = _AAVE + "/protocol/libraries/logic/{0}.sol/{0}"
_POOL = _AAVE + "/protocol/pool/{0}.sol/{0}"
_TOKEN = _AAVE + "/protocol/tokenization/{0}.sol/{0}"
_PRICE_ORACLE = _AAVE + "/mocks/oracle/PriceOracle.sol/PriceOracle"
_DATA_PROVIDER = _AAVE + "/misc/AaveProtocolDataProvider.sol/AaveProtocolDataProvider"

_INDEPENDENT_LIBRARIES = (
    "BorrowLogic",
    "SupplyLogic",
    "BridgeLogic",
    "EModeLogic",
    "LiquidationLogic",
    "PoolLogic",
    "ConfiguratorLogic",
)
_ADMIN_ROLES = ("PoolAdmin", "RiskAdmin", "AssetListingAdmin", "EmergencyAdmin")
_RAY_PERCENT = 10**25
_RATES_PERCENT = (80, 0, 4, 60, 0, 60, 1, 8, 20)  # of a stock interest rate strategy
_ORACLE_UNIT = 10**8
_INIT_RESERVES = (
    "initReserves((address,address,address,uint8,address,address,address,address,"
    "string,string,string,string,string,string,bytes)[])"
)


@dataclass(frozen=True, slots=True)
class Lender:
    """The addresses of a market that anybody asks for later."""

    provider: Address
    pool: Address
    configurator: Address


def deploy_lender(script: Script, artifacts: Artifacts, tokens: dict[str, Address]) -> Lender:
    """Add a market in which the tokens with a supply are listed, with flash loans at the premium."""
    provider, oracle = _add_address_book(script, artifacts)
    lender = _add_pool(script, artifacts, provider)
    _list_reserves(script, artifacts, lender, tokens)
    for token in _lent():
        place = tokens[token.symbol]
        data = call_data("setReserveFlashLoaning(address,bool)", place, True)
        script.call(f"flash loans of {token.symbol}", lender.configurator, data)
        price = token.price_usd * _ORACLE_UNIT
        data = call_data("setAssetPrice(address,uint256)", place, price)
        script.call(f"oracle price of {token.symbol}", oracle, data)
    data = call_data("updateFlashloanPremiumTotal(uint128)", PREMIUM_BPS)
    script.call("flash loan premium", lender.configurator, data)
    return lender


def supply_lender(script: Script, lender: Lender, tokens: dict[str, Address]) -> None:
    """Fill the market from what the deployer holds."""
    for token in _lent():
        amount = token.lent * 10**token.decimals
        data = call_data(
            "supply(address,uint256,address,uint16)",
            *(tokens[token.symbol], amount, script.deployer, 0),
        )
        script.call(f"supply of {token.symbol}", lender.pool, data)


def _lent() -> tuple[TokenPlan, ...]:
    return tuple(token for token in TOKENS if token.lent)


def _add_address_book(script: Script, artifacts: Artifacts) -> tuple[Address, Address]:
    """Who is where and who may do what; then prices and the read-only view."""
    code = artifacts.creation_code(_CONFIGURATION.format("PoolAddressesProvider"))
    named = arguments(("string", "address"), "devnet", script.deployer)
    provider = script.create("Aave address book", code + named)
    script.call("ACL admin", provider, call_data("setACLAdmin(address)", script.deployer))
    of_provider = arguments(("address",), provider)
    code = artifacts.creation_code(_CONFIGURATION.format("ACLManager"))
    access = script.create("ACL manager", code + of_provider)
    script.call("ACL manager", provider, call_data("setACLManager(address)", access))
    for role in _ADMIN_ROLES:
        script.call(f"role {role}", access, call_data(f"add{role}(address)", script.deployer))

    oracle = script.create("price oracle", artifacts.creation_code(_PRICE_ORACLE))
    script.call("price oracle", provider, call_data("setPriceOracle(address)", oracle))
    view = script.create("data provider", artifacts.creation_code(_DATA_PROVIDER) + of_provider)
    script.call("data provider", provider, call_data("setPoolDataProvider(address)", view))
    return provider, oracle


def _add_pool(script: Script, artifacts: Artifacts, provider: Address) -> Lender:
    """Add libraries (FlashLoanLogic links BorrowLogic), implementations, and the proxies the provider makes."""
    libraries = {
        name: script.create(name, artifacts.creation_code(_LOGIC.format(name)))
        for name in _INDEPENDENT_LIBRARIES
    }
    name = "FlashLoanLogic"
    code = artifacts.creation_code(_LOGIC.format(name), libraries)
    libraries[name] = script.create(name, code)

    of_provider = arguments(("address",), provider)
    code = artifacts.creation_code(_POOL.format("Pool"), libraries)
    implementation = script.create("Aave pool", code + of_provider)
    data = call_data("initialize(address)", provider)
    script.call("initialise the Aave pool", implementation, data)
    data = call_data("setPoolImpl(address)", implementation)
    script.call("Aave pool proxy", provider, data)

    code = artifacts.creation_code(_POOL.format("PoolConfigurator"), libraries)
    implementation = script.create("Aave configurator", code)
    data = call_data("setPoolConfiguratorImpl(address)", implementation)
    script.call("Aave configurator proxy", provider, data)
    return Lender(provider, create_address(provider, 1), create_address(provider, 2))


def _list_reserves(
    script: Script, artifacts: Artifacts, lender: Lender, tokens: dict[str, Address]
) -> None:
    """One implementation of each token kind serves all reserves."""
    of_pool = arguments(("address",), lender.pool)
    kinds = [
        script.create(kind, artifacts.creation_code(_TOKEN.format(kind)) + of_pool)
        for kind in ("AToken", "StableDebtToken", "VariableDebtToken")
    ]
    strategy = arguments(
        ("address",) + ("uint256",) * len(_RATES_PERCENT),
        *(lender.provider, *(percent * _RAY_PERCENT for percent in _RATES_PERCENT)),
    )
    code = artifacts.creation_code(_POOL.format("DefaultReserveInterestRateStrategy"))
    rates = script.create("interest rates", code + strategy)
    treasury = ACCOUNTS[-1]
    reserves = [
        (
            *(*kinds, token.decimals, rates, tokens[token.symbol], treasury, ZERO_ADDRESS),
            *(f"Aave {token.symbol}", f"a{token.symbol}"),
            *(f"Variable debt {token.symbol}", f"variableDebt{token.symbol}"),
            *(f"Stable debt {token.symbol}", f"stableDebt{token.symbol}"),
            b"",
        )
        for token in _lent()
    ]
    script.call("reserves", lender.configurator, call_data(_INIT_RESERVES, reserves))
