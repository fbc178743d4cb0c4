//! Limit: a value beyond a line.

/// Which side of the limit is the dangerous one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At or above the limit.
    High,
    /// At or below the limit.
    Low,
}

/// One level of a limit rule. All values in the point's unit, all durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Where the condition begins.
    pub limit: f64,
    /// Where it ends; on the safe side of `limit` (hysteresis), or equal to it.
    pub clear: f64,
    /// On-delay: how long the value must stand beyond the limit.
    pub on_ms: u64,
    /// Off-delay: how long it must stay on the safe side of `clear`.
    pub off_ms: u64,
}

/// A limit rule: one level, or two of rising urgency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// The dangerous side.
    pub side: Side,
    /// The first level.
    pub first: Level,
    /// The second, further out.
    pub second: Option<Level>,
}
