//! The page as it is without a script.

use super::*;
use crate::flow::Text;
use crate::telemetry::LinkState;

#[tokio::test]
async fn the_page_reads_without_a_script_in_both_languages() {
    let console = Console::start().await;
    let zh = console.text("/").await;
    for words in [
        "lang=\"zh-CN\"",
        "滨江天街",
        "当前报警",
        "消火栓主管 压力 报警：过低（下限 0.15 MPa）",
        "三层东侧安全出口 通道：已恢复，需复位（原为：被占用）",
        "未恢复 <span class=\"number\">3</span>",
        "已恢复待处理 <span class=\"number\">2</span>",
        "现值",
        "报警时",
        "无有效值",
        "已派人到现场",
        "等备件，周五到货",
        "exit-3f-east/blocked",
        "紧急",
        "未确认",
        "预警",
        "应答超时",
        "GB 50974-2014",
        "0.1423",
        "无丢失",
    ] {
        assert!(zh.contains(words), "{words}");
    }
    let en = console.text("/?lang=en").await;
    for words in [
        "lang=\"en\"",
        "Standing alarms",
        "hydrant main pressure alarm: too low (limit 0.15 MPa)",
        "exit on floor 3 east passage: returned, reset needed (was: blocked)",
        "at alarm",
        "acknowledged by <strong>值班员甲</strong>",
        "CRITICAL",
        "not acknowledged",
        "EARLY WARNING",
        "no answer in time",
        "Nothing lost",
    ] {
        assert!(en.contains(words), "{words}");
    }
    assert_eq!(console.get("/?lang=xx&part=yy").await.status(), 200);
}

#[tokio::test]
async fn no_alarm_is_peace_only_where_what_is_watched_can_be_believed() {
    let console = Console::start().await;
    console.set(|engine| engine.snapshot.alarms.clear());
    let page = console.text("/").await;
    assert!(page.contains("没有报警，但有 2 处数据不可信。") && page.contains("data-impaired"), "{page}");
    let en = console.text("/?lang=en").await;
    assert!(en.contains("No alarms, but 2 watched points can't be believed."));
    let good = |engine: &mut Engine| engine.snapshot.points.retain(|(_, r)| r.is_some_and(|r| r.quality.has_value()));
    console.set(good);
    let page = console.text("/").await;
    assert!(page.contains("没有报警。") && !page.contains("data-impaired"), "{page}");
    console.stats.link("webhook/duty", LinkState::Down { why: "Connection refused (os error 111)".to_owned() }, 5);
    let page = console.text("/").await;
    assert!(page.contains("没有报警，但有 1 个推送或转发目标不可达。"), "{page}");
}

#[tokio::test]
async fn where_data_comes_from_and_where_it_goes_are_two_lists() {
    let console = Console::start().await;
    console.stats.link("pump-room", LinkState::Up, 5);
    console.stats.link("webhook/duty", LinkState::Down { why: "Connection refused (os error 111)".to_owned() }, 5);
    let strip = console.text("/?part=strip").await;
    let [read, sent] = ["<h3>采集</h3>", "<h3>转发推送</h3>"].map(|title| strip.find(title).expect(title));
    let [from, to] = ["pump-room", "webhook/duty"].map(|name| strip.find(name).unwrap());
    assert!(read < from && from < sent && sent < to, "{strip}");
    assert!(strip.contains(">拒绝连接") && strip.contains("title=\"Connection refused (os error 111)\""), "{strip}");
    assert!(console.text("/?part=strip&lang=en").await.contains(">Connection refused (os error 111)<"));
}

#[tokio::test]
async fn what_happened_lately_stays_after_the_last_alarm_is_gone() {
    let console = Console::start().await;
    console.set(|engine| engine.snapshot.alarms.clear());
    for (path, title) in [("/", "最近事件"), ("/?lang=en", "Recent events"), ("/?part=events", "最近事件")] {
        let page = console.text(path).await;
        let steps = page.split("<li data-event=").skip(1).count();
        assert!(page.contains(title) && steps == 5, "{path}: {steps} steps, the other entries are none");
    }
    let page = console.text("/?part=events").await;
    assert!(page.contains("▲") && page.contains("消火栓主管压力低") && !page.contains("已派人到现场"), "{page}");
}

