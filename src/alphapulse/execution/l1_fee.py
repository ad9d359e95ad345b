"""What a rollup takes for putting a transaction on layer 1, and the operator fee of the OP stack. Pure integers.

OP stack: charged in wei beside gas, from the sender's balance. Arbitrum: charged in gas units, so that the gas limit must hold it.
The parameters are the chain's own (`L1Block`, `GasPriceOracle`, `NodeInterface`) and change: they are arguments here, never constants.

Recorded by the chain, and met exactly in tests/golden: the fee of one Regolith receipt from its gas, price and scalar; bytes, gas and
fee of one Ecotone and one Fjord transaction of OP mainnet. Published beside the reference client, not recorded: FastLZ lengths, and the
operator fee's two formulas. Of Arbitrum, receipts record only that gas for layer 1 is part of gas used; the formula is the node's,
its compressed size is an input.
"""

from enum import IntEnum, unique

import msgspec

from alphapulse.errors import ValueOutOfRange
from alphapulse.evm import rlp
from alphapulse.evm.transaction import UnsignedTransaction
from alphapulse.primitives.units import div_ceil, div_floor

__all__ = [
    "ArbitrumFee",
    "L1Cost",
    "L1FeeModel",
    "L1Prices",
    "OpStackFee",
    "OpStackFork",
    "fastlz_length",
    "stand_in",
]

ZERO_BYTE_GAS = 4  # EIP-2028, as layer 1 charged it
BYTE_GAS = 16
SIGNATURE_BYTES = 68  # what the oracle allows for the signature of an unsigned transaction
SCALE = 10**6  # of scalars and of the estimated size

FJORD_INTERCEPT = -42_585_600
FJORD_COEFFICIENT = 836_500
FJORD_LEAST_SIZE = 100
JOVIAN_FACTOR = 100

LITERALS_MAX = 32  # one length byte before each run of them
MATCH_LENGTH_MAX = 262  # beyond its first two bytes; longer matches are split
SHORT_MATCH_MAX = (
    6  # a match of so many bytes beyond the first two fits two bytes, another needs three
)
MATCH_DISTANCE_MAX = 8_191
TAIL_BYTES = 13  # where no match may start
COMPARE_TAIL_BYTES = 4  # where no match may reach
HASH_FACTOR = 2_654_435_769
HASH_SHIFT = 19
HASH_MASK = 8_191

TRANSACTION_TYPE = b"\x02"
DEAREST_NONCE = 0xD4C3B2  # three bytes, then six and six, no three of them alike
DEAREST_TIP = 0x17263544A1B0
DEAREST_FEE = 0x9182A3B4C5D6

ARBITRUM_UNITS_PER_BYTE = 16
ARBITRUM_SPARE_UNITS = 256
ARBITRUM_UNITS_BPS = 10_100
ARBITRUM_PRICE_BPS = 11_000
BPS = 10_000
MAX_MARGIN_BPS = 100_000


@unique
class OpStackFork(IntEnum):
    """The forks that changed a fee, in their order."""

    BEDROCK = 0
    REGOLITH = 1
    ECOTONE = 2
    FJORD = 3
    ISTHMUS = 4
    JOVIAN = 5


class L1Prices(msgspec.Struct, frozen=True):
    """Layer-1 prices in wei per gas, as GasPrice carries them: base fee and blob base fee on the OP stack; on Arbitrum the first
    is the price of one calldata unit, a sixteenth of a byte.
    """

    base_fee: int
    blob_base_fee: int = 0

    def __post_init__(self) -> None:
        if self.base_fee < 0 or self.blob_base_fee < 0:
            raise ValueOutOfRange(
                f"`base_fee` and `blob_base_fee` must be at least 0, were {self.base_fee}, {self.blob_base_fee}"
            )


class L1Cost(msgspec.Struct, frozen=True):
    """Cost of a transaction beside its execution: fees in wei, and gas that counts as gas of the transaction."""

    data_fee: int = 0
    operator_fee: int = 0
    gas: int = 0


