//! How well the alarms serve people: whether they are too many, which of them are no use, how long people take.

use maud::{Markup, html};

use super::{Look, words};
use crate::driver::{Day, Name, Names, Report};
use crate::foretold::{Score, lane as foretold};

/// Names in a list of the page; the API has more.
const NAMED: usize = 5;

pub(super) fn section(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    html! {
        section #performance aria-labelledby="performance-title" {
            h2 #performance-title { (lang.pick("报警绩效", "Alarm performance")) }
            @match &look.report {
                None => p.alert { (lang.pick("报警引擎无响应。", "The alarm engine does not answer.")) },
                Some(report) => {
                    (flood(look, report))
                    (figures(look, report))
                    (list(look, lang.pick("反复跳变", "Chattering"), &report.chattering))
                    (list(look, lang.pick("长期未消除", "Stale"), &report.stale))
                    (list(look, lang.pick("搁置过久", "Shelved too long"), &report.shelved_too_long))
                    (top(look, &report.today))
                    @if let Some(report) = look.foretold.as_ref().filter(|report| report.all != Score::default()) { (foretold(look, report)) }
                    p.faint { (lang.pick("全部指标见 ", "All figures: ")) a href="/api/v1/performance" { "/api/v1/performance" } }
                }
            }
        }
    }
}

fn flood(look: &Look<'_>, report: &Report) -> Markup {
    let lang = look.lang;
    html! {
        @if let Some(flood) = report.flood {
            p.alert role="status" {
                strong { (lang.pick("报警泛滥", "Alarm flood")) } " · "
                (lang.pick("自 ", "since ")) (look.dial.short(look.now, flood.since)) " · "
                (words::count(u64::from(flood.count))) (lang.pick(" 条报警", " alarms"))
            }
        }
    }
}

fn figures(look: &Look<'_>, report: &Report) -> Markup {
    let (lang, today) = (look.lang, &report.today);
    let window = words::span(lang, report.window_ms);
    html! {
        dl.pairs {
            dt { (lang.pick("近 ", "Last ")) (window) } dd.number { (report.rate) " / " (report.flood_above) }
            dt { (lang.pick("今日响铃", "Rang today")) } dd.number { (words::count(u64::from(today.annunciated))) }
            dt { (lang.pick("报警过多的小时", "Hours with too many")) } dd.number { (today.hours.above) }
            dt { (lang.pick("瞬时报警", "Fleeting")) } dd.number { (today.fleeting) }
            @for wait in today.acknowledged.iter().filter(|wait| wait.count > 0) {
                dt { (lang.pick("确认用时 ", "To acknowledge, ")) (words::priority(lang, wait.priority)) }
                dd.number { @if let Some(ms) = wait.p50_ms { "≤ " (words::span(lang, ms)) } }
            }
        }
    }
}

fn list(look: &Look<'_>, title: &str, names: &Names) -> Markup {
    html! {
        @if names.count > 0 {
            h3 { (title) " " span.number { (names.count) } }
            (named(look, &names.items))
        }
    }
}

/// What the early warnings were worth: a person learns from it how far to trust the next one.
fn foretold(look: &Look<'_>, report: &foretold::Report) -> Markup {
    let (lang, Score { came_true, late, wrong, open, lead_ms, .. }) = (look.lang, &report.all);
    html! {
        h3 { (lang.pick("预警成效（近 30 天）", "Early warnings (30 days)")) }
        dl.pairs {
            dt { (lang.pick("应验", "Came true")) } dd.number { (came_true) }
            @if let Some(lead) = lead_ms {
                dt { (lang.pick("提前量（中位）", "Lead (median)")) } dd.number { (words::span(lang, lead.median)) }
            }
            dt { (lang.pick("未应验", "False")) } dd.number { (wrong) }
            @if *late > 0 { dt { (lang.pick("晚于报警", "Later than the alarm")) } dd.number { (late) } }
            @if *open > 0 { dt { (lang.pick("尚无结果", "Not known yet")) } dd.number { (open) } }
        }
        ul.links {
            @for outcome in report.outcomes.iter().take(NAMED) {
                li {
                    (outcome.rule) " " span.faint { (outcome.point) } " "
                    @match outcome.lead_ms.and_then(|lead| u64::try_from(lead).ok()) {
                        Some(lead) => { (lang.pick("应验，提前 ", "came true, lead ")) span.number { (words::span(lang, lead)) } }
                        None => { (lang.pick("未应验", "false")) }
                    }
                    " " span.faint { (look.dial.short(look.now, outcome.warned)) }
                }
            }
        }
    }
}

fn top(look: &Look<'_>, today: &Day) -> Markup {
    html! {
        @if !today.top.is_empty() {
            h3 { (look.lang.pick("今日最频繁", "Most frequent today")) }
            (named(look, &today.top))
        }
    }
}

fn named(look: &Look<'_>, names: &[Name]) -> Markup {
    html! {
        ul.links {
            @for Name { rule, point, since, rings } in names.iter().take(NAMED) {
                li {
                    (rule) " " span.faint { (point) }
                    @if let Some(rings) = rings { " " span.number { "×" (rings) } }
                    @if let Some(since) = since { " " span.faint { (look.dial.short(look.now, *since)) } }
                }
            }
        }
    }
}
