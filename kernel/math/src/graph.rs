//! A graph over pools that others keep: told what changed, it answers with the cycles through it, best first and exactly sized.
//!
//! The readable Python is `alphapulse.amm.pool_graph`. Floats only decide what is looked at.

use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;

use crate::contest::{Contest, Entrant, Way, ENDS, RESTING, UNPRICED};
use crate::cycle_bounds::{bounds_of, hop_of, rates_of, reach_of, straight, to_f64, Hop, MARGIN};
use crate::cycles::{Edges, Finder, FoundCycle, Mixed, MAX_HOPS, MIN_HOPS};
use crate::full_math::{product, U256, U512};
use crate::pool::Quoter;
use crate::refusal::{out_of_range, Answer};
use crate::sizing::{optimise, Sizing};

pub const CYCLES_MAX: usize = 8_192;
const PERCENT: f64 = 100.0;

/// A token from which a cycle may be walked: the most that may be borrowed, and what a unit is worth.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    pub max_amount_in: U256,
    pub worth: Option<f64>,
}

/// What a walk must come up to.
#[derive(Debug)]
pub struct Terms {
    pub anchors: HashMap<u32, Anchor>,
    pub price: U256,
    pub least: U256,
    pub resting: HashSet<Vec<u32>>,
}

/// A cycle in walking order with its best amounts, and its profit times the anchor's weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub edges: Edges,
    pub sizing: Sizing,
    pub rank: U512,
}

/// What answers for a pool while a question is asked.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    Pool(Quoter<'a>),
    /// A pool that only the caller can ask, with its first rates.
    Line([f64; 2]),
}

#[derive(Debug)]
pub struct Graph {
    finder: Finder,
    tokens: Vec<(u32, u32)>,
    numbers: HashMap<u32, u32, Mixed>,
    names: Vec<u32>,
    kinds: Vec<u8>,
    places: Vec<u32>,
    bars: Vec<u8>,
    has_repeats: bool,
    expected: HashMap<u64, (U256, f64), Mixed>,
    premium_bps: u64,
    max_hops: usize,
    log_cost: f64,
}

