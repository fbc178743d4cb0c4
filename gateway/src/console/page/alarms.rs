//! What stands: most urgent first, with what to do about it.

use gengfu_core::alarm::{Priority, StateName};
use maud::{Markup, html};

use super::{Look, words};
use crate::flow::AlarmEvent;

/// Alarms on the page; what lies beyond is counted and can be had from the API.
const CARDS_MAX: usize = 200;

pub(super) fn section(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    let alarms = look.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.alarms);
    html! {
        section #alarms aria-labelledby="alarms-title" data-open=(alarms.iter().filter(|a| may(a) == Some("acknowledge")).count()) {
            div.head {
                h2 #alarms-title { (lang.pick("当前报警", "Standing alarms")) " " span.number { (alarms.len()) } }
                ul.counts {
                    @for priority in Priority::ALL.into_iter().rev().map(Priority::word) {
                        @let n = alarms.iter().filter(|alarm| alarm.priority == priority).count();
                        li.count data-priority=(priority) data-zero[n == 0] { span.badge { (words::priority(lang, priority)) } " " span.number { (n) } }
                    }
                }
            }
            @if look.snapshot.is_none() {
                p.calm { (lang.pick("引擎无响应，报警状态未知。", "The engine does not answer: what stands is unknown.")) }
            } @else if alarms.is_empty() {
                p.calm { (lang.pick("没有报警。", "No alarm stands.")) }
            } @else {
                ol.cards { @for alarm in alarms.iter().take(CARDS_MAX) { (card(look, alarm)) } }
            }
            @if alarms.len() > CARDS_MAX {
                p.alert { (lang.pick("另有 ", "And ")) (alarms.len() - CARDS_MAX) (lang.pick(" 条较低优先级报警未显示，见 ", " less urgent ones not shown here: ")) a href="/api/v1/alarms" { "/api/v1/alarms" } }
            }
        }
    }
}

fn card(look: &Look<'_>, alarm: &AlarmEvent) -> Markup {
    let lang = look.lang;
    html! {
        li.card id={ "alarm-" (alarm.id) } data-priority=(alarm.priority) data-state=(alarm.state) {
            div.tags {
                span.badge { (words::priority(lang, &alarm.priority)) }
                @if alarm.early_warning { span.early { (lang.pick("预警", "EARLY WARNING")) } }
                span.state { (words::state(lang, &alarm.state)) }
                @if let Some(by) = &alarm.by { span.faint { (by) } }
            }
            h3 { (lang_text(look, alarm)) }
            p.where { (alarm.device) "/" (alarm.point) span.faint { " · " (alarm.rule) } }
            p.figures { (figures(look, alarm)) }
            p.since {
                (lang.pick("始于 ", "since ")) time data-ms=(alarm.onset) { (look.dial.short(look.now, alarm.onset)) }
                " · " span data-age=(alarm.onset) { (words::ago(lang, look.now, alarm.onset)) }
            }
            @if alarm.advice.is_some() || alarm.basis.is_some() {
                p.advice {
                    @if let Some(advice) = &alarm.advice { strong { (lang.pick("处置：", "Do: ")) } (advice) " " }
                    @if let Some(basis) = &alarm.basis { span.basis.faint { (lang.pick("依据 ", "Basis ")) (basis) } }
                }
            }
            @if let Some(act) = may(alarm) {
                button.act type="button" id={ "act-" (alarm.id) } data-act=(act) data-id=(alarm.id) {
                    @if act == "reset" { (lang.pick("复位", "Reset")) } @else { (lang.pick("确认", "Acknowledge")) }
                }
            }
        }
    }
}

fn lang_text<'a>(look: &Look<'_>, alarm: &'a AlarmEvent) -> &'a str {
    match look.lang {
        words::Lang::Zh => &alarm.message.zh,
        words::Lang::En => &alarm.message.en,
    }
}

/// Value against limit; the lack of a value with its reason.
fn figures(look: &Look<'_>, alarm: &AlarmEvent) -> Markup {
    let lang = look.lang;
    let unit = alarm.unit.as_deref().unwrap_or_default();
    html! {
        @match alarm.value {
            Some(value) => { span.figure { (words::number(value)) } " " (unit) }
            None => {
                span.figure { (lang.pick("无有效值", "no usable value")) }
                @if let Some(reason) = &alarm.reason { " " (words::reason(lang, reason)) }
            }
        }
        @if let Some(limit) = alarm.limit {
            span.faint { " / " (lang.pick("限值", "limit")) " " } span.number { (words::number(limit)) } " " (unit)
        }
        @if let Some(left) = alarm.time_to_limit {
            strong.left { (lang.pick("约 ", "limit in about ")) (words::span(lang, left)) (lang.pick("后到限", "")) }
        }
    }
}

/// What a person may do about it now.
fn may(alarm: &AlarmEvent) -> Option<&'static str> {
    match StateName::ALL.into_iter().find(|state| state.word() == alarm.state)? {
        StateName::Unacknowledged | StateName::Returned | StateName::Latched => Some("acknowledge"),
        StateName::LatchedAcknowledged => Some("reset"),
        StateName::Normal | StateName::Acknowledged => None,
    }
}
