"""What a service's error becomes at its supervisor."""

from __future__ import annotations

import json

import pytest

from alphapulse.errors import (
    AlphaPulseError,
    DecodeError,
    EndpointDown,
    GateClosed,
    InvariantError,
    Misconfigured,
    OutcomeUnknown,
    StreamLost,
)
from alphapulse.node.orders import error_of, failure_of
from alphapulse.protocol.execution import ExecutionReason


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Misconfigured("key `x`"), Misconfigured),
        (EndpointDown("gone"), EndpointDown),
        (OutcomeUnknown("sent"), OutcomeUnknown),
        (StreamLost("cut"), AlphaPulseError),
        (InvariantError("ours"), InvariantError),
        (DecodeError("bad_value", 7), AlphaPulseError),
    ],
)
def test_kind_and_words_survive(error, kind) -> None:
    back = error_of(json.loads(json.dumps(failure_of(error))))
    assert isinstance(back, kind)
    assert str(back) == str(error)


def test_a_refusal_keeps_its_reason() -> None:
    back = error_of(failure_of(GateClosed("no", ExecutionReason.INSUFFICIENT_FUNDS)))
    assert isinstance(back, GateClosed)
    assert back.reason == ExecutionReason.INSUFFICIENT_FUNDS


def test_words_that_name_no_error_are_no_code() -> None:
    back = error_of({"kind": "Path", "text": "x", "reason": 0})
    assert isinstance(back, AlphaPulseError)
