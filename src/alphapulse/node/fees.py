"""What a chain and its builders take, as configuration states it and as the strategy reckons with it."""

from typing import Annotated, Literal

import msgspec

from alphapulse.errors import Misconfigured, ValueOutOfRange
from alphapulse.execution.gas import MAX_TRANSACTION_GAS, FeeRule
from alphapulse.execution.l1_fee import ArbitrumFee, L1FeeModel, OpStackFee, OpStackFork
from alphapulse.execution.tip import FixedTip, ShareTip, TipPolicy
from alphapulse.node.section import NotNegative, Section

__all__ = [
    "FeesSection",
    "L1FeeSection",
    "TransferGas",
    "check_fees",
    "fee_rule",
    "l1_fee_model",
    "tip_policy",
]

BPS = 10_000

Bps = Annotated[int, msgspec.Meta(ge=0, le=BPS)]
TransferGas = Annotated[int, msgspec.Meta(ge=0, le=MAX_TRANSACTION_GAS)]
OP_STACK_KEYS = (
    "overhead",
    "scalar",
    "base_fee_scalar",
    "blob_base_fee_scalar",
    "operator_fee_scalar",
    "operator_fee_constant",
)


class FeesSection(Section, frozen=True):
    """How the base fee moves, and what of a profit is offered to whoever builds the block.

    A `fixed` tip is `execution.tip_per_gas_wei`; a `share` is `tip_share_bps` of the profit before it, at least
    `tip_floor_per_gas_wei`, at most `tip_max_share_bps`. `builder_share_bps` is reckoned with as a cost; the contract
    pays no builder.
    """

    base_fee_elasticity: Annotated[int, msgspec.Meta(ge=2)] = 2
    base_fee_denominator: Annotated[int, msgspec.Meta(ge=1)] = 8
    base_fee_follows_gas_used: bool = True
    tip: Literal["fixed", "share"] = "fixed"
    tip_share_bps: Bps = 0
    tip_max_share_bps: Bps = BPS
    tip_floor_per_gas_wei: NotNegative = 0
    builder_share_bps: Bps = 0


class L1FeeSection(Section, frozen=True):
    """What a rollup takes for layer 1. Scalars as the chain's contracts tell them; `fork` matters on the OP stack."""

    kind: Literal["op_stack", "arbitrum"]
    fork: Literal["bedrock", "regolith", "ecotone", "fjord", "isthmus", "jovian"] | None = None
    overhead: NotNegative = 0
    scalar: NotNegative = 0
    base_fee_scalar: NotNegative = 0
    blob_base_fee_scalar: NotNegative = 0
    operator_fee_scalar: NotNegative = 0
    operator_fee_constant: NotNegative = 0
    compressed_permille: int | None = None
    margin_bps: NotNegative = 0


def fee_rule(section: FeesSection) -> FeeRule:
    """Return how the chain moves its base fee."""
    return FeeRule(
        section.base_fee_elasticity,
        section.base_fee_denominator,
        section.base_fee_follows_gas_used,
    )


def tip_policy(section: FeesSection, tip_per_gas_wei: int) -> TipPolicy:
    """Return what is offered for inclusion."""
    if section.tip == "fixed":
        return FixedTip(tip_per_gas_wei)
    return ShareTip(section.tip_share_bps, section.tip_max_share_bps, section.tip_floor_per_gas_wei)


def l1_fee_model(section: L1FeeSection | None) -> L1FeeModel | None:
    """Return the chain's layer-1 fee, None where it takes none.

    Raises  ValueOutOfRange for a value that the model refuses.
    """
    if section is None:
        return None
    if section.kind == "arbitrum":
        permille = section.compressed_permille
        return ArbitrumFee(1_000 if permille is None else permille, section.margin_bps)
    return OpStackFee(
        OpStackFork[(section.fork or "").upper()],
        overhead=section.overhead,
        scalar=section.scalar,
        base_fee_scalar=section.base_fee_scalar,
        blob_base_fee_scalar=section.blob_base_fee_scalar,
        operator_fee_scalar=section.operator_fee_scalar,
        operator_fee_constant=section.operator_fee_constant,
        margin_bps=section.margin_bps,
    )


def check_fees(fees: FeesSection, l1_fee: L1FeeSection | None, name: str) -> None:
    """Refuse settings that contradict each other, before anything starts.

    Raises  Misconfigured, naming key, rule and what to write instead.
    """
    where = f"configuration `{name}`"
    if fees.tip == "fixed" and (fees.tip_share_bps or fees.tip_floor_per_gas_wei):
        raise Misconfigured(
            f'{where}: `fees.tip_share_bps` and `fees.tip_floor_per_gas_wei` are for `fees.tip = "share"`; '
            "write that, or leave them out: a fixed tip is `execution.tip_per_gas_wei`"
        )
    if fees.tip == "share" and not 0 < fees.tip_share_bps <= fees.tip_max_share_bps:
        raise Misconfigured(
            f"{where}: `fees.tip_share_bps` must be 1 to `fees.tip_max_share_bps` ({fees.tip_max_share_bps}) when "
            f"`fees.tip` is `share`, was {fees.tip_share_bps}"
        )
    if fees.tip == "share" and fees.tip_max_share_bps + fees.builder_share_bps > BPS:
        raise Misconfigured(
            f"{where}: `fees.tip_max_share_bps` and `fees.builder_share_bps` must be at most {BPS} together, were "
            f"{fees.tip_max_share_bps} and {fees.builder_share_bps}; lower one of them"
        )
    if l1_fee is not None:
        _check_l1_fee(l1_fee, where)


def _check_l1_fee(section: L1FeeSection, where: str) -> None:
    if section.kind == "op_stack":
        if section.fork is None:
            raise Misconfigured(
                f"{where}: `l1_fee.fork` is needed when `l1_fee.kind` is `op_stack`: the fork that the chain runs"
            )
        if section.compressed_permille is not None:
            raise Misconfigured(
                f'{where}: `l1_fee.compressed_permille` is for `l1_fee.kind = "arbitrum"`; leave it out'
            )
    else:
        foreign = [key for key in ("fork", *OP_STACK_KEYS) if getattr(section, key)]
        if foreign:
            raise Misconfigured(
                f'{where}: `l1_fee.{foreign[0]}` is for `l1_fee.kind = "op_stack"`; leave it out'
            )
    try:
        l1_fee_model(section)
    except ValueOutOfRange as error:
        raise Misconfigured(f"{where}: `l1_fee`: {error}") from error
