//! What detectors learn: kept in the journal every hour, after each of their alarms, at a stop and where other rules begin;
//! recalled at the next start; shown to people; forgotten by a person's word. Whatever remembers more than a start is shown of the past is kept so.
//!
//! The engine's turn only copies the states; the journal's writer makes text of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use gengfu_core::detect::Params;
use gengfu_core::engine::{Event, Target};
use gengfu_core::time::{Mono, Now};
use serde::Serialize;
use tokio::sync::watch;

use super::belief::Belief;
use super::storage::Storage;
use super::task::Driver;
use super::warm::{Key, MAX_REPLAY_MS};
use super::{CommandError, ForgetDone, ForgetOrder};
use crate::flow::{Batch, Learned, Lesson, Receipt};
use crate::journal::{Entry, KeptLesson, Seq};

/// How often what was learned is kept, ms: as much as this is learned again from the journal after a crash.
const KEEP_EVERY: u64 = 3_600_000;

/// And how soon after a condition of such a rule has begun or ended, ms: what is kept and what the alarm lane says must not part.
/// A storm of them is one.
const KEEP_SOON: u64 = 1_000;

/// When what was learned is kept next.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// `None` while nothing learns.
    due: Option<Mono>,
    /// The journal has something from before.
    holds: bool,
}

impl Keeper {
    /// After a start: what the journal has, and whether there is more to come.
    pub(super) fn begin(storage: &Storage, holds: bool, now: Now) -> Self {
        let learns = (0..storage.len()).any(|binding| learns(storage, binding));
        Self { due: learns.then(|| now.mono.plus(KEEP_EVERY)), holds }
    }

    pub(super) const fn next_deadline(&self) -> Option<Mono> {
        self.due
    }

    pub(super) fn is_due(&self, mono: Mono) -> bool {
        self.due.is_some_and(|due| due <= mono)
    }

    /// The condition of this binding has begun or ended.
    pub(super) fn moved(&mut self, storage: &Storage, binding: u32, now: Now) {
        if learns(storage, binding) {
            let soon = now.mono.plus(KEEP_SOON);
            self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        }
    }

    /// Bindings that came while running.
    pub(super) fn count(&mut self, storage: &Storage, mut fresh: std::ops::Range<u32>, now: Now) {
        if self.due.is_none() && fresh.any(|binding| learns(storage, binding)) {
            self.due = Some(now.mono.plus(KEEP_EVERY));
        }
    }
}

/// Whether a binding's detector remembers more than a start is shown.
pub(super) fn learns(storage: &Storage, binding: u32) -> bool {
    params(storage, binding).is_some_and(|params| params.memory_ms() > MAX_REPLAY_MS)
}

fn params(storage: &Storage, binding: u32) -> Option<Params> {
    storage.binding(binding).and_then(|b| storage.params(b.rule)).copied()
}

/// Which detectors go on with what they had learned.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    bindings: HashSet<u32>,
    /// The last reading that they know.
    pub(super) upto: Seq,
}

impl Recalled {
    /// Whether they know this reading.
    pub(super) const fn knows(&self, seq: Seq) -> bool {
        seq <= self.upto
    }

    /// What is to be shown beside the memory of the others, see [`crate::journal::Journal::replay_since`].
    pub(super) fn behind(&self) -> Option<(Seq, u64)> {
        (!self.bindings.is_empty()).then_some((self.upto, MAX_REPLAY_MS))
    }

    /// The longest memory of all others, ms.
    pub(super) fn memory_of_others(&self, storage: &Storage) -> u64 {
        let others = (0..storage.len()).filter(|binding| !self.bindings.contains(binding));
        others.filter_map(|binding| params(storage, binding)).map(|p| p.memory_ms()).max().unwrap_or(0)
    }

    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }
}

/// Gives the detectors what they had learned, where they look at their point as they did. Before the alarms are restored.
pub(super) fn recall(
    storage: &mut Storage,
    lessons: Vec<KeptLesson>,
    upto: Seq,
    binding_of: &HashMap<Key, u32>,
) -> Recalled {
    let mut recalled = Recalled { bindings: HashSet::new(), upto };
    let (mut changed, mut gone): (BTreeMap<String, u32>, BTreeMap<String, u32>) = Default::default();
    for KeptLesson { rule, device, point, params: by, state } in lessons {
        let name = format!("{device}/{point}");
        // What was learned in shadow is known to the rule that went live, and the other way round.
        let binding = [false, true].iter().find_map(|shadow| binding_of.get(&(rule.clone(), name.clone(), *shadow)));
        let Some(&binding) = binding else {
            *gone.entry(rule).or_default() += 1;
            continue;
        };
        let same = params(storage, binding).is_some_and(|params| format!("{params:?}") == by);
        if same && storage.engine().recall(binding, state) {
            recalled.bindings.insert(binding);
        } else {
            *changed.entry(rule).or_default() += 1;
        }
    }
    for (rule, points) in changed {
        tracing::warn!(rule, points, "the rule is another than what it had learned by: it learns anew");
    }
    for (rule, points) in gone {
        tracing::info!(rule, points, "what was learned is let go: nothing looks at that any more");
    }
    recalled
}

