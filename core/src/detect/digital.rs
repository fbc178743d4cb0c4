//! Digital: a point that is in (or not in) a given state.

/// Parameters. Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// The state looked for, as a number (false 0, true 1).
    pub is: f64,
    /// `true`: breach while the value differs from `is`.
    pub negate: bool,
    /// On-delay.
    pub on_ms: u64,
    /// Off-delay.
    pub off_ms: u64,
}
