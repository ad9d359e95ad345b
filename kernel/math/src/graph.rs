//! A stateful graph of pools: updates in, the best sized cycles through what changed out.
//!
//! Floating logarithms only decide what is looked at; their margin is wider than every error of theirs, and
//! whether a cycle pays is decided in exact integers.

use std::collections::{HashMap, HashSet};

use crate::full_math::{product, U256, U512};
use crate::pool::{Quoter, V2Pool, V3Pool};
use crate::refusal::{out_of_range, Answer};
use crate::sizing::{optimise, Sizing};

pub const MIN_HOPS: usize = 2;
pub const MAX_HOPS: usize = 4;
/// On a sum of logarithms; each of them errs by less than 1e-13.
const MARGIN: f64 = 1e-11;
const NEVER: f64 = f64::NEG_INFINITY;

/// A pool of either kind, owned.
#[derive(Debug)]
pub enum Pool {
    V2(V2Pool),
    V3(Box<V3Pool>),
}

impl Pool {
    fn quoter(&self) -> Quoter<'_> {
        match self {
            Pool::V2(pool) => Quoter::V2(pool),
            Pool::V3(pool) => Quoter::V3(pool),
        }
    }
}

/// What an event says about a pool.
#[derive(Clone, Copy, Debug)]
pub enum Update {
    Reserves { reserve0: U256, reserve1: U256 },
    Swap { sqrt_price_x96: U256, tick: i32, liquidity: U256 },
    Liquidity { tick_lower: i32, tick_upper: i32, amount: U256, is_burn: bool },
}

/// A token from which a cycle may be walked: the most that may be borrowed, and what a unit counts in ranking.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    pub token: u32,
    pub max_amount_in: U256,
    pub weight: U256,
}

/// A cycle in walking order with its best amounts; edge 2 * pool pays token0 in, the next one token1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub edges: Vec<u32>,
    pub sizing: Sizing,
    pub rank: U512,
}

/// Edges that turn one token into another, and the best of their rates.
#[derive(Debug)]
struct Lane {
    source: u32,
    target: u32,
    edges: Vec<u32>,
    best: f64,
}

/// Pools by number as directed edges between tokens.
#[derive(Debug, Default)]
pub struct Graph {
    pools: Vec<Pool>,
    tokens: Vec<(u32, u32)>,
    is_refused: Vec<bool>,
    rates: Vec<f64>,
    lanes: Vec<Lane>,
    lane_of: HashMap<(u32, u32), usize>,
    outward: HashMap<u32, Vec<usize>>,
    inward: HashMap<u32, Vec<usize>>,
}

