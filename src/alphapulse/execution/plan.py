"""What a strategy decided, complete enough to be signed without asking anyone again. Pure."""

import msgspec

from alphapulse.errors import DecodeError
from alphapulse.primitives.address import Address

__all__ = ["Plan", "PlanHop"]

_CANONICAL_TAG = b"alphapulse/plan/1"
_INT_BYTES = 33  # a uint256 and its sign


class PlanHop(msgspec.Struct, frozen=True):
    """One swap of a plan; amounts in smallest units of `token_in` and `token_out`."""

    pool: Address
    venue: int
    token_in: Address
    token_out: Address
    amount_in: int
    amount_out: int
    zero_for_one: bool


class Plan(msgspec.Struct, frozen=True):
    """A flash arbitrage to execute.

    Units   amount_in, predicted_profit, gas_cost, min_profit in smallest units of profit_token;
            max_fee_per_gas, max_priority_fee_per_gas in wei per gas; native_usd_e8, profit_token_usd_e8 in USD * 10**8
            per whole token (the native token has 18 decimals).
    Range   predicted_profit is what the contract sees: out - in - loan premium, before gas. min_profit is the floor
            handed to the contract and is never 0. The plan is valid while the head is at most valid_until_block.
    """

    signal_id: int
    strategy_id: int
    chain_id: int
    contract: Address
    sender: Address
    calldata: bytes
    path: tuple[PlanHop, ...]
    profit_token: Address
    profit_decimals: int
    amount_in: int
    predicted_profit: int
    gas_cost: int
    min_profit: int
    gas_limit: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    observed_block: int
    valid_until_block: int
    trace_id: int
    span_id: int
    native_usd_e8: int
    profit_token_usd_e8: int

    def canonical(self) -> bytes:
        """Return the one byte string of this plan, the input of the decision digest.

        Fields in declared order: integers as 33 signed big-endian bytes, byte strings with a 4-byte length before them,
        the path as its length and then its hops.
        """
        parts = [_CANONICAL_TAG]
        for name in self.__struct_fields__:
            _append(parts, getattr(self, name))
        return b"".join(parts)

    @classmethod
    def from_canonical(cls, data: bytes) -> "Plan":
        """Return the plan that `canonical` wrote.

        Raises  DecodeError when the bytes are not those of a plan.
        """
        if not data.startswith(_CANONICAL_TAG):
            raise DecodeError("bad_value", 0, "not a plan")
        reader = _Reader(data, len(_CANONICAL_TAG))
        plan = cls(
            signal_id=reader.integer(),
            strategy_id=reader.integer(),
            chain_id=reader.integer(),
            contract=Address(reader.bytes()),
            sender=Address(reader.bytes()),
            calldata=reader.bytes(),
            path=tuple(reader.hop() for _ in range(reader.length())),
            profit_token=Address(reader.bytes()),
            profit_decimals=reader.integer(),
            amount_in=reader.integer(),
            predicted_profit=reader.integer(),
            gas_cost=reader.integer(),
            min_profit=reader.integer(),
            gas_limit=reader.integer(),
            max_fee_per_gas=reader.integer(),
            max_priority_fee_per_gas=reader.integer(),
            observed_block=reader.integer(),
            valid_until_block=reader.integer(),
            trace_id=reader.integer(),
            span_id=reader.integer(),
            native_usd_e8=reader.integer(),
            profit_token_usd_e8=reader.integer(),
        )
        reader.finish()
        return plan


class _Reader:
    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes, offset: int) -> None:
        self._data = data
        self._offset = offset

    def take(self, size: int) -> bytes:
        part = self._data[self._offset : self._offset + size]
        if len(part) != size:
            raise DecodeError("truncated", self._offset, "the plan ends early")
        self._offset += size
        return part

    def integer(self) -> int:
        return int.from_bytes(self.take(_INT_BYTES), "big", signed=True)

    def length(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def bytes(self) -> bytes:
        return self.take(self.length())

    def hop(self) -> PlanHop:
        return PlanHop(
            pool=Address(self.bytes()),
            venue=self.integer(),
            token_in=Address(self.bytes()),
            token_out=Address(self.bytes()),
            amount_in=self.integer(),
            amount_out=self.integer(),
            zero_for_one=bool(self.integer()),
        )

    def finish(self) -> None:
        if self._offset != len(self._data):
            raise DecodeError("trailing_bytes", self._offset)


def _append(parts: list[bytes], value: object) -> None:
    if isinstance(value, int):
        parts.append(value.to_bytes(_INT_BYTES, "big", signed=True))
    elif isinstance(value, bytes):
        parts.append(len(value).to_bytes(4, "big"))
        parts.append(value)
    elif isinstance(value, tuple):
        parts.append(len(value).to_bytes(4, "big"))
        for item in value:
            _append(parts, item)
    elif isinstance(value, PlanHop):
        for name in value.__struct_fields__:
            _append(parts, getattr(value, name))
    else:
        raise TypeError(f"a plan holds integers, bytes and hops, not `{type(value).__name__}`")