#[tokio::test]
async fn a_chosen_language_is_remembered() {
    let console = Console::start().await;
    let chosen = console.get("/?lang=en").await;
    let cookie = chosen.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("gengfu-lang=en; ") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(console.get("/").await.headers().get("set-cookie").is_none());
    assert!(console.get("/?part=strip&lang=en").await.headers().get("set-cookie").is_none());
    let with = async |name: &str, value: &str| {
        soon(console.request(Method::GET, "/").header(name, value).send()).await.unwrap().text().await.unwrap()
    };
    assert!(with("cookie", "gengfu-lang=en").await.contains("lang=\"en\""));
    assert!(with("accept-language", "en-GB,en;q=0.9").await.contains("<html lang=\"en\">"));
    assert!(with("accept-language", "zh-CN,en;q=0.9").await.contains("<html lang=\"zh-CN\">"));
}

#[tokio::test]
async fn a_reset_asks_first_and_an_acknowledgement_takes_a_note() {
    let console = Console::start().await;
    let page = console.text("/").await;
    let button = |id: &str| page.split("<button ").find(|b| b.contains(&format!("id=\"{id}\""))).unwrap().to_owned();
    assert!(
        button("act-00000000000000a5").contains("data-act=\"reset\"")
            && button("act-00000000000000a5").contains("data-ask")
    );
    assert!(!button("act-00000000000000a1").split('>').next().unwrap().contains("data-ask"));
    assert!(button("note-00000000000000a1").contains("data-ask"));
    assert!(page.contains("<dialog id=\"confirm\"") && page.contains("id=\"name-fault\""));
}

#[tokio::test]
async fn what_is_put_aside_stands_apart_with_who_why_and_until_when() {
    let console = Console::start().await;
    console.set(|engine| {
        let shelved = &mut engine.snapshot.alarms[0];
        (shelved.life, shelved.state) = (Some("unacknowledged".to_owned()), "shelved".to_owned());
        shelved.shelved = Some(crate::flow::Veil {
            by: "值班员乙".to_owned(),
            at: 1_790_000_000_000,
            until: 1_790_001_800_000,
            one_shot: true,
            reason: "换压力变送器".to_owned(),
        });
        let hidden = &mut engine.snapshot.alarms[3];
        (hidden.life, hidden.state, hidden.suppressed) =
            (Some("unacknowledged".to_owned()), "suppressed".to_owned(), true);
        engine.snapshot.alarms[1].test = Some("drill".to_owned());
        engine.snapshot.alarms[2].first = true;
    });
    let page = console.text("/?part=alarms").await;
    let (standing, aside) = page.split_once("id=\"list-shelved\"").unwrap();
    assert!(standing.contains("data-open=\"1\""), "one that nobody has seen is announced and no test");
    let (real, tests) = standing.split_once("测试中的报警").unwrap();
    assert!(real.contains("首发") && !real.contains("【演练】") && tests.contains("【演练】gas-02/ch4"));
    for words in ["值班员乙", "换压力变送器", "恢复即取消", "data-act=\"unshelve\"", "由上级报警抑制"]
    {
        assert!(aside.contains(words), "{words}: {aside}");
    }
    assert!(!real.contains("消火栓主管") && aside.contains("消火栓主管"));
    // By what is possible: a rule that may not be shelved has no such button.
    let act = |id: &str, act: &str| page.contains(&format!("data-act=\"{act}\" data-id=\"{id}\""));
    assert!(act("00000000000000a3", "shelve") && !act("00000000000000a5", "shelve"));
    assert!(act("00000000000000a5", "reset") && act("00000000000000a5", "out-of-service"));
}

#[tokio::test]
async fn a_mode_that_runs_is_in_a_banner_with_what_was_tripped() {
    let console = Console::start().await;
    let none = console.text("/?part=modes").await;
    assert!(none.starts_with("<section id=\"modes\"") && none.contains("hidden"));
    console.set(|engine| engine.snapshot.modes.push(made_up::mode("B1", "walk-test")));
    let page = console.text("/").await;
    let banner = page.split("<section id=\"modes\"").nth(1).unwrap().split("</section>").next().unwrap();
    for words in [
        "走查测试 · B1",
        "值班员甲",
        "年检",
        "已触发 <span class=\"tripped\">1<",
        "gas-02/ch4, gas-03/ch4",
        "data-act=\"end\" data-id=\"B1\"",
    ] {
        assert!(banner.contains(words), "{words}: {banner}");
    }
    assert!(page.contains("<option value=\"B1\">B1 (12)</option>"), "it can be begun");
    let choice = page.split("id=\"mode-area\"").nth(1).unwrap().split("</select>").next().unwrap();
    assert!(choice.starts_with(" required") && choice.contains("<option value=\"\" selected disabled>"), "{choice}");
    let en = console.text("/?lang=en&part=modes").await;
    assert!(en.contains("walk-test · B1") && en.contains("nobody is called"), "{en}");
}

