//! Absent: a point without a usable value for too long, because its quality is bad or nothing came.

/// Parameters, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// How long the quality may be bad.
    pub bad_ms: u64,
    /// How long nothing at all may come; `None`: the point speaks only on change.
    pub silent_ms: Option<u64>,
}