impl Graph {
    pub fn new(premium_bps: u64, max_hops: usize) -> Answer<Self> {
        if !(MIN_HOPS..=MAX_HOPS).contains(&max_hops) {
            return Err(out_of_range("`max_hops` must be in 2 ... 4"));
        }
        Ok(Self {
            finder: Finder::default(),
            tokens: vec![],
            numbers: HashMap::default(),
            names: vec![],
            kinds: vec![],
            places: vec![],
            bars: vec![],
            has_repeats: false,
            expected: HashMap::default(),
            premium_bps,
            max_hops,
            log_cost: (premium_bps as f64 / 10_000.0).ln_1p(),
        })
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    pub fn premium_bps(&self) -> u64 {
        self.premium_bps
    }

    pub fn dropped(&self) -> u64 {
        self.finder.dropped
    }

    /// Adds a pool between two tokens and returns its number; pairs of one pool share a place.
    pub fn add(
        &mut self,
        token0: u32,
        token1: u32,
        kind: u32,
        place: Option<u32>,
    ) -> Answer<usize> {
        if token0 == token1 {
            return Err(out_of_range("a pool joins two different tokens"));
        }
        let index = self.tokens.len();
        let Some(own) = u32::try_from(index).ok().filter(|&own| own < u32::MAX / 2) else {
            return Err(out_of_range("too many pools"));
        };
        let place = place.unwrap_or(own);
        let kind = u8::try_from(kind).map_err(|_| out_of_range("`kind` must be below 256"))?;
        if place == u32::MAX {
            return Err(out_of_range("`place` must fit 32 bits"));
        }
        let (first, second) = (self.numbered(token0), self.numbered(token1));
        self.has_repeats |= place != own;
        self.tokens.push((token0, token1));
        self.kinds.push(kind);
        self.places.push(place);
        self.bars.push(0);
        self.finder.add(first, second);
        Ok(index)
    }

    fn numbered(&mut self, token: u32) -> u32 {
        let next = self.names.len() as u32;
        let number = *self.numbers.entry(token).or_insert(next);
        if number == next {
            self.names.push(token);
        }
        number
    }

    /// Refuses an unknown pool and an unknown code.
    pub fn require(&self, index: usize, bar: usize) -> Answer<()> {
        if index >= self.tokens.len() {
            return Err(out_of_range("there is no pool of this number"));
        }
        if bar >= ENDS {
            return Err(out_of_range("a bar must be below 16"));
        }
        Ok(())
    }

    /// Takes over a pool's rates, and the code that ends every cycle through it.
    pub fn update(&mut self, index: usize, rates: [f64; 2], bar: usize) -> Answer<()> {
        self.require(index, bar)?;
        self.bars[index] = bar as u8;
        self.finder.set_rate(2 * index as u32, rates[0]);
        self.finder.set_rate(2 * index as u32 + 1, rates[1]);
        Ok(())
    }

    /// Takes over the rates of a pool that answers for itself.
    pub fn refresh(&mut self, index: usize, quoter: Quoter<'_>, bar: usize) -> Answer<()> {
        self.update(index, rates_of(quoter), bar)
    }

    /// Takes what walks over such kinds cost at least, and the percent of their worth that counts at most.
    pub fn expect(&mut self, expected: Vec<(Vec<u8>, U256, f64)>) {
        self.expected = expected
            .into_iter()
            .filter(|(kinds, _, _)| kinds.len() <= MAX_HOPS)
            .map(|(kinds, effort, percent)| (packed(&kinds), (effort, percent)))
            .collect();
    }

    /// How many sums were made, and the cycles that could pay, ascending.
    pub fn cycles(
        &mut self,
        changed: &[usize],
        is_anchor: impl Fn(u32) -> bool,
    ) -> Answer<(u64, Vec<FoundCycle>)> {
        for &index in changed {
            self.require(index, 0)?;
        }
        let names = std::mem::take(&mut self.names);
        let edges = changed.iter().flat_map(|&index| [2 * index as u32, 2 * index as u32 + 1]);
        let (sums, mut found) = self.finder.through(
            edges,
            |number| is_anchor(names[number as usize]),
            self.log_cost - MARGIN,
            self.max_hops,
            CYCLES_MAX,
        );
        self.names = names;
        if self.has_repeats {
            found.retain(|(edges, _)| {
                let place = |edge: &u32| self.places[*edge as usize >> 1];
                (1..edges.len())
                    .all(|at| !edges[..at].iter().any(|edge| place(edge) == place(&edges[at])))
            });
        }
        Ok((sums, found))
    }

    /// The contest of these cycles, to be handed out best first.
    pub fn contest<'a>(
        &self,
        sums: u64,
        cycles: Vec<FoundCycle>,
        terms: &Terms,
        ask: impl Fn(u32) -> Asked<'a>,
    ) -> Contest {
        let mut contest = Contest::new(sums, to_f64(terms.least.as_limbs()));
        let mut hops: HashMap<(u32, u32), Hop, Mixed> = HashMap::default();
        for (edges, total) in cycles {
            let mut bar =
                edges.iter().map(|&edge| self.bars[edge as usize >> 1]).max().unwrap_or(0);
            if bar == 0 && !terms.resting.is_empty() {
                let path: Vec<u32> = edges.iter().map(|edge| edge >> 1).collect();
                if terms.resting.contains(&path) {
                    bar = RESTING;
                }
            }
            if bar != 0 {
                let mut entrant = Entrant::new(edges, 0);
                entrant.settle(bar);
                contest.push(entrant);
            } else {
                self.enter(&mut contest, edges, total, terms, &mut hops, &ask);
            }
        }
        contest
    }

