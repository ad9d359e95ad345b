"""Gas of a flash arbitrage, the base fees it may meet, and what may be paid for it. Pure integers.

A path burns gas, and at its end up to a fifth of that is refunded for slots that are empty again (EIP-3529). Both sums are made of
measured parts, and the receipt's figure follows from the two: no part of it alone would be additive.
"""

from collections.abc import Sequence

import msgspec

from alphapulse.errors import BelowMinProfit, LimitExceeded, ValueOutOfRange
from alphapulse.execution import gas_units
from alphapulse.primitives.units import div_ceil, div_floor

__all__ = [
    "CONCENTRATED",
    "CONSTANT_PRODUCT",
    "ETHEREUM",
    "MAX_TRANSACTION_GAS",
    "TRANSACTION_GAS",
    "FeeRule",
    "Fees",
    "GasModel",
    "Hop",
    "PathGas",
    "base_fee_bound",
    "calldata_tokens",
    "expected_base_fee",
    "fees",
    "gas_cost",
    "gas_limit",
    "net_profit",
    "next_base_fee",
    "raised_fee",
    "token_surcharge",
    "words_between",
]

CONSTANT_PRODUCT = 0  # pool_type of the wire protocol
CONCENTRATED = 1

MAX_TRANSACTION_GAS = 2**24  # EIP-7825
TRANSACTION_GAS = 21_000
TOKEN_GAS = 4  # per calldata token: a zero byte is one token, another byte four (EIP-2028)
FLOOR_TOKEN_GAS = 10  # EIP-7623
NONZERO_BYTE_TOKENS = 4
REFUND_DIVISOR = 5  # of the gas burnt, at most a fifth comes back (EIP-3529)

FIRST_WRITE_GAS = 17_100  # a slot that held nothing costs 22,100 instead of 5,000 (EIP-2929)
CLEARED_REFUND = 4_800  # a slot that holds nothing afterwards (EIP-3529)
SLOTS_PER_TICK = 2  # growth of fees outside, one for each token
UNKNOWN_TICK_GAS = 15_000
"""Added for a tick of which nobody knows whether its two slots hold something: they cost nothing more if they do and 34,200 more if
neither does. So chosen, an estimate stays within a fifth of the truth for up to six such ticks, whichever it is."""

SPARE_TICKS = 1  # per concentrated pool: another swap of the same block may move its price
SPARE_WORDS = 2  # per concentrated pool: of its tick bitmap
SPARE_FIRST_WRITES = 2  # per hop: both price sums of a pair, growth and observation of a pool
PATH_FIRST_WRITES = 2  # the recipient's balance, the lender's treasury
RETAINED_DIVISOR = 16  # calls hold back a 64th each; four of them enclose a run (EIP-150)

TICKS_PER_DOUBLING = 6_931  # 1.0001**6931 is just below 2
WORD_TICKS = 256  # of a pool's spacing: one word of its tick bitmap

REPLACEMENT_RAISE_BPS = 1_250  # nodes ask for at least 10 %
BPS = 10_000

MIN_GAS_TARGET = 2_500  # half of the least gas limit that a block may have
MAX_BASE_FEE_BLOCKS = 64  # a bound over more blocks says nothing


class Hop(msgspec.Struct, frozen=True):
    """What one hop of a path touches, as far as it is known before it runs.

    Units   kind is the wire's pool type; ticks_crossed counts initialised ticks, known_ticks those of them whose two growth slots are
            known; first_writes and cleared count the slots of known ticks that hold nothing before, and nothing afterwards;
            words_crossed counts words of the tick bitmap beyond the first; token_gas is what the transfers of the token out burn
            beyond those of a plain token.
    Range   is_again: an earlier hop of the same transaction used the pool.
    Raises  ValueOutOfRange for a negative count, or for more known ticks or slots than there are.
    """

    kind: int
    ticks_crossed: int = 0
    words_crossed: int = 0
    known_ticks: int = 0
    first_writes: int = 0
    cleared: int = 0
    is_again: bool = False
    token_gas: int = 0

    def __post_init__(self) -> None:
        least = min(
            self.words_crossed,
            self.known_ticks,
            self.first_writes,
            self.cleared,
            self.token_gas,
            self.ticks_crossed - self.known_ticks,
            SLOTS_PER_TICK * self.known_ticks - self.first_writes,
            SLOTS_PER_TICK * self.known_ticks - self.cleared,
        )
        if least < 0:
            raise ValueOutOfRange(
                f"counts of a hop must be at least 0 and fit each other, were {self}"
            )


