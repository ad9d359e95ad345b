"""What a pool would answer, in plain integers: no protocol types, no chain, no clock.

`market` folds events into the pools; `strategies` size cycles over them. `kernel.py` chooses the twin that answers. The names below
are for those who use this room alone: build a pool from values, quote it, size a cycle, plan over a network.
"""

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import PowVersion
from alphapulse.amm.balancer_math.stable_math import InvariantVersion
from alphapulse.amm.kernel import (
    BalancerStablePool,
    CurvePool,
    Sizing,
    SolidlyStablePool,
    SolidlyVolatilePool,
    V2Pool,
    V3Pool,
    V4Pool,
    WeightedPool,
    optimise,
    optimise_batch,
    quote_batch,
    require,
)
from alphapulse.amm.network import FlowPlan, optimal_flow
from alphapulse.amm.network_walks import NetworkPool
from alphapulse.amm.solidly import StableVersion

__all__ = [
    "BalancerStablePool",
    "CurvePool",
    "FlowPlan",
    "InvariantVersion",
    "NetworkPool",
    "PowVersion",
    "Ramp",
    "Sizing",
    "SolidlyStablePool",
    "SolidlyVolatilePool",
    "StableVersion",
    "V2Pool",
    "V3Pool",
    "V4Pool",
    "WeightedPool",
    "optimal_flow",
    "optimise",
    "optimise_batch",
    "quote_batch",
    "require",
]
