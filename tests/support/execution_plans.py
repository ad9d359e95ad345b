"""One plausible plan, and who signs it."""

from eth_account import Account

from alphapulse.execution.plan import Plan, PlanHop
from alphapulse.execution.transaction_builder import flash_arbitrage_calldata
from alphapulse.primitives.address import Address

KEY = bytes(31) + b"\x07"
SENDER = Address(bytes.fromhex(Account.from_key(KEY).address[2:]))
TOKEN = Address(b"\xaa" * 20)
MIDDLE = Address(b"\xbb" * 20)
CONTRACT = Address(b"\xcc" * 20)
RECIPIENT = Address(b"\xdd" * 20)
POOLS = (Address(b"\x01" * 20), Address(b"\x02" * 20))


def make_plan(**changes: object) -> Plan:
    fields: dict[str, object] = {
        "signal_id": 0x1122334455667788,
        "strategy_id": 1,
        "chain_id": 31337,
        "contract": CONTRACT,
        "sender": SENDER,
        "calldata": flash_arbitrage_calldata(POOLS, (10**18, 0), 5, TOKEN, RECIPIENT),
        "path": (
            PlanHop(POOLS[0], 300, TOKEN, MIDDLE, 10**18, 2 * 10**18, True),
            PlanHop(POOLS[1], 301, MIDDLE, TOKEN, 2 * 10**18, 11 * 10**17, False),
        ),
        "profit_token": TOKEN,
        "profit_decimals": 6,
        "amount_in": 10**18,
        "predicted_profit": 1_000_000,
        "gas_cost": 3,
        "min_profit": 5,
        "gas_limit": 400_000,
        "max_fee_per_gas": 3 * 10**9,
        "max_priority_fee_per_gas": 10**9,
        "observed_block": 1,
        "valid_until_block": 3,
        "trace_id": 0xABCDEF,
        "span_id": 0x1234,
        "native_usd_e8": 2_000 * 10**8,
        "profit_token_usd_e8": 10**8,
    }
    return Plan(**(fields | changes))
