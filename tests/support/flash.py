"""A strategy fed with a made-up universe, and how to read what it says."""

from alphapulse.execution.plan import Plan
from alphapulse.protocol.execution import EmergencyStop, ExecutionResult
from alphapulse.protocol.header import Domain, Source
from alphapulse.strategies.flash_arbitrage.config import BorrowableToken, FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from support.random_universe import Universe
from support.universe import CHAIN_ID

MAX_LOANS = (10**23, 10**14, 10**26, 10**12)


def config_for(
    universe: Universe, *, borrowable: int = 2, **settings: object
) -> FlashArbitrageConfig:
    """Return settings that borrow the first tokens; token 0 is the native one, token 1 the dollar."""
    return FlashArbitrageConfig(
        chain_id=CHAIN_ID,
        contract=b"c" * 20,
        recipient=b"r" * 20,
        operator=b"o" * 20,
        borrowable=tuple(
            BorrowableToken(token, MAX_LOANS[place])
            for place, token in enumerate(universe.tokens[:borrowable])
        ),
        wrapped_native=universe.tokens[0],
        usd_tokens=(universe.tokens[1],),
        premium_bps=5,
        **settings,
    )


def feed(strategy: FlashArbitrage, *messages: object) -> list:
    """Return everything that the strategy says to the messages."""
    out = []
    for message in messages:
        out += strategy.on_message(message, message.header.timestamp_ns)
    return out


def plans_of(said: list) -> list[Plan]:
    return [one for one in said if isinstance(one, Plan)]


def drafts_of(said: list) -> list:
    return [one for one in said if not isinstance(one, Plan)]


def result(chain, plan, *, status: int = 1, flags: int = 1, reason: int = 0):
    tlv = ExecutionResult(
        plan.signal_id,
        plan.strategy_id,
        status,
        18,
        plan.chain_id,
        0,
        0,
        0,
        0,
        0,
        bytes(32),
        0,
        0,
        plan.profit_token,
        reason,
        flags,
    )
    return chain.message(tlv, domain=Domain.EXECUTION, source=Source.EXECUTION)


def stop(chain, action: int, *, strategies: int = 65535, source: int = 41):
    return chain.message(
        EmergencyStop(1, action, strategies, 0), domain=Domain.EXECUTION, source=source
    )
