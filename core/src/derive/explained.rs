//! Explained: a temperature minus what load and hour of the day explain of it, by a regression it learns.
//!
//! ```text
//! heat += (load^2 - heat) dt / (tau + dt)            a body warmed by a current, first order; load in shares of `rated`
//! residual = value - (a + b heat + c sin day + d cos day)
//! ```
//! `a..d` by recursive least squares that forgets with `memory_ms` (Ljung & Soderstrom, Theory and Practice of Recursive
//! Identification, 1983), an error counting at most as 3 mean ones; `a` follows
//! the room's temperature within a day or two. The caller says when it may learn: not while the detector
//! behind it is wary, or it would learn a loose clamp as normal. One that loosens so slowly that nothing is ever suspicious it does
//! learn, and says so by [`State::belief`] alone. Gives nothing for `learn_ms`, and nothing counts in the
//! first 3 `tau`: how warm the body was is not known. State: 216 bytes; a reading
//! costs some 60 multiplications.
//!
//! Bad input: what is not finite makes no residual and is not learned; neither is a value whose load is older than
//! 2 `tau`. A constant load explains nothing, and the residual is the value minus its daily course. When not to use it:
//! where the load is not measured (a baseline by hours does), or follows the temperature instead of making it.

use libm::{cos, fabs, sin};

use crate::detect::calendar::Calendar;
use crate::time::{Mono, Now, Wall};

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// Thermal time constant, ms: 10 to 60 min for cables and busbars.
    pub tau_ms: u64,
    /// The load that counts as 1, in the load's unit; above 0.
    pub rated: f64,
    /// After this long a reading has 1/e of its weight, ms.
    pub memory_ms: u64,
    /// How long it learns before it gives a residual.
    pub learn_ms: u64,
    /// Whose day it is: local time minus UTC, minutes.
    pub offset_min: i16,
}

const N: usize = 4;
/// How little is known at first: the variance of a coefficient, in the value's unit squared.
const UNKNOWN: f64 = 1e4;
/// Errors count at most as so many mean ones.
const CLIP: f64 = 3.0;

/// What the constant's variance gains a day, in that of a reading: it follows the room within a day or two, slower than a
/// load's peaks.
const WANDER: f64 = 2.6e-3;

/// State of one regression.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    theta: [f64; N],
    /// The covariance, row by row.
    p: [[f64; N]; N],
    heat: f64,
    /// When the load was read last, and first.
    loaded: Option<Mono>,
    first: Mono,
    /// Mean absolute error.
    error: f64,
    last: Mono,
    learned_ms: u64,
}

impl Default for State {
    fn default() -> Self {
        let mut p = [[0.0; N]; N];
        for (i, row) in p.iter_mut().enumerate() {
            for cell in row.iter_mut().skip(i).take(1) {
                *cell = UNKNOWN;
            }
        }
        Self { theta: [0.0; N], p, heat: 0.0, loaded: None, first: Mono(0), error: 0.0, last: Mono(0), learned_ms: 0 }
    }
}

const _: () = assert!(size_of::<State>() <= 216);

