"""What the strategy is told once: whom it acts for, what it may borrow, and its limits."""

import msgspec

from alphapulse.amm.network_cycles import MAX_HOPS, MIN_HOPS
from alphapulse.errors import Misconfigured
from alphapulse.execution.gas import ETHEREUM, MAX_TRANSACTION_GAS, FeeRule, GasModel
from alphapulse.execution.l1_fee import L1FeeModel
from alphapulse.execution.tip import FixedTip, ShareTip, TipPolicy
from alphapulse.primitives.address import Address
from alphapulse.primitives.units import MAX_UINT128
from alphapulse.protocol.header import Source

__all__ = ["BorrowableToken", "FlashArbitrageConfig"]

DEFAULT_HOPS = 3
MAX_VALID_BLOCKS = 64  # beyond it a bound on the base fee says nothing
MAX_PREMIUM_BPS = 10_000
BPS = 10_000


class BorrowableToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token that the lender lends; `max_loan` in its smallest units."""

    address: Address
    max_loan: int


class FlashArbitrageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of one strategy instance.

    Units   tip_per_gas_wei in wei per gas; min_net_profit in wei of the native token; premium_bps of the loan; `*_blocks` in blocks
            of the chain; builder_share_bps of what is left after gas, tip and layer-1 fees; token_gas is what the transfers of a
            token burn beyond those of a plain one.
    Range   A token in usd_tokens counts as one dollar. A path whose last `suppress_after_failures` executions or simulations failed
            rests for suppress_blocks. Pools of a plan without a result are free again busy_margin_blocks after it expired.
            tip_policy None offers tip_per_gas_wei; l1_fee_model None is a chain without layer-1 fees. The builder's share is a cost
            that is reckoned with: the contract pays no builder, whoever submits bundles does.
    Raises  Misconfigured when a value is outside its range.
    """

    chain_id: int
    contract: Address
    recipient: Address
    operator: Address
    borrowable: tuple[BorrowableToken, ...]
    wrapped_native: Address
    usd_tokens: tuple[Address, ...]
    premium_bps: int
    source: int = Source.ARBITRAGE
    max_hops: int = DEFAULT_HOPS
    tip_per_gas_wei: int = 1_000_000_000
    valid_blocks: int = 2
    min_net_profit: int = 0
    busy_margin_blocks: int = 2
    suppress_blocks: int = 5
    suppress_after_failures: int = 1
    gas_model: GasModel = GasModel()
    fee_rule: FeeRule = ETHEREUM
    tip_policy: TipPolicy | None = None
    l1_fee_model: L1FeeModel | None = None
    builder_share_bps: int = 0
    token_gas: tuple[tuple[Address, int], ...] = ()

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("chain_id", self.chain_id, 1, 2**32 - 1),
            ("source", self.source, 20, 39),
            ("max_hops", self.max_hops, MIN_HOPS, MAX_HOPS),
            ("premium_bps", self.premium_bps, 0, MAX_PREMIUM_BPS),
            ("tip_per_gas_wei", self.tip_per_gas_wei, 0, 2**64 - 1),
            ("valid_blocks", self.valid_blocks, 1, MAX_VALID_BLOCKS),
            ("min_net_profit", self.min_net_profit, 0, MAX_UINT128),
            ("busy_margin_blocks", self.busy_margin_blocks, 0, 1_000),
            ("suppress_blocks", self.suppress_blocks, 0, 1_000_000),
            ("suppress_after_failures", self.suppress_after_failures, 1, 1_000),
            ("builder_share_bps", self.builder_share_bps, 0, BPS),
            *(("token_gas", gas, 0, MAX_TRANSACTION_GAS) for _, gas in self.token_gas),
        ):
            if not least <= value <= most:
                raise Misconfigured(f"`{name}` must be in {least} ... {most}, was {value}")
        if not self.borrowable or any(
            not 0 < token.max_loan <= MAX_UINT128 for token in self.borrowable
        ):
            raise Misconfigured("`borrowable` must name tokens with a `max_loan` above 0")
        if isinstance(self.tip_policy, ShareTip) and (
            self.tip_policy.max_share_bps + self.builder_share_bps > BPS
        ):
            raise Misconfigured(
                "`tip_policy.max_share_bps` and `builder_share_bps` must be at most 10000 together"
            )

    @property
    def tips(self) -> TipPolicy:
        """The tip policy in force."""
        return self.tip_policy or FixedTip(self.tip_per_gas_wei)
