//! Where a cycle earns most on the real line: the start of the search in integers.

use smallvec::SmallVec;

use crate::full_math::U256;
use crate::int::Int;
use crate::pool::Hop;
use crate::refusal::{invariant, Answer};
use crate::swap_curve::Segment;

pub const BPS: u64 = 10_000;
const WALK_STEPS_MAX: usize = 160;
const NEIGHBOURS_MAX: usize = 4;

/// Amounts along a cycle; five hold a cycle of four hops.
pub type Amounts = SmallVec<[U256; 5]>;
type Segments = Vec<Segment>;

/// The best input on the real line, the amounts after each hop, and what no input can exceed.
///
/// The segments are those that meet at the optimum or on one side of it. At a distance of d units of input the
/// profit is lower by about d * d / breadth units, or by more.
pub struct Optimum {
    pub amounts: Amounts,
    pub bound: U256,
    pub segments: Segments,
    pub breadth: U256,
}

/// What any amount before one hop pays at most and asks at least, as tangents in Q64.
pub struct Line {
    pub paid: Int,
    pub paid_slope: Int,
    pub asked: Int,
    pub asked_slope: Int,
}

impl Optimum {
    /// The tangents at the amount before hop `index`.
    pub fn line_at(&self, index: usize) -> Line {
        let amount = self.amounts[index];
        let one = Int::from(1u64);
        let (mut paid, mut paid_slope) = (Int::from(amount).shl(64), one.shl(64));
        for Segment { start_in, start_out, gain, slope, base, .. } in &self.segments[index..] {
            let beyond = &paid - &Int::from(*start_in).shl(64);
            let under = (&(slope * &beyond) + &base.shl(64)).max(one.clone());
            let more = (gain * &beyond).shl(64).div_up(&under);
            paid = &Int::from(*start_out).shl(64) + &more;
            let steep = (&paid_slope * gain).shl(64).div_up(&under);
            paid_slope = (&steep * base).shl(64).div_up(&under);
        }
        let (mut asked, mut asked_slope) = (Int::from(amount).shl(64), one.shl(64));
        for Segment { start_in, start_out, gain, slope, base, .. } in
            self.segments[..index].iter().rev()
        {
            let beyond = &asked - &Int::from(*start_out).shl(64);
            let under = (&gain.shl(64) - &(slope * &beyond)).max(one.clone());
            let more = (base * &beyond).shl(64).div_floor(&under);
            asked = &Int::from(*start_in).shl(64) + &more;
            let steep = (&asked_slope * base).shl(64).div_floor(&under);
            asked_slope = (&steep * gain).shl(64).div_floor(&under);
        }
        Line { paid, paid_slope, asked, asked_slope }
    }
}

impl Line {
    /// (most that is paid, least that is asked) at a distance from the amount, None where nothing is paid.
    ///
    /// `lost` is what the fee takes too much, in parts of what is kept.
    pub fn moved(
        &self,
        distance: U256,
        is_below: bool,
        lost: u64,
        kept: u64,
    ) -> Option<(U256, U256)> {
        let distance = Int::from(distance);
        let at = |from: &Int, slope: &Int| {
            let change = slope * &distance;
            if is_below {
                from - &change
            } else {
                from + &change
            }
        };
        let part = self.paid_slope.div_floor(&Int::from(kept));
        let paid = &at(&self.paid, &self.paid_slope) - &part.times(lost);
        if paid.is_negative() {
            return None;
        }
        let asked = at(&self.asked, &self.asked_slope).div_up(&Int::from(1u64).shl(64));
        Some((paid.shr(64).saturated(), asked.saturated()))
    }
}

/// The Moebius map (p x + q) / (r x + s).
struct Map {
    p: Int,
    q: Int,
    r: Int,
    s: Int,
}

/// The cycle while every hop stays in its stretch: its map, and the inputs for which that holds.
struct Piece {
    whole: Map,
    segments: Segments,
    start: Int,
    end: Int,
}

