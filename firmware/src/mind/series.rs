//! Sites and series out of bytes: the rules of packs on recorded and made-up series, on a host and on a board.
//!
//! A file is frames one after the other, each as postcard has it: a site, its points with their rules, what looks at what, and
//! then readings in order of time; the next site begins anew. What comes of it are [`Mark`]s, as of a log of
//! [`run`](super::run): one every [`EVERY`] readings and one at the end of each site.

use gengfu_core::detect::Params;
use gengfu_core::engine::{Event, Rule};
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{Delivery, PointId, Reading};
use gengfu_core::time::{Mono, Now, Wall};
use heapless::Vec;
use serde::{Deserialize, Serialize};

use super::plant::{HIGH, rule};
use super::print::Print;
use super::site::Site;
use super::{EVERY, Mark};

/// Points of a site.
pub const POINTS: usize = 16;
/// Rules on all of them.
pub const RULES: usize = 48;
/// The longest frame, bytes.
pub const LONGEST: usize = 320;

/// What a file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "a frame is on its way, one at a time")]
pub enum Frame {
    /// A site begins, at this time (UTC ms).
    Site {
        /// When.
        at: i64,
    },
    /// A point, and how many rules on it follow. Points are numbered in the order in which they come.
    Point {
        /// Rules.
        rules: u8,
    },
    /// A rule on the point before it.
    Rule {
        /// Its detector.
        params: Params,
    },
    /// A rule looks at another point.
    Beside {
        /// The rule, by the order of all rules of the site.
        rule: u8,
        /// Which of the points it looks at, from 1.
        channel: u8,
        /// The point.
        point: u8,
    },
    /// A point was read.
    Reading {
        /// The point.
        point: u8,
        /// UTC ms.
        at: i64,
        /// `None`: it could not be read.
        value: Option<f64>,
    },
    /// Nothing but the time has passed.
    Tick {
        /// UTC ms.
        at: i64,
    },
}

/// Bytes that are no frame, or a frame that is longer than [`LONGEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFrame;

impl Frame {
    /// As it stands in a file.
    ///
    /// # Errors
    /// One that is longer than [`LONGEST`]; none is.
    pub fn bytes<'b>(&self, room: &'b mut [u8; LONGEST]) -> Result<&'b [u8], NoFrame> {
        postcard::to_slice(self, room).map(|bytes| &*bytes).map_err(|_| NoFrame)
    }

    /// The first frame of these bytes, and what comes after it.
    ///
    /// # Errors
    /// Bytes that begin with no frame.
    pub fn first(bytes: &[u8]) -> Result<(Self, &[u8]), NoFrame> {
        postcard::take_from_bytes(bytes).map_err(|_| NoFrame)
    }
}

/// A site of a file.
type Place = Site<POINTS, RULES, 1>;

/// A file on its way through the engine.
#[derive(Debug)]
pub struct Run {
    site: Place,
    began: Now,
    /// Rules of the point that is being read.
    rules: Vec<Rule, RULES>,
    missing: u8,
    started: bool,
    outputs: Print,
    events: u32,
    /// Transitions so far, of all sites.
    pub transitions: u32,
}

/// The counter at the start of a site: well above zero, so that there is room for stamps before it.
const START: Mono = Mono(1 << 40);

impl Default for Run {
    fn default() -> Self {
        let began = Now { mono: START, wall: Wall(0) };
        Self {
            site: Site::new(began),
            began,
            rules: Vec::new(),
            missing: 0,
            started: false,
            outputs: Print::default(),
            events: 0,
            transitions: 0,
        }
    }
}

impl Run {
    /// Takes the next frame.
    ///
    /// # Panics
    /// Where the site has no room for a point or a rule: files are written by the rig.
    pub fn take(&mut self, frame: Frame, tell: &mut impl FnMut(Mark)) {
        match frame {
            Frame::Site { at } => {
                self.end(tell);
                let began = Now { mono: START, wall: Wall(at) };
                *self = Self { began, site: Site::new(began), transitions: self.transitions, ..Self::default() };
            }
            Frame::Point { rules } => {
                (self.missing, self.rules) = (rules, Vec::new());
                self.point();
            }
            Frame::Rule { params } => {
                assert!(self.rules.push(rule(params, HIGH)).is_ok(), "a point has more than {RULES} rules");
                self.missing = self.missing.saturating_sub(1);
                self.point();
            }
            Frame::Beside { rule, channel, point } => {
                self.site.beside(u32::from(rule), channel, PointId(u32::from(point)));
            }
            Frame::Reading { point, at, value } => {
                let quality = value.map_or(Quality::Bad(Reason::Comm), |_| Quality::Good);
                let (point, value) = (PointId(u32::from(point)), value.unwrap_or_default());
                self.pass(at);
                self.event(Event::Reading(Reading { point, at: Wall(at), value, quality }, Delivery::Live), at);
                if self.events.is_multiple_of(EVERY) {
                    tell(self.mark());
                }
            }
            Frame::Tick { at } => self.event(Event::Tick, at),
        }
    }

