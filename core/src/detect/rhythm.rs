//! Rhythm: something that starts again and again at its own pace (a jockey pump, a compressor, a sump pump), told when it
//! starts too soon or fails to start.
//!
//! The interval between starts is held against the median of the last 15 that were in rhythm. `early`: two intervals in a
//! row below `early` times that, a leak. `late`: none for `late` times that, a pump that does not start. It ends after two
//! intervals in rhythm. Intervals out of rhythm are not learned.
//!
//! A leak that grows slowly takes the median with it, so what was usual at first is kept ([`Belief::taught`]) and the median
//! is followed down to `early` times that, or up to that by `early`, and no farther: an interval below `early²` of what was
//! taught is too soon, however it came there. A pace that has changed for good is taken on by [`State::default`], by hand.
//!
//! A start is the first reading that is not 0 after one that was 0, so a restart while it runs is none. A hole of half an
//! interval makes the interval around it unknown. While its last word is history none is overdue: the next may be on its way;
//! nor is one that ran out while the gateway was off. State: 224 bytes.
//!
//! When not to use it: on what people start (lights, lifts), or where the reading comes less often than four times an interval.

use super::Standing;
use super::block::median;
use crate::time::{Mono, Now, Wall};
use heapless::Vec;

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// Below this share of the usual interval a start is too soon; 0.85 for pumps on a tight system.
    pub early: f64,
    /// Beyond this multiple of the usual interval a start is overdue; `None`: it may stand still.
    pub late: Option<f64>,
}

const REMEMBERED: usize = 15;
/// Fewer intervals are no rhythm.
const ENOUGH: usize = 5;
/// So many in a row.
const STREAK: u8 = 2;

/// What it believes, in ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    /// The usual interval now.
    pub usual: f64,
    /// The usual interval when it was first known: the difference is what it has got used to since.
    pub taught: f64,
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Phase {
    /// In rhythm; so many in a row were too soon, the first of them ended at `onset`.
    Even { streak: u8, onset: Wall },
    /// Out of it; so many in a row were not.
    Uneven { streak: u8, onset: Wall },
}

/// Intervals in rhythm, ms.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    least: f64,
    most: Option<f64>,
}

/// State of one rhythm rule on one point.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    intervals: Vec<f64, REMEMBERED>,
    usual: Option<f64>,
    /// What was usual at first. Rows of before the field have none: what they hold is what they were taught.
    #[cfg_attr(feature = "serde", serde(default))]
    taught: Option<f64>,
    /// The last start, if what came since is known.
    start: Option<Mono>,
    started: Wall,
    heard: Option<(bool, Mono)>,
    /// That was of the past.
    #[cfg_attr(feature = "serde", serde(default))]
    dated: bool,
    phase: Phase,
}

impl Default for State {
    fn default() -> Self {
        let phase = Phase::Even { streak: 0, onset: Wall(0) };
        Self {
            intervals: Vec::new(),
            usual: None,
            taught: None,
            start: None,
            started: Wall(0),
            heard: None,
            dated: false,
            phase,
        }
    }
}

const _: () = assert!(size_of::<State>() <= 224);

impl State {
    /// It stands since `onset`; for a restart.
    pub const fn stand(&mut self, onset: Wall) {
        self.phase = Phase::Uneven { streak: 0, onset };
    }

    /// It is over, whatever was heard; for a restart.
    pub const fn rest(&mut self) {
        self.phase = Phase::Even { streak: 0, onset: Wall(0) };
    }

    /// What was overdue while nobody listened proves nothing: a start may have come. The next word of the present tells, which
    /// forgets the last start where it comes after half an interval without one. For a restart.
    pub fn doubt(&mut self, params: &Params, mono: Mono) {
        if self.deadline(params).is_some_and(|due| due <= mono) {
            self.dated();
        }
    }

    /// What it heard last is of the past: the next start may be on its way, and none is overdue until it hears of the present.
    pub const fn dated(&mut self) {
        self.dated = true;
    }

