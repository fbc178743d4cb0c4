//! What stands, in the order in which it wants eyes: how it is now, how it was when it was raised, and what to do. Tests are
//! set apart from it, and so is what is kept from being announced: see [`aside`].

use gengfu_core::alarm::Priority;
use maud::{Markup, html};

use super::super::standing::{self, AlarmView};
use super::words::Lang;
use super::{Look, aside, words};
use crate::flow::{Acknowledged, Figures, Noted, Text};

/// Alarms on the page; what lies beyond is counted and can be had from the API.
const CARDS_MAX: usize = 200;
/// Between its first coming and the last less than this is no second coming.
const AGAIN_MS: i64 = 1_000;

pub(super) fn section(look: &Look<'_>) -> Markup {
    let (lang, app) = (look.lang, look.app);
    let all =
        look.snapshot.as_ref().map_or_else(Vec::new, |snapshot| standing::all(snapshot, &app.catalog, &app.site()));
    let shadows =
        look.snapshot.as_ref().map_or_else(Vec::new, |snapshot| standing::shadows(snapshot, &app.catalog, &app.site()));
    let (hidden, told): (Vec<_>, Vec<_>) = all.into_iter().partition(|view| view.veil.is_some());
    let (tests, alarms): (Vec<_>, Vec<_>) = told.into_iter().partition(|view| view.alarm.test.is_some());
    html! {
        section #alarms aria-labelledby="alarms-title" data-open=(alarms.iter().filter(|alarm| alarm.is_new()).count()) {
            div.head {
                h2 #alarms-title { (lang.pick("当前报警", "Standing alarms")) " " span.number { (alarms.len()) } }
                (counts(lang, &alarms))
            }
            @if look.snapshot.is_none() {
                p.calm { (lang.pick("引擎无响应，报警状态未知。", "The engine does not answer: what stands is unknown.")) }
            } @else if alarms.is_empty() {
                (calm(look))
            } @else {
                ol.cards { @for alarm in alarms.iter().take(CARDS_MAX) { (card(look, alarm)) } }
            }
            @if alarms.len() > CARDS_MAX {
                p.alert { (lang.pick("另有 ", "And ")) (alarms.len() - CARDS_MAX) (lang.pick(" 条排在其后的报警未显示，见 ", " that come after these not shown here: ")) a href="/api/v1/alarms" { "/api/v1/alarms" } }
            }
            @if !tests.is_empty() {
                h3.apart { (lang.pick("测试中的报警（不是真实报警）", "Alarms of a test (not real)")) " " span.number { (tests.len()) } }
                ol.cards.apart { @for alarm in tests.iter().take(CARDS_MAX) { (card(look, alarm)) } }
            }
            (aside::lists(look, &hidden))
            (aside::shadows(look, &shadows))
        }
    }
}

/// No alarm: which is peace only where all that is watched can be believed, and can be told.
fn calm(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    let impaired = look.app.impaired(look.snapshot.as_ref());
    if impaired.is_empty() {
        return html! { p.calm { (lang.pick("没有报警。", "No alarm stands.")) } };
    }
    html! {
        p.calm data-impaired title=(impaired.reasons().join("; ")) {
            (lang.pick("没有报警，但有 ", "No alarms, but ")) (impaired.glance(lang)) (lang.pick("。", "."))
        }
    }
}

/// How many stand, wait for eyes, wait for a hand; then by priority.
fn counts(lang: Lang, alarms: &[AlarmView]) -> Markup {
    let count = |wanted: fn(&AlarmView) -> bool| alarms.iter().filter(|alarm| wanted(alarm)).count();
    let states = [
        ("active", "▲", lang.pick("未恢复", "active"), count(|alarm| alarm.active)),
        ("new", "!", lang.pick("未确认", "unacknowledged"), count(AlarmView::is_new)),
        ("returned", "▽", lang.pick("已恢复待处理", "returned, waiting"), count(|alarm| !alarm.active)),
    ];
    html! {
        ul.counts {
            @for (name, sign, word, n) in states {
                li.count data-count=(name) data-zero[n == 0] { span.sign aria-hidden="true" { (sign) } " " (word) " " span.number { (n) } }
            }
        }
        ul.counts {
            @for priority in Priority::ALL.into_iter().rev().map(Priority::word) {
                @let n = alarms.iter().filter(|view| view.alarm.priority == priority).count();
                li.count data-priority=(priority) data-zero[n == 0] { span.badge { (words::priority(lang, priority)) } " " span.number { (n) } }
            }
        }
    }
}

