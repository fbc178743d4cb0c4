//! Head of the page: what the site is warned of, and how dangerous it is as it stands. Two scales in the same four colours, so
//! that each says which it is.

use maud::{Markup, html};

use super::words::Lang;
use super::{Look, words};
use crate::driver::Standing;
use crate::flow::Text;

pub(super) fn section(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    html! {
        section #levels aria-label=(lang.pick("预警级别与风险等级", "Warning level and risk")) {
            @if let Some(levels) = look.snapshot.as_ref().map(|snapshot| &snapshot.levels) {
                (scale(look, lang.pick("预警级别", "Warning"), &warned(look, &levels.warning), &levels.warning))
                (scale(look, lang.pick("风险等级", "Risk"), &words::colour(lang, levels.risk.level), &levels.risk))
            }
        }
    }
}

fn names(lang: Lang, names: &[Text]) -> String {
    names.iter().map(|name| lang.of(name)).collect::<Vec<_>>().join(lang.pick("、", ", "))
}

/// `II 橙`, or that there is none.
fn warned(look: &Look<'_>, warning: &Standing) -> String {
    match warning.roman {
        Some(roman) => format!("{roman} {}", words::colour(look.lang, warning.level)),
        None => look.lang.pick("无预警", "none").to_owned(),
    }
}

fn scale(look: &Look<'_>, title: &str, word: &str, standing: &Standing) -> Markup {
    let lang = look.lang;
    html! {
        p.level data-level=(standing.level) data-state=(standing.state) {
            (title) " " strong.badge { (word) }
            @if let Some(since) = standing.since { " " span.faint { (lang.pick("自 ", "since ")) (look.dial.short(look.now, since)) } }
            @if let Some(reason) = &standing.reason {
                " · " (lang.of(&reason.why))
                @if !reason.names.is_empty() { span.faint title=(reason.alarms.join(", ")) { " " (names(lang, &reason.names)) } }
            }
            @if let Some(until) = standing.held_until {
                " · " (lang.pick("依据已消除，保持至 ", "its reason is gone, held until ")) (look.dial.short(look.now, until))
            }
            @if standing.state == "awaits-release" {
                " · " (lang.pick("依据已消除，", "its reason is gone, ")) strong { (lang.pick("等待人工解除", "a person must release it")) } " "
                button.act type="button" id="act-release" data-act="release" data-id="" data-ask { (words::act(lang, "release")) }
            }
        }
    }
}
