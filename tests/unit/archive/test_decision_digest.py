"""The digest of decisions: order counts, boundaries count, numbering of the bus does not.

Covers: B3.
"""

import hashlib

from alphapulse.archive.digest import DecisionDigest
from alphapulse.protocol.codec import encode_tlv
from support.drafts import block_draft, heartbeat_draft


def digest_of(*records):
    digest = DecisionDigest()
    for kind, record in records:
        (digest.add_signal if kind == "signal" else digest.add_plan)(record)
    return digest.hexdigest()


def test_the_digest_is_a_hash_of_kind_length_and_bytes():
    digest = DecisionDigest()
    digest.add_signal(b"ab")
    digest.add_plan(b"c")
    expected = hashlib.sha256(b"\x01\x02\0\0\0ab" + b"\x02\x01\0\0\0c").hexdigest()
    assert (digest.hexdigest(), digest.count) == (expected, 2)


def test_a_draft_counts_as_what_the_strategy_said():
    draft = block_draft(3)
    raw = bytes([1, 6, 0]) + b"".join(map(encode_tlv, draft.tlvs))
    assert digest_of(("signal", draft)) == digest_of(("signal", raw))
    assert digest_of(("signal", draft)) != digest_of(("signal", heartbeat_draft(3)))


def test_order_kind_and_boundaries_matter():
    variants = [
        [("signal", b"ab"), ("signal", b"c")],
        [("signal", b"c"), ("signal", b"ab")],
        [("signal", b"a"), ("signal", b"bc")],
        [("signal", b"ab"), ("plan", b"c")],
        [("signal", b"abc")],
        [],
    ]
    assert len({digest_of(*records) for records in variants}) == len(variants)
