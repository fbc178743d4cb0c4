//! Trend: robust slope (Theil-Sen over block medians) and the time left until a limit.

use super::limit::Side;

/// Parameters. Values in the point's unit, durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// The limit that is being approached.
    pub limit: f64,
    /// From which side.
    pub side: Side,
    /// Warn when the limit would be reached within this time.
    pub within_ms: u64,
    /// How far back the slope looks; 16 blocks make it up.
    pub window_ms: u64,
}
