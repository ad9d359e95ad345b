//! The cycles of one question, handed out best first: sized when their turn comes, each pool used once.
//!
//! The readable Python is `alphapulse.amm.contest`.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap, HashSet};

use crate::cycle_bounds::to_f64;
use crate::cycles::{Edges, Mixed};
use crate::full_math::U256;
use crate::refusal::{out_of_range, Answer};
use crate::sizing::Sizing;

pub const ENDS: usize = 16;
pub const TAKEN: u8 = 0;
pub const OVERLAPPING: u8 = 1;
pub const BELOW_LEAST: u8 = 2;
pub const BELOW_FLOOR: u8 = 3;
pub const HELD_BACK: u8 = 6;
pub const UNPRICED: u8 = 7;
pub const UNPROFITABLE: u8 = 8;
pub const RESTING: u8 = 9;
const LIMIT_REACHED_SHIFT: usize = 10;
const WORTH_MARGIN: f64 = 1e-12;

/// A cycle from its least edge, how many ways may still win, and how far the others came.
#[derive(Debug)]
pub struct Entrant {
    pub edges: Edges,
    pub ways: usize,
    pub end: u8,
    pub is_settled: bool,
}

impl Entrant {
    pub fn new(edges: Edges, ways: usize) -> Self {
        Self { edges, ways, end: UNPROFITABLE, is_settled: false }
    }

    pub fn close_way(&mut self, end: u8) {
        self.ways = self.ways.saturating_sub(1);
        self.end = self.end.min(end);
        self.is_settled = self.ways == 0;
    }

    pub fn settle(&mut self, end: u8) {
        self.end = end;
        self.is_settled = true;
    }

    fn from(&self, start: usize) -> Edges {
        self.edges[start..].iter().chain(&self.edges[..start]).copied().collect()
    }
}

/// One way through a cycle: its limit, what a unit is worth, its cost, and what its rank is multiplied by.
#[derive(Clone, Debug)]
pub struct Way {
    pub place: usize,
    pub start: usize,
    pub max_amount_in: U256,
    pub worth: f64,
    pub cost: f64,
    pub factor: f64,
}

#[derive(Debug)]
struct Waiting {
    rank: f64,
    way: Way,
    sizing: Option<Box<Sizing>>,
}

impl Waiting {
    fn key(&self) -> (usize, usize) {
        (self.way.place, self.way.start)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.total_cmp(&other.rank).then_with(|| other.key().cmp(&self.key()))
    }
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// The sized walk that could be worth most.
    Walk { place: usize, start: usize, edges: Edges, sizing: Box<Sizing> },
    /// A walk over a pool that only the caller can ask: size it and say so.
    Ask { edges: Edges, max_amount_in: U256 },
    /// Nothing is worth that much.
    Nothing,
}

/// What sizing a walk came to.
pub enum Sized {
    Known(Option<Box<Sizing>>),
    Foreign,
}

#[derive(Debug)]
pub struct Contest {
    pub sums: u64,
    pub sized: u64,
    entrants: Vec<Entrant>,
    queue: BinaryHeap<Waiting>,
    asked: Option<Way>,
    taken: HashSet<u32, Mixed>,
    least: f64,
}

impl Contest {
    pub fn new(sums: u64, least: f64) -> Self {
        Self {
            sums,
            sized: 0,
            entrants: vec![],
            queue: BinaryHeap::new(),
            asked: None,
            taken: HashSet::default(),
            least,
        }
    }

    pub fn len(&self) -> usize {
        self.entrants.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entrants.is_empty()
    }

    /// Adds a cycle and returns its place.
    pub fn push(&mut self, entrant: Entrant) -> usize {
        self.entrants.push(entrant);
        self.entrants.len() - 1
    }

    pub fn close_way(&mut self, place: usize, end: u8) {
        self.entrants[place].close_way(end);
    }

    /// Lets a way wait by the most it could be worth.
    pub fn enter(&mut self, way: Way, bound: f64) {
        if let Some(rank) = self.rank(&way, bound, BELOW_FLOOR) {
            self.queue.push(Waiting { rank, way, sizing: None });
        }
    }

    fn rank(&mut self, way: &Way, profit: f64, end: u8) -> Option<f64> {
        let most = profit * way.worth * (1.0 + WORTH_MARGIN) - way.cost;
        if most <= 0.0 {
            self.entrants[way.place].close_way(end);
        } else if most < self.least {
            self.entrants[way.place].close_way(BELOW_LEAST);
        } else {
            return Some(most * way.factor);
        }
        None
    }

