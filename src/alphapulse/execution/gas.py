"""Gas of a flash arbitrage, the base fees it may meet, and what may be paid for it. Pure integers.

The constants are measured on the compiled contract; a simulation test compares the estimate with the node's own
estimate and with receipts.
"""

from collections.abc import Sequence

import msgspec

from alphapulse.errors import BelowMinProfit, LimitExceeded, ValueOutOfRange
from alphapulse.primitives.units import div_ceil, div_floor

__all__ = [
    "CONCENTRATED",
    "CONSTANT_PRODUCT",
    "MAX_TRANSACTION_GAS",
    "Fees",
    "GasModel",
    "base_fee_bound",
    "calldata_tokens",
    "fees",
    "gas_cost",
    "gas_limit",
    "intrinsic_gas",
    "net_profit",
    "next_base_fee",
    "raised_fee",
]

CONSTANT_PRODUCT = 0  # pool_type of the wire protocol
CONCENTRATED = 1

MAX_TRANSACTION_GAS = 2**24  # EIP-7825
TRANSACTION_GAS = 21_000
TOKEN_GAS = 4  # per calldata token: a zero byte is one token, another byte four (EIP-2028)
FLOOR_TOKEN_GAS = 10  # EIP-7623
NONZERO_BYTE_TOKENS = 4

ELASTICITY = 2  # EIP-1559
BASE_FEE_CHANGE_DENOMINATOR = 8
MIN_GAS_TARGET = 2_500  # half of the least gas limit that a block may have
MAX_BASE_FEE_BLOCKS = 64  # a bound over more blocks says nothing

GAS_LIMIT_MARGIN_BPS = 7_500
"""A quarter, because refunds of up to a fifth come only at the end (EIP-3529), a sixty-fourth that each call holds back,
and the rest for slots written for the first time and ticks that another swap of the same block moved."""

REPLACEMENT_RAISE_BPS = 1_250  # nodes ask for at least 10 %
BPS = 10_000


class GasModel(msgspec.Struct, frozen=True):
    """Measured gas of the parts of a flash arbitrage; the defaults are those of the committed contract.

    Units   gas, after refunds. overhead is the loan, the repayment, the profit check and the payment to the recipient.
    Source  tests/simulation/test_execution_gas.py on the devnet, tokens, pools and recipient in use, a second between
            blocks; contracts/gas.json has the same parts from another set-up. A first use of a slot adds up to a fifth,
            which the gas limit has room for. A tick costs 7,000 to 48,000, by whether its slots are cleared, changed or
            written for the first time; the constant lies in the middle.
    """

    overhead: int = 134_000
    v2_step: int = 64_500
    v3_step: int = 69_500
    tick_crossed: int = 27_000

    def estimate(self, kinds: Sequence[int], ticks_crossed: int, calldata: bytes) -> int:
        """Return the gas that a run over pools of these kinds should use.

        Units   kinds are the wire's pool types (0 constant product, 1 concentrated), one per hop; ticks_crossed counts
                initialised ticks over the whole path.
        Range   ticks_crossed >= 0.
        Raises  ValueOutOfRange for another kind or a negative count.
        Source  EIP-2028 and EIP-7623 for calldata, measurement for the rest.
        """
        if ticks_crossed < 0:
            raise ValueOutOfRange(f"`ticks_crossed` must be at least 0, was {ticks_crossed}")
        execution = self.overhead + ticks_crossed * self.tick_crossed
        for kind in kinds:
            if kind == CONSTANT_PRODUCT:
                execution += self.v2_step
            elif kind == CONCENTRATED:
                execution += self.v3_step
            else:
                raise ValueOutOfRange(f"`kind` must be 0 or 1, was {kind}")
        return intrinsic_gas(calldata, execution)


class Fees(msgspec.Struct, frozen=True):
    """What a transaction offers, in wei per gas."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int


def calldata_tokens(calldata: bytes) -> int:
    """Return the calldata tokens of EIP-7623: one per zero byte, four per other byte."""
    return NONZERO_BYTE_TOKENS * len(calldata) - (NONZERO_BYTE_TOKENS - 1) * calldata.count(0)


def intrinsic_gas(calldata: bytes, execution: int) -> int:
    """Return the gas charged for a call that burns `execution` gas in the EVM, with the calldata floor.

    Source  EIP-2028, EIP-7623; no access list, no contract creation, refunds not counted.
    """
    tokens = calldata_tokens(calldata)
    return TRANSACTION_GAS + max(TOKEN_GAS * tokens + execution, FLOOR_TOKEN_GAS * tokens)


def gas_limit(estimate: int) -> int:
    """Return the gas limit for an estimate: three quarters more, rounded up.

    Raises  LimitExceeded when it is above the chain's cap per transaction (EIP-7825), before anything is signed.
    """
    limit = estimate + div_ceil(estimate * GAS_LIMIT_MARGIN_BPS, BPS)
    if limit > MAX_TRANSACTION_GAS:
        raise LimitExceeded(
            f"`gas_limit` must be at most {MAX_TRANSACTION_GAS} per transaction, was {limit}"
        )
    return limit


def next_base_fee(base_fee_per_gas: int, gas_used: int, block_gas_limit: int) -> int:
    """Return the base fee of the block after one with these figures, exactly.

    Units   wei per gas; gas.
    Range   base_fee_per_gas >= 0; 0 <= gas_used <= block_gas_limit; block_gas_limit >= 2.
    Raises  ValueOutOfRange otherwise.
    Source  EIP-1559.
    """
    if base_fee_per_gas < 0 or not 0 <= gas_used <= block_gas_limit or block_gas_limit < ELASTICITY:
        raise ValueOutOfRange(
            "`base_fee_per_gas`, `gas_used` and `block_gas_limit` must be those of a block, were "
            f"{base_fee_per_gas}, {gas_used}, {block_gas_limit}"
        )
    target = div_floor(block_gas_limit, ELASTICITY)
    if gas_used == target:
        return base_fee_per_gas
    change = div_floor(
        div_floor(base_fee_per_gas * abs(gas_used - target), target), BASE_FEE_CHANGE_DENOMINATOR
    )
    if gas_used > target:
        return base_fee_per_gas + max(change, 1)
    return base_fee_per_gas - change


def base_fee_bound(base_fee_per_gas: int, blocks: int) -> int:
    """Return what the base fee cannot exceed within so many blocks after one with this base fee.

    Units   wei per gas.
    Range   base_fee_per_gas >= 0; 0 <= blocks <= 64. Never below a chain of `next_base_fee` of full blocks: a block
            with an odd gas limit can use one gas more than twice its target, which the bound includes.
    Raises  ValueOutOfRange otherwise.
    Source  EIP-1559.
    """
    if base_fee_per_gas < 0 or not 0 <= blocks <= MAX_BASE_FEE_BLOCKS:
        raise ValueOutOfRange(
            f"`base_fee_per_gas` must be at least 0 and `blocks` 0 to {MAX_BASE_FEE_BLOCKS}, were "
            f"{base_fee_per_gas}, {blocks}"
        )
    bound = base_fee_per_gas
    for _ in range(blocks):
        rise = div_ceil(bound * (MIN_GAS_TARGET + 1), MIN_GAS_TARGET * BASE_FEE_CHANGE_DENOMINATOR)
        bound += max(rise, 1)
    return bound


def fees(
    base_fee_per_gas: int,
    tip_per_gas: int,
    valid_blocks: int,
    *,
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
    max_fee = base_fee_bound(base_fee_per_gas, valid_blocks) + tip_per_gas
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
