//! What moves between the rooms. Data goes one way: source, engine, journal, then forward, notify and console.

use gengfu_core::alarm::{EventName, ModeName, Priority, StateName};
use gengfu_core::detect::{Params, State};
use gengfu_core::quality::Reason;
use gengfu_core::reading::{Delivery, Reading};
use gengfu_core::time::{Now, Wall};
use serde::{Deserialize, Serialize};

use crate::ballot::Ballot;
use crate::clock::EARLIEST;

/// What a source hands on at once: one poll's block, or the messages read in one go.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the order they came.
    pub readings: Vec<Reading>,
    /// `(index into readings, the source's own stamp)` where that stamp was not believed and the reading
    /// carries its arrival time instead.
    pub stamps: Vec<(u32, Wall)>,
    /// Messages that could not be understood; kept as records of their own.
    pub refused: Vec<Refused>,
    /// The whole batch is history (a resend, a ring, a block marked so): it wakes nobody.
    pub history: bool,
    /// Set where the sender is owed an acknowledgement once this batch is synced.
    pub receipt: Option<Receipt>,
    /// What detectors know, all readings before this batch included; goes from the engine to the journal.
    pub learned: Option<Box<Learned>>,
}

impl Batch {
    /// How its readings are to be taken by the engine.
    pub fn delivery(&self) -> Delivery {
        if self.history { Delivery::History } else { Delivery::Live }
    }

    /// What it weighs in a queue that counts readings.
    pub fn weight(&self) -> usize {
        self.readings.len() + self.refused.len() + 1
    }
}

/// An acknowledgement owed. A source numbers its messages upwards and its batches stay in order up to the
/// journal, so "synced up to token N" is all the journal has to say, on the watch the source lent.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Where to say it.
    pub mark: std::sync::Arc<tokio::sync::watch::Sender<u64>>,
    /// The last message that this batch holds.
    pub token: u64,
}

/// What detectors have learned by one moment, to be kept beyond the run. It stands for all that was kept before.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    pub at: Now,
    pub lessons: Vec<Lesson>,
}

/// What one rule has learned of one point, and by which parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    pub rule: String,
    pub device: String,
    pub point: String,
    pub params: Params,
    pub state: State,
}

/// A message that was received and could not become a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Name of the link it came by.
    pub source: String,
    /// Its topic.
    pub topic: String,
    /// Its first bytes, 256 at most.
    pub head: Vec<u8>,
    /// Why, in words.
    pub reason: String,
    /// When it came.
    pub at: Wall,
}

/// Bytes of a refused message that are kept.
pub const REFUSED_HEAD: usize = 256;

/// A text in the two languages of the people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Text {
    pub zh: String,
    pub en: String,
}

impl Text {
    /// `阀门 / valve` is one text in two languages; anything else is the same in both.
    pub fn of(text: &str) -> Self {
        let chinese = |part: &str| part.contains(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        match text.split_once(" / ") {
            Some((zh, en)) if chinese(zh) && !chinese(en) => {
                Self { zh: zh.trim().to_owned(), en: en.trim().to_owned() }
            }
            Some(_) | None => Self::same(text),
        }
    }

    /// An identifier, a name that nobody translated.
    pub fn same(text: &str) -> Self {
        Self { zh: text.to_owned(), en: text.to_owned() }
    }
}

/// Why a value is not good, in words.
pub fn reason(reason: Reason) -> Text {
    let (zh, en) = match reason {
        Reason::Comm => ("通讯中断", "no communication"),
        Reason::Timeout => ("应答超时", "no answer in time"),
        Reason::DeviceFault => ("设备故障", "device fault"),
        Reason::OutOfRange => ("超出量程", "out of range"),
        Reason::Frozen => ("数值冻结", "frozen"),
        Reason::NotANumber => ("不是数值", "not a number"),
        Reason::Substituted => ("人工置数", "substituted"),
        Reason::Stale => ("数据过期", "stale"),
        Reason::LateReply => ("迟到应答", "late reply"),
        Reason::Clock => ("时钟不准", "clock is off"),
    };
    Text { zh: zh.to_owned(), en: en.to_owned() }
}

/// Said before everything of an alarm that is none.
pub const fn test_mark(mode: ModeName) -> (&'static str, &'static str) {
    match mode {
        ModeName::WalkTest => ("【测试】", "[walk-test] "),
        ModeName::Drill => ("【演练】", "[drill] "),
        ModeName::Maintenance => ("【检修】", "[maintenance] "),
    }
}

/// One step in an alarm's life, with names: the record of the alarm lane, of the API and (wrapped) of the pushes.
/// Times are UTC milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmEvent {
    /// 16 hexadecimal digits.
    pub id: String,
    /// Transition number, from 1; `<id>.<number>` is the idempotency key.
    pub number: u32,
    pub event: String,
    pub state: String,
    pub site: String,
    pub device: String,
    pub point: String,
    pub kind: String,
    pub rule: String,
    pub priority: String,
    /// The highest since it was raised; priority and latch are this level's.
    pub level: u8,
    /// `None` where the lack of a value decided.
    pub value: Option<f64>,
    pub quality: String,
    pub reason: Option<String>,
    pub unit: Option<String>,
    /// The line that is crossed now: a lower level's where the alarm keeps a higher one.
    pub limit: Option<f64>,
    /// Predictive rules only: milliseconds left.
    pub time_to_limit: Option<u64>,
    /// A warning of a predictive rule, before the limit itself is crossed.
    pub early_warning: bool,
    pub message: Text,
    pub advice: Option<String>,
    pub basis: Option<String>,
    /// When the condition began.
    pub onset: i64,
    /// Since when what the message says holds.
    pub since: i64,
    /// When the deciding reading was true.
    pub occurred: i64,
    /// When the engine decided.
    pub detected: i64,
    /// Who, for acknowledge and reset.
    pub by: Option<String>,
    /// The figures of its last raise or escalation, which every later step carries on. `None` in journals of before.
    #[serde(default)]
    pub raised: Option<Figures>,
    /// Who has seen it since it was last raised. `None` in journals of before, too.
    #[serde(default)]
    pub acknowledged: Option<Acknowledged>,
    /// The last note that a person wrote into its record. `None` in journals of before, too.
    #[serde(default)]
    pub noted: Option<Noted>,
    /// [`CLOCK_UNSET`] or [`CLOCK_SET_LATER`]; `None` where the clock was set.
    #[serde(default)]
    pub clock: Option<String>,
    /// The letter A to F under what lies over it; `None` in journals of before: the state itself.
    #[serde(default)]
    pub life: Option<String>,
    /// A person has put it aside.
    #[serde(default)]
    pub shelved: Option<Veil>,
    /// A person has taken it out of service.
    #[serde(default)]
    pub out_of_service: Option<Veil>,
    /// What explains it stands.
    #[serde(default)]
    pub suppressed: bool,
    /// Raised as a test, in this mode of its area.
    #[serde(default)]
    pub test: Option<String>,
    /// It came before the others of its group.
    #[serde(default)]
    pub first: bool,
    /// What was written with this step.
    #[serde(default)]
    pub note: Option<String>,
    /// Of a rule on trial: it is recorded, and nobody is called.
    #[serde(default)]
    pub shadow: bool,
    /// Votes: how the voters stood at this step. `None` in journals of before, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ballot: Option<Ballot>,
}