/// What a rule believes of a point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Held {
    pub rule: String,
    /// `device/point`.
    pub point: String,
    pub unit: Option<String>,
    /// Its condition stands now.
    pub stands: bool,
    #[serde(flatten)]
    pub belief: Belief,
}

/// A person had a rule forget what it had learned of a point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forgotten {
    /// UTC ms.
    pub at: i64,
    pub rule: String,
    pub point: String,
    pub by: String,
    pub reason: String,
    /// What it believed until then.
    pub believed: Belief,
}

impl Driver {
    /// Puts what is known now into the journal's queue, behind all readings that it was learned from.
    pub(super) fn keep_learned(&mut self, receipt: Option<Receipt>) {
        let now = self.clock.now();
        let lessons = self.lessons();
        let learns = !lessons.is_empty();
        self.keeper.due = learns.then(|| now.mono.plus(KEEP_EVERY));
        if !learns && !self.keeper.holds {
            return;
        }
        let learned = Some(Box::new(Learned { at: now, lessons }));
        if self.journal.push(Batch { receipt, learned, ..Batch::default() }).is_ok() {
            self.keeper.holds = learns;
        } else {
            tracing::warn!("what was learned is not kept, the journal is behind; what was kept before stands");
        }
    }

    /// After a start on what can't all be used: that is told once, and what is known now takes its place. Readings that are gone
    /// from the journal leave their numbers to others, which must not pass for known.
    pub(super) fn mend_learned(&mut self, unreadable: &[String], now: Now) {
        if let Some(first) = unreadable.first() {
            let rows = unreadable.len();
            let detail =
                format!("what was learned can't be read in {rows} rows, whose rules learn anew; the first: {first}");
            tracing::error!(detail, "learned");
            let what = "learned-unreadable".to_owned();
            self.journal.append(Entry::Maintenance { at: now.wall.0, what, detail });
        }
        self.keep_learned(None);
    }

    fn lessons(&mut self) -> Vec<Lesson> {
        let mut lessons = Vec::new();
        for binding in (0..self.storage.len()).filter(|binding| learns(&self.storage, *binding)).collect::<Vec<_>>() {
            let meta = self.storage.binding(binding).and_then(|b| self.catalog.get(b.point));
            let known = meta.zip(params(&self.storage, binding)).zip(self.storage.engine().state(binding));
            if let Some(((meta, params), state)) = known {
                let rule = self.storage.rule_name(binding, &self.site);
                let (device, point) = (meta.device.clone(), meta.point.clone());
                lessons.push(Lesson { rule, device, point, params, state });
            }
        }
        lessons
    }

    /// What each rule that learns believes of each of its points.
    pub(super) fn beliefs(&mut self) -> Vec<Held> {
        let now = self.clock.now();
        (0..self.storage.len()).filter_map(|binding| self.held(binding, now)).collect()
    }

    fn held(&mut self, binding: u32, now: Now) -> Option<Held> {
        let params = params(&self.storage, binding).filter(|_| learns(&self.storage, binding))?;
        let b = *self.storage.binding(binding)?;
        let state = self.storage.engine().state(binding)?;
        let name = |channel| Some(self.catalog.get(self.storage.channel(binding, channel)?)?.name());
        let belief = Belief::of(&params, &state, now, name)?;
        let (meta, rule) = (self.catalog.get(b.point)?, self.storage.rule_name(binding, &self.site));
        Some(Held { rule, point: meta.name(), unit: meta.unit.clone(), stands: b.alarm.active(), belief })
    }

