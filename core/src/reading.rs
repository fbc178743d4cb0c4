//! The reading: point, time, value, quality.

use crate::quality::Quality;
use crate::time::Wall;

/// Index of a point. Names live outside core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointId(pub u32);

/// Index of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// One value of one point. Its identity in the journal is (lane, epoch, seq), never its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The point.
    pub point: PointId,
    /// When it was true: the poll's reply, the source's stamp, or arrival where that stamp is wrong.
    pub at: Wall,
    /// In the point's unit. 0.0 and without meaning when `quality` is bad.
    pub value: f64,
    /// How far to believe it.
    pub quality: Quality,
}

/// How a reading came, which decides whether it may raise an alarm. Its stamp never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// A live delivery is the present, whatever its stamp says.
    Live,
    /// From a block marked as history, a node's ring, a batch before its newest entry, a resend:
    /// kept, and silent unless it is the newest known of its point.
    History,
}