class OpStackFee(msgspec.Struct, frozen=True, tag="op_stack", forbid_unknown_fields=True):
    """The fees of an OP-stack chain at one fork.

    Units   overhead in gas; scalar, base_fee_scalar, blob_base_fee_scalar, operator_fee_scalar times 10**6; operator_fee_constant in
            wei; margin_bps is added to the data fee, for layer-1 prices move before the transaction is included.
    Range   all >= 0. overhead and scalar matter before Ecotone, the two others from it on, the operator's from Isthmus on.
    Source  OP-stack specification, execution engine of each fork.
    """

    fork: OpStackFork
    overhead: int = 0
    scalar: int = 0
    base_fee_scalar: int = 0
    blob_base_fee_scalar: int = 0
    operator_fee_scalar: int = 0
    operator_fee_constant: int = 0
    margin_bps: int = 0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                raise ValueOutOfRange(f"`{name}` must be at least 0, was {getattr(self, name)}")
        if self.margin_bps > MAX_MARGIN_BPS:
            raise ValueOutOfRange(
                f"`margin_bps` must be at most {MAX_MARGIN_BPS}, was {self.margin_bps}"
            )

    def data_gas(self, signed: bytes) -> int:
        """Return the layer-1 gas that receipts report for a signed transaction.

        Units   gas; before Ecotone without the overhead.
        Source  as the class.
        """
        if self.fork >= OpStackFork.FJORD:
            return div_floor(_estimated_size(fastlz_length(signed)) * BYTE_GAS, SCALE)
        return self._calldata_gas(signed)

    def data_fee(self, signed: bytes, prices: L1Prices) -> int:
        """Return the data fee of a signed transaction, exactly as the chain charges it; nothing for no bytes.

        Units   wei; no margin.
        Source  as the class.
        """
        if not signed:
            return 0
        if self.fork >= OpStackFork.FJORD:
            return self._size_fee(_estimated_size(fastlz_length(signed)), prices)
        gas = self._calldata_gas(signed)
        if self.fork == OpStackFork.ECOTONE:
            return div_floor(gas * self._price(prices), BYTE_GAS * SCALE)
        return div_floor((gas + self.overhead) * prices.base_fee * self.scalar, SCALE)

    def operator_fee(self, gas_used: int) -> int:
        """Return the operator's fee for so much gas, nothing before Isthmus.

        Units   wei; gas.
        Source  as the class; Jovian changed the scalar's unit.
        """
        if gas_used < 0:
            raise ValueOutOfRange(f"`gas_used` must be at least 0, was {gas_used}")
        if self.fork < OpStackFork.ISTHMUS:
            return 0
        product = gas_used * self.operator_fee_scalar
        if self.fork >= OpStackFork.JOVIAN:
            return product * JOVIAN_FACTOR + self.operator_fee_constant
        return div_floor(product, SCALE) + self.operator_fee_constant

    def cost(self, unsigned: bytes, prices: L1Prices, *, gas_used: int, base_fee: int) -> L1Cost:
        """Return what a transaction will cost beside its execution, from its bytes before it is signed.

        Units   wei; `base_fee` of this chain does not matter here.
        Source  `GasPriceOracle.getL1Fee`: 68 incompressible bytes stand for the signature.
        """
        del base_fee
        if self.fork >= OpStackFork.FJORD:
            size = _estimated_size(fastlz_length(unsigned) + SIGNATURE_BYTES)
            fee = self._size_fee(size, prices)
        else:
            fee = self.data_fee(unsigned + b"\xff" * SIGNATURE_BYTES, prices)
        return L1Cost(
            data_fee=fee + div_ceil(fee * self.margin_bps, BPS),
            operator_fee=self.operator_fee(gas_used),
        )

    def _calldata_gas(self, data: bytes) -> int:
        zeros = data.count(0)
        gas = zeros * ZERO_BYTE_GAS + (len(data) - zeros) * BYTE_GAS
        return gas + SIGNATURE_BYTES * BYTE_GAS if self.fork == OpStackFork.BEDROCK else gas

    def _size_fee(self, scaled_size: int, prices: L1Prices) -> int:
        return div_floor(scaled_size * self._price(prices), SCALE * SCALE)

    def _price(self, prices: L1Prices) -> int:
        return (
            BYTE_GAS * self.base_fee_scalar * prices.base_fee
            + self.blob_base_fee_scalar * prices.blob_base_fee
        )