/// A level that waits for a person has its button, and says that what made it is over; by the names that people use.
#[tokio::test]
async fn a_warning_that_waits_for_a_person_can_be_released() {
    use crate::driver::Reason;
    let console = Console::start().await;
    let set = |state: &'static str| {
        console.set(|engine| {
            let warning = &mut engine.snapshot.levels.warning;
            (warning.level, warning.roman, warning.state) = ("red", Some("I"), state);
            warning.reason = Some(Reason {
                row: 1,
                why: Text::of("有紧急报警 / an alarm of priority critical"),
                count: 1,
                alarms: vec!["fire@smoke-b/alarm".to_owned()],
                names: vec![Text::of("二号烟感 状态 / smoke B state")],
            });
        });
    };
    set("reached");
    let page = console.text("/?part=levels").await;
    assert!(page.contains("二号烟感 状态") && page.contains("title=\"fire@smoke-b/alarm\""), "{page}");
    assert!(!page.contains("data-act=\"release\"") && !page.contains("依据已消除"), "{page}");
    set("awaits-release");
    let (zh, en) = (console.text("/?part=levels").await, console.text("/?part=levels&lang=en").await);
    assert!(zh.contains("data-act=\"release\"") && zh.contains("data-ask") && zh.contains(">解除…<"), "{zh}");
    assert!(zh.contains("依据已消除") && en.contains("its reason is gone") && en.contains(">Release…<"), "{en}");
    assert!(en.contains("smoke B state"), "{en}");
}

#[tokio::test]
async fn an_alarm_that_came_again_is_as_old_as_its_last_coming() {
    let console = Console::start().await;
    console.set(|engine| {
        let again = &mut engine.snapshot.alarms[0];
        again.since = again.onset + 30_000;
        engine.snapshot.alarms.truncate(1);
    });
    let page = console.text("/?part=alarms").await;
    assert!(page.contains("首次 "), "{page}");
    let since = console.engine.lock().unwrap().snapshot.alarms[0].since;
    assert!(page.contains(&format!("data-age=\"{since}\"")), "{page}");
}

