//! Modes of areas, with names: what runs is kept in the alarm lane, and what a walk-test has tripped is told at its end.

use std::collections::HashMap;

use gengfu_core::alarm::{EventName, ModeName};
use gengfu_core::engine::{Change, Event, Mode, ModeChange};
use gengfu_core::reading::PointId;
use gengfu_core::time::Now;

use super::names::Deed;
use super::persons::refused;
use super::storage::Storage;
use super::task::{Collect, Driver, Said, Told};
use super::{CommandError, ModeDone, ModeOrder};
use crate::catalog::Catalog;
use crate::flow::AlarmEvent;
use crate::journal::{BEGUN, Entry, Journal, ModeRecord};

/// Who ends a mode whose time is over.
const TIMER: &str = "timer";

/// How many entries of the alarm lane are read back for what walk-tests that still run have tripped, and how many at a time.
const WALK_BACK: usize = 50_000;
const PAGE: usize = 1_000;

/// The tests of the walk-tests that ran when the last run ended: what they raised since they began, as far as it is read back.
pub async fn tests_of(journal: &Journal, modes: &[ModeRecord]) -> Vec<AlarmEvent> {
    let walks: Vec<&ModeRecord> = modes.iter().filter(|mode| mode.mode == ModeName::WalkTest.word()).collect();
    let (mut found, mut before, mut read, mut begun) = (HashMap::new(), None, 0, 0);
    while begun < walks.len() && read < WALK_BACK {
        let page = match journal.entries(before, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(error, "alarm lane can't be read back, walk-tests forget what was tripped before that");
                break;
            }
        };
        let Some((last, _)) = page.last() else { break };
        (before, read) = (Some(*last), read + page.len());
        for (_, entry) in page {
            match entry {
                Entry::Alarm(event) => {
                    if walks.iter().any(|walk| trips(&event, walk)) {
                        found.entry((event.rule.clone(), event.device.clone(), event.point.clone())).or_insert(event);
                    }
                }
                Entry::Mode(record) => {
                    let begins = |walk: &&&ModeRecord| walk.area == record.area && walk.began == record.began;
                    begun += usize::from(record.change == BEGUN && walks.iter().any(|walk| begins(&walk)));
                }
                Entry::Audit { .. }
                | Entry::Start { .. }
                | Entry::Stop { .. }
                | Entry::Gap { .. }
                | Entry::Level(_)
                | Entry::Maintenance { .. } => {}
            }
        }
    }
    if begun < walks.len() {
        tracing::warn!(
            read,
            "a walk-test began before what is read back: what it tripped earlier is told as not tripped"
        );
    }
    found.into_values().collect()
}

/// Whether it came since this walk-test began, as a test or anew where it was real before; whether that tripped something in
/// it, the engine's tables know.
fn trips(event: &AlarmEvent, walk: &ModeRecord) -> bool {
    let raised = [EventName::Raise, EventName::Escalate].iter().any(|name| name.word() == event.event);
    let of_it = event.test.as_ref().is_none_or(|mode| *mode == walk.mode);
    raised && of_it && event.detected >= walk.began && !event.shadow
}

impl Driver {
    /// A person begins or ends a mode.
    pub(super) fn mode(&mut self, order: &ModeOrder) -> Result<ModeDone, CommandError> {
        let word = order.begin.map_or("end-mode", |(mode, _)| mode.word());
        let (area, target) = match self.storage.places_called(&order.area).as_slice() {
            [(area, name)] => (*area, (*name).to_owned()),
            called => {
                let why = self.no_area(&order.area, called);
                self.refuse(&order.by, word, &order.area, &why);
                return Err(CommandError::NoSuchArea(why));
            }
        };
        // What is answered is on disk with its audit.
        let _together = self.journal.together();
        let now = self.clock.now();
        let event = match order.begin {
            Some((mode, for_ms)) => Event::Begin { area, mode, for_ms },
            None => Event::End { area },
        };
        let result = self.storage.engine().handle(event, now, &mut Collect(&mut self.out)).map_err(refused);
        let action = if result.is_ok() { word.to_owned() } else { format!("{word}-refused") };
        let detail = match &result {
            Ok(()) => order.reason.clone(),
            Err(why) => why.to_string(),
        };
        let own =
            |said: &Said| matches!(said, Said::Mode(change) if change.area == area && change.change != Change::Expired);
        let own = self.out.iter().rposition(own).filter(|_| result.is_ok());
        let deed = Deed { by: &order.by, note: Some(&order.reason) };
        let told = self.publish(own.map(|index| (index, &deed)));
        let (at, by) = (now.wall.0, order.by.clone());
        // The last that comes of it: the answer waits for all.
        let ticket = self.journal.append(Entry::Audit { at, by, action, target, detail });
        result?;
        match told {
            Some(Told::Mode(done)) => Ok(ModeDone { ticket, ..done }),
            Some(Told::Step(_)) | None => Err(CommandError::Stopped),
        }
    }

    /// Why a name is none that an area could be found by: no area is called so, or several are.
    fn no_area(&self, name: &str, called: &[(u16, &str)]) -> String {
        if !called.is_empty() {
            let called: Vec<&str> = called.iter().map(|(_, name)| *name).collect();
            return format!("{} areas are called `{name}`; give the whole name: {}", called.len(), called.join(", "));
        }
        let known: Vec<&str> = self.storage.places().map(|(_, name)| name).filter(|name| !name.is_empty()).collect();
        let known = match known.as_slice() {
            [] => "this site has none".to_owned(),
            known => format!("known are {}", known.join(", ")),
        };
        format!("there is no area `{name}`; {known}")
    }

