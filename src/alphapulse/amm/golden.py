"""Fixed questions whose answers tell whether a twin can be trusted."""

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import PowVersion
from alphapulse.amm.balancer_math.stable_math import InvariantVersion
from alphapulse.amm.twin import Kernel

__all__ = ["GOLDEN", "golden_answers"]


def golden_answers(kernel: Kernel) -> tuple[int, ...]:
    """Return answers of every kind from fixed states; they must be GOLDEN whichever twin gives them."""
    pair = kernel.v2_pool(10**21, 2 * 10**24 + 7, 3000)
    ticks = {-600: (10**18, 10**18), -60: (10**21, 10**21), 120: (10**21, -(10**21))}
    ticks[1200] = (10**18, -(10**18))
    pool = kernel.v3_pool(79228162514264337593543950336, 0, 10**21 + 10**18, 500, 60, ticks)
    far = kernel.v2_pool(10**24, 1020 * 10**21, 3000)
    found = kernel.optimise([(far, True), (pool, True)], premium_bps=5, max_amount_in=10**30)
    curve = kernel.curve_pool(
        (10**24, 2 * 10**12, 3 * 10**12),
        (10**18, 10**30, 10**30),
        Ramp(200, 600, 0, 100),
        timestamp=40,
        fee=4 * 10**6,
        admin_fee=5 * 10**9,
        a_precision=1,
    )
    stable = kernel.balancer_stable_pool(
        (10**24, 2 * 10**12),
        (10**18, 10**30),
        Ramp(50_000, 50_000),
        timestamp=0,
        fee=10**14,
        invariant_version=InvariantVersion.ROUNDED_UP,
    )
    weighted = kernel.weighted_pool(
        (10**24, 2 * 10**12),
        (8 * 10**17, 2 * 10**17),
        (18, 6),
        10**15,
        pow_version=PowVersion.FIRST,
    )
    smooth = kernel.solidly_stable_pool(10**24, 2 * 10**12, (18, 6), 5)
    cycle = [(weighted.pair(0, 1), True), (curve.pair(0, 1), False)]
    most = kernel.optimise(cycle, premium_bps=0, max_amount_in=10**30)
    return (
        *(most.amounts if most else ()),
        *(one.amount_out(10**20, 0, 1) for one in (curve, stable, weighted, smooth)),
        *(one.amount_in(10**7, 0, 1) for one in (curve, stable, weighted, smooth)),
        pair.amount_out(10**18, True),
        pair.amount_in(10**18, False),
        pool.amount_out(302 * 10**16, True),
        pool.amount_in(10**17, False),
        pool.ticks_crossed(604 * 10**16, False),
        pool.marginal_rate_x128(True),
        *(found.amounts if found else ()),
    )


# What the specification answers, which the deployed contracts stand behind.
GOLDEN: tuple[int, ...] = (
    205013355259478100104850,
    1050799119847,
    953240043766054794481794,
    100328349,
    101643111,
    799000439,
    107636006,
    9967267602688298540,
    9838323380271062269,
    1251255171437437438,
    9290379154389847115,
    1992013962079806432986,
    2008026080242730192580,
    3009293853783085675,
    100060021018602019,
    1,
    340112225737477994231642920128052327350,
    2963593941229926999,
    3013788317744497741,
    3003219967965879955,
)
