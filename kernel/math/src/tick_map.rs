//! The initialised ticks of a pool in order, and the stops a swap makes among them.

use crate::tick_math::{MAX_TICK, MIN_TICK};

/// Gross and net liquidity of one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    pub gross: u128,
    pub net: i128,
}

/// The initialised ticks of one pool in order, and how far they are known.
#[derive(Clone, Debug)]
pub struct TickMap {
    pub order: Vec<i32>,
    pub held: Vec<Tick>,
    pub spacing: i32,
    pub known_lower: i32,
    pub known_upper: i32,
}

impl TickMap {
    /// Takes ticks in any order; the last of equal ones counts, those without gross liquidity do not.
    pub fn new(
        mut ticks: Vec<(i32, Tick)>,
        spacing: i32,
        known_lower: i32,
        known_upper: i32,
    ) -> Self {
        ticks.retain(|(_, tick)| tick.gross != 0);
        ticks.sort_by_key(|&(at, _)| at);
        let mut map = Self { order: vec![], held: vec![], spacing, known_lower, known_upper };
        for (at, tick) in ticks {
            if map.order.last() == Some(&at) {
                map.held.pop();
                map.order.pop();
            }
            map.order.push(at);
            map.held.push(tick);
        }
        map
    }

    /// What a tick holds; nothing where none is initialised.
    #[inline]
    pub fn at(&self, tick: i32) -> Option<Tick> {
        self.order.binary_search(&tick).ok().map(|place| self.held[place])
    }

    /// The net liquidity of a tick, zero where none is initialised.
    #[inline]
    pub fn net(&self, tick: i32) -> i128 {
        self.at(tick).map_or(0, |held| held.net)
    }

    pub fn set(&mut self, tick: i32, held: Tick) {
        match (self.order.binary_search(&tick), held.gross == 0) {
            (Ok(place), true) => {
                self.order.remove(place);
                self.held.remove(place);
            }
            (Ok(place), false) => self.held[place] = held,
            (Err(_), true) => {}
            (Err(place), false) => {
                self.order.insert(place, tick);
                self.held.insert(place, held);
            }
        }
    }

    /// Whether there may be ticks beyond the known ones in a direction.
    pub fn ends_unknown(&self, zero_for_one: bool) -> bool {
        if zero_for_one {
            self.known_lower > MIN_TICK
        } else {
            self.known_upper < MAX_TICK
        }
    }

    fn first_above(&self, tick: i32) -> usize {
        self.order.partition_point(|&at| at <= tick)
    }

    fn compressed(&self, tick: i32) -> i64 {
        i64::from(tick.div_euclid(self.spacing))
    }

    /// The stop at which the pool's search from this tick ends, None where nothing is left.
    pub fn stop_ahead(&self, tick: i32, liquidity: u128, zero_for_one: bool) -> Option<i32> {
        let place = self.first_above(tick);
        let compressed = self.compressed(tick);
        let spacing = i64::from(self.spacing);
        if zero_for_one {
            let mut stop = ((compressed >> 8 << 8) * spacing).max(i64::from(MIN_TICK));
            let below = place.checked_sub(1).map(|at| i64::from(self.order[at]));
            match below {
                Some(at) if liquidity == 0 || at > stop => stop = at,
                _ if liquidity == 0 => return None,
                _ => {}
            }
            return (stop >= i64::from(self.known_lower)).then_some(stop as i32);
        }
        let mut stop = (((compressed + 1) | 255) * spacing).min(i64::from(MAX_TICK));
        match self.order.get(place).map(|&at| i64::from(at)) {
            Some(at) if liquidity == 0 || at < stop => stop = at,
            _ if liquidity == 0 => return None,
            _ => {}
        }
        (stop <= i64::from(self.known_upper)).then_some(stop as i32)
    }

    /// The stop after which the pool's search would end at this tick.
    pub fn stop_behind(&self, tick: i32, liquidity: u128, zero_for_one: bool) -> Option<i32> {
        let spacing = i64::from(self.spacing);
        if zero_for_one {
            let mut stop = (((self.compressed(tick) >> 8) + 1) << 8) * spacing;
            match self.order.get(self.first_above(tick)).map(|&at| i64::from(at)) {
                Some(at) if liquidity == 0 || at < stop => stop = at,
                _ if liquidity == 0 => return None,
                _ => {}
            }
            return (stop < i64::from(MAX_TICK)).then_some(stop as i32);
        }
        let place = self.order.partition_point(|&at| at < tick);
        let mut stop = (((self.compressed(tick - 1) + 1) >> 8 << 8) - 1) * spacing;
        match place.checked_sub(1).map(|at| i64::from(self.order[at])) {
            Some(at) if liquidity == 0 || at > stop => stop = at,
            _ if liquidity == 0 => return None,
            _ => {}
        }
        (stop > i64::from(MIN_TICK)).then_some(stop as i32)
    }
}
