//! What is kept from being announced, apart from what stands: on a shelf, out of service, explained by another alarm. Each
//! says who put it there, why and until when.

use maud::{Markup, html};

use super::super::standing::AlarmView;
use super::words::Lang;
use super::{Look, alarms, words};
use crate::flow::Veil;

/// Rows of a list; what lies beyond is counted and can be had from the API.
const ROWS_MAX: usize = 100;

pub(super) fn lists(look: &Look<'_>, hidden: &[AlarmView]) -> Markup {
    let lang = look.lang;
    let of = |state: &'static str| hidden.iter().filter(move |view| view.veil == Some(state));
    let persons =
        [("shelved", lang.pick("已搁置", "Shelved")), ("out-of-service", lang.pick("已停用", "Out of service"))];
    html! {
        @for (state, title) in persons {
            @let n = of(state).count();
            @if n > 0 {
                h3.apart { (title) " " span.number { (n) } }
                ul.veiled id={ "list-" (state) } { @for view in of(state).take(ROWS_MAX) { (row(look, view)) } }
                (rest(lang, n, state))
            }
        }
        @let n = of("suppressed").count();
        @if n > 0 {
            details #list-suppressed {
                summary { (lang.pick("由上级报警抑制", "Explained by another alarm")) " " span.number { (n) } }
                ul.veiled { @for view in of("suppressed").take(ROWS_MAX) { (row(look, view)) } }
                (rest(lang, n, "suppressed"))
            }
        }
    }
}

/// What rules on trial would have said.
pub(super) fn shadows(look: &Look<'_>, views: &[AlarmView]) -> Markup {
    let lang = look.lang;
    html! {
        @if !views.is_empty() {
            details #list-shadow {
                summary { (lang.pick("试运行规则（不推送、不计入）", "Rules on trial (nobody is called)")) " " span.number { (views.len()) } }
                ul.veiled { @for view in views.iter().take(ROWS_MAX) { (row(look, view)) } }
                @if views.len() > ROWS_MAX {
                    p.faint { (views.len() - ROWS_MAX) (lang.pick(" 条未显示，见 ", " more: ")) a href="/api/v1/alarms?shadow=true" { "/api/v1/alarms?shadow=true" } }
                }
            }
        }
    }
}

fn rest(lang: Lang, n: usize, state: &str) -> Markup {
    html! {
        @if n > ROWS_MAX {
            p.faint { (n - ROWS_MAX) (lang.pick(" 条未显示，见 ", " more: ")) a href={ "/api/v1/alarms?state=" (state) } { "/api/v1/alarms?state=" (state) } }
        }
    }
}

fn row(look: &Look<'_>, view: &AlarmView) -> Markup {
    let (lang, alarm) = (look.lang, &view.alarm);
    html! {
        li data-alarm=(alarm.id) data-priority=(alarm.priority) data-state=(alarm.state) {
            p {
                span.badge { (words::priority(lang, &alarm.priority)) } " "
                span.state { (words::state(lang, &alarm.state)) } " "
                strong { (lang.of(&view.heading)) } " "
                span.id { (alarm.device) "/" (alarm.point) " · " (alarm.rule) }
            }
            @if let Some(veil) = &alarm.shelved { (persons(look, veil, lang.pick("搁置", "shelved"))) }
            @if let Some(veil) = &alarm.out_of_service { (persons(look, veil, lang.pick("停用", "out of service"))) }
            (alarms::more(lang, view))
        }
    }
}

/// Who, why, until when.
fn persons(look: &Look<'_>, veil: &Veil, what: &str) -> Markup {
    let (lang, until) = (look.lang, look.dial.short(look.now, veil.until));
    let left = words::span(lang, u64::try_from(veil.until.saturating_sub(look.now)).unwrap_or(0));
    html! {
        p.veil {
            strong { (veil.by) } " " (what) " " (look.dial.short(look.now, veil.at))
            (lang.pick(" 至 ", " until ")) strong { (until) } (lang.pick("（还剩 ", " (")) (left) (lang.pick("）", " left)"))
            @if veil.one_shot { (lang.pick("，恢复即取消", ", or until the condition is over")) }
            (lang.pick("：", ": ")) span.note { (veil.reason) }
        }
    }
}
