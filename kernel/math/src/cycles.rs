//! Cycles of pools that could pay, found from what moved: sums of logarithms, so statistics and no decision.
//!
//! The readable Python is `alphapulse.amm.network_cycles`; sums are made in its order, so both twins find the same cycles.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use smallvec::SmallVec;

pub const MIN_HOPS: usize = 2;
pub const MAX_HOPS: usize = 4;
pub const NEVER: f64 = f64::NEG_INFINITY;
/// Sums of the same four numbers differ by their order, by less than this.
const ORDER_SLACK: f64 = 1e-12;

/// The edges of a path or cycle.
pub type Edges = SmallVec<[u32; 4]>;
/// A cycle's edges from its least one, and the sum of their logarithms in that order.
pub type FoundCycle = (Edges, f64);

/// A hash of a few small numbers by one multiplication each.
#[derive(Default)]
pub struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(26) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

pub type Mixed = BuildHasherDefault<Mixer>;

/// Edges that turn one token into another, and the best of their rates.
#[derive(Debug)]
struct Lane {
    source: u32,
    target: u32,
    edges: Vec<u32>,
    best: f64,
}

/// Rates by edge, the best of them between every two tokens that a pool joins.
#[derive(Debug, Default)]
pub struct Finder {
    rates: Vec<f64>,
    lane_at: Vec<u32>,
    lanes: Vec<Lane>,
    lane_of: HashMap<(u32, u32), u32, Mixed>,
    outward: Vec<Vec<(u32, u32)>>,
    inward: Vec<Vec<(u32, u32)>>,
    pub dropped: u64,
}

impl Finder {
    /// Adds the two edges of a pool between tokens, which are numbered in the order of their first appearance.
    pub fn add(&mut self, token0: u32, token1: u32) {
        self.join(token0, token1);
        self.join(token1, token0);
    }

    fn join(&mut self, source: u32, target: u32) {
        let edge = self.rates.len() as u32;
        let tokens = source.max(target) as usize + 1;
        if self.outward.len() < tokens {
            self.outward.resize_with(tokens, Vec::new);
            self.inward.resize_with(tokens, Vec::new);
        }
        let next = self.lanes.len() as u32;
        let lane = *self.lane_of.entry((source, target)).or_insert(next);
        if lane == next {
            self.lanes.push(Lane { source, target, edges: vec![], best: NEVER });
            self.outward[source as usize].push((target, lane));
            self.inward[target as usize].push((source, lane));
        }
        self.lanes[lane as usize].edges.push(edge);
        self.lane_at.push(lane);
        self.rates.push(NEVER);
    }

    pub fn source(&self, edge: u32) -> u32 {
        self.lanes[self.lane_at[edge as usize] as usize].source
    }

    /// Takes the logarithm of an edge's rate, `NEVER` for one that cannot be used.
    pub fn set_rate(&mut self, edge: u32, rate: f64) {
        let before = std::mem::replace(&mut self.rates[edge as usize], rate);
        if rate == before {
            return;
        }
        let lane = &mut self.lanes[self.lane_at[edge as usize] as usize];
        if rate >= lane.best {
            lane.best = rate;
        } else if before >= lane.best {
            lane.best =
                lane.edges.iter().map(|&one| self.rates[one as usize]).fold(NEVER, f64::max);
        }
    }

    fn best(&self, source: u32, target: u32) -> f64 {
        self.lane_of.get(&(source, target)).map_or(NEVER, |&lane| self.lanes[lane as usize].best)
    }

    fn lane(&self, lane: u32) -> f64 {
        self.lanes[lane as usize].best
    }

    /// How many sums were made, and every cycle through one of the edges whose own sum is above `least`, ascending.
    ///
    /// A cycle holds a token of which `is_anchor` says yes; of more than `most` those with the largest sums are kept.
    pub fn through(
        &mut self,
        edges: impl Iterator<Item = u32>,
        is_anchor: impl Fn(u32) -> bool,
        least: f64,
        max_hops: usize,
        most: usize,
    ) -> (u64, Vec<FoundCycle>) {
        let mut moved: Vec<u32> = edges.filter(|&edge| self.rates[edge as usize] > NEVER).collect();
        moved.sort_unstable();
        moved.dedup();
        let mut place_of: HashMap<u32, usize, Mixed> = HashMap::default();
        let mut groups: Vec<(u32, Vec<u32>)> = vec![];
        for &edge in &moved {
            let lane = self.lane_at[edge as usize];
            let place = *place_of.entry(lane).or_insert(groups.len());
            if place == groups.len() {
                groups.push((lane, vec![]));
            }
            groups[place].1.push(edge);
        }
        let whole: HashSet<u32, Mixed> = groups
            .iter()
            .filter(|(lane, group)| group.len() == self.lanes[*lane as usize].edges.len())
            .map(|&(lane, _)| lane)
            .collect();
        let all_moved = whole.len() == self.lanes.len();
        let mut looked = 0;
        let mut found = vec![];
        let mut dropped = 0;
        for (lane, group) in &groups {
            let Lane { source, target, .. } = self.lanes[*lane as usize];
            if all_moved && source > target {
                continue;
            }
            let top = group.iter().map(|&edge| self.rates[edge as usize]).fold(NEVER, f64::max);
            let mut walks = vec![];
            looked += self.walks(source, target, least - ORDER_SLACK - top, max_hops, &mut walks);
            for walk in walks {
                if !walk.iter().any(|&token| is_anchor(token)) {
                    continue;
                }
                let legs: SmallVec<[u32; 4]> = (0..walk.len())
                    .filter_map(|at| {
                        self.lane_of.get(&(walk[at], walk[(at + 1) % walk.len()])).copied()
                    })
                    .collect();
                if !legs.iter().all(|leg| whole.contains(leg)) {
                    dropped += self.take_apart(&legs, group, &moved, least, most, &mut found);
                } else if walk.iter().min() == Some(&source) {
                    dropped += self.take_apart(&legs, group, &[], least, most, &mut found);
                }
                if found.len() > 2 * most {
                    dropped += keep_largest(&mut found, most);
                }
            }
        }
        dropped += keep_largest(&mut found, most);
        found.sort_by(|one, other| one.0.cmp(&other.0));
        self.dropped += dropped;
        (looked, found)
    }