fn dot(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

impl State {
    /// The load was read.
    pub fn load(&mut self, params: &Params, load: f64, mono: Mono) {
        let share = load / params.rated;
        let square = share * share;
        if !square.is_finite() {
            return;
        }
        match self.loaded {
            None => (self.heat, self.first) = (square, mono),
            Some(before) => {
                let dt = mono.since(before) as f64;
                self.heat += (square - self.heat) * dt / (params.tau_ms as f64 + dt).max(1.0);
            }
        }
        self.loaded = Some(mono);
    }

    /// The temperature was read: what is not explained of it.
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now, may_learn: bool) -> Option<f64> {
        let stale = now.mono.since(self.loaded?) > params.tau_ms.saturating_mul(2);
        let cold = now.mono.since(self.first) < params.tau_ms.saturating_mul(3);
        if stale || cold || !value.is_finite() {
            return None;
        }
        let turn = Calendar::clock(params.offset_min).day_part(at) * core::f64::consts::TAU;
        let x = [1.0, self.heat, sin(turn), cos(turn)];
        let residual = value - dot(&self.theta, &x);
        if !residual.is_finite() {
            return None;
        }
        let dt = if self.learned_ms == 0 { 1 } else { now.mono.since(self.last).min(params.tau_ms) };
        self.last = now.mono;
        let trained = self.learned_ms >= params.learn_ms;
        if may_learn || !trained {
            self.learned_ms = self.learned_ms.saturating_add(dt);
            self.wander(dt as f64);
            self.learn(residual, &x, 1.0 - (dt as f64 / params.memory_ms.max(1) as f64).min(0.1), trained);
        }
        Some(residual).filter(|_| trained)
    }

    /// The room grows warmer and colder: the constant is known the less, the longer ago.
    fn wander(&mut self, dt: f64) {
        if let Some(constant) = self.p.first_mut().and_then(|row| row.first_mut()) {
            *constant += WANDER * dt / 86_400_000.0;
        }
    }

    fn learn(&mut self, residual: f64, x: &[f64; N], keep: f64, trained: bool) {
        let px = self.p.map(|row| dot(&row, x));
        let scale = keep + dot(&px, x);
        if !(scale > 0.0 && scale.is_finite()) {
            return;
        }
        let clip = if trained { CLIP * self.error } else { f64::MAX };
        let error = residual.clamp(-clip, clip);
        let mut theta = self.theta;
        for (theta, px) in theta.iter_mut().zip(px) {
            *theta += px / scale * error;
        }
        // What no reading has told for long must not be called unknown without bound.
        let known = self.p.iter().enumerate().filter_map(|(i, row)| row.get(i)).sum::<f64>() < UNKNOWN;
        let keep = if known { keep } else { 1.0 };
        let mut p = self.p;
        for (row, pi) in p.iter_mut().zip(px) {
            for (cell, pj) in row.iter_mut().zip(px) {
                *cell = (*cell - pi * pj / scale) / keep;
            }
        }
        // Numbers of 1e30 that are no measurements: what they would make of it is no belief.
        if !theta.iter().chain(p.iter().flatten()).all(|cell| cell.is_finite()) {
            return;
        }
        (self.theta, self.p) = (theta, p);
        self.error += (fabs(residual).min(fabs(error) + self.error) - self.error) * 0.01;
    }

    /// How far the training is, 0 to 1.
    pub fn learned(&self, params: &Params) -> f64 {
        (self.learned_ms as f64 / params.learn_ms.max(1) as f64).min(1.0)
    }

    /// The coefficients: constant, by heat, by the sine and the cosine of the day; what the console shows.
    pub const fn belief(&self) -> [f64; N] {
        self.theta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Wall;

    const DAY: u64 = 86_400_000;
    const CABLE: Params =
        Params { tau_ms: 1_800_000, rated: 100.0, memory_ms: 10 * DAY, learn_ms: 2 * DAY, offset_min: 0 };

    /// The largest residual between two days, for a clamp of so many K at full load; the truth has the same time constant.
    fn run(s: &mut State, from: u64, to: u64, clamp: f64, learns: bool) -> f64 {
        let (mut most, mut heat) = (0.0_f64, 0.0);
        for n in from * 288..to * 288 {
            let (ms, hour) = (n * 300_000, (n % 288) as f64 / 12.0);
            let load = 20.0 + if (8.0..20.0).contains(&hour) { 60.0 + (n % 7) as f64 } else { 0.0 };
            heat += (load * load / 1e4 - heat) * 300.0 / 2_100.0;
            let now = Now { mono: Mono(ms), wall: Wall(ms as i64) };
            s.load(&CABLE, load, now.mono);
            let value = 20.0 + 3.0 * (hour / 24.0 * core::f64::consts::TAU).sin() + clamp * heat;
            if let Some(residual) = s.value(&CABLE, value, now.wall, now, learns) {
                most = if residual.abs() > most.abs() { residual } else { most };
            }
        }
        most
    }

    #[test]
    fn load_and_hour_explain_a_sound_cable_and_not_a_loose_clamp() {
        let mut s = State::default();
        assert_eq!(run(&mut s, 0, 2, 26.0, true), 0.0, "it says nothing at first");
        let sound = run(&mut s, 4, 8, 26.0, true);
        assert!(sound.abs() < 0.3, "{sound}");
        assert!((s.belief()[1] - 26.0).abs() < 0.5, "{:?}", s.belief());
        let loose = run(&mut s, 8, 10, 32.0, false);
        assert!((2.0..6.0).contains(&loose), "6 K at full load: {loose}");
        assert!((s.belief()[1] - 26.0).abs() < 0.5, "nothing is learned while nobody should");
    }

    #[test]
    fn a_constant_load_and_nonsense_are_borne() {
        let mut s = State::default();
        let mut last = None;
        for n in 0..100_000_u64 {
            let now = Now { mono: Mono(n * 300_000), wall: Wall(n as i64 * 300_000) };
            s.load(&CABLE, if n % 1_000 == 1 { f64::NAN } else { 50.0 }, now.mono);
            let value = if n % 1_000 == 2 { f64::INFINITY } else { 30.0 };
            last = s.value(&CABLE, value, now.wall, now, true).or(last);
        }
        assert!(last.is_some_and(|r| r.abs() < 0.1), "{last:?}");
        assert!(s.belief().iter().all(|b| b.is_finite()));
        s.load(&CABLE, 1e9, Mono(0));
        let now = Now { mono: Mono(u64::MAX), wall: Wall(0) };
        assert_eq!(s.value(&CABLE, 30.0, now.wall, now, true), None, "the load is old");
    }
}
