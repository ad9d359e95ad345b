//! How a stable pool's amplification moves with block time.

use crate::full_math::U256;
use crate::refusal::{out_of_range, Answer};

/// A straight line from one amplification at a time to another at a later one, flat beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    pub start_value: u64,
    pub end_value: u64,
    pub start_time: u64,
    pub end_time: u64,
}

impl Ramp {
    /// A ramp of values within bounds. Times are seconds.
    pub fn new(values: [U256; 2], times: [U256; 2], least: u64, most: u64) -> Answer<Self> {
        let value = |value: U256| match u64::try_from(value) {
            Ok(value) if (least..=most).contains(&value) => Ok(value),
            _ => Err(out_of_range("`amplification` is out of range")),
        };
        let (start_time, end_time) = (seconds(times[0])?, seconds(times[1])?);
        if start_time > end_time {
            return Err(out_of_range("`start_time` must not be after `end_time`"));
        }
        let (start_value, end_value) = (value(values[0])?, value(values[1])?);
        Ok(Self { start_value, end_value, start_time, end_time })
    }

    /// The amplification of a block: the part that has passed is rounded down, in both directions.
    pub fn at(&self, timestamp: u64) -> u64 {
        if timestamp >= self.end_time {
            return self.end_value;
        }
        let passed = u128::from(timestamp.saturating_sub(self.start_time));
        let span = u128::from(self.end_time - self.start_time);
        let moved = u128::from(self.start_value.abs_diff(self.end_value)) * passed / span;
        if self.end_value > self.start_value {
            self.start_value + moved as u64
        } else {
            self.start_value - moved as u64
        }
    }

    /// The state as canonical bytes.
    pub fn fingerprint(&self, bytes: &mut Vec<u8>) {
        for value in [self.start_value, self.end_value, self.start_time, self.end_time] {
            bytes.extend(value.to_be_bytes());
        }
    }
}

/// A block's time as a machine word.
pub fn seconds(value: U256) -> Answer<u64> {
    u64::try_from(value).map_err(|_| out_of_range("`timestamp` must fit uint64"))
}