class PathGas(msgspec.Struct, frozen=True):
    """Gas of a path: `used` as the receipt will say, `most` before refunds with every slot as dear as it may be."""

    used: int
    most: int


class GasModel(msgspec.Struct, frozen=True):
    """Measured gas of the parts of a flash arbitrage; the defaults are those of the committed contract.

    Units   gas before refunds, without what the transaction and its calldata cost; overhead is the loan, the repayment, the profit
            check and the payment to the recipient; *_again a step through a pool used before; `*_refund` what comes back.
            crossing is paid once by a swap that crosses any tick, tick_crossed for each, word_crossed for each further word.
    Source  `python -m support.gas_measurement` on the devnet, pools and recipient in use, a second between blocks: it writes
            gas_units. tests/simulation/test_execution_gas.py compares the estimate with receipts.
    """

    overhead: int = gas_units.OVERHEAD
    v2_step: int = gas_units.V2_STEP
    v3_step: int = gas_units.V3_STEP
    tick_crossed: int = gas_units.TICK_CROSSED
    crossing: int = gas_units.CROSSING
    word_crossed: int = gas_units.WORD_CROSSED
    v2_again: int = gas_units.V2_AGAIN
    v3_again: int = gas_units.V3_AGAIN
    overhead_refund: int = gas_units.OVERHEAD_REFUND
    step_refund: int = gas_units.STEP_REFUND
    v2_refund: int = gas_units.V2_REFUND
    unknown_tick: int = UNKNOWN_TICK_GAS

    def path(self, hops: Sequence[Hop], calldata: bytes, *, first_writes: int = 0) -> PathGas:
        """Return the gas that a run over these hops should use, and the most it may burn.

        Units   gas; first_writes counts slots beside the crossed ticks that are known to hold nothing, as the balance of a recipient
                who was never paid in this token.
        Range   first_writes >= 0.
        Raises  ValueOutOfRange for a kind that was never measured.
        Source  EIP-2028, EIP-3529 and EIP-7623 for calldata and refunds, measurement for the rest.
        """
        if first_writes < 0:
            raise ValueOutOfRange(f"`first_writes` must be at least 0, was {first_writes}")
        tokens = calldata_tokens(calldata)
        burnt = most = TRANSACTION_GAS + TOKEN_GAS * tokens + self.overhead
        burnt += first_writes * FIRST_WRITE_GAS
        refund = self.overhead_refund
        most += PATH_FIRST_WRITES * FIRST_WRITE_GAS
        for hop in hops:
            step, again = self._steps(hop.kind)
            ticks = hop.ticks_crossed
            known = hop.token_gas + hop.words_crossed * self.word_crossed
            known += (again if hop.is_again else step) + ticks * self.tick_crossed
            if ticks:
                known += self.crossing
            burnt += known + hop.first_writes * FIRST_WRITE_GAS
            burnt += (ticks - hop.known_ticks) * self.unknown_tick
            refund += self.step_refund + hop.cleared * CLEARED_REFUND
            most += known + SPARE_FIRST_WRITES * FIRST_WRITE_GAS
            most += SLOTS_PER_TICK * ticks * FIRST_WRITE_GAS
            if hop.kind == CONSTANT_PRODUCT:
                refund += self.v2_refund
            else:
                most += self._spare()
        used = burnt - min(refund, div_floor(burnt, REFUND_DIVISOR))
        floor = TRANSACTION_GAS + FLOOR_TOKEN_GAS * tokens
        return PathGas(max(used, floor), max(most, floor))

    def estimate(self, kinds: Sequence[int], ticks_crossed: int, calldata: bytes) -> int:
        """Return the gas that a run should use, when only the sum of the ticks that its path crosses is known.

        Range   ticks_crossed >= 0, 0 without a concentrated pool.
        Raises  ValueOutOfRange for another kind or a negative count.
        Source  as path.
        """
        if CONCENTRATED not in kinds:
            return self.path([Hop(kind) for kind in kinds], calldata).used
        place = list(kinds).index(CONCENTRATED)
        hops = [Hop(kind, ticks_crossed if at == place else 0) for at, kind in enumerate(kinds)]
        return self.path(hops, calldata).used

    def _steps(self, kind: int) -> tuple[int, int]:
        if kind == CONSTANT_PRODUCT:
            return self.v2_step, self.v2_again
        if kind == CONCENTRATED:
            return self.v3_step, self.v3_again
        raise ValueOutOfRange(f"`kind` must be 0 or 1, was {kind}")

    def _spare(self) -> int:
        tick = self.tick_crossed + SLOTS_PER_TICK * FIRST_WRITE_GAS
        return self.crossing + SPARE_TICKS * tick + SPARE_WORDS * self.word_crossed


