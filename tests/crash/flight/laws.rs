//! What must have come of shelves, absences, modes, delays and votes, read off the alarm lane entry by entry: whatever has a time
//! happens at it, once, or as soon as the gateway is there again; and nothing else does.

use std::collections::{BTreeMap, BTreeSet};

use gengfu::flow::{AlarmEvent, Veil};
use gengfu::journal::{Entry, ModeRecord};
use gengfu_tests::wait::unix_ms;

use super::votes::{Ballots, Turn};
use super::{AGAIN, JITTER, LATE, LATE_AFTER_START, ON, STAND, WALKED, class_of};
use crate::crash::table::{MODES, SHELVES, TIMERS};

/// Something that is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ShelfEnds,
    ServiceBegins,
    ModeEnds,
    TestIsReal,
    RingsAgain,
    Vote,
}

/// When it is to.
#[derive(Debug)]
struct Due {
    class: &'static str,
    /// Since when it is on its way, UTC ms.
    began: i64,
    until: i64,
}

/// It has happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    pub class: &'static str,
    /// When it was set on its way, UTC ms.
    pub began: i64,
    /// After its time, or after the start that it had to wait for, ms.
    pub late: i64,
    /// The gateway died in between.
    pub through: bool,
}

/// What was not as it must be: class, when, what.
pub(super) type Broken = (&'static str, i64, String);

pub(super) struct Laws {
    owed: BTreeMap<(Kind, String), Due>,
    pub met: Vec<Met>,
    pub broken: Vec<Broken>,
    /// Starts at which votes were cast, once for each vote, UTC ms.
    pub carried: Vec<i64>,
    /// The last step of each alarm, by `rule@device/point`.
    last: BTreeMap<String, AlarmEvent>,
    modes: BTreeMap<String, ModeRecord>,
    /// What was raised in each area since its mode began.
    tripped: BTreeMap<String, BTreeSet<String>>,
    /// When the gateway was started last.
    started: i64,
}

/// Reads all of a lane; `turns`: when the points of voters had no value.
pub(super) fn read(lane: &[Entry], turns: &[Turn]) -> Laws {
    let mut laws = Laws {
        owed: BTreeMap::new(),
        met: Vec::new(),
        broken: Vec::new(),
        carried: Vec::new(),
        last: BTreeMap::new(),
        modes: BTreeMap::new(),
        tripped: BTreeMap::new(),
        started: 0,
    };
    let mut ballots = Ballots::new(turns);
    for entry in lane {
        match entry {
            Entry::Start { at, .. } => {
                ballots.count(&mut laws);
                laws.started = *at;
                laws.carried.extend(ballots.cast_at(*at).map(|()| *at));
            }
            Entry::Mode(record) => laws.mode(record),
            Entry::Alarm(alarm) if class_of(&alarm.rule).is_some() => {
                laws.alarm(alarm);
                ballots.take(alarm, &mut laws);
            }
            Entry::Alarm(_)
            | Entry::Audit { .. }
            | Entry::Stop { .. }
            | Entry::Gap { .. }
            | Entry::Level(_)
            | Entry::Maintenance { .. } => {}
        }
    }
    ballots.end(unix_ms(), &mut laws);
    for ((kind, target), due) in std::mem::take(&mut laws.owed) {
        laws.wrong(due.class, due.began, format!("{kind:?} {target}: never, due at {}", due.until));
    }
    laws
}

impl Laws {
    /// It is to happen at `until`; what is owed already stays so.
    pub(super) fn owe(&mut self, kind: Kind, target: &str, class: &'static str, began: i64, until: i64) {
        self.owed.entry((kind, target.to_owned())).or_insert(Due { class, began, until });
    }

    /// It will not, and that is well.
    pub(super) fn waive(&mut self, kind: Kind, target: &str) {
        self.owed.remove(&(kind, target.to_owned()));
    }

    /// It has, if it was to.
    pub(super) fn happens(&mut self, kind: Kind, target: &str, at: i64) {
        if let Some(Due { class, began, until }) = self.owed.remove(&(kind, target.to_owned())) {
            self.judge(class, began, until, at, &format!("{kind:?} {target}"));
        }
    }

    pub(super) fn wrong(&mut self, class: &'static str, at: i64, what: String) {
        self.broken.push((class, at, what));
    }

    fn judge(&mut self, class: &'static str, began: i64, until: i64, at: i64, what: &str) {
        let through = began < self.started;
        let late = at - until.max(self.started);
        let most = if through { LATE_AFTER_START } else { LATE };
        if at < until - JITTER {
            self.wrong(class, began, format!("{what}: {} ms before its time", until - at));
        } else if late > most {
            self.wrong(class, began, format!("{what}: {late} ms after its time, {until}; started {}", self.started));
        }
        self.met.push(Met { class, began, late: late.max(0), through });
    }

    fn mode(&mut self, record: &ModeRecord) {
        let area = &record.area;
        match record.change.as_str() {
            "begun" => {
                if let Some(runs) = self.modes.insert(area.clone(), record.clone()) {
                    self.wrong(MODES, record.at, format!("{area}: {} begun while {} runs", record.mode, runs.mode));
                }
                self.tripped.remove(area);
                self.owe(Kind::ModeEnds, area, MODES, record.began, record.until);
                return;
            }
            "expired" => self.happens(Kind::ModeEnds, area, record.at),
            _ => self.waive(Kind::ModeEnds, area),
        }
        let began = self.modes.remove(area);
        let as_begun =
            |began: &ModeRecord| (began.began, began.until, &began.mode) == (record.began, record.until, &record.mode);
        if !began.as_ref().is_some_and(as_begun) {
            self.wrong(MODES, record.at, format!("{record:?} ends what was begun as {began:?}"));
        }
        let walked = self.tripped.remove(area).unwrap_or_default();
        if record.mode == "walk-test" && !walked.iter().eq(&record.tripped) {
            self.wrong(MODES, record.at, format!("{area}: {:?} told as tripped, {walked:?} were", record.tripped));
        }
        let tests = self.last.values().filter(|alarm| area_of(alarm) == Some(area.as_str()) && alarm.test.is_some());
        let tests: Vec<String> = tests.filter(|alarm| active(alarm)).map(target).collect();
        for test in tests {
            self.owe(Kind::TestIsReal, &test, MODES, record.at, record.at);
        }
    }

    fn alarm(&mut self, alarm: &AlarmEvent) {
        let target = target(alarm);
        let before = self.last.insert(target.clone(), alarm.clone()).filter(|before| before.state != "normal");
        let shelf = before.as_ref().and_then(|before| before.shelved.as_ref());
        self.veil(Kind::ShelfEnds, ["shelve", "unshelve"], shelf, alarm.shelved.as_ref(), alarm);
        let (out, words) = (alarm.out_of_service.as_ref(), ["out-of-service", "return-to-service"]);
        let was_out = before.as_ref().and_then(|before| before.out_of_service.as_ref());
        self.veil(Kind::ServiceBegins, words, was_out, out, alarm);
        match alarm.event.as_str() {
            "return" if alarm.shelved.as_ref().is_some_and(|veil| veil.one_shot) => {
                self.wrong(SHELVES, alarm.detected, format!("{target}: returned, and its one shot lies on it still"));
            }
            "raise" if alarm.rule.starts_with("delayed-") => {
                let (since, on) = (alarm.since, ON.as_millis() as i64);
                self.judge(TIMERS, since, since + on, alarm.detected, &target);
            }
            "re-alarm" => self.happens(Kind::RingsAgain, &target, alarm.detected),
            "acknowledge" if alarm.rule.starts_with("ringing-") && active(alarm) => {
                let at = alarm.detected;
                self.owe(Kind::RingsAgain, &target, TIMERS, at, at + AGAIN.as_millis() as i64);
            }
            _ => {}
        }
        if alarm.life() != "acknowledged" {
            self.waive(Kind::RingsAgain, &target);
        }
        self.tested(&target, before.as_ref(), alarm);
    }

    /// What a person put over an alarm stays as it is until its time, until a person takes it back, or until its one shot.
    /// `words`: the events by which it comes and goes.
    fn veil(&mut self, kind: Kind, words: [&str; 2], was: Option<&Veil>, is: Option<&Veil>, alarm: &AlarmEvent) {
        let ([comes, goes], target, event, at) = (words, &*target(alarm), alarm.event.as_str(), alarm.detected);
        match (was, is) {
            (None, None) => {}
            (None, Some(veil)) => {
                if event != comes || veil.at != at {
                    self.wrong(SHELVES, at, format!("{target}: {veil:?} came by {event}"));
                }
                self.owe(kind, target, SHELVES, veil.at, veil.until);
            }
            (Some(was), Some(is)) if was == is => {}
            (Some(was), Some(is)) => self.wrong(SHELVES, at, format!("{target}: {was:?} became {is:?} by {event}")),
            (Some(was), None) => {
                let shot = was.one_shot && event == "return";
                if event != goes && !shot {
                    self.wrong(SHELVES, at, format!("{target}: {was:?} gone by {event}"));
                }
                if shot || alarm.by.as_deref() != Some("timer") {
                    self.waive(kind, target);
                }
                self.happens(kind, target, at);
            }
        }
    }

    /// What is raised in a mode is a test, and real at its end; what is raised in none is real.
    fn tested(&mut self, target: &str, before: Option<&AlarmEvent>, alarm: &AlarmEvent) {
        let Some(area) = area_of(alarm) else { return };
        let mode = self.modes.get(area).map(|record| record.mode.clone());
        let at = alarm.detected;
        let was = before.filter(|before| before.life() != "normal");
        if !active(alarm) {
            self.waive(Kind::TestIsReal, target);
        } else if alarm.event == "raise" && was.is_some_and(active) {
            if mode.is_some() || alarm.test.is_some() {
                self.wrong(MODES, at, format!("{target}: raised anew as {:?} in {mode:?}", alarm.test));
            }
            self.happens(Kind::TestIsReal, target, at);
        } else if alarm.event == "raise" {
            let expected = was.map_or(mode.clone(), |was| was.test.clone().and(mode.clone()));
            if alarm.test != expected {
                self.wrong(MODES, at, format!("{target}: raised as {:?} in {mode:?}, was {was:?}", alarm.test));
            }
            if mode.is_some() {
                let points = self.tripped.entry(area.to_owned()).or_default();
                points.insert(format!("{}/{}", alarm.device, alarm.point));
            }
        } else if alarm.test != was.and_then(|was| was.test.clone()) {
            self.wrong(MODES, at, format!("{target}: {} made it {:?}", alarm.event, alarm.test));
        }
    }
}

fn target(alarm: &AlarmEvent) -> String {
    format!("{}@{}/{}", alarm.rule, alarm.device, alarm.point)
}

fn active(alarm: &AlarmEvent) -> bool {
    ["unacknowledged", "acknowledged"].contains(&alarm.life())
}

fn area_of(alarm: &AlarmEvent) -> Option<&'static str> {
    let place = WALKED.iter().position(|device| alarm.device == format!("d{device}"))?;
    STAND.get(place).copied()
}