/// What a person put over an alarm, until when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Veil {
    pub by: String,
    pub at: i64,
    pub until: i64,
    /// It also ends when the condition is over.
    pub one_shot: bool,
    pub reason: String,
}

/// The gateway's clock was not set: the times count milliseconds from the machine's boot.
pub const CLOCK_UNSET: &str = "unset";
/// It was not, and the times follow from the clock that was set later.
pub const CLOCK_SET_LATER: &str = "set-later";

/// What was measured at a raise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub value: Option<f64>,
    pub quality: String,
    pub reason: Option<String>,
    pub limit: Option<f64>,
    /// Predictive rules only: milliseconds that were left at `at`.
    pub time_to_limit: Option<u64>,
    /// When the deciding reading was true.
    pub at: i64,
    /// Votes: how the voters stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ballot: Option<Ballot>,
}

/// Who has seen an alarm, when, and what they wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    pub by: String,
    pub at: i64,
    pub note: Option<String>,
}

/// What a person wrote into an alarm's record, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    pub by: String,
    pub at: i64,
    pub note: String,
}

impl AlarmEvent {
    pub fn event_name(&self) -> Option<EventName> {
        EventName::ALL.into_iter().find(|name| name.word() == self.event)
    }

    pub fn state_name(&self) -> Option<StateName> {
        StateName::ALL.into_iter().find(|name| name.word() == self.state)
    }

    /// Its priority; `None` for a word that this version does not know.
    pub fn urgency(&self) -> Option<Priority> {
        Priority::ALL.into_iter().find(|priority| priority.word() == self.priority)
    }

    /// The word of A to F under what lies over it.
    pub fn life(&self) -> &str {
        self.life.as_deref().unwrap_or(&self.state)
    }

    /// The mode that it is a test of, if it is one.
    pub fn test(&self) -> Option<ModeName> {
        let word = self.test.as_ref()?;
        ModeName::ALL.into_iter().find(|mode| mode.word() == word)
    }

    /// Makes times of its counts: the machine was booted at `booted`, UTC ms.
    pub fn date(&mut self, booted: i64) {
        let Self { onset, since, occurred, detected, raised, acknowledged, noted, shelved, out_of_service, .. } = self;
        let figures = raised.iter_mut().map(|figures| &mut figures.at);
        let seen = acknowledged.iter_mut().map(|seen| &mut seen.at);
        let noted = noted.iter_mut().map(|noted| &mut noted.at);
        let veils = shelved.iter_mut().chain(out_of_service).flat_map(|veil| [&mut veil.at, &mut veil.until]);
        let counts =
            [onset, since, occurred, detected].into_iter().chain(figures).chain(seen).chain(noted).chain(veils);
        let counts = counts.filter(|at| Wall(**at) < EARLIEST);
        if counts.map(|at| *at = at.saturating_add(booted)).count() > 0 {
            self.clock = Some(CLOCK_SET_LATER.to_owned());
        }
    }

    /// `<alarm id>.<transition number>`, the same on every re-send.
    pub fn key(&self) -> String {
        format!("{}.{}", self.id, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_between_two_languages_parts_them() {
        let parted = |text: &str| (Text::of(text).zh, Text::of(text).en);
        assert_eq!(parted("关阀 / shut the valve"), ("关阀".to_owned(), "shut the valve".to_owned()));
        for whole in ["关阀", "valve A / valve B", "阀 A / 阀 B", "A / 阀", "关阀/shut"] {
            assert_eq!(parted(whole), (whole.to_owned(), whole.to_owned()));
        }
    }
}