    /// Journals a change of mode: a person's, or that of its time.
    pub(super) fn tell_mode(&mut self, change: &ModeChange, deed: Option<&Deed<'_>>) -> Option<ModeDone> {
        let name = self.storage.areas().find(|(index, ..)| *index == change.area).map(|(_, name, _)| name.to_owned());
        let area = name?;
        let (by, reason) = deed.map_or((TIMER, ""), |deed| (deed.by, deed.note.unwrap_or_default()));
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let running = self.modes.remove(&change.area);
        // What was said at its begin is said at its end, also of one whose time was over while nobody ran it.
        let fresh = (change.at.wall.0, change.at.at(change.mode.until).wall.0);
        let (began, until) = running.as_ref().map_or(fresh, |running| (running.began, running.until));
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
            reason: running.filter(|_| reason.is_empty()).map_or(reason, |running| running.reason),
            began,
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
    pub(super) fn resume(&mut self, modes: Vec<ModeRecord>, tests: &[AlarmEvent], present: Now) {
        for record in modes {
            let name = ModeName::ALL.into_iter().find(|mode| mode.word() == record.mode);
            let Some((area, name)) = self.storage.place_named(&record.area).zip(name) else {
                self.end_for_good(record, present);
                continue;
            };
            // A clock that was set back makes no mode longer than a person may ask for.
            let latest = present.wall.0.saturating_add_unsigned(self.storage.policy().max_mode_ms);
            let record = ModeRecord { until: record.until.min(latest), ..record };
            let left = record.until.saturating_sub(present.wall.0).max(0) as u64;
            self.storage.engine().resume(area, Mode { name, until: present.mono.plus(left) });
            for event in tests.iter().filter(|event| trips(event, &record)) {
                self.trip(event, area);
            }
            self.modes.insert(area, record);
        }
    }

    /// What a test of an earlier run says: a rule that looks at its point was tripped, if the point stands in the area still.
    fn trip(&mut self, event: &AlarmEvent, area: u16) {
        let rule = self.site.rules.iter().find(|rule| rule.id == event.rule);
        let point = self.catalog.find(&format!("{}/{}", event.device, event.point));
        let here = |point: &PointId| self.storage.point(*point).is_some_and(|point| point.area() == area);
        if let (Some(rule), Some(point)) = (rule, point.filter(here))
            && rule.detector.measures()
        {
            self.storage.trip(point);
        }
    }

    /// After other rules: a mode of an area goes on where the area is still there, and is over where it is not.
    pub(super) fn keep_modes(&mut self, old: &mut Storage, now: Now) {
        let mut kept = HashMap::new();
        for (index, record) in std::mem::take(&mut self.modes) {
            if let Some(area) = self.storage.place_named(&record.area) {
                let old = old.engine();
                self.storage.engine().take_over_area(area, &old, index);
                kept.insert(area, record);
            } else {
                // What was walked is told all the same, as the old tables know it.
                let walks = record.mode == ModeName::WalkTest.word();
                let (tripped, untripped) = if walks { walked(old, &self.catalog, index) } else { Default::default() };
                self.end_for_good(ModeRecord { tripped, untripped, ..record }, now);
            }
        }
        self.modes = kept;
    }

    /// The area is no more.
    fn end_for_good(&self, record: ModeRecord, now: Now) {
        let (change, by) = (word(Change::Ended).to_owned(), "configuration".to_owned());
        self.journal.append(Entry::Mode(ModeRecord { at: now.wall.0, change, by, ..record }));
    }

    fn walked(&self, area: u16) -> (Vec<String>, Vec<String>) {
        walked(&self.storage, &self.catalog, area)
    }
}

/// Points of an area that have a rule: those that were tripped, and the others.
fn walked(storage: &Storage, catalog: &Catalog, area: u16) -> (Vec<String>, Vec<String>) {
    let (yes, no): (Vec<_>, Vec<_>) = storage.in_area(area).partition(|point| point.tripped);
    let names = |points: Vec<&gengfu_core::engine::Point>| {
        let names = points.into_iter().filter_map(|point| catalog.get(point.last.point));
        let mut names: Vec<String> = names.map(|meta| meta.name()).collect();
        names.sort();
        names
    };
    (names(yes), names(no))
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::Begun => BEGUN,
        Change::Ended => "ended",
        Change::Expired => "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_test_has_tripped_what_it_raised_since_it_began() {
        let walk = ModeRecord {
            at: 100,
            area: "hall".to_owned(),
            mode: ModeName::WalkTest.word().to_owned(),
            change: BEGUN.to_owned(),
            by: "x".to_owned(),
            reason: String::new(),
            began: 100,
            until: 900,
            tripped: Vec::new(),
            untripped: Vec::new(),
        };
        let event = |event: &str, test: Option<&str>, detected: i64| -> AlarmEvent {
            let event = serde_json::json!({
                "id": "1", "number": 1, "event": event, "state": "", "site": "", "device": "d", "point": "p", "kind": "",
                "rule": "r", "priority": "", "level": 0, "value": 1.0, "quality": "good", "early_warning": false,
                "message": { "zh": "", "en": "" }, "onset": 0, "since": 0, "occurred": 0, "detected": detected, "test": test,
            });
            serde_json::from_value(event).expect("an event of the alarm lane")
        };
        let (test, drill) = (Some("walk-test"), Some("drill"));
        assert!(trips(&event("raise", test, 100), &walk) && trips(&event("escalate", test, 200), &walk));
        assert!(trips(&event("raise", None, 200), &walk), "what was real before and comes again stays real");
        let others = [("raise", test, 99), ("raise", drill, 200), ("shelve", test, 200), ("return", test, 200)];
        for (word, mode, at) in others {
            assert!(!trips(&event(word, mode, at), &walk), "{word} {mode:?} {at}");
        }
    }
}
