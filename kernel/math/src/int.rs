//! Integers of any size with a sign, for the maps of the optimum: they never overflow, like Python's.

use std::cmp::Ordering;
use std::ops::{Add, Mul, Neg, Sub};

use ruint::algorithms;
use smallvec::{smallvec, SmallVec};

use crate::full_math::{narrow, U256, U512};

/// Limbs held without an allocation: enough for cycles of two pairs, and few enough to move in registers.
const INLINE_LIMBS: usize = 14;

/// Limbs of a product that is formed without an allocation.
const STACK_LIMBS: usize = 28;

/// Binary digits of a root that machine words give.
const START_DIGITS: usize = 62;

type Limbs = SmallVec<[u64; INLINE_LIMBS]>;

/// Sign and magnitude; the magnitude has no leading zero limb, and zero is not negative.
#[derive(Debug, PartialEq, Eq)]
pub struct Int {
    negative: bool,
    limbs: Limbs,
}

impl Clone for Int {
    #[inline]
    fn clone(&self) -> Self {
        Self { negative: self.negative, limbs: Limbs::from_slice(&self.limbs) }
    }
}

impl Int {
    pub fn zero() -> Self {
        Self { negative: false, limbs: Limbs::new() }
    }

    pub fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    pub fn is_negative(&self) -> bool {
        self.negative
    }

    pub fn is_positive(&self) -> bool {
        !self.negative && !self.is_zero()
    }

    /// The number whose magnitude has these limbs, least first.
    pub fn from_limbs(limbs: &[u64], negative: bool) -> Self {
        trimmed(Limbs::from_slice(limbs), negative)
    }

    pub fn limbs(&self) -> &[u64] {
        &self.limbs
    }

    pub fn bit_len(&self) -> usize {
        match self.limbs.last() {
            Some(top) => self.limbs.len() * 64 - top.leading_zeros() as usize,
            None => 0,
        }
    }

    /// The value in 256 bits: zero for negative ones, all ones for larger ones.
    pub fn saturated(&self) -> U256 {
        if self.negative {
            U256::ZERO
        } else {
            narrow(&self.limbs)
        }
    }

    /// (quotient toward minus infinity, whether there is a remainder). Range: divisor not zero.
    fn divided(&self, divisor: &Self) -> (Self, bool) {
        let mut quotient = Limbs::from_slice(&self.limbs);
        let mut rest = Limbs::from_slice(&divisor.limbs);
        algorithms::div(&mut quotient, &mut rest);
        let inexact = rest.iter().any(|&limb| limb != 0);
        let is_below_zero = self.negative != divisor.negative;
        let mut floor = trimmed(quotient, is_below_zero);
        if inexact && is_below_zero {
            floor = &floor - &Self::from(1u64);
        }
        (floor, inexact)
    }

    /// The quotient toward minus infinity. Range: divisor not zero.
    pub fn div_floor(&self, divisor: &Self) -> Self {
        self.divided(divisor).0
    }

    /// The quotient toward plus infinity. Range: divisor not zero.
    pub fn div_up(&self, divisor: &Self) -> Self {
        let (floor, inexact) = self.divided(divisor);
        if inexact {
            &floor + &Self::from(1u64)
        } else {
            floor
        }
    }

    /// The product with a machine word.
    pub fn times(&self, factor: u64) -> Self {
        let mut limbs = Limbs::from_slice(&self.limbs);
        let carry = algorithms::mul_nx1(&mut limbs, factor);
        if carry != 0 {
            limbs.push(carry);
        }
        trimmed(limbs, self.negative)
    }

    pub fn shl(&self, bits: usize) -> Self {
        if self.is_zero() {
            return Self::zero();
        }
        let (words, rest) = (bits / 64, bits % 64);
        let mut limbs = Limbs::new();
        limbs.resize(words, 0);
        if rest == 0 {
            limbs.extend_from_slice(&self.limbs);
            return Self { negative: self.negative, limbs };
        }
        let mut carry = 0;
        for &part in &self.limbs {
            limbs.push(part << rest | carry);
            carry = part >> (64 - rest);
        }
        if carry != 0 {
            limbs.push(carry);
        }
        Self { negative: self.negative, limbs }
    }

    /// The magnitude shifted down. Range: not negative.
    pub fn shr(&self, bits: usize) -> Self {
        let (words, rest) = (bits / 64, bits % 64);
        let Some(kept) = self.limbs.get(words..) else {
            return Self::zero();
        };
        let mut limbs = Limbs::from_slice(kept);
        if rest != 0 {
            let mut carry = 0;
            for limb in limbs.iter_mut().rev() {
                let below = *limb << (64 - rest);
                *limb = *limb >> rest | carry;
                carry = below;
            }
        }
        trimmed(limbs, self.negative)
    }

