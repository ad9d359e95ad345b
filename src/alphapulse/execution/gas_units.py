"""Gas units of the committed contract. Written by `python -m support.gas_measurement`, not by hand.

Units   gas before refunds, without the transaction and its calldata; see alphapulse.execution.gas.
Source  least squares over 150 random plans on the devnet, first writes taken out; *_AGAIN, *_TRANSFER measured singly.
"""

__all__ = [
    "CROSSING",
    "OVERHEAD",
    "OVERHEAD_REFUND",
    "PLAIN_TRANSFER",
    "STEP_REFUND",
    "TICK_CROSSED",
    "V2_AGAIN",
    "V2_REFUND",
    "V2_STEP",
    "V3_AGAIN",
    "V3_STEP",
    "WORD_CROSSED",
    "WRAPPED_TRANSFER",
]

CROSSING = 6_427
OVERHEAD = 171_264
OVERHEAD_REFUND = 39_800
PLAIN_TRANSFER = 12_905
STEP_REFUND = 19_900
TICK_CROSSED = 23_694
V2_AGAIN = 42_674
V2_REFUND = 2_800
V2_STEP = 80_483
V3_AGAIN = 50_497
V3_STEP = 86_347
WORD_CROSSED = 6_237
WRAPPED_TRANSFER = 12_921
