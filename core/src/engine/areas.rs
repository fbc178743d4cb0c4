//! Modes of areas: walk-test, drill, maintenance. While one runs, what is raised in the area is a test, and says so; what
//! stood before is as real as it was, and so is everything elsewhere. A mode has an end, always; at its end what still stands
//! of the tests is raised anew, for real.

use super::{Engine, Seen, Sink};
use crate::alarm::ModeName;
use crate::alarm::state::{Input, Refusal};
use crate::time::{Mono, Now};

/// One area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Area {
    mode: Option<Mode>,
}

/// A mode that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Which.
    pub name: ModeName,
    /// When it ends by itself.
    pub until: Mono,
}

impl Area {
    /// The mode that runs in it.
    pub const fn mode(&self) -> Option<Mode> {
        self.mode
    }
}

/// What became of an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModeChange {
    /// Index of the area.
    pub area: u16,
    /// The mode that began or ended.
    pub mode: Mode,
    /// How.
    pub change: Change,
    /// When.
    pub at: Now,
}

/// How a mode changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A person began it.
    Begun,
    /// A person ended it.
    Ended,
    /// Its time is over.
    Expired,
}

impl Engine<'_> {
    /// A person begins a mode.
    #[inline(never)]
    pub(super) fn begin(
        &mut self,
        index: u16,
        name: ModeName,
        for_ms: u64,
        now: Now,
        sink: &mut impl Sink,
    ) -> Result<(), Refusal> {
        let for_ms = within(for_ms, self.tables.policy.max_mode_ms)?;
        let area = self.tables.areas.get_mut(usize::from(index)).ok_or(Refusal::NoSuchArea)?;
        if area.mode.is_some() {
            return Err(Refusal::ModeRuns);
        }
        let mode = Mode { name, until: now.mono.plus(for_ms) };
        area.mode = Some(mode);
        self.find_mode_due();
        if name == ModeName::WalkTest {
            for point in self.tables.points.iter_mut().filter(|point| point.area == index) {
                point.tripped = false;
            }
        }
        sink.mode(&ModeChange { area: index, mode, change: Change::Begun, at: now });
        self.signal_all(now, sink);
        Ok(())
    }

    /// A person ends it.
    #[inline(never)]
    pub(super) fn end(&mut self, index: u16, now: Now, sink: &mut impl Sink) -> Result<(), Refusal> {
        let area = self.tables.areas.get(usize::from(index)).ok_or(Refusal::NoSuchArea)?;
        let mode = area.mode.ok_or(Refusal::NoModeRuns)?;
        self.over(index, mode, Change::Ended, now, sink);
        Ok(())
    }

    /// A mode is put back as the journal knows it, before anything else happens; `tripped` are not cleared.
    pub fn resume(&mut self, area: u16, mode: Mode) {
        if let Some(area) = self.tables.areas.get_mut(usize::from(area)) {
            area.mode = Some(mode);
        }
        self.find_mode_due();
    }

    /// Ends the modes whose time was over at `due`; that comes out at `now`.
    #[inline(never)]
    pub(super) fn expire_modes(&mut self, due: Mono, now: Now, sink: &mut impl Sink) {
        for index in (0..=u16::MAX).take(self.tables.areas.len()) {
            let mode = self.tables.areas.get(usize::from(index)).and_then(Area::mode);
            if let Some(mode) = mode.filter(|mode| mode.until <= due) {
                self.over(index, mode, Change::Expired, now, sink);
            }
        }
    }

    fn over(&mut self, index: u16, mode: Mode, change: Change, now: Now, sink: &mut impl Sink) {
        if let Some(area) = self.tables.areas.get_mut(usize::from(index)) {
            area.mode = None;
        }
        self.find_mode_due();
        sink.mode(&ModeChange { area: index, mode, change, at: now });
        let all = 0..self.tables.bindings.len() as u32;
        // Who votes is real before what it votes for is counted.
        for binding in all.clone() {
            if !self.is_vote(binding) {
                self.test_over(binding, now, sink);
            }
        }
        self.signal_all(now, sink);
        for binding in all {
            self.outlasted(binding, now, Seen::Live, sink);
        }
    }

    /// A test whose mode is over is one no longer: what stands is real. Its mode ended; or the area is not what it was, after a
    /// restart or other rules; or a vote needs its tests no more.
    pub(super) fn outlasted(&mut self, index: u32, now: Now, seen: Seen, sink: &mut impl Sink) {
        if self.test_over(index, now, sink) {
            self.signal(index, now, seen, sink);
        }
    }

    /// The same, and nobody who counts it is told yet; whether it was one.
    pub(super) fn test_over(&mut self, index: u32, now: Now, sink: &mut impl Sink) -> bool {
        let Some(b) = self.tables.bindings.get(index as usize) else { return false };
        let over = b.is_test() && b.alarm.active() && self.tested(index, now).is_none();
        if over {
            self.follow(index, Input::TestOver { first: self.is_first(b) }, now, sink);
            // A test explains nothing; what is real does.
            self.cause(index, now, sink);
        }
        over
    }

    fn find_mode_due(&mut self) {
        self.tables.pulse.mode_due = self.tables.areas.iter().filter_map(|area| area.mode).map(|mode| mode.until).min();
    }

    /// The mode of the area that a point stands in.
    pub(super) fn mode_of(&self, point: u32) -> Option<ModeName> {
        let area = self.tables.points.get(point as usize)?.area;
        self.tables.areas.get(usize::from(area))?.mode.map(|mode| mode.name)
    }
}

/// A time that has an end, and no later one than is allowed.
pub(super) const fn within(for_ms: u64, max: u64) -> Result<u64, Refusal> {
    if for_ms == 0 {
        Err(Refusal::NoEnd)
    } else if for_ms > max {
        Err(Refusal::TooLong(max))
    } else {
        Ok(for_ms)
    }
}