    /// A value came: 0 is rest.
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if !value.is_finite() {
            return;
        }
        self.dated = false;
        let runs = value != 0.0;
        if let (Some((_, before)), Some(usual)) = (self.heard, self.usual)
            && now.mono.since(before) as f64 > usual / 2.0
        {
            self.start = None;
        }
        if runs && self.heard.is_some_and(|(ran, _)| !ran) {
            if let Some(start) = self.start {
                self.judge(params, now.mono.since(start) as f64, at);
            }
            (self.start, self.started) = (Some(now.mono), at);
        }
        self.heard = Some((runs, now.mono));
        self.expire(params, now.mono);
    }

    fn judge(&mut self, params: &Params, interval: f64, at: Wall) {
        let Some(Bounds { least, most }) = self.bounds(params) else { return self.remember(interval) };
        let early = interval < least;
        let late = most.is_some_and(|most| interval > most);
        self.phase = match (self.phase, early) {
            (Phase::Even { streak, onset }, true) => {
                let onset = if streak == 0 { at } else { onset };
                if streak + 1 >= STREAK {
                    Phase::Uneven { streak: 0, onset }
                } else {
                    Phase::Even { streak: streak + 1, onset }
                }
            }
            (Phase::Even { onset, .. }, false) => Phase::Even { streak: 0, onset },
            (Phase::Uneven { onset, .. }, true) => Phase::Uneven { streak: 0, onset },
            (Phase::Uneven { onset, .. }, false) if late => Phase::Uneven { streak: 0, onset },
            (Phase::Uneven { streak, onset }, false) if streak + 1 >= STREAK => Phase::Even { streak: 0, onset },
            (Phase::Uneven { streak, onset }, false) => Phase::Uneven { streak: streak + 1, onset },
        };
        if !early && !late {
            self.remember(interval);
        }
    }

    fn remember(&mut self, interval: f64) {
        if self.intervals.is_full() {
            self.intervals.remove(0);
        }
        // There is room: one has just gone.
        let _ = self.intervals.push(interval);
        if self.intervals.len() >= ENOUGH {
            let mut sorted = self.intervals.clone();
            self.usual = median(&mut sorted);
            self.taught = self.taught.or(self.usual);
        }
    }

    /// Between what an interval is in rhythm; nothing while none is usual.
    fn bounds(&self, params: &Params) -> Option<Bounds> {
        let Belief { usual, taught } = self.belief()?;
        let least = usual.max(taught * params.early) * params.early;
        Some(Bounds { least, most: params.late.map(|late| usual.min(taught / params.early) * late) })
    }

    /// The counter reached `mono`.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        if matches!(self.phase, Phase::Even { .. }) && self.deadline(params).is_some_and(|due| due <= mono) {
            self.phase = Phase::Uneven { streak: 0, onset: self.started };
        }
    }

    /// When a start is overdue.
    pub fn deadline(&self, params: &Params) -> Option<Mono> {
        let (most, start) = (self.bounds(params)?.most?, self.start?);
        (matches!(self.phase, Phase::Even { .. }) && !self.dated).then(|| start.plus(most as u64))
    }

    /// What it believes, once an interval is usual.
    pub fn belief(&self) -> Option<Belief> {
        let usual = self.usual?;
        Some(Belief { usual, taught: self.taught.unwrap_or(usual) })
    }

    /// The interval that people are told, ms: the usual one, or what was taught where the pace has crept too far from it.
    pub fn told(&self, params: &Params) -> Option<f64> {
        let Belief { usual, taught } = self.belief()?;
        let near = usual >= taught * params.early && usual * params.early <= taught;
        Some(if near { usual } else { taught })
    }

    /// What stands.
    pub const fn standing(&self) -> Option<Standing> {
        match self.phase {
            Phase::Even { .. } => None,
            Phase::Uneven { onset, .. } => Some(Standing { level: 0, onset, limit: None, time_to_limit: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOCKEY: Params = Params { early: 0.85, late: Some(1.2) };

    fn minute(s: &mut State, min: u64, runs: bool) -> Option<Wall> {
        let now = Now { mono: Mono(min * 60_000), wall: Wall(min as i64) };
        s.value(&JOCKEY, f64::from(u8::from(runs)), now.wall, now);
        s.standing().map(|x| x.onset)
    }

    /// A run of 3 min at each of the starts, a reading a minute; the first minute it is told.
    fn run(s: &mut State, from: u64, intervals: &[u64]) -> (u64, Option<u64>) {
        let (mut min, mut told) = (from, None);
        for interval in intervals {
            for n in 0..*interval {
                if minute(s, min + n, n < 3).is_some() && told.is_none() {
                    told = Some(min + n);
                }
            }
            min += interval;
        }
        (min, told)
    }

    fn usual(s: &State) -> Option<f64> {
        s.belief().map(|b| b.usual)
    }

    /// A start after each of the intervals, s, with a reading in 20 s; the interval at which it is first told.
    fn crept(s: &mut State, intervals: impl Iterator<Item = f64>) -> Option<f64> {
        let (mut ms, mut told) = (0, None);
        for seconds in intervals {
            let steps = (seconds / 20.0) as u64;
            for n in 0..steps {
                let now = Now { mono: Mono(ms + n * 20_000), wall: Wall((ms + n * 20_000) as i64) };
                s.value(&JOCKEY, f64::from(u8::from(n == 0)), now.wall, now);
                told = told.or(s.standing().map(|_| seconds));
            }
            ms += (seconds * 1_000.0) as u64;
        }
        told
    }

    #[test]
    fn a_leak_that_grows_slowly_is_told_and_not_followed_without_bound() {
        // From 1,200 s by 2 % a start.
        let shrinking = || (0..80).map(|n| 1_200.0 * 0.98_f64.powi(n));
        let mut s = State::default();
        let told = crept(&mut s, shrinking()).expect("240 s are not 1,200 s");
        assert!((720.0..870.0).contains(&told), "told at {told} s");
        assert!(s.standing().is_some(), "and it stands on");
        let b = s.belief().expect("it is known");
        assert!(b.taught > 1_100_000.0 && b.usual > b.taught * 0.72, "{b:?}");
        // A pump that starts less and less often is overdue by what it was taught.
        let mut s = State::default();
        let told = crept(&mut s, (0..80).map(|n| 300.0 * 1.02_f64.powi(n))).expect("1,400 s are not 300 s");
        assert!((340.0..500.0).contains(&told), "told at {told} s");
    }

    #[test]
    fn a_leak_that_grows_is_told_at_its_second_short_interval() {
        let mut s = State::default();
        let (min, told) = run(&mut s, 0, &[272; 20]);
        assert_eq!((told, usual(&s)), (None, Some(272.0 * 60_000.0)));
        let (_, told) = run(&mut s, min, &[217, 150, 115, 93]);
        assert_eq!(told, Some(min + 217 + 150));
        assert_eq!(usual(&s), Some(272.0 * 60_000.0), "and it is not learned");
    }

    #[test]
    fn one_short_interval_is_a_draw() {
        let mut s = State::default();
        let (_, told) = run(&mut s, 0, &[272, 270, 275, 272, 271, 273, 120, 272, 274, 90, 272]);
        assert_eq!(told, None);
    }

    #[test]
    fn a_pump_that_does_not_start_is_told_when_it_is_overdue() {
        let mut s = State::default();
        let (min, _) = run(&mut s, 0, &[100; 10]);
        assert_eq!(s.deadline(&JOCKEY), Some(Mono((min - 100 + 120) * 60_000)));
        let (_, told) = run(&mut s, min, &[1_000]);
        assert_eq!(told, Some(min + 120));
        let (_, _) = run(&mut s, min + 1_000, &[100, 100, 100]);
        assert!(s.standing().is_none(), "it starts again");
    }

    #[test]
    fn a_pump_that_is_overdue_after_a_short_stop_of_the_gateway_is_told_and_after_a_long_one_is_not() {
        let mut s = State::default();
        let (min, _) = run(&mut s, 0, &[100; 10]);
        // Its last start was at min - 100, so it was due by min + 20.
        (min..min + 15).for_each(|min| assert_eq!(minute(&mut s, min, false), None));
        for (back, told) in [(min + 25, true), (min + 115, false)] {
            let mut again = s.clone();
            again.doubt(&JOCKEY, Mono(back * 60_000));
            assert_eq!((again.standing().is_some(), again.deadline(&JOCKEY)), (false, None), "a start proves nothing");
            assert_eq!(minute(&mut again, back, false).is_some(), told, "but a pump that rests still");
        }
    }

    #[test]
    fn holes_restarts_and_nonsense_make_no_interval() {
        let mut s = State::default();
        let (min, _) = run(&mut s, 0, &[100; 10]);
        assert_eq!(minute(&mut s, min + 525_600, true), None, "a year without a word");
        assert_eq!(s.deadline(&JOCKEY), Some(Mono((min + 525_600 + 120) * 60_000)), "counted from the start after it");
        let now = Now::default();
        for nonsense in [f64::NAN, f64::INFINITY] {
            State::default().value(&JOCKEY, nonsense, now.wall, now);
        }
        let mut s = State::default();
        assert_eq!((minute(&mut s, 0, true), s.deadline(&JOCKEY)), (None, None), "it ran already");
    }
}
