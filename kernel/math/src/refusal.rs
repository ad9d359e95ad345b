//! Why a question gets no number: one kind per exception of the specification.

/// The class of a refusal; its names are those of the Python errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    InsufficientLiquidity,
    BeyondKnownState,
    PoolNotTradeable,
    ValueOutOfRange,
    StateConflict,
    Invariant,
}

/// A refusal: its kind and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    pub what: &'static str,
}

pub type Answer<T> = Result<T, Refusal>;

impl Refusal {
    pub const fn new(kind: Kind, what: &'static str) -> Self {
        Self { kind, what }
    }

    /// Whether it is one of the refusals that a cycle search takes for "does not pay".
    pub fn is_rejection(&self) -> bool {
        matches!(
            self.kind,
            Kind::InsufficientLiquidity | Kind::BeyondKnownState | Kind::PoolNotTradeable
        )
    }
}

pub const fn insufficient(what: &'static str) -> Refusal {
    Refusal::new(Kind::InsufficientLiquidity, what)
}

pub const fn unknown(what: &'static str) -> Refusal {
    Refusal::new(Kind::BeyondKnownState, what)
}

pub const fn not_tradeable(what: &'static str) -> Refusal {
    Refusal::new(Kind::PoolNotTradeable, what)
}

pub const fn out_of_range(what: &'static str) -> Refusal {
    Refusal::new(Kind::ValueOutOfRange, what)
}

pub const fn conflict(what: &'static str) -> Refusal {
    Refusal::new(Kind::StateConflict, what)
}

pub const fn invariant(what: &'static str) -> Refusal {
    Refusal::new(Kind::Invariant, what)
}