    /// Adds the tokens of closed walks that begin with a pair and whose other legs add up to more than `room`.
    fn walks(
        &self,
        start: u32,
        second: u32,
        room: f64,
        max_hops: usize,
        found: &mut Vec<SmallVec<[u32; 4]>>,
    ) -> u64 {
        let (onward, home) = (&self.outward[second as usize], &self.inward[start as usize]);
        let mut looked = 1;
        if self.best(second, start) > room {
            found.push(SmallVec::from_slice(&[start, second]));
        }
        if max_hops == MIN_HOPS {
            return looked;
        }
        looked += onward.len().min(home.len()) as u64;
        let mut close = |third: u32, sum: f64| {
            if sum > room {
                found.push(SmallVec::from_slice(&[start, second, third]));
            }
        };
        if onward.len() <= home.len() {
            for &(third, lane) in onward {
                close(third, self.lane(lane) + self.best(third, start));
            }
        } else {
            for &(third, lane) in home {
                close(third, self.best(second, third) + self.lane(lane));
            }
        }
        if max_hops < MAX_HOPS {
            return looked;
        }
        for &(third, lane) in onward {
            let rate = self.lane(lane);
            if third == start || rate == NEVER {
                continue;
            }
            let (beyond, left) = (&self.outward[third as usize], room - rate);
            looked += beyond.len().min(home.len()) as u64;
            let mut close = |fourth: u32, sum: f64| {
                if sum > left && fourth != second {
                    found.push(SmallVec::from_slice(&[start, second, third, fourth]));
                }
            };
            if beyond.len() <= home.len() {
                for &(fourth, lane) in beyond {
                    close(fourth, self.lane(lane) + self.best(fourth, start));
                }
            } else {
                for &(fourth, lane) in home {
                    close(fourth, self.lane(lane) + self.best(third, fourth));
                }
            }
        }
        looked
    }

    /// Adds the cycles of pools along a walk that begin with an edge of the group; returns how many were let go.
    ///
    /// Of a cycle with several of the edges `moved` only the writing from the least of them is added.
    fn take_apart(
        &self,
        legs: &[u32],
        group: &[u32],
        moved: &[u32],
        least: f64,
        most: usize,
        found: &mut Vec<FoundCycle>,
    ) -> u64 {
        let mut dropped = 0;
        let mut paths: Vec<FoundCycle> = group
            .iter()
            .map(|&edge| (SmallVec::from_slice(&[edge]), self.rates[edge as usize]))
            .collect();
        for place in 1..legs.len() {
            let rest: f64 = legs[place + 1..].iter().map(|&leg| self.lane(leg)).sum();
            let need = least - ORDER_SLACK - rest;
            let mut longer = vec![];
            for (path, total) in &paths {
                for &edge in &self.lanes[legs[place] as usize].edges {
                    let sum = total + self.rates[edge as usize];
                    if sum > need
                        && edge != path[0] ^ 1
                        && !(edge < path[0] && moved.binary_search(&edge).is_ok())
                    {
                        let mut path = path.clone();
                        path.push(edge);
                        longer.push((path, sum));
                    }
                }
            }
            dropped += keep_largest(&mut longer, most);
            paths = longer;
        }
        for (mut path, _) in paths {
            let first =
                path.iter().enumerate().min_by_key(|&(_, edge)| edge).map_or(0, |(at, _)| at);
            path.rotate_left(first);
            let mut total = self.rates[path[0] as usize];
            for &edge in &path[1..] {
                total += self.rates[edge as usize];
            }
            if total > least {
                found.push((path, total));
            }
        }
        dropped
    }
}

/// Keeps at most so many, those with the largest sums, equal ones by their edges; returns how many were let go.
fn keep_largest(found: &mut Vec<FoundCycle>, most: usize) -> u64 {
    if found.len() <= most {
        return 0;
    }
    let dropped = found.len() - most;
    found.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    found.truncate(most);
    dropped as u64
}