    /// A person has a rule forget what it has learned of a point. What it knows from then on is kept at once: a crash must not
    /// bring back what was forgotten.
    pub(super) fn forget(&mut self, order: &ForgetOrder) -> Result<ForgetDone, CommandError> {
        let ForgetOrder { rule, point, by, reason } = order;
        let nobody = || {
            CommandError::Wrong(format!("no rule `{rule}` looks at `{point}`; `gengfu learned` lists all that learn"))
        };
        let target = format!("{rule}@{point}");
        let Ok(Target::Binding(binding)) = self.target(&target) else { return Err(nobody()) };
        // What is due says so by what it knew.
        self.event(Event::Tick);
        let now = self.clock.now();
        let held = self.held(binding, now);
        let audit = |action: &str, detail: String| {
            let (by, action, target) = (by.clone(), action.to_owned(), target.clone());
            self.journal.append(Entry::Audit { at: now.wall.0, by, action, target, detail })
        };
        let Some(Held { belief: believed, .. }) = held else {
            audit("learn-again-refused", "it learns nothing".to_owned());
            let why = format!(
                "the rule `{rule}` learns nothing, there is nothing to forget; `gengfu learned` lists all that learn"
            );
            return Err(CommandError::Wrong(why));
        };
        let ticket = audit("learn-again", format!("{reason}; until now it believed: {}", believed.words()));
        self.storage.engine().forget(binding, now);
        tracing::warn!(rule, point, by, reason, "learns again, by a person's word");
        let (mark, kept) = watch::channel(0);
        self.keep_learned(Some(Receipt { mark: Arc::new(mark), token: 1 }));
        let (rule, point, by, reason) = (rule.clone(), point.clone(), by.clone(), reason.clone());
        Ok(ForgetDone { record: Forgotten { at: now.wall.0, rule, point, by, reason, believed }, ticket, kept })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use gengfu_core::detect::State;
    use gengfu_core::quality::Quality;
    use gengfu_core::reading::{Delivery, PointId, Reading};
    use gengfu_core::time::Wall;

    use super::super::storage::Watched;
    use super::*;
    use crate::catalog::PointMeta;
    use crate::config;
    use crate::config::checked::PointSpec;

    fn at(ms: u64) -> Now {
        Now { mono: Mono((1 << 40) + ms), wall: Wall(1_700_000_000_000 + ms as i64) }
    }

    /// A point with a drift of this shift and a limit.
    fn storage(shift: f64) -> Storage {
        let text = format!(
            "site = {{ id = \"s\" }}\n[[modbus]]\nname = \"l\"\nconnect = \"tcp://h:1\"\n[[modbus.device]]\nname = \"d\"\n\
             unit = 1\n[[modbus.device.point]]\nname = \"p\"\nregister = \"holding:0\"\ntype = \"u16\"\n\
             [[rule]]\nid = \"slow\"\npoint = \"d/p\"\ndrift = {{ side = \"high\", shift = {shift:?}, resolution = 0.1 }}\n\
             [[rule]]\nid = \"high\"\npoint = \"d/p\"\nhigh = {{ limit = 50, clear = 40, for = \"5s\" }}\n"
        );
        let site = config::parse(&text, Path::new("/site/s.toml")).expect("a good site").site;
        let mut storage = Storage::new(&site);
        let spec = PointSpec {
            name: String::new(),
            unit: None,
            scaling: gengfu_core::normalize::Scaling::default(),
            life_safety: false,
            bad_after: Duration::from_secs(4),
            stale_after: None,
        };
        let meta = PointMeta {
            device: "d".to_owned(),
            point: "p".to_owned(),
            kind: "device".to_owned(),
            area: None,
            unit: None,
            life_safety: false,
            source: None,
        };
        assert_eq!(storage.watch(PointId(0), &meta, Watched::of(&spec), &site, at(0)), 0..2);
        storage
    }

    fn binding_of() -> HashMap<Key, u32> {
        let key = |rule: &str| (rule.to_owned(), "d/p".to_owned(), false);
        HashMap::from([(key("slow"), 0), (key("high"), 1)])
    }

    fn kept(rule: &str, params: &Params, state: State) -> KeptLesson {
        let (device, point) = ("d".to_owned(), "p".to_owned());
        KeptLesson { rule: rule.to_owned(), device, point, params: format!("{params:?}"), state }
    }

    #[test]
    fn a_rule_goes_on_with_what_it_learned_by_the_same_parameters_alone() {
        let mut lived = storage(2.0);
        for n in 0..100 {
            let now = at(n * 3_600_000);
            let reading =
                Reading { point: PointId(0), at: now.wall, value: 20.0 + (n % 5) as f64, quality: Quality::Good };
            lived.engine().warm(&reading, Delivery::Live, now);
        }
        let by = params(&lived, 0).expect("a drift");
        let state = lived.engine().state(0).expect("its state");
        assert_ne!(state, by.fresh(at(0)));

        let mut same = storage(2.0);
        let recalled = recall(&mut same, vec![kept("slow", &by, state.clone())], 7, &binding_of());
        assert_eq!((recalled.len(), recalled.behind()), (1, Some((7, MAX_REPLAY_MS))));
        assert_eq!(same.engine().state(0), Some(state.clone()));
        assert_eq!(recalled.memory_of_others(&same), 5_000, "the limit's delay");
        assert!(recalled.knows(7) && !recalled.knows(8));

        let limit = params(&same, 1).expect("a limit");
        for (what, lesson) in [
            ("other parameters", kept("slow", &params(&storage(3.0), 0).expect("a drift"), state.clone())),
            ("a rule that is gone", kept("fast", &by, state.clone())),
            ("a state of another kind", kept("slow", &by, limit.fresh(at(0)))),
        ] {
            let mut fresh = storage(2.0);
            let recalled = recall(&mut fresh, vec![lesson], 7, &binding_of());
            assert_eq!((recalled.len(), recalled.behind()), (0, None), "{what}");
            assert_eq!(fresh.engine().state(0), Some(by.fresh(at(0))), "{what}");
            assert!(recalled.memory_of_others(&fresh) > MAX_REPLAY_MS, "{what}: it is shown all there is");
        }
    }
}
