//! Event logs of Uniswap V2 pairs and V3 pools: topics and data words to numbers.

use crate::full_math::U256;
use crate::int::Int;
use crate::wire::{wrong, Read};

const WORD: usize = 32;
const MAX_TICK: i32 = 887_272;

pub type Topic = [u8; WORD];

const fn topic(high: u128, low: u128) -> Topic {
    let (high, low) = (high.to_be_bytes(), low.to_be_bytes());
    let mut bytes = [0; WORD];
    let mut place = 0;
    while place < 16 {
        bytes[place] = high[place];
        bytes[16 + place] = low[place];
        place += 1;
    }
    bytes
}

/// Hashes of the eight declarations, in the order of `Event`.
const TOPICS: [Topic; 8] = [
    topic(0x1c411e9a96e071241c2f21f7726b17ae, 0x89e3cab4c78be50e062b03a9fffbbad1),
    topic(0xd78ad95fa46c994b6551d0da85fc275f, 0xe613ce37657fb8d5e3d130840159d822),
    topic(0x4c209b5fc8ad50758f13e2e1088ba56a, 0x560dff690a1c6fef26394f4c03821c4f),
    topic(0xdccd412f0b1252819cb1fd330b93224c, 0xa42612892bb3f4f789976e6d81936496),
    topic(0x98636036cb66a9c19a37435efc1e9014, 0x2190214e8abeb821bdba3f2990dd4c95),
    topic(0xc42079f94a6350d7e6235f29174924f9, 0x28cc2ac818eb64fed8004e115fbcca67),
    topic(0x7a53080ba414158be7ec69b987b5fb7d, 0x7dee101fe85488f0853ae16239d0bde),
    topic(0xc396cd989a39f4459b5fa1aed6a9a8d, 0xcdbc45908acfd67e028cd568da98982c),
];

/// (topics, data words) of each.
const LAYOUT: [(usize, usize); 8] =
    [(1, 2), (3, 4), (2, 2), (3, 2), (1, 2), (3, 5), (4, 4), (4, 3)];

const V2_SYNC: usize = 0;
const V2_SWAP: usize = 1;
const V2_MINT: usize = 2;
const V2_BURN: usize = 3;
const V3_INITIALIZE: usize = 4;
const V3_SWAP: usize = 5;
const V3_MINT: usize = 6;

/// A value of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Address([u8; 20]),
    Number(Int),
}

/// The place of the event among the declarations, and its values in the order of the typed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: usize,
    pub values: Vec<Value>,
}

/// The typed event of a pool's log.
pub fn decode(topics: &[Topic], data: &[u8]) -> Read<Event> {
    let kind = topics.first().and_then(|first| TOPICS.iter().position(|known| known == first));
    let Some(kind) = kind else {
        return wrong("bad_topic", 0);
    };
    let (topic_count, words) = LAYOUT[kind];
    if topics.len() != topic_count {
        return wrong("bad_size", 0);
    }
    if data.len() != words * WORD {
        return wrong("bad_size", data.len());
    }
    let values = match kind {
        V2_SYNC => vec![uint(data, 0, 112)?, uint(data, 1, 112)?],
        V2_SWAP => vec![
            address(&topics[1])?,
            address(&topics[2])?,
            uint(data, 0, 256)?,
            uint(data, 1, 256)?,
            uint(data, 2, 256)?,
            uint(data, 3, 256)?,
        ],
        V2_MINT => vec![address(&topics[1])?, uint(data, 0, 256)?, uint(data, 1, 256)?],
        V2_BURN => vec![
            address(&topics[1])?,
            address(&topics[2])?,
            uint(data, 0, 256)?,
            uint(data, 1, 256)?,
        ],
        V3_INITIALIZE => vec![uint(data, 0, 160)?, number(tick(&data[WORD..], WORD)?)],
        V3_SWAP => vec![
            address(&topics[1])?,
            address(&topics[2])?,
            signed(&data[..WORD]),
            signed(&data[WORD..2 * WORD]),
            uint(data, 2, 160)?,
            uint(data, 3, 128)?,
            number(tick(&data[4 * WORD..], 4 * WORD)?),
        ],
        _ => liquidity(topics, data, usize::from(kind == V3_MINT))?,
    };
    Ok(Event { kind, values })
}

/// Mint carries its unindexed sender before the amounts, Burn does not.
fn liquidity(topics: &[Topic], data: &[u8], first: usize) -> Read<Vec<Value>> {
    if first == 1 {
        address(&data[..WORD])?;
    }
    let owner = address(&topics[1])?;
    let (lower, upper) = (tick(&topics[2], 0)?, tick(&topics[3], 0)?);
    if lower >= upper {
        return wrong("bad_value", 0);
    }
    Ok(vec![
        owner,
        number(lower),
        number(upper),
        uint(data, first, 128)?,
        uint(data, first + 1, 256)?,
        uint(data, first + 2, 256)?,
    ])
}

fn word(bytes: &[u8]) -> U256 {
    U256::try_from_be_slice(&bytes[..WORD]).unwrap_or(U256::MAX)
}

fn uint(data: &[u8], place: usize, bits: usize) -> Read<Value> {
    let start = place * WORD;
    let value = word(&data[start..]);
    if value.bit_len() > bits {
        return wrong("bad_value", start);
    }
    Ok(Value::Number(Int::from(value)))
}

fn signed(bytes: &[u8]) -> Value {
    let value = word(bytes);
    if bytes[0] & 0x80 == 0 {
        return Value::Number(Int::from(value));
    }
    Value::Number(-Int::from(value.wrapping_neg()))
}

fn tick(bytes: &[u8], offset: usize) -> Read<i32> {
    let value = word(bytes);
    let (negative, size) =
        if bytes[0] & 0x80 == 0 { (false, value) } else { (true, value.wrapping_neg()) };
    match i32::try_from(size) {
        Ok(size) if size <= MAX_TICK => Ok(if negative { -size } else { size }),
        _ => wrong("bad_value", offset),
    }
}

fn number(tick: i32) -> Value {
    let size = Int::from(u64::from(tick.unsigned_abs()));
    Value::Number(if tick < 0 { -size } else { size })
}

fn address(bytes: &[u8]) -> Read<Value> {
    let mut found = [0; 20];
    if bytes[..12] != [0; 12] {
        return wrong("bad_value", 0);
    }
    found.copy_from_slice(&bytes[12..WORD]);
    Ok(Value::Address(found))
}
