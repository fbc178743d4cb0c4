//! Modes of areas, with names: what runs is kept in the alarm lane, and what a walk-test has tripped is told at its end.

use std::collections::HashMap;

use gengfu_core::alarm::ModeName;
use gengfu_core::engine::{Change, Event, Mode, ModeChange};
use gengfu_core::time::{Mono, Now};

use super::names::Deed;
use super::persons::refused;
use super::storage::Storage;
use super::task::{Collect, Driver, Said, Told};
use super::{CommandError, ModeDone, ModeOrder};
use crate::flow::AlarmEvent;
use crate::journal::{BEGUN, Entry, ModeRecord};

/// Who ends a mode whose time is over.
const TIMER: &str = "timer";

impl Driver {
    /// A person begins or ends a mode.
    pub(super) fn mode(&mut self, order: &ModeOrder) -> Result<ModeDone, CommandError> {
        let no_area = || {
            let known: Vec<&str> =
                self.storage.areas().map(|(_, name, _)| name).filter(|name| !name.is_empty()).collect();
            let known = if known.is_empty() {
                "this site has none".to_owned()
            } else {
                format!("known are {}", known.join(", "))
            };
            CommandError::Wrong(format!("there is no area `{}`; {known}", order.area))
        };
        let area = self.storage.area_named(&order.area).ok_or_else(no_area)?;
        let now = self.clock.now();
        let event = match order.begin {
            Some((mode, for_ms)) => Event::Begin { area, mode, for_ms },
            None => Event::End { area },
        };
        let result = self.storage.engine().handle(event, now, &mut Collect(&mut self.out)).map_err(refused);
        let word = order.begin.map_or("end-mode", |(mode, _)| mode.word());
        let action = if result.is_ok() { word.to_owned() } else { format!("{word}-refused") };
        let detail = match &result {
            Ok(()) => order.reason.clone(),
            Err(why) => format!("{why:?}"),
        };
        let own =
            |said: &Said| matches!(said, Said::Mode(change) if change.area == area && change.change != Change::Expired);
        let own = self.out.iter().rposition(own).filter(|_| result.is_ok());
        let deed = Deed { by: &order.by, note: Some(&order.reason) };
        let told = self.publish(own.map(|index| (index, &deed)));
        let (at, by, target) = (now.wall.0, order.by.clone(), order.area.clone());
        self.journal.append(Entry::Audit { at, by, action, target, detail });
        result?;
        match told {
            Some(Told::Mode(done)) => Ok(done),
            Some(Told::Step(_)) | None => Err(CommandError::Stopped),
        }
    }

    /// Journals a change of mode: a person's, or that of its time.
    pub(super) fn tell_mode(&mut self, change: &ModeChange, deed: Option<&Deed<'_>>) -> Option<ModeDone> {
        let name = self.storage.areas().find(|(index, ..)| *index == change.area).map(|(_, name, _)| name.to_owned());
        let area = name?;
        let until = change.at.at(change.mode.until).wall.0;
        let (by, reason) = deed.map_or((TIMER, ""), |deed| (deed.by, deed.note.unwrap_or_default()));
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let running = self.modes.remove(&change.area);
        let (tripped, untripped) = match (change.change, change.mode.name) {
            (Change::Ended | Change::Expired, ModeName::WalkTest) => self.walked(change.area),
            (Change::Begun | Change::Ended | Change::Expired, _) => (Vec::new(), Vec::new()),
        };
        let record = ModeRecord {
            at: change.at.wall.0,
            area,
            mode: change.mode.name.word().to_owned(),
            change: word(change.change).to_owned(),
            by,
            reason: running.as_ref().filter(|_| reason.is_empty()).map_or(reason, |running| running.reason.clone()),
            began: running.map_or(change.at.wall.0, |running| running.began),
            until,
            tripped,
            untripped,
        };
        let (area, mode) = (&record.area, &record.mode);
        tracing::warn!(area, mode, change = record.change, by = record.by, "mode of an area");
        let ticket = self.journal.append(Entry::Mode(record.clone()));
        if change.change == Change::Begun {
            self.modes.insert(change.area, record.clone());
        }
        Some(ModeDone { record, ticket })
    }

    /// The modes that run, with what a walk-test has tripped so far.
    pub(super) fn running(&self) -> Vec<ModeRecord> {
        let now = |(area, record): (&u16, &ModeRecord)| {
            let walks = record.mode == ModeName::WalkTest.word();
            let (tripped, untripped) = if walks { self.walked(*area) } else { Default::default() };
            ModeRecord { tripped, untripped, ..record.clone() }
        };
        let mut running: Vec<ModeRecord> = self.modes.iter().map(now).collect();
        running.sort_by(|a, b| a.area.cmp(&b.area));
        running
    }

    /// Puts back what ran when the last run ended. A mode of an area that is no more is over, and says so.
    pub(super) fn resume(&mut self, modes: Vec<ModeRecord>, recent: &[AlarmEvent], present: Now) {
        for record in modes {
            let name = ModeName::ALL.into_iter().find(|mode| mode.word() == record.mode);
            let Some((area, name)) = self.storage.area_named(&record.area).zip(name) else {
                self.end_for_good(record, present);
                continue;
            };
            let left = record.until.saturating_sub(present.wall.0).max(0) as u64;
            self.storage.engine().resume(area, Mode { name, until: Mono(present.mono.0 + left) });
            // What it has tripped so far is what the alarm lane holds of its tests.
            let tests = recent.iter().filter(|event| {
                event.detected >= record.began && event.test.as_ref() == Some(&record.mode) && !event.shadow
            });
            for event in tests {
                if let Some(point) = self.catalog.find(&format!("{}/{}", event.device, event.point)) {
                    self.storage.trip(point);
                }
            }
            self.modes.insert(area, record);
        }
    }

    /// After other rules: a mode of an area goes on where the area is still there, and is over where it is not.
    pub(super) fn keep_modes(&mut self, old: &mut Storage, now: Now) {
        let mut kept = HashMap::new();
        for (index, record) in std::mem::take(&mut self.modes) {
            if let Some(area) = self.storage.area_named(&record.area) {
                let old = old.engine();
                self.storage.engine().take_over_area(area, &old, index);
                kept.insert(area, record);
            } else {
                self.end_for_good(record, now);
            }
        }
        self.modes = kept;
    }

    /// The area is no more.
    fn end_for_good(&self, record: ModeRecord, now: Now) {
        let (change, by) = (word(Change::Ended).to_owned(), "configuration".to_owned());
        self.journal.append(Entry::Mode(ModeRecord { at: now.wall.0, change, by, ..record }));
    }

    /// Points of an area that have a rule: those that were tripped, and the others.
    fn walked(&self, area: u16) -> (Vec<String>, Vec<String>) {
        let (yes, no): (Vec<_>, Vec<_>) = self.storage.in_area(area).partition(|point| point.tripped);
        let names = |points: Vec<&gengfu_core::engine::Point>| {
            let names = points.into_iter().filter_map(|point| self.catalog.get(point.last.point));
            let mut names: Vec<String> = names.map(|meta| meta.name()).collect();
            names.sort();
            names
        };
        (names(yes), names(no))
    }
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::Begun => BEGUN,
        Change::Ended => "ended",
        Change::Expired => "expired",
    }
}
