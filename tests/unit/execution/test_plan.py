import pytest

from alphapulse.errors import DecodeError
from alphapulse.execution.plan import Plan


def test_canonical_bytes_and_back(plan_of):
    plan = plan_of(predicted_profit=-(2**255), amount_in=2**256 - 1)
    assert Plan.from_canonical(plan.canonical()) == plan


@pytest.mark.parametrize("field", ["signal_id", "calldata", "min_profit", "sender", "span_id"])
def test_every_field_counts(plan_of, field):
    plan = plan_of()
    value = getattr(plan, field)
    other = plan_of(**{field: value + 1 if isinstance(value, int) else value[:-1] + b"\x99"})
    assert other.canonical() != plan.canonical()


def test_the_direction_of_a_hop_counts(plan_of):
    plan = plan_of()
    turned = plan_of(path=plan.path[::-1])
    assert turned.canonical() != plan.canonical()


def test_torn_bytes_are_refused(plan_of):
    data = plan_of().canonical()
    for cut in range(len(data)):
        with pytest.raises(DecodeError):
            Plan.from_canonical(data[:cut])
    with pytest.raises(DecodeError, match="trailing_bytes"):
        Plan.from_canonical(data + b"\0")
