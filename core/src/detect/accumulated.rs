//! Accumulated: a flow that has become too much: litres of a leak in a night, kilowatt-hours on a circuit that should rest.
//!
//! `sum of (value - from) dt`, where that is above 0, over the last `window_ms` (window.rs), by the trapezoid between two
//! readings. It stands from `limit` on and is over below `clear`. Over a hole longer than `gap_ms` nothing is summed up: the
//! flow in it is not known. State: 176 bytes.
//!
//! Bad input: NaN, infinities and what is beyond 1e30 are no values. When not to use it: on a meter's reading (count, by growth).

use super::window::Window;
use super::{Standing, is_sensible};
use crate::time::{Mono, Now, Wall};

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// What flows anyway, in the point's unit (an hourly one: m3/h, kW).
    pub from: f64,
    /// Within how long, ms.
    pub window_ms: u64,
    /// From so much on it stands, in the point's unit times an hour (m3, kWh).
    pub limit: f64,
    /// Below so much it is over; at most `limit`.
    pub clear: f64,
    /// The longest hole that is bridged, ms.
    pub gap_ms: u64,
}

const HOUR_MS: f64 = 3_600_000.0;

/// State of one accumulated rule on one point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    window: Window,
    last: Option<(f64, Mono)>,
    onset: Option<Wall>,
}

const _: () = assert!(size_of::<State>() <= 176);

impl State {
    /// It stands since `onset`; for a restart.
    pub const fn stand(&mut self, onset: Wall) {
        self.onset = Some(onset);
    }

    /// It is over, whatever the window holds; for a restart.
    pub const fn rest(&mut self) {
        self.onset = None;
    }

    /// A value came.
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        let over = value - params.from;
        if !is_sensible(over) {
            return;
        }
        let before = self.last.filter(|(_, when)| now.mono.since(*when) <= params.gap_ms);
        let amount = before.map_or(0.0, |(flow, when)| {
            (flow.max(0.0) / 2.0 + over.max(0.0) / 2.0) * (now.mono.since(when) as f64 / HOUR_MS)
        });
        self.last = Some((over, now.mono));
        self.window.add(params.window_ms, now.mono, amount);
        let total = self.window.total();
        if total >= params.limit && self.onset.is_none() {
            self.onset = Some(at);
        } else if total < params.clear.min(params.limit) {
            self.onset = None;
        }
    }

    /// How much it is.
    pub fn belief(&self) -> f64 {
        self.window.total()
    }

    /// What stands.
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        let onset = self.onset?;
        Some(Standing { level: 0, onset, limit: Some(params.limit), time_to_limit: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAK: Params = Params { from: 0.02, window_ms: 8 * 3_600_000, limit: 0.5, clear: 0.1, gap_ms: 600_000 };

    fn flow(s: &mut State, minutes: core::ops::Range<u64>, value: f64) {
        for min in minutes {
            let now = Now { mono: Mono(min * 60_000), wall: Wall(min as i64 * 60_000) };
            s.value(&LEAK, value, now.wall, now);
        }
    }

    #[test]
    fn a_small_leak_adds_up_and_is_forgotten_when_it_is_mended() {
        let mut s = State::default();
        flow(&mut s, 0..300, 0.12);
        assert!(s.standing(&LEAK).is_none() && (s.belief() - 0.1 * 299.0 / 60.0).abs() < 1e-9);
        flow(&mut s, 300..302, 0.12);
        assert!(s.standing(&LEAK).is_some());
        flow(&mut s, 302..800, 0.0);
        assert!(s.standing(&LEAK).is_none());
    }

    #[test]
    fn a_hole_and_nonsense_add_nothing() {
        let mut s = State::default();
        flow(&mut s, 0..1, 100.0);
        flow(&mut s, 100..101, 100.0);
        flow(&mut s, 101..105, f64::NAN);
        assert_eq!(s.belief(), 0.0);
    }
}