#[tokio::test]
async fn nothing_runs_or_styles_inline() {
    let console = Console::start().await;
    let page = console.text("/").await;
    assert!(
        !page.contains("style=") && !page.contains("<style") && !page.contains(" onclick"),
        "inline style or script"
    );
    for tag in page.split("<script").skip(1) {
        assert!(tag.starts_with(" src=\"/assets/"), "{tag}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "the page must do without the internet");
}

#[tokio::test]
async fn names_from_outside_are_text() {
    let console = Console::start().await;
    let mut alarm = made_up::alarm(1);
    alarm.basis = Some("<script>alert(1)</script>".to_owned());
    alarm.device = "\"><img src=x>".to_owned();
    console.set(|engine| engine.snapshot.alarms = vec![alarm]);
    let page = console.text("/").await;
    assert!(!page.contains("<script>alert") && !page.contains("<img"));
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[tokio::test]
async fn parts_come_alone() {
    let console = Console::start().await;
    for (part, id) in [
        ("alarms", "<section id=\"alarms\""),
        ("events", "<section id=\"events\""),
        ("modes", "<section id=\"modes\""),
        ("points", "<section id=\"points\""),
        ("strip", "<section id=\"strip\""),
    ] {
        let text = console.text(&format!("/?part={part}")).await;
        assert!(text.starts_with(id), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_silent_engine_is_not_calm() {
    let console = Console::start().await;
    console.set(|engine| engine.silent = true);
    let page = console.text("/").await;
    assert!(page.contains("报警状态未知") && !page.contains("没有报警"));
    assert!(page.contains("<div class=\"alert\" id=\"engine\" role=\"alert\">"));
}

#[tokio::test]
async fn assets_are_named_by_their_content() {
    let console = Console::start().await;
    for path in ["/assets/app.js", "/assets/app.css", "/assets/icon.svg"] {
        let first = console.get(path).await;
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        let again = soon(console.request(Method::GET, path).header("if-none-match", &tag).send()).await.unwrap();
        assert_eq!(again.status(), 304, "{path}");
    }
}

#[tokio::test]
async fn a_missing_bundle_is_said_with_its_mend() {
    let console = Console::start().await;
    let (zh, en) = (console.text("/").await, console.text("/?lang=en").await);
    let missing = console.text("/assets/app.js").await.is_empty();
    assert_eq!(zh.contains("npm ci &amp;&amp; npm run build"), missing);
    assert_eq!(en.contains("npm ci &amp;&amp; npm run build"), missing);
}

#[tokio::test]
async fn what_is_missing_of_the_last_days_qualifies_the_verdict_and_is_among_the_events() {
    let console = Console::start().await;
    let now = console.clock.wall().0;
    let gap = |age: i64, at_most| {
        let why = "telemetry was repaired".to_owned();
        crate::journal::Entry::Gap { from: now - age - 7_000, to: now - age, at_most, why }
    };
    let repaired = crate::journal::Entry::Maintenance {
        at: now,
        what: "journal-repaired".to_owned(),
        detail: "telemetry.db: 12 rows saved".to_owned(),
    };
    let start = crate::journal::Entry::Start {
        at: now,
        version: "0.1.0".to_owned(),
        cause: crate::journal::StartCause::Repair,
        off_ms: Some(7_000),
    };
    let day = crate::journal::Entry::Maintenance { at: now, what: "alarm-day".to_owned(), detail: String::new() };
    let entries = vec![day, gap(1_000, 124), repaired, start, gap(9 * 86_400_000, 5)];
    *console.journal.entries.lock().unwrap() = Some(entries);
    let strip = console.text("/?part=strip").await;
    for words in ["本次运行无丢失", "data-missing", "近 7 天缺失：", "最多缺 124 条：遥测日志损坏后已修复"]
    {
        assert!(strip.contains(words), "{words}: {strip}");
    }
    assert!(!strip.contains("✓") && !strip.contains("最多缺 5 条"), "that of nine days ago is no news: {strip}");
    let en = console.text("/?part=strip&lang=en").await;
    assert!(
        en.contains("Nothing lost in this run") && en.contains("at most 124 records: telemetry was repaired"),
        "{en}"
    );
    let events = console.text("/?part=events").await;
    for words in [
        "data-event=\"gap\"",
        "最多缺 124 条",
        "最多缺 5 条",
        "日志文件损坏后已修复",
        "title=\"telemetry.db: 12 rows saved\"",
        "此前日志损坏，已修复，停运 7 秒",
        "href=\"/api/v1/entries\"",
    ] {
        assert!(events.contains(words), "{words}: {events}");
    }
    assert_eq!(events.split("<li data-event=").skip(1).count(), 4, "the day's count is told elsewhere: {events}");
}

#[tokio::test]
async fn where_the_journal_cannot_be_read_nothing_is_said_to_be_whole() {
    let console = Console::start().await;
    *console.journal.entries.lock().unwrap() = None;
    let strip = console.text("/?part=strip").await;
    assert!(strip.contains("本次运行无丢失") && strip.contains("近日有无缺失暂不可查"), "{strip}");
    assert!(console.text("/?part=events").await.contains("日志暂时无法读取"));
    *console.journal.entries.lock().unwrap() = Some(Vec::new());
    assert!(console.text("/?part=strip").await.contains("✓ 无丢失"), "and it is looked at again at once");
}

#[tokio::test]
async fn what_a_full_disk_keeps_from_the_events_is_said_in_the_language() {
    let console = Console::start().await;
    *console.journal.entries.lock().unwrap() = Some(Vec::new());
    assert!(console.text("/?part=events").await.contains("还没有事件"));
    {
        let mut health = console.journal.health.lock().unwrap();
        health.ring = 3;
        health.alarm_error = Some("/data/alarm.db: database or disk is full; what waits is kept in memory".to_owned());
    }
    let events = console.text("/?part=events").await;
    assert!(events.contains("磁盘故障：最近 3 条事件尚未写入") && !events.contains("还没有"), "{events}");
    let en = console.text("/?part=events&lang=en").await;
    assert!(en.contains("the newest 3 events are not written yet"), "{en}");
    let strip = console.text("/?part=strip").await;
    assert!(
        strip.contains(">故障：报警日志出错：磁盘已满（")
            && strip.contains("title=\"the alarm lane has an error: /data/")
    );
    let en = console.text("/?part=strip&lang=en").await;
    assert!(en.contains(">Failing: the alarm lane has an error: /data/alarm.db: database or disk is full"), "{en}");
}

#[tokio::test]
async fn the_ledger_adds_up_by_sink_also_where_readings_were_given_up() {
    let console = Console::start().await;
    let whole = console.text("/?part=strip").await;
    assert!(!whole.contains("抽稀") && !whole.contains("过期"), "{whole}");
    *console.journal.given_up.lock().unwrap() = (1_021, 59_221);
    let strip = console.text("/?part=strip").await;
    for words in
        ["抽稀 <span class=\"number\">1,021<", "过期 <span class=\"number\" data-lost>59,221<", "✗ 未送达或丢弃 59,221"]
    {
        assert!(strip.contains(words), "{words}: {strip}");
    }
    let en = console.text("/?part=strip&lang=en").await;
    assert!(en.contains("thinned <span") && en.contains("expired <span"), "{en}");
}
