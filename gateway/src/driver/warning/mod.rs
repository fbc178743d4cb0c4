//! The site as a whole: its warning level and its risk colour, live. What the alarm lane says of each alarm becomes a fact,
//! the tables of the site file judge the facts, and core's ladders move the levels. Each change is kept in the lane with the
//! facts that made it; a restart and a reload go on with it.
//!
//! Facts are told step by step, and looked at once in [`LOOK_MS`] at most: a storm of alarms costs five looks a second.

mod facts;
mod view;

use std::collections::{BTreeMap, HashMap};

use gengfu_core::time::{Mono, Now, Wall};
use gengfu_core::warning::{
    Basis, Change, Down, Facts, Fall, Ladder, Refusal, RiskLevel, Rung, Scale, Table, WarningLevel,
};

use super::storage::Storage;
use super::task::Driver;
use super::warm::ago;
use super::{CommandError, LevelDone, News};
use crate::config::checked::{Site, WarningConfig};
use crate::flow::{AlarmEvent, Text};
use crate::journal::{Entry, LevelRecord};

use facts::Fact;
pub use view::{Levels, Reason, Standing};

/// Between two looks at the facts.
const LOOK_MS: u64 = 200;
/// Names in one record; of more facts the number.
const NAMED: usize = 8;

/// All that is kept.
#[derive(Debug)]
pub(super) struct Warner {
    facts: BTreeMap<u32, Fact>,
    warning: Scaled<Option<WarningLevel>>,
    risk: Scaled<RiskLevel>,
    /// How many life-safety points there are.
    life_safety: u32,
    /// The facts are not as they were at the last look.
    changed: bool,
    looked: Mono,
}

/// One scale: its level, and in words what made it.
#[derive(Debug)]
struct Scaled<L> {
    ladder: Ladder<L>,
    reason: Option<Reason>,
}

impl<L: Scale> Default for Scaled<L> {
    fn default() -> Self {
        Self { ladder: Ladder::default(), reason: None }
    }
}

/// A level as it is written.
trait Word: Scale {
    /// The scale's, in the alarm lane.
    const SCALE: &'static str;

    fn word(self) -> &'static str;

    fn of_word(word: &str) -> Option<Self> {
        let mut all = std::iter::once(Self::BASE).chain(Self::RUNGS.iter().copied());
        all.find(|level| level.word() == word)
    }

    fn table(config: &WarningConfig) -> Table<'_, Self>;

    fn reason(config: &WarningConfig, row: usize) -> Text;
}

impl Word for Option<WarningLevel> {
    const SCALE: &'static str = "warning";

    fn word(self) -> &'static str {
        self.map_or("none", WarningLevel::word)
    }

    fn table(config: &WarningConfig) -> Table<'_, Self> {
        let down = config.release.map_or(Down::ByItself, |from| Down::ByPersonFrom(Some(from)));
        Table { rows: &config.rows, down_ms: config.down.as_millis() as u64, down }
    }

    fn reason(config: &WarningConfig, row: usize) -> Text {
        config.rows.get(row).map_or_else(Text::default, |row| view::words(&row.when, config))
    }
}

impl Word for RiskLevel {
    const SCALE: &'static str = "risk";

    fn word(self) -> &'static str {
        RiskLevel::word(self)
    }

    /// It says how the site stands; nobody has to agree that it stands better.
    fn table(config: &WarningConfig) -> Table<'_, Self> {
        Table { rows: &config.risk, down_ms: config.down.as_millis() as u64, down: Down::ByItself }
    }

    fn reason(config: &WarningConfig, row: usize) -> Text {
        config.risk.get(row).map_or_else(Text::default, |row| view::words(&row.when, config))
    }
}

impl Default for Warner {
    fn default() -> Self {
        Self {
            facts: BTreeMap::new(),
            warning: Scaled::default(),
            risk: Scaled::default(),
            life_safety: 0,
            changed: true,
            looked: Mono(0),
        }
    }
}

impl Warner {
    /// As the last run left it. A hold that ran begins anew, since nobody looked in between.
    pub(super) fn restore(&mut self, records: &[LevelRecord], config: &WarningConfig, present: Now) {
        self.warning = Scaled::restored(records, config, present);
        self.risk = Scaled::restored(records, config, present);
    }

