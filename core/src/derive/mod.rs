//! Derive: readings that mean more than what was read. A channel takes readings of one or two points and gives readings a
//! detector is put on: what the load does not explain, a ratio over enough of a count, the difference from a sibling.
//!
//! One law for all: a channel gives nothing where it knows nothing. A stale partner, an infinity, too little of a count make
//! no value, and `None` is not zero.

pub mod explained;
pub mod ratio;
pub mod sibling;
