//! What happened lately: the last steps of all alarms and the modes of areas, with who did what; starts, and what is missing since.
//! It outlives the alarms themselves, so that whoever comes on shift sees what went on before.

use gengfu_core::alarm::EventName;
use maud::{Markup, html};

use super::super::App;
use super::super::api::{Fault, failing};
use super::words::Lang;
use super::{Look, own, words};
use crate::flow::AlarmEvent;
use crate::journal::{BEGUN, Entry, Lane, ModeRecord, StartCause};

/// Steps on the page; what lies further back can be had from the API.
const STEPS: usize = 20;
/// Entries of the alarm lane that are looked through for them.
const SEARCH: usize = 200;
/// The page does not wait for a sick disk.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(1);

/// One of them.
#[derive(Debug)]
pub(super) enum Step {
    Alarm(Box<AlarmEvent>),
    Mode(ModeRecord),
    Start {
        at: i64,
        cause: StartCause,
        off_ms: Option<i64>,
    },
    Gap {
        from: i64,
        to: i64,
        at_most: u64,
        why: String,
    },
    /// What the gateway tells of itself.
    Told {
        at: i64,
        what: String,
        detail: String,
    },
}

impl Step {
    fn of(entry: Entry) -> Option<Self> {
        match entry {
            Entry::Alarm(event) => (!event.shadow).then(|| Self::Alarm(Box::new(event))),
            Entry::Mode(record) => Some(Self::Mode(record)),
            Entry::Start { at, cause, off_ms, .. } => Some(Self::Start { at, cause, off_ms }),
            Entry::Gap { from, to, at_most, why } => Some(Self::Gap { from, to, at_most, why }),
            Entry::Maintenance { at, what, detail } => {
                own::told(Lang::Zh, &what).is_some().then_some(Self::Told { at, what, detail })
            }
            Entry::Audit { .. } | Entry::Stop { .. } | Entry::Level(_) => None,
        }
    }
}

/// The last steps, newest first; `None` where the journal can't be read now.
pub(super) async fn recent(app: &App) -> Option<Vec<Step>> {
    let entries = tokio::time::timeout(LIMIT, app.history.entries(None, SEARCH)).await.ok()?.ok()?;
    let steps = entries.into_iter().filter_map(|(_, entry)| Step::of(entry));
    Some(steps.take(STEPS).collect())
}

pub(super) fn section(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    let journal = look.app.history.health();
    let failing = failing(true, &journal, look.app.clock.mono().0);
    let waits = journal.ring > 0 && failing.all().any(|fault: &Fault| fault.lane() == Some(Lane::Alarm));
    html! {
        section #events aria-labelledby="events-title" {
            h2 #events-title { (lang.pick("最近事件", "Recent events")) }
            @if waits {
                p.alert {
                    (lang.pick("磁盘故障：最近 ", "The disk is at fault: the newest ")) (journal.ring)
                    (lang.pick(" 条事件尚未写入，磁盘恢复后才列在此处。", " events are not written yet, and are listed here once it is back."))
                }
            }
            @match look.recent.as_deref() {
                None => p.alert { (lang.pick("日志暂时无法读取。", "The journal can't be read now.")) },
                Some([]) if waits => {},
                Some([]) => p.faint { (lang.pick("还没有事件。", "Nothing has happened yet.")) },
                Some(steps) => {
                    ol.events { @for step in steps { @match step {
                        Step::Alarm(step) => (row(look, step)),
                        Step::Mode(record) => (mode(look, record)),
                        Step::Start { at, cause, off_ms } => {
                            (itself(look, "start", *at, ("▶", lang.pick("启动", "start")), &own::start(lang, *cause, *off_ms), ""))
                        },
                        Step::Gap { from, to, at_most, why } => {
                            @let what = format!("{} · {}", own::stretch(lang, &look.dial, look.now, (*from, *to)), own::gap(lang, *at_most, why));
                            (itself(look, "gap", *to, ("△", lang.pick("缺失", "missing")), &what, ""))
                        },
                        Step::Told { at, what, detail } => {
                            @let kind = if what.starts_with(RELOAD) { RELOAD } else { "maintenance" };
                            (itself(look, kind, *at, ("·", lang.pick("网关", "gateway")), own::told(lang, what).unwrap_or(what), detail))
                        },
                    } } }
                    p.faint { (lang.pick("更早的见 ", "Earlier ones: ")) a href="/api/v1/entries" { "/api/v1/entries" } }
                }
            }
        }
    }
}

