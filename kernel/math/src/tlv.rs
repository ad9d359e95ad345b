//! A block of messages to columns: every check of the protocol's framing, no meaning of its values.

use crate::wire::{little, wrong, Read};

const MAGIC: u64 = 0xDEAD_BEEF;
const VERSION: u8 = 1;
pub const HEADER_SIZE: usize = 32;
const CHECKSUM_OFFSET: usize = 28;
const REFUSED_FLAGS: u8 = 0x03;
const MARKER: u8 = 255;
/// Bytes of a message, its checksum left out, up to which it is put together for the checksum.
const JOINED: usize = 512;
const ABSOLUTE_LIMIT: u64 = 1_048_576;
/// Bytes of a whole message by domain that a relay forwards.
const DOMAIN_LIMITS: [u64; 5] = [0, 65_536, 32_768, 16_384, 65_536];

/// A field of a payload that counts units of another part of it.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    pub start: usize,
    pub width: usize,
    pub unit: u64,
}

/// How long a payload is: a least size, and what its own counts add.
#[derive(Clone, Debug)]
pub struct SizeRule {
    pub minimum: usize,
    pub counts: Vec<Count>,
}

impl SizeRule {
    fn fits(&self, payload: &[u8]) -> bool {
        if payload.len() < self.minimum {
            return false;
        }
        let mut size = self.minimum as u64;
        for count in &self.counts {
            let Some(field) = payload.get(count.start..count.start.saturating_add(count.width))
            else {
                return false;
            };
            size = size.saturating_add(count.unit.saturating_mul(little(field)));
        }
        size == payload.len() as u64
    }
}

/// Size rules by type; types without one are unknown and of any size.
pub type Rules = [Option<SizeRule>];

/// One message: where it stands, and its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRow {
    pub offset: usize,
    pub size: usize,
    pub domain: u8,
    pub source: u8,
    pub flags: u8,
    pub sequence: u64,
    pub timestamp_ns: u64,
}

/// One TLV: the number of its message, its type, and where its payload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRow {
    pub message: usize,
    pub number: u8,
    pub offset: usize,
    pub length: usize,
}

/// All messages of a block and all their TLVs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub messages: Vec<MessageRow>,
    pub frames: Vec<FrameRow>,
}

/// The messages that fill the bytes exactly; the first check that fails, with its offset in the block.
pub fn scan(data: &[u8], rules: &Rules, verify: bool, relay: bool) -> Read<Block> {
    let mut block = Block::default();
    let mut starts = Vec::new();
    let mut offset = 0;
    while offset < data.len() {
        let row = header(data, offset, relay)?;
        let end = offset + row.size;
        let Some(message) = data.get(offset..end) else {
            return wrong("truncated", offset + 8);
        };
        if verify && checksum(message) != little(&message[CHECKSUM_OFFSET..HEADER_SIZE]) {
            return wrong("bad_checksum", offset + CHECKSUM_OFFSET);
        }
        let before = block.frames.len();
        starts.clear();
        let whole = &data[..end];
        split(whole, offset + HEADER_SIZE, block.messages.len(), &mut block.frames, &mut starts)?;
        measure(whole, &block.frames[before..], &starts, rules)?;
        block.messages.push(row);
        offset = end;
    }
    Ok(block)
}

fn header(data: &[u8], offset: usize, relay: bool) -> Read<MessageRow> {
    let Some(head) = data.get(offset..offset + HEADER_SIZE) else {
        return wrong("truncated", offset);
    };
    if little(&head[..4]) != MAGIC {
        return wrong("bad_magic", offset);
    }
    let (domain, version, source, flags) = (head[4], head[5], head[6], head[7]);
    if version != VERSION {
        return wrong("bad_version", offset + 5);
    }
    if !(1..=4).contains(&domain) {
        return wrong("bad_domain", offset + 4);
    }
    if flags & REFUSED_FLAGS != 0 {
        return wrong("bad_flags", offset + 7);
    }
    let size = HEADER_SIZE as u64 + little(&head[8..12]);
    if size > if relay { DOMAIN_LIMITS[usize::from(domain)] } else { ABSOLUTE_LIMIT } {
        return wrong("too_large", offset + 8);
    }
    Ok(MessageRow {
        offset,
        size: size as usize,
        domain,
        source,
        flags,
        sequence: little(&head[12..20]),
        timestamp_ns: little(&head[20..28]),
    })
}

/// The checksum field is left out: short messages are put together first, since many short runs cost more than a copy.
fn checksum(message: &[u8]) -> u64 {
    let (head, rest) = (&message[..CHECKSUM_OFFSET], &message[HEADER_SIZE..]);
    let mut joined = [0; JOINED];
    if let Some(whole) = joined.get_mut(..CHECKSUM_OFFSET + rest.len()) {
        whole[..CHECKSUM_OFFSET].copy_from_slice(head);
        whole[CHECKSUM_OFFSET..].copy_from_slice(rest);
        return u64::from(crc32fast::hash(whole));
    }
    let mut crc = crc32fast::Hasher::new();
    crc.update(head);
    crc.update(rest);
    u64::from(crc.finalize())
}

/// Appends the TLVs from `offset` to the end, and where each begins.
fn split(
    data: &[u8],
    mut offset: usize,
    message: usize,
    frames: &mut Vec<FrameRow>,
    starts: &mut Vec<usize>,
) -> Read<()> {
    while offset < data.len() {
        let (number, payload, length) = frame(data, offset)?;
        if payload + length > data.len() {
            return wrong("tlv_overrun", offset);
        }
        frames.push(FrameRow { message, number, offset: payload, length });
        starts.push(offset);
        offset = payload + length;
    }
    Ok(())
}

/// Holds each TLV to its size rule.
fn measure(data: &[u8], frames: &[FrameRow], starts: &[usize], rules: &Rules) -> Read<()> {
    for (row, &start) in frames.iter().zip(starts) {
        let rule = rules.get(usize::from(row.number)).and_then(Option::as_ref);
        if rule.is_some_and(|rule| !rule.fits(&data[row.offset..row.offset + row.length])) {
            return wrong("bad_size", start);
        }
    }
    Ok(())
}

/// (type, where the payload starts, its length) of the TLV at an offset.
fn frame(data: &[u8], offset: usize) -> Read<(u8, usize, usize)> {
    match &data[offset..] {
        [MARKER, reserved, number, low, high, ..] => {
            if *reserved != 0 {
                return wrong("bad_extended", offset);
            }
            if matches!(*number, 0 | MARKER) {
                return wrong("bad_type", offset);
            }
            Ok((*number, offset + 5, usize::from(*low) | usize::from(*high) << 8))
        }
        [MARKER, ..] => wrong("tlv_truncated", offset),
        [0, _, ..] => wrong("bad_type", offset),
        [number, length, ..] => Ok((*number, offset + 2, usize::from(*length))),
        _ => wrong("tlv_truncated", offset),
    }
}

/// The same field of many payloads, one after the other; `places` are where the payloads start.
pub fn gather(data: &[u8], places: &[u64], start: usize, width: usize) -> Read<Vec<u8>> {
    let mut found = Vec::with_capacity(places.len().saturating_mul(width).min(data.len()));
    for &place in places {
        let from = usize::try_from(place).ok().and_then(|place| place.checked_add(start));
        let field = from.and_then(|from| data.get(from..from.checked_add(width)?));
        match field {
            Some(field) => found.extend_from_slice(field),
            None => return wrong("tlv_overrun", place as usize),
        }
    }
    Ok(found)
}