fn card(look: &Look<'_>, view: &AlarmView) -> Markup {
    let (lang, alarm) = (look.lang, &view.alarm);
    html! {
        li.card id={ "alarm-" (alarm.id) } data-priority=(alarm.priority) data-state=(alarm.state) data-phase=(if view.active { "active" } else { "returned" }) data-new[view.is_new()] data-test=[alarm.test.as_deref()] {
            div.tags {
                (phase(lang, view))
                span.badge { (words::priority(lang, &alarm.priority)) }
                span.state { (words::state(lang, &alarm.state)) }
                @if alarm.first { span.first title=(lang.pick("同组报警中最先出现，可能是原因", "It came before the others of its group, and may be their cause")) { (lang.pick("首发", "FIRST")) } }
            }
            h3 { (lang.of(&view.heading)) }
            p.where {
                @if let Some(area) = &view.area { span.area { (lang.of(&Text::of(area))) } " " }
                span.id { (alarm.device) "/" (alarm.point) " · " (alarm.rule) }
            }
            dl.figures {
                (now(look, view))
                @if let Some(raised) = &alarm.raised { (then(look, view, raised)) }
            }
            (since(look, view))
            @if let Some(by) = &view.foretold {
                p.foretold.faint {
                    @let lead = words::span(lang, u64::try_from(by.lead_ms).unwrap_or(0));
                    @match lang {
                        Lang::Zh => { "△ 提前 " (lead) " 已预警（" (by.rule) "）" }
                        Lang::En => { "△ foretold " (lead) " before, by " (by.rule) }
                    }
                }
            }
            @if let Some(seen) = &alarm.acknowledged { (acknowledged(look, seen)) }
            @if let Some(noted) = &alarm.noted { (noted_by(look, noted)) }
            @if alarm.advice.is_some() || alarm.basis.is_some() {
                p.advice {
                    @if let Some(advice) = &alarm.advice { strong { (lang.pick("处置：", "Do: ")) } (lang.of(&Text::of(advice))) " " }
                    @if let Some(basis) = &alarm.basis { span.basis.faint { (lang.pick("依据 ", "Basis ")) (basis) } }
                }
            }
            @if let Some(act) = ["acknowledge", "reset"].into_iter().find(|act| view.may.contains(act)) {
                div.acts {
                    button.act type="button" id={ "act-" (alarm.id) } data-act=(act) data-id=(alarm.id) data-ask[act == "reset"] {
                        @if act == "reset" { (lang.pick("复位…", "Reset…")) } @else { (lang.pick("确认", "Acknowledge")) }
                    }
                    @if act == "acknowledge" {
                        button.quiet type="button" id={ "note-" (alarm.id) } data-act=(act) data-id=(alarm.id) data-ask { (lang.pick("加备注…", "with a note…")) }
                    }
                }
            }
            (more(lang, view))
        }
    }
}

/// What else a person may do about it; each asks first, since each needs words.
pub(super) fn more(lang: Lang, view: &AlarmView) -> Markup {
    let id = &view.alarm.id;
    let acts = view.may.iter().copied().filter(|act| !matches!(*act, "acknowledge" | "reset"));
    html! {
        div.more {
            @for act in acts {
                @let asks = matches!(act, "shelve" | "out-of-service" | "note");
                button.quiet type="button" id={ (act) "-act-" (id) } data-act=(act) data-id=(id) data-ask[asks] { (words::act(lang, act)) }
            }
        }
    }
}

/// See [`standing`]: one time for the page, the API and the command line.
fn since(look: &Look<'_>, view: &AlarmView) -> Markup {
    let (lang, alarm) = (look.lang, &view.alarm);
    let began = alarm.since;
    html! {
        p.since {
            (lang.pick("始于 ", "since ")) time data-ms=(began) { (look.dial.short(look.now, began)) }
            " · " span data-age=(began) { (words::ago(lang, look.now, began)) }
            @if began.saturating_sub(alarm.onset) >= AGAIN_MS {
                " · " (lang.pick("首次 ", "first ")) time data-ms=(alarm.onset) { (look.dial.short(look.now, alarm.onset)) }
            }
        }
    }
}

