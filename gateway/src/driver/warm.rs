//! The warm start: alarms come back from the fold of the alarm lane, the detectors' memory from the telemetry lane.

use std::collections::{HashMap, HashSet};

use gengfu_core::alarm::life::Life;
use gengfu_core::alarm::state::{Open, Shelf, Standing, Veils};
use gengfu_core::alarm::{AlarmId, ModeName, StateName};
use gengfu_core::reading::{Delivery, Reading};
use gengfu_core::time::{Mono, Now, Wall};

use super::storage::Storage;
use crate::flow::AlarmEvent;
use crate::journal::{Came, Journal, Record, Seq};

/// No detector is shown more than this of the past, however long its window: the start must be quick.
pub(super) const MAX_REPLAY_MS: u64 = 24 * 3_600_000;

/// What an alarm is found again by: its rule, `device/point`, and whether that is in shadow. An alarm of a trial is none of the
/// rule that went live.
pub(super) type Key = (String, String, bool);

fn key(event: &AlarmEvent) -> Key {
    (event.rule.clone(), format!("{}/{}", event.device, event.point), event.shadow)
}

/// Puts the alarms back. Returns those that no rule of today's configuration knows, and for the others the last
/// transition by binding.
pub(super) fn restore(
    storage: &mut Storage,
    standing: Vec<AlarmEvent>,
    recent: &[AlarmEvent],
    binding_of: &HashMap<Key, u32>,
    present: Now,
) -> (Vec<AlarmEvent>, HashMap<u32, AlarmEvent>) {
    trust(storage, recent, binding_of);
    let (mut orphans, mut known) = (Vec::new(), HashMap::new());
    for event in standing {
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

/// The alarm as its last transition left it; `None` for one that this version can't make sense of.
fn open(event: &AlarmEvent, re_alarm_ms: Option<u64>, present: Now) -> Option<Open> {
    let id = u64::from_str_radix(&event.id, 16).ok().map(AlarmId)?;
    // Times that people wrote down are on the wall clock; what is left of them runs on the counter.
    let mono = |at: i64| present.mono.plus(at.saturating_sub(present.wall.0).max(0) as u64);
    let again = re_alarm_ms.zip(event.acknowledged.as_ref()).map(|(ms, seen)| mono(seen.at.saturating_add(ms as i64)));
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
pub(super) fn ended(storage: &mut Storage, recent: &[AlarmEvent], binding_of: &HashMap<Key, u32>, present: Now) {
    let mut told = HashSet::new();
    for event in recent.iter().filter(|event| ["raise", "escalate", "return"].contains(&event.event.as_str())) {
        if let Some(&binding) = binding_of.get(&key(event))
            && told.insert(binding)
            && event.event == "return"
        {
            storage.engine().ended(binding, event.test.is_some(), ago(present, Wall(event.detected)));
        }
    }
}

/// Tells the engine what alarms were called and since when each condition stands or is over, as far as the newest entries
/// of the alarm lane know.
fn trust(storage: &mut Storage, recent: &[AlarmEvent], binding_of: &HashMap<Key, u32>) {
    let mut told = HashSet::new();
    for event in recent.iter().rev() {
        if let (Some(&binding), Ok(id)) = (binding_of.get(&key(event)), u64::from_str_radix(&event.id, 16)) {
            storage.engine().name(binding, AlarmId(id), Wall(event.onset));
        }
    }
    for event in recent {
        let known = match event.event.as_str() {
            // A trend is judged some time after its onset; what it was judged by is what counts.
            "raise" | "escalate" if !event.early_warning => event.since,
            "raise" | "escalate" | "return" => event.occurred,
            _ => continue,
        };
        if let Some(&binding) = binding_of.get(&key(event))
            && told.insert(binding)
        {
            // Nor was it known before it was decided, by a source whose clock is ahead.
            storage.engine().trust(binding, Wall(known.min(event.detected)), event.limit);
        }
    }
}

/// Shows the detectors what the journal holds of their memory, in the order it came. That ends where the last run ended,
/// however long ago: what was pending then is pending now. `present` is what the clock they were stamped by says now: time
/// spent off counts where that is known. Returns how many readings were shown.
pub(super) fn replay(storage: &mut Storage, journal: &Journal, present: Now) -> Result<u64, String> {
    let memory = storage.memory_ms().min(MAX_REPLAY_MS);
    journal.remember(memory);
    let mut shown = 0;
    past(journal, memory, present, &mut |past| {
        storage.engine().warm(&past.reading, past.delivery, past.then);
        shown += 1;
    })?;
    Ok(shown)
}

/// A reading as it came, and when that was by both clocks.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) seq: Seq,
    pub(super) reading: Reading,
    pub(super) delivery: Delivery,
    pub(super) then: Now,
}

/// What the journal holds of the last `memory_ms`, in the order it came.
pub(super) fn past(journal: &Journal, memory_ms: u64, now: Now, visit: &mut dyn FnMut(Past)) -> Result<(), String> {
    journal.replay(memory_ms, &mut |record: Record, came: Came| {
        let at = Wall(record.at_ns.div_euclid(1_000_000));
        let reading = Reading { point: record.point, at, value: record.value, quality: record.quality };
        visit(Past { seq: record.seq, reading, delivery: came.delivery, then: ago(now, Wall(came.at)) });
    })
}

/// Both clocks as they stood at a time of the past.
pub(super) fn ago(now: Now, at: Wall) -> Now {
    let ago = now.wall.0.saturating_sub(at.0).max(0) as u64;
    Now { mono: Mono(now.mono.0.saturating_sub(ago)), wall: at }
}
