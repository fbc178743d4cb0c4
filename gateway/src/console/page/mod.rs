//! The page: rendered here, so that it can be read without scripts; the script keeps it live. When something other than a
//! value changed, the script fetches one part (`/?part=alarms`) and puts it in place: there is one template for each.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use super::missing::Missing;
use super::{App, assets, view};
use crate::driver::{Report, Snapshot};
use crate::foretold::lane as foretold;

mod alarms;
mod aside;
mod events;
mod levels;
mod performance;
mod modes;
mod own;
mod points;
mod script;
mod strip;
pub(super) mod words;

use words::{Dial, Lang};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice {
    lang: Option<Lang>,
    part: Option<Part>,
}

/// What the script may fetch alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Alarms,
    Events,
    Levels,
    Modes,
    Performance,
    Points,
    Strip,
}

/// What every part is given.
struct Look<'a> {
    app: &'a App,
    lang: Lang,
    dial: Dial,
    /// UTC ms.
    now: i64,
    /// `None` where the engine does not answer.
    snapshot: Option<Snapshot>,
    /// The last steps of all alarms and modes, newest first; `None` where the journal can't be read.
    recent: Option<Vec<events::Step>>,
    /// `None` where the engine does not answer.
    report: Option<Report>,
    /// `None` where the journal can't be read.
    foretold: Option<foretold::Report>,
    /// `None` where the journal can't be read.
    missing: Option<Missing>,
}

/// A query that makes no sense shows the page all the same.
pub(super) async fn page(
    State(app): State<App>,
    headers: HeaderMap,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Response {
    let Choice { lang: chosen, part } = choice.map(|Query(choice)| choice).unwrap_or_default();
    let lang = chosen.unwrap_or_else(|| language(&headers));
    let snapshot = app.snapshot().await;
    let recent = if matches!(part, None | Some(Part::Events)) { events::recent(&app).await } else { None };
    let report = if matches!(part, None | Some(Part::Performance)) { app.performance().await } else { None };
    let foretold = if matches!(part, None | Some(Part::Performance)) { app.foretold().await.ok() } else { None };
    let missing = if matches!(part, None | Some(Part::Strip)) { app.missing().await } else { None };
    let (dial, now) = (Dial::new(&app.site().timezone), app.clock.wall().0);
    let look = Look { app: &app, lang, dial, now, snapshot, recent, report, foretold, missing };
    let markup = match part {
        Some(Part::Alarms) => alarms::section(&look),
        Some(Part::Events) => events::section(&look),
        Some(Part::Levels) => levels::section(&look),
        Some(Part::Performance) => performance::section(&look),
        Some(Part::Modes) => modes::section(&look),
        Some(Part::Points) => points::section(&look),
        Some(Part::Strip) => strip::section(&look),
        None => whole(&look),
    };
    let mut response = Html(markup.into_string()).into_response();
    if let (Some(chosen), None) = (chosen, part)
        && let Ok(cookie) =
            HeaderValue::from_str(&format!("{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Strict", chosen.word()))
    {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Remembers the language somebody chose, for a year.
const COOKIE: &str = "gengfu-lang";

/// The language of a visitor who did not choose one with this request: what was chosen before, else what the browser
/// asks for, else Chinese.
fn language(headers: &HeaderMap) -> Lang {
    let text = |name| headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let crumbs = text(header::COOKIE).flat_map(|value| value.split(';'));
    let kept = crumbs.filter_map(|crumb| crumb.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
    let kept = kept.and_then(|(_, word)| Lang::of_word(word));
    kept.or_else(|| text(header::ACCEPT_LANGUAGE).find_map(Lang::asked)).unwrap_or_default()
}

fn whole(look: &Look<'_>) -> Markup {
    let (lang, site) = (look.lang, &look.app.site());
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (site.name) " · " (lang.pick("更夫", "Gengfu")) }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/app.css";
                script src="/assets/app.js" defer {}
                noscript { meta http-equiv="refresh" content="10"; }
            }
            body data-lang=(lang.tag()) data-timezone=(site.timezone) data-now=(look.now) data-words=(script::words(lang, site.policy)) {
                (banner(look))
                (warnings(look))
                (levels::section(look))
                main {
                    (modes::section(look))
                    (alarms::section(look))
                    div.columns {
                        (points::section(look))
                        aside { (trend(lang)) (events::section(look)) (performance::section(look)) (strip::section(look)) }
                    }
                }
                (name_dialog(lang))
                (confirm_dialog(lang))
                (modes::dialog(look))
                p #toast role="status" aria-live="polite" hidden {}
            }
        }
    }
}

fn banner(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    html! {
        header.banner {
            h1 { (look.app.site().name) }
            span #live.live data-state="connecting" role="status" { (lang.pick("连接中…", "connecting…")) }
            span.spacer {}
            button #begin.quiet type="button" { (lang.pick("测试/演练/检修…", "Test, drill, maintenance…")) }
            button #who.quiet type="button" hidden { }
            time #clock.clock { (look.dial.full(look.now)) }
            a.quiet #lang href=(lang.other_href()) lang=(lang.other_tag()) { (lang.other_name()) }
        }
    }
}

