//! Bytes that do not say what they should: one word for what is wrong, and where.

/// The twin of `DecodeError`: `kind` is one word, `offset` counts from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError {
    pub kind: &'static str,
    pub offset: usize,
}

pub type Read<T> = Result<T, WireError>;

pub const fn wrong<T>(kind: &'static str, offset: usize) -> Read<T> {
    Err(WireError { kind, offset })
}

/// The unsigned little-endian number in at most eight bytes.
pub fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}