    /// The integer square root. Range: not negative.
    ///
    /// The root of the leading bits is exact or one off; each round doubles its digits by one quotient.
    pub fn isqrt(&self) -> Self {
        let half = match self.bit_len() {
            0 => return Self::zero(),
            bits => (bits - 1) / 2,
        };
        let mut round = 0;
        while half >> round > START_DIGITS {
            round += 1;
        }
        let mut digits = half >> round;
        let top = self.shr(2 * (half - digits)).low128();
        let mut root = Self::from(top.isqrt() as u64);
        while round > 0 {
            round -= 1;
            let before = digits;
            digits = half >> round;
            let quotient = self.shr(2 * half - before - digits + 1).div_floor(&root);
            root = &root.shl(digits - before - 1) + &quotient;
        }
        if &root * &root > *self {
            root = &root - &Self::from(1u64);
        }
        root
    }

    fn low128(&self) -> u128 {
        let limb = |place| u128::from(self.limbs.get(place).copied().unwrap_or(0));
        limb(0) | limb(1) << 64
    }

    fn magnitude_cmp(&self, other: &Self) -> Ordering {
        self.limbs
            .len()
            .cmp(&other.limbs.len())
            .then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    fn added(&self, other: &Self, other_negative: bool) -> Self {
        if self.negative == other_negative {
            let (long, short) = if self.limbs.len() >= other.limbs.len() {
                (&self.limbs, &other.limbs)
            } else {
                (&other.limbs, &self.limbs)
            };
            let mut limbs = Limbs::from_slice(long);
            let mut carry = false;
            for (place, limb) in limbs.iter_mut().enumerate() {
                match short.get(place) {
                    Some(&part) => (*limb, carry) = algorithms_add(*limb, part, carry),
                    None if carry => (*limb, carry) = limb.overflowing_add(1),
                    None => break,
                }
            }
            if carry {
                limbs.push(1);
            }
            return trimmed(limbs, self.negative);
        }
        let (large, less, negative) = match self.magnitude_cmp(other) {
            Ordering::Equal => return Self::zero(),
            Ordering::Greater => (&self.limbs, &other.limbs, self.negative),
            Ordering::Less => (&other.limbs, &self.limbs, other_negative),
        };
        let mut limbs = Limbs::from_slice(large);
        let mut borrow = false;
        for (place, limb) in limbs.iter_mut().enumerate() {
            match less.get(place) {
                Some(&part) => (*limb, borrow) = algorithms_sub(*limb, part, borrow),
                None if borrow => (*limb, borrow) = limb.overflowing_sub(1),
                None => break,
            }
        }
        trimmed(limbs, negative)
    }
}

#[inline]
fn algorithms_add(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(u64::from(carry));
    (sum, first | second)
}

#[inline]
fn algorithms_sub(a: u64, b: u64, borrow: bool) -> (u64, bool) {
    let (rest, first) = a.overflowing_sub(b);
    let (rest, second) = rest.overflowing_sub(u64::from(borrow));
    (rest, first | second)
}

#[inline(always)]
fn trimmed(mut limbs: Limbs, negative: bool) -> Int {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
    let negative = negative && !limbs.is_empty();
    Int { negative, limbs }
}

impl From<u64> for Int {
    fn from(value: u64) -> Self {
        trimmed(smallvec![value], false)
    }
}

impl From<u128> for Int {
    fn from(value: u128) -> Self {
        trimmed(smallvec![value as u64, (value >> 64) as u64], false)
    }
}

impl From<U256> for Int {
    fn from(value: U256) -> Self {
        Self::from_limbs(value.as_limbs(), false)
    }
}

impl From<U512> for Int {
    fn from(value: U512) -> Self {
        Self::from_limbs(value.as_limbs(), false)
    }
}

impl Add for &Int {
    type Output = Int;
    fn add(self, other: Self) -> Int {
        self.added(other, other.negative)
    }
}

impl Sub for &Int {
    type Output = Int;
    fn sub(self, other: Self) -> Int {
        self.added(other, !other.negative)
    }
}

impl Mul for &Int {
    type Output = Int;
    fn mul(self, other: Self) -> Int {
        let (a, b) = (&self.limbs[..], &other.limbs[..]);
        if a.is_empty() || b.is_empty() {
            return Int::zero();
        }
        let negative = self.negative != other.negative;
        let count = a.len() + b.len();
        if count > STACK_LIMBS {
            let mut limbs: Limbs = smallvec![0; count];
            algorithms::addmul(&mut limbs, a, b);
            return trimmed(limbs, negative);
        }
        let mut limbs = [0u64; STACK_LIMBS];
        for (place, &part) in a.iter().enumerate() {
            let mut carry = 0u128;
            for (limb, &factor) in limbs[place..].iter_mut().zip(b) {
                carry += u128::from(part) * u128::from(factor) + u128::from(*limb);
                *limb = carry as u64;
                carry >>= 64;
            }
            limbs[place + b.len()] = carry as u64;
        }
        let length = if limbs[count - 1] == 0 { count - 1 } else { count };
        Int { negative, limbs: Limbs::from_slice(&limbs[..length]) }
    }
}

impl Neg for Int {
    type Output = Int;
    fn neg(self) -> Int {
        Int { negative: !self.negative && !self.limbs.is_empty(), limbs: self.limbs }
    }
}

impl PartialOrd for Int {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Int {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude_cmp(other),
            (true, true) => other.magnitude_cmp(self),
        }
    }
}
