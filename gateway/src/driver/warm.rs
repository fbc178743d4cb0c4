//! The warm start: alarms come back from the fold of the alarm lane, the detectors' memory from the telemetry lane.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

use gengfu_core::alarm::life::Life;
use gengfu_core::alarm::state::{Open, Shelf, Standing, Veils};
use gengfu_core::alarm::{AlarmId, ModeName, StateName};
use gengfu_core::engine::Policy;
use gengfu_core::reading::{Delivery, PointId, Reading};
use gengfu_core::time::{Mono, Now, Wall};

use super::lately::Lately;
use super::learned::Recalled;
use super::storage::Storage;
use crate::flow::AlarmEvent;
use crate::journal::{Came, Entry, Journal, Record, Seq};

/// No detector is shown more than this of the past, however long its window: the start must be quick.
pub(super) const MAX_REPLAY_MS: u64 = 24 * 3_600_000;

/// What an alarm is found again by: its rule, `device/point`, and whether that is in shadow. An alarm of a trial is none of the
/// rule that went live.
pub(super) type Key = (String, String, bool);

pub(super) fn key(event: &AlarmEvent) -> Key {
    (event.rule.clone(), format!("{}/{}", event.device, event.point), event.shadow)
}

/// Puts the alarms back. Returns those that no rule of today's configuration knows, and for the others the last
/// transition by binding.
pub(super) fn restore(
    storage: &mut Storage,
    standing: Vec<AlarmEvent>,
    lately: &Lately,
    binding_of: &HashMap<Key, u32>,
    present: Now,
) -> (Vec<AlarmEvent>, HashMap<u32, AlarmEvent>) {
    lately.trust(storage, &standing, binding_of);
    let (mut orphans, mut known) = (Vec::new(), HashMap::new());
    for event in standing {
        let event = bounded(event, storage.policy(), present);
        let binding = binding_of.get(&key(&event)).copied();
        let again = binding.and_then(|binding| storage.re_alarm_ms(binding));
        match binding.zip(open(&event, again, present)) {
            Some((binding, open)) => {
                storage.engine().restore(binding, open);
                known.insert(binding, event);
            }
            None => orphans.push(event),
        }
    }
    (orphans, known)
}

/// A clock that was set back makes no shelf longer than a person may ask for, and no time out of service.
fn bounded(mut event: AlarmEvent, policy: Policy, present: Now) -> AlarmEvent {
    let latest = |max: u64| present.at(present.mono.plus(max)).wall.0;
    if let Some(shelf) = &mut event.shelved {
        shelf.until = shelf.until.min(latest(policy.max_shelf_ms));
    }
    if let Some(out) = &mut event.out_of_service {
        out.until = out.until.min(latest(policy.max_out_ms));
    }
    event
}

/// The alarm as its last transition left it; `None` for one that this version can't make sense of.
fn open(event: &AlarmEvent, re_alarm_ms: Option<u64>, present: Now) -> Option<Open> {
    let id = u64::from_str_radix(&event.id, 16).ok().map(AlarmId)?;
    // Times that people wrote down are on the wall clock; what is left of them runs on the counter.
    let mono = |at: i64| present.mono.plus(at.saturating_sub(present.wall.0).max(0) as u64);
    let again = re_alarm_ms
        .zip(event.acknowledged.as_ref())
        .map(|(ms, seen)| mono(seen.at.saturating_add(ms as i64)).min(present.mono.plus(ms)));
    let name = StateName::ALL.into_iter().find(|name| name.word() == event.life())?;
    let test = event.test.as_ref().and_then(|word| ModeName::ALL.into_iter().find(|mode| mode.word() == word));
    let onset = Wall(event.onset);
    Some(Open {
        standing: Standing { id, onset, number: event.number, level: event.level, test, first: event.first },
        life: Life::named(name, again)?,
        veils: Veils {
            shelf: event.shelved.as_ref().map(|veil| Shelf { until: mono(veil.until), one_shot: veil.one_shot }),
            suppressed: event.suppressed,
            out_until: event.out_of_service.as_ref().map(|veil| mono(veil.until)),
        },
    })
}

/// Tells the votes whose conditions were over when the last run ended, and since when: they may count still.
pub(super) fn ended(storage: &mut Storage, lately: &Lately, binding_of: &HashMap<Key, u32>, present: Now) {
    let over = lately.moved.iter().filter(|(_, event)| event.event == "return");
    let mut over: Vec<_> = over.filter_map(|(key, event)| Some((*binding_of.get(key)?, event))).collect();
    over.sort_unstable_by_key(|(binding, event)| (Reverse(event.detected), *binding));
    for (binding, event) in over {
        storage.engine().ended(binding, event.test.is_some(), ago(present, Wall(event.detected)));
    }
}

