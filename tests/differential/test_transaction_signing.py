import random

from coincurve import PrivateKey
from eth_account import Account

from alphapulse.evm.transaction import UnsignedTransaction, decode_signed, sign

SEED = 1559


def random_transaction(draw: random.Random) -> UnsignedTransaction:
    fee = draw.randrange(2 ** draw.choice((1, 8, 40, 100)))
    access = tuple(
        (draw.randbytes(20), tuple(draw.randbytes(32) for _ in range(draw.randrange(3))))
        for _ in range(draw.choice((0, 0, 1, 3)))
    )
    return UnsignedTransaction(
        chain_id=draw.choice((1, 10, 137, 8453, 31337, 2**40)),
        nonce=draw.choice((0, 1, 127, 128, draw.randrange(2**32))),
        max_priority_fee_per_gas=draw.randrange(fee + 1),
        max_fee_per_gas=fee,
        gas_limit=draw.randrange(21_000, 2**24),
        to=draw.choice((b"", draw.randbytes(20), bytes(20))),
        value=draw.choice((0, draw.randrange(2**90))),
        data=draw.randbytes(draw.choice((0, 1, 4, 55, 56, 300, 70_000))),
        access_list=access,
    )


def as_dictionary(transaction: UnsignedTransaction) -> dict[str, object]:
    return {
        "type": 2,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "maxPriorityFeePerGas": transaction.max_priority_fee_per_gas,
        "maxFeePerGas": transaction.max_fee_per_gas,
        "gas": transaction.gas_limit,
        "to": transaction.to,
        "value": transaction.value,
        "data": transaction.data,
        "accessList": [
            {"address": "0x" + entry.hex(), "storageKeys": ["0x" + key.hex() for key in keys]}
            for entry, keys in transaction.access_list
        ],
    }


def test_signed_bytes_equal_eth_account():
    """Oracle: eth-account, byte for byte."""
    print(f"seed {SEED}")
    draw = random.Random(SEED)
    for _ in range(150):
        key = draw.randrange(1, 2**255).to_bytes(32, "big")
        transaction = random_transaction(draw)
        signed = sign(transaction, PrivateKey(key))
        expected = Account.sign_transaction(as_dictionary(transaction), key)
        assert signed.raw == bytes(expected.raw_transaction)
        assert signed.hash == bytes(expected.hash)
        assert signed.sender.hex() == Account.from_key(key).address[2:].lower()
        assert decode_signed(signed.raw) == (transaction, signed.sender)