class FeeRule(msgspec.Struct, frozen=True):
    """How a chain moves its base fee: the target is 1/elasticity of the gas limit, a block that uses none or twice the target moves the
    fee by 1/denominator. Ethereum's is the default; an OP-stack chain states its own.

    Range   elasticity >= 2, denominator >= 1; follows_gas_used is False where the fee moves by another law, as Arbitrum's does:
            then a bound is all that is known of the next one.
    Source  EIP-1559.
    """

    elasticity: int = 2
    denominator: int = 8
    follows_gas_used: bool = True

    def __post_init__(self) -> None:
        if self.elasticity < 2 or self.denominator < 1:
            raise ValueOutOfRange(
                f"`elasticity` must be at least 2 and `denominator` at least 1, were {self.elasticity}, "
                f"{self.denominator}"
            )


ETHEREUM = FeeRule()


class Fees(msgspec.Struct, frozen=True):
    """What a transaction offers, in wei per gas."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int


def calldata_tokens(calldata: bytes) -> int:
    """Return the calldata tokens of EIP-7623: one per zero byte, four per other byte."""
    return NONZERO_BYTE_TOKENS * len(calldata) - (NONZERO_BYTE_TOKENS - 1) * calldata.count(0)


def gas_limit(most: int) -> int:
    """Return the gas limit for the most that a path may burn: a sixteenth more, for calls hold gas back.

    Raises  LimitExceeded when it is above the chain's cap per transaction (EIP-7825), before anything is signed.
    """
    limit = most + div_ceil(most, RETAINED_DIVISOR)
    if limit > MAX_TRANSACTION_GAS:
        raise LimitExceeded(
            f"`gas_limit` must be at most {MAX_TRANSACTION_GAS} per transaction, was {limit}"
        )
    return limit


def token_surcharge(transfer_gas: int) -> int:
    """Return what a token out of a hop burns beyond a plain one: it moves into and out of our hands.

    Units   transfer_gas is the gas of one `transfer` between two holders, as a trace of the token tells; gas.
    Range   0 for a token that is no dearer than the plain one.
    Source  measured for the tokens of the devnet; linear in the transfer beyond.
    """
    return 2 * max(0, transfer_gas - gas_units.PLAIN_TRANSFER)


def words_between(rate_before: int, rate_after: int, tick_spacing: int) -> int:
    """Return how many whole words of a tick bitmap a fall of a pool's rate passes; each costs gas, with liquidity or without.

    Units   rates in any common unit; tick_spacing in ticks.
    Range   rate_before >= rate_after > 0; never above the truth, and below it by at most one word for a spacing of 10 or more.
    Raises  ValueOutOfRange otherwise.
    Source  a word is 256 spacings, a tick a factor of 1.0001; log2(1 + f) >= f between powers of two.
    """
    if not 0 < rate_after <= rate_before or tick_spacing <= 0:
        raise ValueOutOfRange("`rate_after` must be above 0 and not above `rate_before`")
    ratio = div_floor(rate_before << 32, rate_after)
    doublings = ratio.bit_length() - 33
    beyond = (ratio >> doublings) - (1 << 32)
    ticks = doublings * TICKS_PER_DOUBLING + ((beyond * TICKS_PER_DOUBLING) >> 32)
    return div_floor(ticks, WORD_TICKS * tick_spacing)


def next_base_fee(
    base_fee_per_gas: int, gas_used: int, block_gas_limit: int, rule: FeeRule = ETHEREUM
) -> int:
    """Return the base fee of the block after one with these figures, exactly.

    Units   wei per gas; gas.
    Range   base_fee_per_gas >= 0; 0 <= gas_used <= block_gas_limit; block_gas_limit >= elasticity.
    Raises  ValueOutOfRange otherwise.
    Source  EIP-1559, with the chain's own parameters.
    """
    if (
        base_fee_per_gas < 0
        or not 0 <= gas_used <= block_gas_limit
        or block_gas_limit < rule.elasticity
    ):
        raise ValueOutOfRange(
            "`base_fee_per_gas`, `gas_used` and `block_gas_limit` must be those of a block, were "
            f"{base_fee_per_gas}, {gas_used}, {block_gas_limit}"
        )
    target = div_floor(block_gas_limit, rule.elasticity)
    if gas_used == target:
        return base_fee_per_gas
    change = div_floor(
        div_floor(base_fee_per_gas * abs(gas_used - target), target), rule.denominator
    )
    if gas_used > target:
        return base_fee_per_gas + max(change, 1)
    return base_fee_per_gas - change


def base_fee_bound(base_fee_per_gas: int, blocks: int, rule: FeeRule = ETHEREUM) -> int:
    """Return what the base fee cannot exceed within so many blocks after one with this base fee.

    Units   wei per gas.
    Range   base_fee_per_gas >= 0; 0 <= blocks <= 64. Never below a chain of `next_base_fee` of full blocks: a gas limit that the
            elasticity does not divide lets a block use a little more than that many targets, which the bound includes.
    Raises  ValueOutOfRange otherwise.
    Source  EIP-1559.
    """
    if base_fee_per_gas < 0 or not 0 <= blocks <= MAX_BASE_FEE_BLOCKS:
        raise ValueOutOfRange(
            f"`base_fee_per_gas` must be at least 0 and `blocks` 0 to {MAX_BASE_FEE_BLOCKS}, were "
            f"{base_fee_per_gas}, {blocks}"
        )
    bound = base_fee_per_gas
    most = (rule.elasticity - 1) * (MIN_GAS_TARGET + 1)
    for _ in range(blocks):
        bound += max(div_ceil(bound * most, MIN_GAS_TARGET * rule.denominator), 1)
    return bound


def expected_base_fee(
    base_fee_per_gas: int, gas_used: int, block_gas_limit: int, rule: FeeRule = ETHEREUM
) -> int:
    """Return the next block's base fee: exactly where the block's gas is known, else the most that it can be.

    Units   wei per gas; gas.
    Range   as `next_base_fee`; block_gas_limit 0 says that the gas is not known.
    Raises  ValueOutOfRange as `next_base_fee`.
    Source  EIP-1559.
    """
    if block_gas_limit < rule.elasticity or not rule.follows_gas_used:
        return base_fee_bound(base_fee_per_gas, 1, rule)
    return next_base_fee(base_fee_per_gas, gas_used, block_gas_limit, rule)


def fees(
    base_fee_per_gas: int,
    tip_per_gas: int,
    valid_blocks: int,
    *,
    rule: FeeRule = ETHEREUM,
    affordable_per_gas: int | None = None,
) -> Fees:
    """Return fees that stay valid for so many blocks after one with this base fee.

    Units   wei per gas; affordable_per_gas is what the profit can pay per gas, None for no such cap.
    Range   tip_per_gas >= 0; valid_blocks in 1 ... 64.
    Raises  BelowMinProfit when the profit cannot pay this block's base fee and the tip; ValueOutOfRange otherwise.
    Source  EIP-1559.
    """
    if tip_per_gas < 0 or valid_blocks < 1:
        raise ValueOutOfRange(
            f"`tip_per_gas` must be at least 0 and `valid_blocks` at least 1, were "
            f"{tip_per_gas}, {valid_blocks}"
        )
    max_fee = base_fee_bound(base_fee_per_gas, valid_blocks, rule) + tip_per_gas
    if affordable_per_gas is not None and affordable_per_gas < max_fee:
        if affordable_per_gas < base_fee_per_gas + tip_per_gas:
            raise BelowMinProfit(
                f"the profit pays {affordable_per_gas} wei per gas, base fee and tip ask for "
                f"{base_fee_per_gas + tip_per_gas}"
            )
        max_fee = affordable_per_gas
    return Fees(max_fee, tip_per_gas)


def raised_fee(fee_per_gas: int) -> int:
    """Return a fee that replaces another of the same nonce: 12.5 % more, rounded up, at least 1 wei more."""
    return fee_per_gas + max(div_ceil(fee_per_gas * REPLACEMENT_RAISE_BPS, BPS), 1)


def gas_cost(gas_used: int, base_fee_per_gas: int, tip_per_gas: int) -> int:
    """Return the wei that so much gas costs."""
    return gas_used * (base_fee_per_gas + tip_per_gas)


def net_profit(
    amount_out: int,
    amount_in: int,
    *,
    flash_fee: int,
    gas: int,
    l1_data_fee: int = 0,
    operator_fee: int = 0,
    builder_payment: int = 0,
) -> int:
    """Return what is left of a cycle after every cost; negative when the costs win.

    Units   all in smallest units of the profit token, costs already converted into it and rounded up.
    Range   all >= 0.
    Raises  ValueOutOfRange for a negative argument: no cost is a gain.
    """
    costs = (flash_fee, gas, l1_data_fee, operator_fee, builder_payment)
    if min(amount_out, amount_in, *costs) < 0:
        raise ValueOutOfRange(f"amounts and costs must be at least 0, had {min(costs)} as least")
    return amount_out - amount_in - sum(costs)