/// The cycle's first marginal rate over the loan's factor, rounded up.
pub fn excess_x128(hops: &[Hop<'_>], premium_bps: u64) -> Answer<Int> {
    let one = Int::from(1u64);
    let mut rate = one.shl(128);
    for (pool, zero_for_one) in hops {
        let hop = &Int::from(pool.marginal_rate_x128(*zero_for_one)?) + &one;
        rate = &(&rate * &hop).shr(128) + &one;
    }
    Ok(rate.times(BPS).div_up(&cost_of(premium_bps)))
}

/// For each hop an input that no optimum exceeds.
pub fn caps_of(hops: &[Hop<'_>], excess: &Int) -> Answer<Amounts> {
    let root = (&excess.isqrt() + &Int::from(1u64)).saturated();
    hops.iter().map(|(pool, zero_for_one)| pool.input_to_fall(root, *zero_for_one)).collect()
}

/// Where the cycle earns most, None when that is below one unit.
pub fn locate(
    hops: &[Hop<'_>],
    caps: &[U256],
    premium_bps: u64,
    max_amount_in: U256,
) -> Answer<Option<Optimum>> {
    let one = Int::from(1u64);
    let mut low = Int::zero();
    let mut high = Int::from(max_amount_in.min(caps[0]));
    if high < one {
        return Ok(None);
    }
    let mut guess = one.clone();
    let mut neighbours = 0;
    let mut last = None;
    for _ in 0..WALK_STEPS_MAX {
        let asked = guess;
        let (reached, piece) = piece_at(hops, caps, asked.saturated())?;
        guess = Int::from(reached);
        if guess < asked && guess < high {
            high = guess.clone();
        }
        let (best, root) = best_of(&piece.whole, premium_bps)?;
        if piece.start <= best && best <= piece.end && best <= high {
            return if best.is_positive() {
                optimum(piece, &root, best.saturated(), premium_bps)
            } else {
                Ok(None)
            };
        }
        if best > piece.end {
            low = low.max(guess).max(piece.end.clone());
        } else if best < piece.start {
            high = high.min(&guess - &one).min(piece.start.clone());
        } else {
            low = high.clone();
        }
        last = Some(piece);
        if low >= high {
            break;
        }
        guess = best;
        if !(low < guess && guess <= high) {
            neighbours += 1;
            let step = if neighbours <= NEIGHBOURS_MAX {
                one.clone()
            } else {
                (&(&high - &low) + &one).shr(1)
            };
            guess = &low + &step;
        }
    }
    match last {
        Some(piece) if high.is_positive() => stop(piece, high.saturated(), premium_bps),
        _ => Ok(None),
    }
}

fn cost_of(premium_bps: u64) -> Int {
    Int::from(u128::from(BPS) + u128::from(premium_bps))
}

/// The piece at this input, or at the largest input whose hops stay within their caps.
fn piece_at(hops: &[Hop<'_>], caps: &[U256], mut guess: U256) -> Answer<(U256, Piece)> {
    let mut amount = guess;
    let mut segments = Segments::with_capacity(hops.len());
    for (index, (pool, zero_for_one)) in hops.iter().enumerate() {
        if amount > caps[index] {
            amount = caps[index];
            if index > 0 {
                (guess, segments) = pull_back(hops, caps, index)?;
            }
        }
        let segment = pool.segment(amount, *zero_for_one)?;
        amount = answer(&segment, amount).max(U256::ONE);
        segments.push(segment);
    }
    Ok((guess, compose(segments)))
}

/// The input that fills hop `index` to its cap, and the segments before that hop.
fn pull_back(hops: &[Hop<'_>], caps: &[U256], index: usize) -> Answer<(U256, Segments)> {
    let mut amount = caps[index];
    let mut segments = Segments::with_capacity(hops.len());
    for (pool, zero_for_one) in hops[..index].iter().rev() {
        amount = pool.least_amount_in(amount, *zero_for_one)?;
        segments.push(pool.segment(amount, *zero_for_one)?);
    }
    segments.reverse();
    Ok((amount, segments))
}

fn answer(segment: &Segment, amount: U256) -> U256 {
    if amount <= segment.start_in {
        return segment.start_out;
    }
    let beyond = Int::from(amount - segment.start_in);
    let under = &(&segment.slope * &beyond) + &segment.base;
    let paid = (&segment.gain * &beyond).div_floor(&under);
    segment.start_out.saturating_add(paid.saturated())
}

/// The cycle's map over these segments, and where all of them hold.
fn compose(segments: Segments) -> Piece {
    let mut whole: Option<Map> = None;
    let mut start = Int::from(segments[0].start_in);
    let mut end = Int::from(segments[0].end_in);
    for segment in &segments {
        let start_in = Int::from(segment.start_in);
        if let Some(Map { p, q, r, s }) = &whole {
            let room = p - &(r * &start_in);
            if room.is_positive() {
                start = start.max((&(s * &start_in) - q).div_floor(&room));
            }
            let end_in = Int::from(segment.end_in);
            let room = p - &(r * &end_in);
            if room.is_positive() {
                end = end.min((&(s * &end_in) - q).div_up(&room));
            }
        }
        let slope = &segment.slope;
        let constant = &segment.base - &(slope * &start_in);
        let start_out = Int::from(segment.start_out);
        let a = &(&start_out * slope) + &segment.gain;
        let b = &(&start_out * &constant) - &(&segment.gain * &start_in);
        whole = Some(match whole {
            None => Map { p: a, q: b, r: slope.clone(), s: constant },
            Some(Map { p, q, r, s }) => Map {
                p: &(&a * &p) + &(&b * &r),
                q: &(&a * &q) + &(&b * &s),
                r: &(slope * &p) + &(&constant * &r),
                s: &(slope * &q) + &(&constant * &s),
            },
        });
    }
    let whole = whole.unwrap_or_else(|| Map {
        p: Int::from(1u64),
        q: Int::zero(),
        r: Int::zero(),
        s: Int::from(1u64),
    });
    Piece { whole, segments, start, end }
}

/// Where the map's slope equals the loan's factor, rounded to the unit below, and the root that says so.
fn best_of(whole: &Map, premium_bps: u64) -> Answer<(Int, Int)> {
    if whole.r.is_zero() {
        return Err(invariant("a cycle's map must bend"));
    }
    let cost = cost_of(premium_bps);
    let bend = &(&whole.p * &whole.s) - &(&whole.q * &whole.r);
    let root = (&cost.times(BPS) * &bend).isqrt();
    let best = (&root - &(&cost * &whole.s)).div_floor(&(&cost * &whole.r));
    Ok((best, root))
}

/// The optimum inside a piece; its bound is the map's own maximum, rounded up by half.
fn optimum(piece: Piece, root: &Int, amount_in: U256, premium_bps: u64) -> Answer<Option<Optimum>> {
    let whole = &piece.whole;
    let sum = &whole.p.times(BPS) + &(&cost_of(premium_bps) * &whole.s);
    let twice = (&sum - &root.shl(1)).shl(1);
    let under = whole.r.clone();
    Ok(bounded(piece, amount_in, &twice, &under, premium_bps))
}

/// The optimum on a stop or at the limit of the input; its bound is the value there.
fn stop(piece: Piece, amount_in: U256, premium_bps: u64) -> Answer<Option<Optimum>> {
    let whole = &piece.whole;
    let amount = Int::from(amount_in);
    let under = &(&whole.r * &amount) + &whole.s;
    if under.is_zero() {
        return Err(invariant("a cycle's map must have a value where it ends"));
    }
    let earned = (&(&whole.p * &amount) + &whole.q).times(BPS);
    let owed = &(&cost_of(premium_bps) * &amount) * &under;
    let twice = (&earned - &owed).shl(1);
    Ok(bounded(piece, amount_in, &twice, &under, premium_bps))
}

/// The optimum with its bound: the premium's rounding gives away at most half a unit.
fn bounded(
    piece: Piece,
    amount_in: U256,
    twice: &Int,
    under: &Int,
    premium_bps: u64,
) -> Option<Optimum> {
    let scaled = under.times(BPS);
    let bound = if premium_bps == 0 {
        twice.div_floor(&scaled.shl(1))
    } else {
        (twice + &scaled).div_floor(&scaled.shl(1))
    };
    if !bound.is_positive() {
        return None;
    }
    let mut amounts: Amounts = SmallVec::new();
    amounts.push(amount_in);
    let mut amount = amount_in;
    for segment in &piece.segments {
        amount = answer(segment, amount).max(U256::ONE);
        amounts.push(amount);
    }
    let one = Int::from(1u64);
    let slant = piece.whole.s.div_floor(&piece.whole.r.max(one.clone()));
    let breadth = (&(&slant + &Int::from(amount_in)) + &one).max(one).saturated();
    Some(Optimum { amounts, bound: bound.saturated(), segments: piece.segments, breadth })
}