/// What must be seen before anything else. The first is shown by the script alone.
fn warnings(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    html! {
        div #stale.alert role="alert" hidden {
            strong { (lang.pick("画面已停止更新", "STALE: this screen has stopped updating")) }
            " · "
            span { (lang.pick("以下数值不是当前值。最后更新：", "The values below are not current. Last update: ")) time #stale-since {} }
        }
        div #engine.alert role="alert" hidden[look.snapshot.is_some()] {
            strong { (lang.pick("报警引擎无响应", "The alarm engine does not answer")) }
            " · "
            (lang.pick("现在不会产生新报警。请查看 /healthz 与网关日志。", "No new alarms are raised now. Look at /healthz and the gateway's log."))
        }
        @if !assets::built() {
            div.alert {
                strong { (lang.pick("浏览器部分尚未构建，此页不会自动更新。", "The browser's half was not built; this page does not update by itself.")) }
                " " (lang.pick("请在 web/ 目录执行：", "In web/ run: ")) code { "npm ci && npm run build" }
                (lang.pick("，然后重新执行 ", ", then again ")) code { "cargo build" } "."
            }
        }
        noscript {
            div.alert {
                (lang.pick("脚本未启用：此页每 10 秒重新加载，显示时间 ", "Scripts are off: this page reloads every 10 s; it shows "))
                (look.dial.full(look.now))
                (lang.pick("。确认、复位等操作需要启用脚本，或使用接口 /api/v1。", ". To acknowledge, reset and so on, enable scripts or use /api/v1."))
            }
        }
    }
}

fn trend(lang: Lang) -> Markup {
    html! {
        section #trend hidden aria-labelledby="trend-title" {
            div.head {
                h2 #trend-title tabindex="-1" {}
                button.quiet #trend-close type="button" aria-label=(lang.pick("关闭趋势图", "Close the trend")) { "✕" }
            }
            div.ranges role="group" aria-label=(lang.pick("时间范围", "Range")) {
                button type="button" data-range="600000" aria-pressed="false" { (lang.pick("10 分钟", "10 min")) }
                button type="button" data-range="3600000" aria-pressed="true" { (lang.pick("1 小时", "1 h")) }
                button type="button" data-range="86400000" aria-pressed="false" { (lang.pick("24 小时", "24 h")) }
                span #trend-now.number {}
            }
            div #chart {}
            p #trend-note.faint {}
        }
    }
}

/// Asked before everything that needs words or a second thought. The script fills it in.
fn confirm_dialog(lang: Lang) -> Markup {
    html! {
        dialog #confirm aria-labelledby="confirm-title" {
            form method="dialog" {
                h2 #confirm-title {}
                p #confirm-what {}
                p #confirm-means.faint {}
                label #confirm-length { (lang.pick("多久", "For how long")) select #confirm-for {} }
                label #confirm-shot.check { input #confirm-once type="checkbox"; (lang.pick("条件恢复时也取消搁置", "End it also when the condition is over")) }
                label {
                    span #confirm-note-label {}
                    textarea #confirm-note name="note" rows="3" maxlength="500" aria-describedby="confirm-fault" {}
                }
                p #confirm-fault.fault role="alert" hidden { (lang.pick("请写明。", "Write something.")) }
                div.actions {
                    button.quiet type="button" #confirm-cancel { (lang.pick("取消", "Cancel")) }
                    button.act type="submit" value="ok" #confirm-ok {}
                }
            }
        }
    }
}

fn name_dialog(lang: Lang) -> Markup {
    html! {
        dialog #name aria-labelledby="name-title" {
            form method="dialog" {
                h2 #name-title { (lang.pick("您是谁？", "Who are you?")) }
                p { (lang.pick("您的姓名会写入审计记录。本机会记住，可随时更改。", "Your name goes into the audit. This browser remembers it; you can change it at any time.")) }
                label { (lang.pick("姓名", "Name")) input #name-field name="by" required maxlength="64" autocomplete="name" aria-describedby="name-fault"; }
                p #name-fault.fault role="alert" hidden { (lang.pick("请填写姓名，不能只有空格。", "Give a name; blanks alone are none.")) }
                div.actions {
                    button.quiet type="button" #name-cancel { (lang.pick("取消", "Cancel")) }
                    button.act type="submit" value="ok" { (lang.pick("确定", "OK")) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_stays_and_without_one_the_browser_is_heard() {
        let lang = |cookie: &str, accept: &str| {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::COOKIE, cookie), (header::ACCEPT_LANGUAGE, accept)] {
                if !value.is_empty() {
                    headers.insert(name, HeaderValue::from_str(value).unwrap());
                }
            }
            language(&headers)
        };
        assert_eq!(lang("", ""), Lang::Zh);
        assert_eq!(lang("", "en-US,en;q=0.9"), Lang::En);
        assert_eq!(lang("", "zh-CN,zh;q=0.9,en;q=0.8"), Lang::Zh);
        assert_eq!(lang("", "en;q=0.5, zh-TW;q=0.8"), Lang::Zh);
        assert_eq!(lang("", "de-DE,de;q=0.9,en;q=0.3,zh;q=0"), Lang::En);
        assert_eq!(lang("", "fr"), Lang::Zh, "neither: the house's own");
        assert_eq!(lang("a=b; gengfu-lang=zh", "en"), Lang::Zh);
        assert_eq!(lang("gengfu-lang=en", "zh"), Lang::En);
        assert_eq!(lang("gengfu-lang=xx", "en;q=bad"), Lang::En);
    }
}
