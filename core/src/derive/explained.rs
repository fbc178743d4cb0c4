//! Explained: a temperature minus what load and hour of the day explain of it, by a regression it learns.
//!
//! ```text
//! heat += (load^2 - heat) dt / (tau + dt)            a body warmed by a current, first order; load in shares of `rated`
//! residual = value - (a + b heat + c sin day + d cos day)
//! ```
//! `a..d` by recursive least squares that forgets with `memory_ms` (Ljung & Soderstrom, Theory and Practice of Recursive
//! Identification, 1983), an error counting at most as 3 mean ones. The caller says when it may learn: not while the detector
//! behind it is wary, or it would learn a loose clamp as normal. Gives nothing for `learn_ms`. State: 232 bytes; a reading
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
pub struct Params {
    /// Thermal time constant, ms: 10 to 60 min for cables and busbars.
    pub tau_ms: u64,
    /// The load that counts as 1, in the load's unit; above 0.
    pub rated: f64,
    /// After this long a reading has half of a third of its weight (1/e), ms.
    pub memory_ms: u64,
    /// How long it learns before it gives a residual.
    pub learn_ms: u64,
    /// Whose day it is.
    pub calendar: Calendar,
}

const N: usize = 4;
/// How little is known at first: the variance of a coefficient, in the value's unit squared.
const UNKNOWN: f64 = 1e4;
/// Errors count at most as so many mean ones.
const CLIP: f64 = 3.0;

/// State of one regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    theta: [f64; N],
    /// The covariance, row by row.
    p: [[f64; N]; N],
    heat: f64,
    load: Option<(f64, Mono)>,
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
        Self { theta: [0.0; N], p, heat: 0.0, load: None, error: 0.0, last: Mono(0), learned_ms: 0 }
    }
}

const _: () = assert!(size_of::<State>() <= 232);

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
        self.heat = match self.load {
            None => square,
            Some((_, before)) => {
                let dt = mono.since(before) as f64;
                self.heat + (square - self.heat) * dt / (params.tau_ms as f64 + dt).max(1.0)
            }
        };
        self.load = Some((share, mono));
    }

    /// The temperature was read: what is not explained of it.
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now, may_learn: bool) -> Option<f64> {
        let (_, loaded) = self.load?;
        if !value.is_finite() || now.mono.since(loaded) > params.tau_ms.saturating_mul(2) {
            return None;
        }
        let turn = params.calendar.day_part(at) * core::f64::consts::TAU;
        let x = [1.0, self.heat, sin(turn), cos(turn)];
        let residual = value - dot(&self.theta, &x);
        let dt = if self.learned_ms == 0 { 1 } else { now.mono.since(self.last).min(params.tau_ms) };
        self.last = now.mono;
        let trained = self.learned_ms >= params.learn_ms;
        if may_learn || !trained {
            self.learned_ms = self.learned_ms.saturating_add(dt);
            self.learn(residual, &x, 1.0 - (dt as f64 / params.memory_ms.max(1) as f64).min(0.1), trained);
        }
        Some(residual).filter(|r| trained && r.is_finite())
    }

    fn learn(&mut self, residual: f64, x: &[f64; N], keep: f64, trained: bool) {
        let px = self.p.map(|row| dot(&row, x));
        let scale = keep + dot(&px, x);
        if !(scale > 0.0 && scale.is_finite()) {
            return;
        }
        let clip = if trained { CLIP * self.error } else { f64::MAX };
        let error = residual.clamp(-clip, clip);
        for (theta, px) in self.theta.iter_mut().zip(px) {
            *theta += px / scale * error;
        }
        // What no reading has told for long must not be called unknown without bound.
        let known = self.p.iter().enumerate().filter_map(|(i, row)| row.get(i)).sum::<f64>() < UNKNOWN;
        let keep = if known { keep } else { 1.0 };
        for (row, pi) in self.p.iter_mut().zip(px) {
            for (cell, pj) in row.iter_mut().zip(px) {
                *cell = (*cell - pi * pj / scale) / keep;
            }
        }
        self.error += (fabs(residual).min(fabs(error) + self.error) - self.error) * 0.01;
    }

    /// The coefficients: constant, by heat, by the sine and the cosine of the day; what the console shows.
    pub const fn belief(&self) -> [f64; N] {
        self.theta
    }
}