/// Shows the detectors what the journal holds of their memory, and those that go on with what they had learned what came since, in the
/// order it came. That ends where the last run ended, however long ago: what was pending then is pending now. A point that was
/// silent all that time is shown as it was heard last. `present` is what the clock they were stamped by says now: time spent off
/// counts where that is known.
pub(super) fn replay(
    storage: &mut Storage,
    journal: &Journal,
    recalled: &Recalled,
    present: Now,
) -> Result<Shown, String> {
    journal.remember(storage.memory_ms().min(MAX_REPLAY_MS));
    let memory = recalled.memory_of_others(storage).min(MAX_REPLAY_MS);
    let mut readings = 0;
    let mut show = |storage: &mut Storage, Past { seq, reading, delivery, then }| {
        if recalled.knows(seq) {
            storage.engine().warm_known(&reading, delivery, then);
        } else {
            storage.engine().warm(&reading, delivery, then);
        }
        readings += 1;
    };
    let reach = (memory, recalled.behind());
    let cut = past(journal, reach, 0..=u32::MAX, present, &mut |past| show(storage, past))?;
    // No detector remembers longer; a point is what it said last all the same.
    let silent: BTreeSet<PointId> = storage.watched().filter(|p| !p.has_spoken()).map(|p| p.last.point).collect();
    let unheard: BTreeSet<PointId> = storage.watched().filter(|p| !p.heard).map(|p| p.last.point).collect();
    if !silent.is_empty() {
        journal.last_words(&silent, &mut |record, came| {
            let past = Past::of(&record, came, present);
            if unheard.contains(&record.point) {
                show(storage, past);
            } else {
                storage.engine().spoke(&past.reading);
            }
        })?;
    }
    Ok(Shown { readings, cut })
}

/// What a warm start showed the detectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) readings: u64,
    /// How far back it went, ms, where their memory goes back further than one start may read.
    pub(super) cut: Option<i64>,
}

impl Shown {
    /// Of a memory that was cut, for the alarm lane.
    pub(super) fn word(self, at: Wall) -> Option<Entry> {
        let minutes = self.cut? / 60_000;
        let (what, readings) = ("short-memory".to_owned(), self.readings);
        let detail = format!(
            "detectors were shown the last {minutes} min of the past, {readings} readings, which is all that one start reads: \
             a `for`, `within` or `window` that is longer begins anew with those"
        );
        tracing::warn!(detail, "warm start");
        Some(Entry::Maintenance { at: at.0, what, detail })
    }
}

/// A reading as it came, and when that was by both clocks.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) seq: Seq,
    pub(super) reading: Reading,
    pub(super) delivery: Delivery,
    pub(super) then: Now,
}

impl Past {
    fn of(record: &Record, came: Came, present: Now) -> Self {
        let at = Wall(record.at_ns.div_euclid(1_000_000));
        let reading = Reading { point: record.point, at, value: record.value, quality: record.quality };
        Self { seq: record.seq, reading, delivery: came.delivery, then: ago(present, Wall(came.at)) }
    }
}

/// What the journal holds within this reach ([`Journal::replay_since`]), in the order it came; how far back it went where that was
/// cut.
pub(super) fn past(
    journal: &Journal,
    (memory_ms, behind): (u64, Option<(Seq, u64)>),
    points: RangeInclusive<u32>,
    now: Now,
    visit: &mut dyn FnMut(Past),
) -> Result<Option<i64>, String> {
    journal.replay_since(memory_ms, behind, points, &mut |record, came| visit(Past::of(&record, came, now)))
}

/// Both clocks as they stood at a time of the past.
pub(super) fn ago(now: Now, at: Wall) -> Now {
    let ago = now.wall.0.saturating_sub(at.0).max(0) as u64;
    Now { mono: Mono(now.mono.0.saturating_sub(ago)), wall: at }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock was set back by a year while the gateway was down.
    #[test]
    fn a_clock_set_back_makes_nothing_longer_than_a_person_may_ask_for() {
        let veil =
            serde_json::json!({ "by": "x", "at": 0, "until": 400 * 86_400_000_i64, "one_shot": false, "reason": "" });
        let event = serde_json::json!({
            "id": "1", "number": 2, "event": "shelve", "state": "out-of-service", "life": "acknowledged", "site": "",
            "device": "", "point": "", "kind": "", "rule": "", "priority": "", "level": 0, "value": 1.0, "quality": "good",
            "early_warning": false, "message": { "zh": "", "en": "" }, "onset": 0, "since": 0, "occurred": 0, "detected": 0,
            "shelved": veil, "out_of_service": veil, "acknowledged": { "by": "x", "at": 400 * 86_400_000_i64 },
        });
        let event: AlarmEvent = serde_json::from_value(event).expect("an event of the alarm lane");
        let present = Now { mono: Mono(1 << 40), wall: Wall(0) };
        let policy = Policy::default();
        let event = bounded(event, policy, present);
        let open = open(&event, Some(60_000), present).expect("it stands");
        assert_eq!(open.veils.shelf.map(|shelf| shelf.until), Some(present.mono.plus(policy.max_shelf_ms)));
        assert_eq!(open.veils.out_until, Some(present.mono.plus(policy.max_out_ms)));
        assert_eq!(open.life, Life::Acknowledged { again: Some(present.mono.plus(60_000)) });
        assert_eq!(event.shelved.map(|shelf| shelf.until), Some(8 * 3_600_000), "and it is shown so");
    }
}