class ArbitrumFee(msgspec.Struct, frozen=True, tag="arbitrum", forbid_unknown_fields=True):
    """The layer-1 part of Arbitrum's gas, in the terms of `NodeInterface.gasEstimateComponents`.

    Units   compressed_permille is the size that Brotli leaves of a transaction: to be calibrated with what the node answers for the
            same bytes, or with `gasUsedForL1` of receipts; margin_bps on top.
    Range   compressed_permille in 1 ... 1,000: uncompressed is the most.
    Source  the node's estimate: 16 units a byte, 256 spare units and 1 % on units, 10 % on the price.
    """

    compressed_permille: int = 1_000
    margin_bps: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.compressed_permille <= 1_000 or not 0 <= self.margin_bps <= MAX_MARGIN_BPS:
            raise ValueOutOfRange(
                "`compressed_permille` must be 1 to 1000 and `margin_bps` 0 to "
                f"{MAX_MARGIN_BPS}, were {self.compressed_permille}, {self.margin_bps}"
            )

    @staticmethod
    def gas_for_l1(compressed_bytes: int, price_per_unit: int, base_fee: int) -> int:
        """Return the gas that the node estimates for layer 1: its second component.

        Units   bytes; wei per unit (the fourth component, `l1BaseFeeEstimate`); wei per gas (the third, `baseFee`); gas.
        Range   base_fee > 0, the others >= 0.
        Raises  ValueOutOfRange otherwise.
        Source  as the class.
        """
        if base_fee <= 0 or min(compressed_bytes, price_per_unit) < 0:
            raise ValueOutOfRange(
                "`base_fee` must be above 0, `compressed_bytes` and `price_per_unit` at least 0, were "
                f"{base_fee}, {compressed_bytes}, {price_per_unit}"
            )
        units = compressed_bytes * ARBITRUM_UNITS_PER_BYTE + ARBITRUM_SPARE_UNITS
        fee = div_floor(units * ARBITRUM_UNITS_BPS, BPS) * price_per_unit
        return div_floor(div_floor(fee * ARBITRUM_PRICE_BPS, BPS), base_fee)

    def cost(self, unsigned: bytes, prices: L1Prices, *, gas_used: int, base_fee: int) -> L1Cost:
        """Return the gas that a transaction will need for layer 1, from its bytes before it is signed.

        Units   gas; `base_fee` of this chain in wei per gas, the least that the next block may have.
        Range   base_fee > 0.
        Raises  ValueOutOfRange otherwise.
        Source  as the class.
        """
        del gas_used
        size = div_ceil((len(unsigned) + SIGNATURE_BYTES) * self.compressed_permille, 1_000)
        gas = self.gas_for_l1(size, prices.base_fee, base_fee)
        return L1Cost(gas=gas + div_ceil(gas * self.margin_bps, BPS))


L1FeeModel = OpStackFee | ArbitrumFee


def fastlz_length(data: bytes) -> int:
    """Return how many bytes FastLZ (level 1) makes of the data.

    The first two bytes are literals. From there the three bytes at each place are looked up by their hash among the places seen; when
    they stand there too, no farther than 8,191 bytes back, a match begins and goes on as far as both agree. Literals cost a byte more
    for each 32 of them, a match two bytes or three, and one more of three for each 262 bytes. No match starts in the last 13 bytes or
    reaches into the last 4. The two places behind a match are remembered as well.

    Units   bytes.
    Source  FastLZ 0.5, block format of level 1; published lengths of the OP stack's reference client in tests/golden.
    """
    size = place = anchor = 0
    seen = [0] * (HASH_MASK + 1)
    limit, place = len(data) - TAIL_BYTES, 2
    while place < limit:
        key = data[place : place + 3]
        slot = _hash(key)
        earlier, seen[slot] = seen[slot], place
        distance = place - earlier
        if distance > MATCH_DISTANCE_MAX or data[earlier : earlier + 3] != key:
            place += 1
            continue
        size += _literals(place - anchor)
        length = _agreement(data, earlier + 3, place + 3)
        whole, rest = divmod(length - 1, MATCH_LENGTH_MAX)
        size += 3 * whole + (2 if rest < SHORT_MATCH_MAX else 3)
        place += length
        for behind in (place, place + 1):
            seen[_hash(data[behind : behind + 3])] = behind
        place += 2
        anchor = place
    return size + _literals(len(data) - anchor)


def _hash(three: bytes) -> int:
    return (int.from_bytes(three, "little") * HASH_FACTOR & 0xFFFFFFFF) >> HASH_SHIFT & HASH_MASK


def _literals(count: int) -> int:
    whole, rest = divmod(count, LITERALS_MAX)
    return whole * (LITERALS_MAX + 1) + (rest + 1 if rest else 0)


def _agreement(data: bytes, earlier: int, place: int) -> int:
    """Return how many bytes agree, the first that differs included, short of the tail."""
    end = len(data) - COMPARE_TAIL_BYTES
    for length in range(end - place):
        if data[earlier + length] != data[place + length]:
            return length + 1
    return max(0, end - place)


def _estimated_size(fastlz_size: int) -> int:
    """Return the size that batches need for a transaction, times 10**6."""
    return max(FJORD_LEAST_SIZE * SCALE, FJORD_INTERCEPT + FJORD_COEFFICIENT * fastlz_size)


def stand_in(chain_id: int, to: bytes, data: bytes, gas_limit: int) -> bytes:
    """Return the bytes of an unsigned transaction as dear as the real one, whose nonce and fees are not chosen yet.

    Units   gas.
    Range   nonces below 2**24 and fees below 2**48 wei per gas make a transaction no dearer than this.
    Source  EIP-1559, EIP-2718.
    """
    payload = UnsignedTransaction(
        chain_id=chain_id,
        nonce=DEAREST_NONCE,
        max_priority_fee_per_gas=DEAREST_TIP,
        max_fee_per_gas=DEAREST_FEE,
        gas_limit=gas_limit,
        to=to,
        value=0,
        data=data,
    ).payload()
    return TRANSACTION_TYPE + rlp.list_of(payload)