    /// The sized walk that could be worth most, if any can be worth `above`.
    pub fn best<E>(
        &mut self,
        above: f64,
        mut size: impl FnMut(&[u32], U256) -> Result<Sized, E>,
    ) -> Result<Step, E> {
        while self.queue.peek().is_some_and(|top| top.rank >= above) {
            let Some(Waiting { way, sizing, .. }) = self.queue.pop() else {
                break;
            };
            if self.entrants[way.place].is_settled || self.is_overlapping(way.place) {
                continue;
            }
            let edges = self.entrants[way.place].from(way.start);
            if let Some(sizing) = sizing {
                let Way { place, start, .. } = way;
                return Ok(Step::Walk { place, start, edges, sizing });
            }
            match size(&edges, way.max_amount_in)? {
                Sized::Known(sizing) => self.note(way, sizing),
                Sized::Foreign => {
                    let max_amount_in = way.max_amount_in;
                    self.asked = Some(way);
                    return Ok(Step::Ask { edges, max_amount_in });
                }
            }
        }
        Ok(Step::Nothing)
    }

    /// Takes the caller's answer about the walk that it was asked to size.
    pub fn answer(&mut self, sizing: Option<Box<Sizing>>) {
        if let Some(way) = self.asked.take() {
            self.note(way, sizing);
        }
    }

    fn note(&mut self, way: Way, sizing: Option<Box<Sizing>>) {
        self.sized += 1;
        let Some(sizing) = sizing else {
            self.entrants[way.place].close_way(UNPROFITABLE);
            return;
        };
        let room = way.max_amount_in.saturating_sub(sizing.amounts[0]);
        let end =
            if room <= way.max_amount_in >> LIMIT_REACHED_SHIFT { HELD_BACK } else { BELOW_FLOOR };
        if let Some(rank) = self.rank(&way, to_f64(sizing.profit.as_limbs()), end) {
            self.queue.push(Waiting { rank, way, sizing: Some(sizing) });
        }
    }

    fn require(&self, place: usize) -> Answer<()> {
        if place >= self.entrants.len() {
            return Err(out_of_range("there is no cycle of this number"));
        }
        Ok(())
    }

    /// Notes that a walk which was handed out is not worth it.
    pub fn close(&mut self, place: usize, end: usize) -> Answer<()> {
        if end >= ENDS {
            return Err(out_of_range("`end` must be below 16"));
        }
        self.require(place)?;
        if !self.entrants[place].is_settled {
            self.entrants[place].close_way(end as u8);
        }
        Ok(())
    }

    /// Takes a cycle and its pools; false when it has ended or one of its pools is taken.
    pub fn take(&mut self, place: usize) -> Answer<bool> {
        self.require(place)?;
        if self.entrants[place].is_settled || self.is_overlapping(place) {
            return Ok(false);
        }
        self.entrants[place].settle(TAKEN);
        self.taken.extend(self.entrants[place].edges.iter().map(|edge| edge >> 1));
        Ok(true)
    }

    fn is_overlapping(&mut self, place: usize) -> bool {
        if self.taken.is_empty()
            || !self.entrants[place].edges.iter().any(|edge| self.taken.contains(&(edge >> 1)))
        {
            return false;
        }
        self.entrants[place].settle(OVERLAPPING);
        true
    }

    /// How many cycles came to each end, by code.
    pub fn ends(&self) -> [usize; ENDS] {
        let mut counts = [0; ENDS];
        for entrant in &self.entrants {
            counts[usize::from(entrant.end)] += 1;
        }
        counts
    }

    /// The pools of cycles that a lower cost could let pass, ascending.
    pub fn waiting(&self) -> BTreeSet<u32> {
        self.entrants
            .iter()
            .filter(|entrant| matches!(entrant.end, BELOW_FLOOR | BELOW_LEAST))
            .flat_map(|entrant| entrant.edges.iter().map(|edge| edge >> 1))
            .collect()
    }

    /// The pools that take part.
    pub fn pools(&self) -> impl Iterator<Item = u32> + '_ {
        self.entrants.iter().flat_map(|entrant| entrant.edges.iter().map(|edge| edge >> 1))
    }
}