/// Whether it stands, in a word and a shape: filled while it does, hollow once it is over.
fn phase(lang: Lang, view: &AlarmView) -> Markup {
    let (sign, word) = match (view.active, view.alarm.early_warning) {
        (true, true) => ("△", lang.pick("预警中", "EARLY WARNING")),
        (true, false) => ("▲", lang.pick("报警中", "ALARM")),
        (false, true) => ("▽", lang.pick("预警已恢复", "EARLY WARNING RETURNED")),
        (false, false) => ("▽", lang.pick("已恢复", "RETURNED")),
    };
    html! { span.phase data-early[view.alarm.early_warning] { span aria-hidden="true" { (sign) " " } (word) } }
}

/// The point's present; the script keeps it so. Without a value there is no number, and the reason stands in its place.
fn now(look: &Look<'_>, view: &AlarmView) -> Markup {
    let (lang, alarm, now) = (look.lang, &view.alarm, &view.now.now);
    html! {
        div.now data-now={ (alarm.device) "/" (alarm.point) } data-quality=(now.quality) {
            dt { (lang.pick("现值", "now")) }
            dd {
                span.value { (words::value(lang, &view.now).unwrap_or_else(|| words::none(lang).to_owned())) }
                span.unit { " " (view.unit.as_deref().unwrap_or_default()) }
                // Named here, where no column says it: a value that is good to believe need not be a good one.
                " " span.quality {
                    (lang.pick("质量 ", "quality "))
                    span.mark { (words::quality(lang, now.quality)) }
                    span.reason { @if let Some(reason) = now.reason { " · " (words::reason(lang, reason)) } }
                }
                " " span.age data-age=[now.at] { (now.at.map_or_else(|| "—".to_owned(), |at| words::ago(lang, look.now, at))) }
            }
        }
    }
}

/// The figures that raised it.
fn then(look: &Look<'_>, view: &AlarmView, raised: &Figures) -> Markup {
    let lang = look.lang;
    // A count or a share is in no unit of the point.
    let unit = view.alarm.unit.as_deref().filter(|_| view.worked_out.is_none()).unwrap_or_default();
    let word = view.raised_word.as_ref().map(|word| lang.of(word).to_owned());
    let label = if let Some((zh, en)) = view.worked_out {
        lang.pick(zh, en)
    } else if view.alarm.early_warning {
        lang.pick("预警时", "at warning")
    } else {
        lang.pick("报警时", "at alarm")
    };
    html! {
        div.then {
            dt { (label) }
            dd {
                @match (word, raised.value) {
                    (Some(word), _) => { span.value { (word) } }
                    (None, Some(value)) => { span.value { (words::number(value)) } " " (unit) }
                    (None, None) => { span.value { (words::none(lang)) } }
                }
                @if let Some(reason) = &raised.reason { " · " (words::reason(lang, reason)) }
                @if let Some(limit) = raised.limit.filter(|_| view.measured || view.worked_out.is_some()) {
                    span.faint { " / " (lang.pick("限值", "limit")) " " } span.number { (words::number(limit)) } " " (unit)
                }
                " " span.faint { (look.dial.short(look.now, raised.at)) }
                @if let Some(left) = raised.time_to_limit {
                    // As a time of day, since a span would have been true at that moment alone.
                    @let due = raised.at.saturating_add(i64::try_from(left).unwrap_or(i64::MAX));
                    strong.due { (lang.pick("当时预计 ", "limit was expected at ")) (look.dial.short(look.now, due)) (lang.pick(" 到限", "")) }
                }
            }
        }
    }
}

fn acknowledged(look: &Look<'_>, seen: &Acknowledged) -> Markup {
    let (lang, at) = (look.lang, look.dial.short(look.now, seen.at));
    html! {
        p.seen {
            span aria-hidden="true" { "✓ " }
            @match lang {
                Lang::Zh => { strong { (seen.by) } " " (at) " 确认" }
                Lang::En => { "acknowledged by " strong { (seen.by) } " at " (at) }
            }
            @if let Some(note) = &seen.note { (lang.pick("：", ": ")) span.note { (note) } }
        }
    }
}

/// The last note: whoever comes on shift must not have to look for it among the events.
fn noted_by(look: &Look<'_>, noted: &Noted) -> Markup {
    let at = look.dial.short(look.now, noted.at);
    html! {
        p.seen {
            span aria-hidden="true" { "✎ " } strong { (noted.by) } " " (at) (look.lang.pick("：", ": ")) span.note { (noted.note) }
        }
    }
}