    /// The file is over.
    pub fn end(&mut self, tell: &mut impl FnMut(Mark)) {
        if self.started {
            tell(self.mark());
        }
    }

    /// The point is complete once all its rules have come.
    fn point(&mut self) {
        if self.missing == 0 {
            self.site.add(&self.rules);
        }
    }

    fn now(&self, at: i64) -> Now {
        let since = u64::try_from(at.saturating_sub(self.began.wall.0)).unwrap_or(0);
        Now { mono: self.began.mono.plus(since), wall: Wall(at) }
    }

    /// What is due is over and done with before the reading is looked at.
    fn pass(&mut self, at: i64) {
        let now = self.now(at);
        if self.site.next_deadline().is_some_and(|due| due <= now.mono) {
            self.event(Event::Tick, at);
        }
    }

    fn event(&mut self, event: Event, at: i64) {
        let now = self.now(at);
        let Self { site, outputs, transitions, .. } = self;
        if !self.started {
            site.start(|transition| outputs.take(transition));
            self.started = true;
        }
        let answer = site.handle(event, now, |transition| {
            *transitions += 1;
            outputs.take(transition);
        });
        outputs.take(&answer);
        self.events += u32::from(matches!(event, Event::Reading(..)));
    }

    fn mark(&self) -> Mark {
        let mut state = Print::default();
        state.take(self.site.memory());
        Mark { events: self.events, outputs: self.outputs.hash(), state: state.hash() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gengfu_core::detect::baseline::{self, Bins};
    use gengfu_core::detect::calendar::Calendar;
    use gengfu_core::detect::limit::{Level, Side};
    use gengfu_core::detect::{drift, limit};

    fn frames() -> std::vec::Vec<Frame> {
        let usual = baseline::Params { bins: Bins::Hours, calendar: Calendar::UTC, floor: 0.1, memory: 28, roam: 1.0 };
        let drift = drift::Params {
            side: Side::High,
            usual,
            block_ms: u64::MAX,
            learn_ms: u64::MAX,
            shift: 1e-300,
            slack: 0.5,
            rise: 8.0,
            step: Some(5.0),
            patience_ms: u64::MAX,
        };
        let level = Level { limit: 10.0, clear: 9.0, on_ms: 2_000, off_ms: 0 };
        let limit = limit::Params { side: Side::High, first: level, second: None };
        let reading = |n: i64| Frame::Reading { point: 0, at: n * 1_000, value: (n % 7 > 0).then_some(n as f64) };
        [
            Frame::Site { at: 0 },
            Frame::Point { rules: 2 },
            Frame::Rule { params: Params::Limit(limit) },
            Frame::Rule { params: Params::Drift(drift) },
            Frame::Point { rules: 0 },
            Frame::Beside { rule: 0, channel: 1, point: 1 },
        ]
        .into_iter()
        .chain((1..2_000).map(reading))
        .chain([Frame::Tick { at: 3_000_000 }])
        .collect()
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut room = [0; LONGEST];
        for frame in frames() {
            let bytes = frame.bytes(&mut room).expect("short enough");
            assert_eq!(Frame::first(bytes), Ok((frame, &[][..])));
            assert_eq!(Frame::first(&bytes[..bytes.len() - 1]), Err(NoFrame));
        }
    }

    #[test]
    fn a_site_begins_anew_and_every_thousandth_reading_has_a_mark() {
        let (mut run, mut marks) = (Run::default(), std::vec::Vec::new());
        for frame in frames().into_iter().chain(frames()) {
            run.take(frame, &mut |mark| marks.push(mark));
        }
        run.end(&mut |mark| marks.push(mark));
        assert_eq!(marks.iter().map(|mark| mark.events).collect::<std::vec::Vec<_>>(), [1_000, 1_999, 1_000, 1_999]);
        assert_eq!(marks[..2], marks[2..], "the second site knows nothing of the first");
        assert_eq!(run.transitions, 2, "each is raised once");
    }
}
