//! The banner of the modes that run (what, where, who, why, until when, what a walk-test has tripped), and the form that
//! begins one.

use gengfu_core::alarm::ModeName;
use maud::{Markup, html};

use super::super::areas::{self, AreaView, NOWHERE, Running};
use super::words::Lang;
use super::{Look, words};

pub(super) fn section(look: &Look<'_>) -> Markup {
    let all = listed(look);
    let running: Vec<_> = all.iter().filter_map(|area| Some((area, area.running.as_ref()?))).collect();
    html! {
        section #modes aria-label=(look.lang.pick("运行中的模式", "Modes that run")) hidden[running.is_empty()] {
            @for (place, (area, running)) in running.iter().enumerate() { (mode(look, place, area, running)) }
        }
    }
}

fn listed(look: &Look<'_>) -> Vec<AreaView> {
    look.snapshot.as_ref().map_or_else(Vec::new, |snapshot| areas::all(snapshot, &look.app.catalog, look.now))
}

fn mode(look: &Look<'_>, place: usize, area: &AreaView, Running { record, remaining_ms }: &Running) -> Markup {
    let lang = look.lang;
    html! {
        div.mode data-mode=(record.mode) data-area=(area.area) {
            p {
                strong.what { (words::mode(lang, &record.mode)) " · " (words::area(lang, &area.area)) } " "
                (means(lang, &record.mode))
            }
            p.who {
                strong { (record.by) } (lang.pick("：", ": ")) span.note { (record.reason) } " · "
                (look.dial.short(look.now, record.began)) (lang.pick(" 至 ", " until ")) strong { (look.dial.short(look.now, record.until)) }
                (lang.pick("（还剩 ", " (")) span.left { (words::span(lang, *remaining_ms)) } (lang.pick("）", " left)"))
            }
            @if record.mode == ModeName::WalkTest.word() {
                details id={ "walk-" (place) } {
                    summary {
                        (lang.pick("已触发 ", "tripped ")) span.tripped { (record.tripped.len()) }
                        (lang.pick("，未触发 ", ", not tripped ")) span.untripped { (record.untripped.len()) }
                    }
                    p { (lang.pick("未触发：", "Not tripped: ")) (names(&record.untripped)) }
                    p { (lang.pick("已触发：", "Tripped: ")) (names(&record.tripped)) }
                }
            }
            button.act type="button" id={ "end-" (place) } data-act="end" data-id=(address(&area.area)) data-ask { (words::act(lang, "end")) }
        }
    }
}

fn names(points: &[String]) -> String {
    if points.is_empty() { "—".to_owned() } else { points.join(", ") }
}

/// What it is for whoever looks at the page.
fn means(lang: Lang, mode: &str) -> &'static str {
    match ModeName::ALL.into_iter().find(|known| known.word() == mode) {
        Some(ModeName::Drill) => {
            lang.pick("该区域的新报警是演练，照常推送。", "New alarms there are of a drill, and are pushed as such.")
        }
        Some(ModeName::WalkTest | ModeName::Maintenance) | None => lang.pick(
            "该区域的新报警都是测试，不推送；此前已有的报警仍是真实报警，照常推送。",
            "New alarms there are tests, and nobody is called; what stood there before is real and rings.",
        ),
    }
}

fn address(area: &str) -> &str {
    if area.is_empty() { NOWHERE } else { area }
}

/// Asked for by the button in the banner; the script sends it.
pub(super) fn dialog(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    html! {
        dialog #mode aria-labelledby="mode-title" {
            form method="dialog" {
                h2 #mode-title { (lang.pick("开始测试、演练或检修", "Begin a test, a drill or maintenance")) }
                p.faint { (lang.pick(
                    "期间该区域的新报警都标为测试；走查测试与检修不推送，演练照常推送。其他区域不受影响，到时自动结束。",
                    "New alarms of the area are marked as tests meanwhile. Walk-test and maintenance call nobody, a drill does. Other areas are as ever; it ends by itself.",
                )) }
                label { (lang.pick("区域", "Area"))
                    // None is chosen beforehand: the first in the list would be tested by a person who meant another.
                    select #mode-area required { option value="" selected disabled { (lang.pick("请选择…", "choose…")) } @for area in listed(look) {
                        option value=(address(&area.area)) { (words::area(lang, &area.area)) " (" (area.points) ")" }
                    } }
                }
                label { (lang.pick("模式", "Mode"))
                    select #mode-name { @for mode in ModeName::ALL.map(ModeName::word) { option value=(mode) { (words::mode(lang, mode)) } } }
                }
                label { (lang.pick("多久", "For how long")) select #mode-for {} }
                label { (lang.pick("原因（写入审计记录）", "Why (goes into the audit)")) textarea #mode-reason rows="2" maxlength="500" aria-describedby="mode-fault" {} }
                p #mode-fault.fault role="alert" hidden { (lang.pick("请写明原因。", "Say why.")) }
                div.actions {
                    button.quiet type="button" #mode-cancel { (lang.pick("取消", "Cancel")) }
                    button.act type="submit" value="ok" #mode-ok { (lang.pick("开始", "Begin")) }
                }
            }
        }
    }
}