    /// The facts anew, where bindings are new or numbered anew.
    pub(super) fn gather(&mut self, standing: &HashMap<u32, AlarmEvent>, storage: &Storage, site: &Site, now: Now) {
        self.life_safety = storage.life_safety();
        let fact = |(binding, event): (&u32, &AlarmEvent)| {
            let rung = event.raised.as_ref().map_or(event.onset, |raised| raised.at);
            Some((*binding, facts::fact(event, *binding, storage, site, None, ago(now, Wall(rung)).mono)?))
        };
        self.facts = standing.iter().filter_map(fact).collect();
        self.changed = true;
    }

    /// Points came.
    pub(super) fn count(&mut self, storage: &Storage) {
        self.life_safety = storage.life_safety();
        self.changed = true;
    }

    /// When to look again at the latest.
    pub(super) fn next_deadline(&self, site: &Site) -> Option<Mono> {
        let look = self.changed.then(|| self.looked.plus(LOOK_MS));
        [look, self.warning.next_deadline(&site.warning), self.risk.next_deadline(&site.warning)]
            .into_iter()
            .flatten()
            .min()
    }

    fn is_due(&self, site: &Site, now: Now) -> bool {
        self.next_deadline(site).is_some_and(|due| due <= now.mono)
    }
}

impl<L: Word> Scaled<L> {
    fn restored(records: &[LevelRecord], config: &WarningConfig, present: Now) -> Self {
        let known = records.iter().find(|record| record.scale == L::SCALE);
        let Some((record, level)) = known.and_then(|record| Some((record, L::of_word(&record.to)?))) else {
            return Self::default();
        };
        let since = ago(present, Wall(record.since));
        let table = L::table(config);
        let ladder = Ladder::restored(level, since, &Basis::default(), record.waiting, &table);
        Self { ladder, reason: Some(Reason::of(record)) }
    }

    fn next_deadline(&self, config: &WarningConfig) -> Option<Mono> {
        self.ladder.next_deadline(&L::table(config))
    }

    /// The facts, and whether they are new or only older; gives what became of the level. `name` says whose a binding is.
    fn look(
        &mut self,
        config: &WarningConfig,
        (facts, new): (&Facts, bool),
        now: Now,
        name: &impl Fn(u32) -> String,
    ) -> Vec<LevelRecord> {
        let (table, mut changes) = (L::table(config), Vec::new());
        let mut keep = |change| changes.push(change);
        if new {
            self.ladder.handle(&table, facts, now, &mut keep);
        } else {
            self.ladder.tick(&table, facts, now, &mut keep);
        }
        self.told(changes, config, name)
    }

    fn told(
        &mut self,
        changes: Vec<Change<L>>,
        config: &WarningConfig,
        name: &impl Fn(u32) -> String,
    ) -> Vec<LevelRecord> {
        // What holds it now has names now; what held it, those of then.
        match self.ladder.standing().1 {
            Rung::Reached { basis, .. } => {
                self.reason = Some(Reason::new(basis, L::reason(config, basis.row.into()), name));
            }
            Rung::Silent => self.reason = None,
            Rung::Lapsing { .. } | Rung::Waiting { .. } => {}
        }
        changes.into_iter().map(|change| self.record(&change, None)).collect()
    }

    fn record(&self, change: &Change<L>, by: Option<(&str, &str)>) -> LevelRecord {
        let (word, at, from, to, who) = match *change {
            Change::Rose { at, from, to, .. } => ("rose", at, from, to, "facts"),
            Change::Awaits { at, level } => ("awaits", at, level, level, "timer"),
            Change::Fell { at, from, to, by: Fall::Time } => ("fell", at, from, to, "timer"),
            Change::Fell { at, from, to, by: Fall::Person } => ("released", at, from, to, "timer"),
        };
        let reason = self.reason.clone().unwrap_or_default();
        LevelRecord {
            at: at.wall.0,
            scale: L::SCALE.to_owned(),
            change: word.to_owned(),
            from: from.word().to_owned(),
            to: to.word().to_owned(),
            base: to == L::BASE,
            since: view::since(self.ladder.standing().1).unwrap_or(at.wall.0),
            waiting: matches!(self.ladder.standing().1, Rung::Waiting { .. }),
            by: by.map_or(who, |(by, _)| by).to_owned(),
            note: by.map_or("", |(_, note)| note).to_owned(),
            row: reason.row,
            why: reason.why,
            count: reason.count,
            alarms: reason.alarms,
        }
    }
}