    fn enter<'a>(
        &self,
        contest: &mut Contest,
        edges: Edges,
        total: f64,
        terms: &Terms,
        hops: &mut HashMap<(u32, u32), Hop, Mixed>,
        ask: &impl Fn(u32) -> Asked<'a>,
    ) {
        let log_gain = (total - self.log_cost).max(0.0) + 2.0 * MARGIN;
        let reach = reach_of(log_gain);
        let along: SmallVec<[Hop; 4]> = edges
            .iter()
            .map(|&edge| {
                *hops.entry((edge, reach as u32)).or_insert_with(|| match ask(edge >> 1) {
                    Asked::Pool(quoter) => hop_of(quoter, reach, edge & 1 == 0),
                    Asked::Line(slopes) => straight(slopes[edge as usize & 1]),
                })
            })
            .collect();
        let mut kinds: SmallVec<[u8; 4]> =
            edges.iter().map(|&edge| self.kinds[edge as usize >> 1]).collect();
        kinds.sort_unstable();
        let &(effort, factor) =
            self.expected.get(&packed(&kinds)).unwrap_or(&(U256::ZERO, PERCENT));
        let cost = to_f64(product(effort, terms.price).as_limbs());
        let starts: SmallVec<[(usize, Anchor); 4]> = edges
            .iter()
            .enumerate()
            .filter_map(|(start, &edge)| Some((start, *terms.anchors.get(&self.source(edge))?)))
            .collect();
        let loans: SmallVec<[(usize, f64); 4]> = starts
            .iter()
            .map(|(start, anchor)| (*start, to_f64(anchor.max_amount_in.as_limbs())))
            .collect();
        let owed = 1.0 + self.premium_bps as f64 / 10_000.0;
        let bounds = bounds_of(&along, log_gain, owed, &loans);
        let place = contest.push(Entrant::new(edges, starts.len()));
        for ((start, Anchor { max_amount_in, worth }), bound) in starts.into_iter().zip(bounds) {
            match worth {
                None => contest.close_way(place, UNPRICED),
                Some(worth) => {
                    contest.enter(Way { place, start, max_amount_in, worth, cost, factor }, bound);
                }
            }
        }
    }

    /// Every walk of these cycles that earns anything, best first; those over a pool that cannot be asked are left to the caller.
    pub fn sized<'a>(
        &self,
        cycles: &[FoundCycle],
        anchors: &HashMap<u32, (U256, U256)>,
        ask: impl Fn(u32) -> Asked<'a>,
    ) -> Answer<(Vec<Found>, Vec<Edges>)> {
        let (mut found, mut left) = (vec![], vec![]);
        for (cycle, _) in cycles {
            for start in 0..cycle.len() {
                let Some(&(max_amount_in, weight)) = anchors.get(&self.source(cycle[start])) else {
                    continue;
                };
                let edges: Edges = cycle[start..].iter().chain(&cycle[..start]).copied().collect();
                let Some(hops) = hops_of(&edges, &ask) else {
                    left.push(edges);
                    continue;
                };
                if let Some(sizing) = optimise(&hops, self.premium_bps, max_amount_in)? {
                    let rank = product(sizing.profit, weight);
                    found.push(Found { edges, sizing, rank });
                }
            }
        }
        found.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.edges.cmp(&b.edges)));
        Ok((found, left))
    }

    /// The token that an edge takes in.
    pub fn source(&self, edge: u32) -> u32 {
        let (token0, token1) = self.tokens[edge as usize >> 1];
        if edge & 1 == 0 {
            token0
        } else {
            token1
        }
    }
}

/// The hops of a walk, None when one of them cannot be asked.
pub fn hops_of<'a>(
    edges: &[u32],
    ask: impl Fn(u32) -> Asked<'a>,
) -> Option<SmallVec<[(Quoter<'a>, bool); 4]>> {
    edges
        .iter()
        .map(|&edge| match ask(edge >> 1) {
            Asked::Pool(quoter) => Some((quoter, edge & 1 == 0)),
            Asked::Line(_) => None,
        })
        .collect()
}

/// Up to four kinds as one number.
fn packed(kinds: &[u8]) -> u64 {
    kinds.iter().fold(kinds.len() as u64, |all, &kind| all << 8 | u64::from(kind))
}