fn row(look: &Look<'_>, step: &AlarmEvent) -> Markup {
    let lang = look.lang;
    let event = EventName::ALL.into_iter().find(|event| event.word() == step.event);
    let (sign, word) = match event {
        Some(EventName::Raise) if step.early_warning => ("△", lang.pick("预警", "warning")),
        Some(EventName::Raise) => ("▲", lang.pick("报警", "alarm")),
        Some(EventName::Escalate) => ("▲▲", lang.pick("升级", "escalated")),
        Some(EventName::Return) => ("▽", lang.pick("恢复", "returned")),
        Some(EventName::Acknowledge) => ("✓", lang.pick("确认", "acknowledged")),
        Some(EventName::ReAlarm) => ("▲", lang.pick("再次报警", "rings again")),
        Some(EventName::Shelve) => ("‖", lang.pick("搁置", "shelved")),
        Some(EventName::Unshelve) => ("▶", lang.pick("取消搁置", "off the shelf")),
        Some(EventName::Suppress) => ("‖", lang.pick("抑制", "explained")),
        Some(EventName::Unsuppress) => ("▶", lang.pick("解除抑制", "explained no longer")),
        Some(EventName::OutOfService) => ("‖", lang.pick("停用", "out of service")),
        Some(EventName::ReturnToService) => ("▶", lang.pick("恢复投用", "in service")),
        Some(EventName::Note) => ("✎", lang.pick("备注", "note")),
        Some(EventName::Reset) => ("○", lang.pick("复位", "reset")),
        None => ("·", step.event.as_str()),
    };
    // Of the acknowledgement itself, in journals of before; later steps carry it on.
    let seen = step.acknowledged.as_ref().filter(|_| event == Some(EventName::Acknowledge));
    let note = step.note.as_ref().or_else(|| seen?.note.as_ref());
    html! {
        li data-event=(step.event) data-priority=(step.priority) {
            time.number data-ms=(step.detected) { (look.dial.short(look.now, step.detected)) }
            span.step { span aria-hidden="true" { (sign) " " } (word) }
            span.badge { (words::priority(lang, &step.priority)) }
            span.what {
                // Who did it is in the words.
                (lang.of(&step.message))
                @if let Some(note) = note { (lang.pick("：", ": ")) span.note { (note) } }
            }
        }
    }
}

/// What the gateway went through itself. `detail` is English: in Chinese it is there for whoever asks.
/// Event of a reload, refused or not.
const RELOAD: &str = "reload";

fn itself(look: &Look<'_>, kind: &str, at: i64, (sign, word): (&str, &str), what: &str, detail: &str) -> Markup {
    // What a site file says is wrong with it stands in no other language.
    let told = !detail.is_empty() && (look.lang == Lang::En || kind == RELOAD);
    html! {
        li data-event=(kind) {
            time.number data-ms=(at) { (look.dial.short(look.now, at)) }
            span.step { span aria-hidden="true" { (sign) " " } (word) }
            span.what title=[(!told && !detail.is_empty()).then_some(detail)] {
                (what)
                @if told { ": " span.note { (detail) } }
            }
        }
    }
}

/// A mode begun or over; at the end of a walk-test with what was tripped and what was not.
fn mode(look: &Look<'_>, record: &ModeRecord) -> Markup {
    let lang = look.lang;
    let (sign, word) = match record.change.as_str() {
        BEGUN => ("▶", lang.pick("开始", "begun")),
        "expired" => ("■", lang.pick("到时结束", "over, its time was up")),
        _ => ("■", lang.pick("结束", "ended")),
    };
    let walked = record.change != BEGUN && !(record.tripped.is_empty() && record.untripped.is_empty());
    html! {
        li data-event="mode" data-mode=(record.mode) {
            time.number data-ms=(record.at) { (look.dial.short(look.now, record.at)) }
            span.step { span aria-hidden="true" { (sign) " " } (words::mode(lang, &record.mode)) " " (word) }
            span.what {
                (words::area(lang, &record.area)) " · " (record.by) (lang.pick("：", ": ")) span.note { (record.reason) }
                @if walked {
                    (lang.pick("；已触发 ", "; tripped ")) (record.tripped.len())
                    (lang.pick("，未触发 ", ", not tripped ")) (record.untripped.len())
                    @if !record.untripped.is_empty() { (lang.pick("：", ": ")) (record.untripped.join(", ")) }
                }
            }
        }
    }
}