impl Driver {
    /// A step of an alarm becomes a fact. What was due before it is served by the facts before it.
    pub(super) fn regard(&mut self, binding: u32, event: &AlarmEvent, now: Now) {
        self.look(now);
        let before = self.warner.facts.get(&binding);
        let fact = facts::fact(event, binding, &self.storage, &self.site, before, now.mono);
        self.warner.changed = true;
        match fact {
            Some(fact) => drop(self.warner.facts.insert(binding, fact)),
            None => drop(self.warner.facts.remove(&binding)),
        }
    }

    /// Looks where it is time to.
    pub(super) fn look(&mut self, now: Now) {
        if self.warner.is_due(&self.site, now) {
            self.weigh(now);
        }
    }

    /// What the facts come to.
    fn weigh(&mut self, now: Now) {
        let (alarms, impaired) = facts::lent(&self.warner.facts);
        let facts = Facts { alarms: &alarms, impaired: &impaired, life_safety: self.warner.life_safety };
        let (standing, config) = (&self.standing, &self.site.warning);
        let name = |binding: u32| standing.get(&binding).map_or_else(String::new, facts::name);
        let Warner { warning, risk, changed, looked, .. } = &mut self.warner;
        let new = std::mem::take(changed);
        if new {
            *looked = now.mono;
        }
        let seen = (&facts, new);
        let records = [warning.look(config, seen, now, &name), risk.look(config, seen, now, &name)];
        self.say(records.concat().into_iter().map(|record| News::Level(Box::new(record))).collect());
    }

    /// A person lets the warning level fall.
    pub(super) fn release(&mut self, by: &str, note: &str) -> Result<LevelDone, CommandError> {
        let now = self.clock.now();
        self.weigh(now);
        let table = Word::table(&self.site.warning);
        let mut change = None;
        let ladder = &mut self.warner.warning.ladder;
        let result = ladder.release(&table, now, &mut |fell| change = Some(fell));
        let action = if result.is_ok() { "release-warning" } else { "release-warning-refused" }.to_owned();
        let (at, target) = (now.wall.0, self.warner.warning.ladder.level().word().to_owned());
        let result = result.map_err(|refusal| refused(refusal, now));
        let detail = match &result {
            Ok(()) => note.to_owned(),
            Err(CommandError::NotNow(why)) => why.clone(),
            Err(other) => format!("{other:?}"),
        };
        let audit = Entry::Audit { at, by: by.to_owned(), action, target, detail };
        let record = change.map(|change| self.warner.warning.record(&change, Some((by, note))));
        if record.is_some() {
            self.warner.warning.told(Vec::new(), &self.site.warning, &|_| String::new());
        }
        self.journal.append(audit);
        result?;
        let record = record.ok_or(CommandError::Stopped)?;
        let news = News::Level(Box::new(record.clone()));
        let ticket = self.journal.append(news.entry());
        self.tell_live(news);
        Ok(LevelDone { record, ticket })
    }

    pub(super) fn levels(&self, now: Now) -> Levels {
        Levels::of(&self.warner.warning, &self.warner.risk, &self.site, now)
    }
}

fn refused(refusal: Refusal, now: Now) -> CommandError {
    CommandError::NotNow(match refusal {
        Refusal::NothingStands => "there is no warning; nothing to release".to_owned(),
        Refusal::FactsStand => "alarms that justify the level still stand; /api/v1/warning names them".to_owned(),
        Refusal::Held { until } => {
            let left = until.since(now.mono).div_ceil(1_000);
            format!("nothing justifies the level any more, and it is held for {left} s yet; try again then")
        }
    })
}