impl Graph {
    pub fn len(&self) -> usize {
        self.pools.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    /// Adds a pool between two tokens and returns its number.
    pub fn add(&mut self, token0: u32, token1: u32, pool: Pool) -> Answer<usize> {
        if token0 == token1 {
            return Err(out_of_range("a pool joins two different tokens"));
        }
        let index = self.pools.len();
        let edge = u32::try_from(2 * index).map_err(|_| out_of_range("too many pools"))?;
        self.pools.push(pool);
        self.tokens.push((token0, token1));
        self.is_refused.push(false);
        self.rates.extend([NEVER; 2]);
        self.join(token0, token1, edge);
        self.join(token1, token0, edge + 1);
        self.refresh(index);
        Ok(index)
    }

    fn join(&mut self, source: u32, target: u32, edge: u32) {
        if let Some(&lane) = self.lane_of.get(&(source, target)) {
            self.lanes[lane].edges.push(edge);
            return;
        }
        let lane = self.lanes.len();
        self.lanes.push(Lane { source, target, edges: vec![edge], best: NEVER });
        self.lane_of.insert((source, target), lane);
        self.outward.entry(source).or_default().push(lane);
        self.inward.entry(target).or_default().push(lane);
    }

    /// Replaces a pool's whole state and trusts it again.
    pub fn replace(&mut self, index: usize, pool: Pool) -> Answer<()> {
        self.require(index)?;
        self.pools[index] = pool;
        self.is_refused[index] = false;
        self.refresh(index);
        Ok(())
    }

    fn require(&self, index: usize) -> Answer<()> {
        if index >= self.pools.len() {
            return Err(out_of_range("there is no pool of this number"));
        }
        Ok(())
    }

    /// Applies updates in order; a pool that refuses one answers no more until it is replaced.
    ///
    /// Returns the numbers of the pools that refused. An unknown number refuses the whole batch before anything changes.
    pub fn apply(&mut self, updates: &[(usize, Update)]) -> Answer<Vec<usize>> {
        for &(index, _) in updates {
            self.require(index)?;
        }
        let mut refused = vec![];
        let mut changed = vec![];
        for &(index, update) in updates {
            if self.is_refused[index] {
                continue;
            }
            let done = match (&mut self.pools[index], update) {
                (Pool::V2(pool), Update::Reserves { reserve0, reserve1 }) => {
                    pool.set_reserves(reserve0, reserve1)
                }
                (Pool::V3(pool), Update::Swap { sqrt_price_x96, tick, liquidity }) => {
                    pool.apply_swap(sqrt_price_x96, tick, liquidity)
                }
                (Pool::V3(pool), Update::Liquidity { tick_lower, tick_upper, amount, is_burn }) => {
                    pool.apply_liquidity(tick_lower, tick_upper, amount, is_burn)
                }
                _ => Err(out_of_range("an update of another kind of pool")),
            };
            if done.is_err() {
                self.is_refused[index] = true;
                refused.push(index);
            }
            changed.push(index);
        }
        changed.sort_unstable();
        changed.dedup();
        for index in changed {
            self.refresh(index);
        }
        Ok(refused)
    }

    /// The state of a pool as canonical bytes.
    pub fn fingerprint(&self, index: usize) -> Answer<Vec<u8>> {
        self.require(index)?;
        Ok(match &self.pools[index] {
            Pool::V2(pool) => pool.fingerprint(),
            Pool::V3(pool) => pool.fingerprint(),
        })
    }

    fn refresh(&mut self, index: usize) {
        for (edge, zero_for_one) in [(2 * index, true), (2 * index + 1, false)] {
            let rate = if self.is_refused[index] {
                NEVER
            } else {
                match self.pools[index].quoter().marginal_rate_x128(zero_for_one) {
                    Ok(rate) => log_x128(rate + U512::from(1u64)),
                    Err(_) => NEVER,
                }
            };
            self.rates[edge] = rate;
            let (token0, token1) = self.tokens[index];
            let ends = if zero_for_one { (token0, token1) } else { (token1, token0) };
            let lane = &mut self.lanes[self.lane_of[&ends]];
            lane.best =
                lane.edges.iter().map(|&edge| self.rates[edge as usize]).fold(NEVER, f64::max);
        }
    }

    /// Every cycle of 2 to `max_hops` hops through a changed pool that earns anything, best first.
    ///
    /// Cycles meet no token twice. The rank is the profit times the anchor's weight; equal ranks stand in the order of their edges.
    pub fn search(
        &self,
        changed: &[usize],
        anchors: &[Anchor],
        premium_bps: u64,
        max_hops: usize,
    ) -> Answer<Vec<Found>> {
        if !(MIN_HOPS..=MAX_HOPS).contains(&max_hops) {
            return Err(out_of_range("`max_hops` must be in 2 ... 4"));
        }
        for &index in changed {
            self.require(index)?;
        }
        let anchors: HashMap<u32, Anchor> = anchors.iter().map(|one| (one.token, *one)).collect();
        let least = (premium_bps as f64 / 10_000.0).ln_1p() - MARGIN;
        let mut found = vec![];
        for cycle in self.candidates(changed, least, max_hops) {
            for start in 0..cycle.len() {
                let Some(anchor) = anchors.get(&self.source(cycle[start])) else {
                    continue;
                };
                let edges: Vec<u32> =
                    cycle[start..].iter().chain(&cycle[..start]).copied().collect();
                let hops: Vec<_> = edges
                    .iter()
                    .map(|&edge| (self.pools[edge as usize >> 1].quoter(), edge & 1 == 0))
                    .collect();
                if let Some(sizing) = optimise(&hops, premium_bps, anchor.max_amount_in)? {
                    let rank = product(sizing.profit, anchor.weight);
                    found.push(Found { edges, sizing, rank });
                }
            }
        }
        found.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.edges.cmp(&b.edges)));
        Ok(found)
    }

    fn source(&self, edge: u32) -> u32 {
        let (token0, token1) = self.tokens[edge as usize >> 1];
        if edge & 1 == 0 {
            token0
        } else {
            token1
        }
    }

    /// The cycles whose logarithms add up to more than `least`, each once, from its least edge.
    fn candidates(&self, changed: &[usize], least: f64, max_hops: usize) -> HashSet<Vec<u32>> {
        let mut found = HashSet::new();
        for &index in changed {
            for edge in [2 * index as u32, 2 * index as u32 + 1] {
                let rate = self.rates[edge as usize];
                if rate > NEVER {
                    self.walks(edge, least - rate, max_hops, &mut found);
                }
            }
        }
        found
    }

    fn best(&self, source: u32, target: u32) -> (f64, usize) {
        match self.lane_of.get(&(source, target)) {
            Some(&lane) => (self.lanes[lane].best, lane),
            None => (NEVER, usize::MAX),
        }
    }

    fn lanes_at<'a>(&'a self, held: &'a HashMap<u32, Vec<usize>>, token: u32) -> &'a [usize] {
        held.get(&token).map_or(&[], Vec::as_slice)
    }

    /// Adds the cycles that begin with an edge and whose other legs add up to more than `room`.
    fn walks(&self, first: u32, room: f64, max_hops: usize, found: &mut HashSet<Vec<u32>>) {
        let (start, second) = (self.source(first), self.source(first ^ 1));
        let (rate, lane) = self.best(second, start);
        if rate > room {
            self.take_apart(first, &[lane], room, found);
        }
        if max_hops < 3 {
            return;
        }
        for &onward in self.lanes_at(&self.outward, second) {
            let Lane { target: third, best: more, .. } = self.lanes[onward];
            if third == start || more == NEVER {
                continue;
            }
            let (home, last) = self.best(third, start);
            if more + home > room {
                self.take_apart(first, &[onward, last], room, found);
            }
            if max_hops == 4 {
                self.fourths(first, onward, room, found);
            }
        }
    }

    /// Adds the cycles of four hops whose second leg is a lane, over the fewer of the neighbours that may close it.
    fn fourths(&self, first: u32, onward: usize, room: f64, found: &mut HashSet<Vec<u32>>) {
        let (start, second) = (self.source(first), self.source(first ^ 1));
        let Lane { target: third, best: more, .. } = self.lanes[onward];
        let (beyond, home) =
            (self.lanes_at(&self.outward, third), self.lanes_at(&self.inward, start));
        let mut close = |leg: usize, last: usize, fourth: u32| {
            if fourth != start && fourth != second && fourth != third {
                let sum = more + self.lanes[leg].best + self.lanes[last].best;
                if sum > room {
                    self.take_apart(first, &[onward, leg, last], room, found);
                }
            }
        };
        if beyond.len() <= home.len() {
            for &leg in beyond {
                let fourth = self.lanes[leg].target;
                if let Some(&last) = self.lane_of.get(&(fourth, start)) {
                    close(leg, last, fourth);
                }
            }
        } else {
            for &last in home {
                let fourth = self.lanes[last].source;
                if let Some(&leg) = self.lane_of.get(&(third, fourth)) {
                    close(leg, last, fourth);
                }
            }
        }
    }

    /// Adds the cycles of pools along lanes.
    fn take_apart(&self, first: u32, lanes: &[usize], room: f64, found: &mut HashSet<Vec<u32>>) {
        let mut paths = vec![(vec![first], 0.0)];
        for (place, &lane) in lanes.iter().enumerate() {
            let rest: f64 = lanes[place + 1..].iter().map(|&lane| self.lanes[lane].best).sum();
            let mut longer = vec![];
            for (path, sum) in &paths {
                for &edge in &self.lanes[lane].edges {
                    let sum = sum + self.rates[edge as usize];
                    if edge != first ^ 1 && sum + rest > room {
                        let mut path = path.clone();
                        path.push(edge);
                        longer.push((path, sum));
                    }
                }
            }
            paths = longer;
        }
        for (mut path, _) in paths {
            let least =
                path.iter().enumerate().min_by_key(|&(_, edge)| edge).map_or(0, |(at, _)| at);
            path.rotate_left(least);
            found.insert(path);
        }
    }
}

/// The natural logarithm of a Q128 ratio above zero.
fn log_x128(rate: U512) -> f64 {
    let shift = rate.bit_len().saturating_sub(64);
    let top = (rate >> shift).as_limbs()[0] as f64;
    top.ln() + (shift as f64 - 128.0) * std::f64::consts::LN_2
}
