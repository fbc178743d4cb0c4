//! The page in a real browser: live values with their quality, an alarm, the button that acknowledges it, a trend.

use gengfu_tests::browser::Browser;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::{Fault, Plant};
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, not_run};

/// Device 1 with what people call it.
const NAMED: &str = "name = \"d1\"\nlabel = \"一号泵 / pump 1\"\narea = \"地下一层 / basement\"\n";
/// Its register 0, which has words for two of its values.
const NAMED_POINT: &str = "name = \"r0\"\nlabel = \"转速 / speed\"\nwords = [\"停 / stopped\", \"慢 / slow\"]\n";
const LATCHES: &str = "\n[[rule]]\nid = \"latch-d1\"\npoint = \"d1/r0\"\nhigh = { limit = 500.0, clear = 400.0 }\n\
    priority = \"critical\"\nlatch = true\n";

struct Bench {
    browser: Browser,
    gateway: Gateway,
    plant: Plant,
    _receiver: Receiver,
    _dir: Folder,
}

fn bench(query: &str) -> Option<Bench> {
    bench_with(query, "")
}

/// With `more` in the site file. `None` where there is no browser, or no bundle in the binary.
fn bench_with(query: &str, more: &str) -> Option<Bench> {
    let Some(browser) = Browser::start() else {
        not_run("chromium or chromedriver is missing: make setup");
        return None;
    };
    let (dir, plant, receiver) = (Folder::new("page"), Plant::start(2), Receiver::start());
    let site = Site::new("rig").modbus(&plant, 200, 4).flips(0, 1).webhook("duty", receiver.port()).text;
    let (before, after) = site.split_once("name = \"d1\"\n").unwrap();
    let site = format!("{before}{NAMED}{}{LATCHES}{more}", after.replacen("name = \"r0\"\n", NAMED_POINT, 1));
    let gateway = Gateway::start(&site, dir.path());
    if gateway.get("/assets/app.js").body.is_empty() {
        not_run("the browser's half is not in the binary: make web, then build again");
        return None;
    }
    browser.open(&format!("http://127.0.0.1:{}/{query}", gateway.port));
    Some(Bench { browser, gateway, plant, _receiver: receiver, _dir: dir })
}

impl Bench {
    /// What stands in the page at a selector; empty where there is no such thing.
    fn at(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?})?.innerText ?? ''");
        self.browser.script(&script).as_str().unwrap_or_default().to_owned()
    }

    /// The id of a rule's alarm, once it is in this state.
    fn id(&self, rule: &str, state: &str) -> String {
        self.gateway.alarm(rule, SOON, |a| a["state"] == state)["id"].as_str().unwrap().to_owned()
    }

    fn shows(&self, selector: &str, text: &str) {
        let what = format!("{selector} shows {text}");
        eventually(SOON, &what, || self.at(selector).contains(text));
    }

    /// Clicks what is there and visible.
    fn click(&self, selector: &str) {
        // While the cards have just moved no press counts.
        let script = format!(
            "const e = document.querySelector({selector:?}); if (!e?.offsetParent) return false; \
             if (document.body.dataset.unsettled !== undefined) return false; e.click(); return true"
        );
        eventually(SOON, &format!("{selector} can be clicked"), || self.browser.script(&script) == true);
    }

    fn holds(&self, what: &str, script: &str) {
        eventually(SOON, what, || self.browser.script(&format!("return {script}")) == true);
    }

    /// Nothing went wrong inside the page, in its own words and the browser's.
    fn no_errors(&self) {
        assert_eq!(self.browser.script("return document.body.dataset.faults ?? ''"), "", "faults of the page");
        assert_eq!(self.browser.errors(), Vec::<String>::new(), "errors of the page");
    }
}

fn row(point: &str, part: &str) -> String {
    format!("#points tr[data-key='{point}'] {part}")
}

#[test]
fn values_are_live_and_carry_their_quality() {
    let Some(mut bench) = bench("") else { return };
    bench.shows("#live", "实时");
    bench.plant.devices[1].set(123);
    bench.shows(&row("d1/r0", ".value"), "123");
    bench.plant.devices[1].set(321);
    bench.shows(&row("d1/r0", ".value"), "321");
    bench.shows(&row("d1/r0", ".quality"), "有效");
    bench.plant.devices[1].fault(Fault::Exception(4));
    bench.shows(&row("d1/r0", ".quality"), "设备故障");
    bench.shows(&row("d1/r0", ".value"), "—");
    bench.holds(
        "the row looks bad",
        "document.querySelector(\"#points tr[data-key='d1/r0']\").dataset.quality === 'bad'",
    );
    bench.plant.devices[1].fault(Fault::Sound);
    bench.shows(&row("d1/r0", ".value"), "321");
    bench.holds(
        "nothing is called stale",
        "document.getElementById('stale').hidden && document.getElementById('engine').hidden",
    );
    // the strip: links and where the data goes
    bench.shows("#strip", "webhook/duty");
    let up = bench.at("#strip .pairs dd");
    assert!(up.ends_with(" 秒"), "this run began seconds ago: {up}");
    bench.no_errors();
    bench.gateway.term();
    // a page whose gateway is gone says so, and shows no value as current
    bench.holds("it is not called live any more", "document.getElementById('live').dataset.state !== 'live'");
}

#[test]
fn an_alarm_is_acknowledged_with_a_name() {
    let Some(mut bench) = bench("") else { return };
    bench.shows("#live", "实时");
    bench.plant.devices[0].set(900);
    let id =
        bench.gateway.alarm("flip-d0", SOON, |a| a["state"] == "unacknowledged")["id"].as_str().unwrap().to_owned();
    let card = format!("#alarm-{id}");
    bench.shows(&card, "紧急");
    bench.shows(&card, "900");
    bench.shows(&card, "500");
    bench.shows(&card, "未确认");
    bench.holds("the tab says how many wait", "document.title.startsWith('(1) ')");

    bench.click(&format!("#act-{id}"));
    bench.holds("a name is asked for", "document.getElementById('name').open");
    // cancelled: nothing is done
    bench.click("#name-cancel");
    bench.holds("the dialog is gone", "!document.getElementById('name').open");
    assert_eq!(bench.gateway.alarms("flip-d0")[0]["state"], "unacknowledged");
    bench.click(&format!("#act-{id}"));
    bench.holds("it is asked again", "document.getElementById('name').open");
    // blanks are no name
    bench.browser.script("document.getElementById('name-field').value = '   '");
    bench.click("#name button[value=ok]");
    bench.shows("#name-fault", "请填写姓名");
    bench.holds("the question stays", "document.getElementById('name').open");
    bench.browser.script("document.getElementById('name-field').value = '值班员'");
    bench.click("#name button[value=ok]");
    let alarm = bench.gateway.alarm("flip-d0", SOON, |a| a["state"] == "acknowledged");
    assert_eq!(alarm["by"], "值班员");
    bench.shows(&card, "已确认，尚未恢复");
    bench.shows(&format!("{card} .seen"), "值班员");
    bench.shows("#who", "值班员");
    bench.holds("no button is left", &format!("document.getElementById('act-{id}') === null"));

    // it goes: the card goes with it
    bench.plant.devices[0].set(0);
    bench.shows("#alarms", "没有报警");
    // the next one needs no question
    bench.plant.devices[0].set(901);
    let id =
        bench.gateway.alarm("flip-d0", SOON, |a| a["state"] == "unacknowledged")["id"].as_str().unwrap().to_owned();
    bench.click(&format!("#act-{id}"));
    bench.gateway.alarm("flip-d0", SOON, |a| a["state"] == "acknowledged");
    bench.no_errors();
    keep_a_look(&bench.browser, "alarm");
    bench.gateway.term();
}

/// Device 1 goes and stays latched, device 0 stands: two cards that nobody may take for one another.
#[test]
fn what_stands_and_what_returned_are_told_apart_by_order_words_and_present_value() {
    let Some(mut bench) = bench("") else { return };
    bench.shows("#live", "实时");
    bench.plant.devices[1].set(700);
    let held = bench.id("latch-d1", "unacknowledged");
    bench.plant.devices[1].set(0);
    bench.gateway.alarm("latch-d1", SOON, |a| a["state"] == "latched");
    bench.plant.devices[0].set(900);
    let stands = bench.id("flip-d0", "unacknowledged");
    let (stands, held) = (format!("#alarm-{stands}"), format!("#alarm-{held}"));
    bench.holds("what stands comes first", &format!("document.querySelector('.cards .card')?.matches('{stands}')"));
    // in words
    for (card, part, text) in [
        (&stands, ".phase", "报警中"),
        (&stands, "h3", "d0/r0 报警：过高（上限 500）"),
        (&held, ".phase", "已恢复"),
        (&held, ".state", "需复位"),
        (&held, "h3", "一号泵 转速：已恢复，需复位"),
        (&held, ".where", "地下一层 d1/r0"),
        (&held, ".then", "700"),
    ] {
        bench.shows(&format!("{card} {part}"), text);
    }
    for (count, n) in [("active", "1"), ("new", "2"), ("returned", "1")] {
        bench.shows(&format!("[data-count={count}]"), n);
    }
    // in shape: one is filled, the other is not
    let look = |card: &str| format!("getComputedStyle(document.querySelector('{card} .phase')).backgroundColor");
    bench.holds("the badges differ in shape", &format!("{} !== {}", look(&stands), look(&held)));
    // the present moves on, the past stays
    bench.plant.devices[0].set(910);
    bench.shows(&format!("{stands} .now .value"), "910");
    bench.shows(&format!("{stands} .then"), "900");
    bench.shows(&format!("{held} .now .value"), "停");
    // a lost point shows no number as its present
    bench.plant.devices[0].fault(Fault::Exception(4));
    bench.shows(&format!("{stands} .now"), "设备故障");
    assert_eq!(bench.at(&format!("{stands} .now .value")), "无有效值");
    bench.shows(&format!("{stands} h3"), "；现无有效数据");
    bench.no_errors();
    keep_a_look(&bench.browser, "cards");
    bench.gateway.term();
}

/// Where the button of the first card is, again and again after the first press, as a nervous hand would.
const NERVOUS: &str = "const button = document.querySelector('.cards .card .act'); \
    const { x, y, width, height } = button.getBoundingClientRect(); \
    const press = () => document.elementFromPoint(x + width / 2, y + height / 2)?.closest('button')?.click(); \
    press(); for (let n = 1; n < 9; n++) setTimeout(press, n * 100); setTimeout(() => (window.calm = true), 900); \
    return button.dataset.id";

#[test]
fn a_double_click_acknowledges_one_alarm_and_the_list_keeps_its_order() {
    let Some(mut bench) = bench("") else { return };
    bench.browser.script("localStorage.setItem('gengfu.by', '值班员')");
    for (device, rule) in [(1, "latch-d1"), (0, "flip-d0")] {
        bench.plant.devices[device].set(900);
        bench.id(rule, "unacknowledged");
    }
    bench.holds(
        "both are there and at rest",
        "document.querySelectorAll('.cards .act').length === 2 && !('unsettled' in document.body.dataset)",
    );
    let first = bench.browser.script(NERVOUS).as_str().unwrap().to_owned();
    bench.holds("the hand is calm again", "window.calm === true");
    let states: Vec<String> =
        bench.gateway.items("alarms").iter().map(|alarm| alarm["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states.iter().filter(|state| *state == "acknowledged").count(), 1, "{states:?}");
    bench.shows(&format!("#alarm-{first} .seen"), "值班员");
    let leads = format!("document.querySelector('.cards .card').id === 'alarm-{first}'");
    assert_eq!(bench.browser.script(&format!("return {leads}")), true, "its card keeps its place");
    bench.holds("it goes behind what nobody has seen", &format!("!({leads})"));
    bench.no_errors();
    bench.gateway.term();
}

#[test]
fn a_reset_is_asked_about_and_stays_among_the_recent_events() {
    let Some(mut bench) = bench("") else { return };
    bench.browser.script("localStorage.setItem('gengfu.by', '值班员')");
    bench.plant.devices[1].set(700);
    let id = bench.id("latch-d1", "unacknowledged");
    bench.click(&format!("#act-{id}"));
    bench.id("latch-d1", "acknowledged");
    bench.plant.devices[1].set(0);
    bench.shows(&format!("#act-{id}"), "复位");
    bench.click(&format!("#act-{id}"));
    bench.holds("it is asked", "document.getElementById('confirm').open");
    bench.shows("#confirm-what", "一号泵 转速");
    // the second click of the double click that opened it
    bench.browser.script("document.getElementById('confirm-ok').click()");
    assert_eq!(bench.browser.script("return document.getElementById('confirm').open"), true);
    bench.click("#confirm-cancel");
    bench.id("latch-d1", "latched-acknowledged");
    bench.click(&format!("#act-{id}"));
    bench.holds(
        "a deliberate click resets",
        "(() => { document.getElementById('confirm-ok').click(); return !document.getElementById('confirm').open })()",
    );
    eventually(SOON, "it is gone", || bench.gateway.alarms("latch-d1").is_empty());
    for text in ["已由 值班员 复位", "恢复", "报警"] {
        bench.shows("#events", text);
    }
    keep_a_look(&bench.browser, "events");
    bench.no_errors();
    bench.gateway.term();
}

#[test]
fn a_page_without_alarms_is_not_calm_over_lost_points() {
    let Some(mut bench) = bench("") else { return };
    bench.shows("#alarms", "没有报警。");
    bench.plant.devices[0].fault(Fault::Exception(4));
    bench.shows("#alarms .calm[data-impaired]", "没有报警，但有 1 处数据不可信");
    bench.plant.devices[0].fault(Fault::Sound);
    bench.shows("#alarms .calm:not([data-impaired])", "没有报警。");
    bench.no_errors();
    bench.gateway.term();
}

#[test]
fn a_note_is_on_the_card() {
    let Some(mut bench) = bench("?lang=en") else { return };
    bench.browser.script("localStorage.setItem('gengfu.by', 'Lao Wang')");
    bench.plant.devices[0].set(900);
    let id = bench.id("flip-d0", "unacknowledged");
    bench.click(&format!("#note-{id}"));
    bench.holds("a note can be left", "document.getElementById('confirm').open");
    bench.browser.script("document.getElementById('confirm-note').value = 'valve is being looked at'");
    bench.holds(
        "it is sent",
        "(() => { document.getElementById('confirm-ok').click(); return !document.getElementById('confirm').open })()",
    );
    bench.shows("#events .note", "valve is being looked at");
    bench.shows(&format!("#alarm-{id} .seen"), "acknowledged by Lao Wang");
    bench.shows(&format!("#alarm-{id} .note"), "valve is being looked at");
    bench.no_errors();
    bench.gateway.term();
}

#[test]
fn an_alarm_is_put_aside_with_a_reason_and_taken_back() {
    let Some(mut bench) = bench("") else { return };
    bench.browser.script("localStorage.setItem('gengfu.by', '值班员')");
    bench.plant.devices[0].set(900);
    let id = bench.id("flip-d0", "unacknowledged");
    bench.click(&format!("[id='shelve-act-{id}']"));
    bench.holds("a time can be chosen", "document.getElementById('confirm-for').offsetParent !== null");
    let lengths = "[...document.getElementById('confirm-for').options].map((it) => it.value).join(' ')";
    assert_eq!(bench.browser.script(&format!("return {lengths}")), "15m 30m 1h 2h 4h 8h");
    // without a reason the question stays
    bench.holds(
        "it says what is missing",
        "(() => { document.getElementById('confirm-ok').click(); return !document.getElementById('confirm-fault').hidden })()",
    );
    keep_a_look(&bench.browser, "shelve");
    bench.browser.script("document.getElementById('confirm-note').value = '换传感器'; document.getElementById('confirm-for').value = '30m'");
    bench.holds(
        "it is sent",
        "(() => { document.getElementById('confirm-ok').click(); return !document.getElementById('confirm').open })()",
    );
    bench.shows("#list-shelved", "换传感器");
    bench.shows("#list-shelved", "值班员");
    bench.shows("#list-shelved", "还剩 29 分钟");
    bench.shows("#alarms .calm", "没有报警");
    bench.holds("nobody is called by the tab", "!document.title.startsWith('(')");
    keep_a_look(&bench.browser, "aside");
    bench.click(&format!("[id='unshelve-act-{id}']"));
    bench.shows(&format!("#alarm-{id}"), "未确认");
    bench.click(&format!("[id='note-act-{id}']"));
    bench.browser.script("document.getElementById('confirm-note').value = '已派人'");
    bench.holds(
        "it is written",
        "(() => { document.getElementById('confirm-ok').click(); return !document.getElementById('confirm').open })()",
    );
    bench.shows("#events .note", "已派人");
    bench.no_errors();
    bench.gateway.term();
}

#[test]
fn a_walk_test_has_a_banner_and_its_alarms_are_set_apart() {
    let Some(mut bench) = bench("") else { return };
    bench.browser.script("localStorage.setItem('gengfu.by', '值班员')");
    bench.shows("#live", "实时");
    bench.click("#begin");
    bench.browser.script("document.getElementById('mode-reason').value = '年检'");
    bench.click("#mode-ok");
    let unasked = "document.getElementById('mode').open && document.getElementById('mode-area').value === ''";
    bench.holds("no area is chosen for the person, and without one nothing begins", unasked);
    bench.browser.script("document.getElementById('mode-area').value = '地下一层 / basement'");
    keep_a_look(&bench.browser, "begin");
    bench.click("#mode-ok");
    bench.shows("#modes .what", "走查测试 · 地下一层");
    bench.shows("#modes .who", "年检");
    bench.shows("#modes .untripped", "1");
    bench.plant.devices[1].set(700);
    bench.shows(".cards.apart h3", "【测试】一号泵 转速");
    bench.shows("#modes .tripped", "1");
    bench.holds("a test is nothing that waits for eyes", "!document.title.startsWith('(')");
    // real, elsewhere
    bench.plant.devices[0].set(900);
    bench.shows(".cards:not(.apart) h3", "d0/r0 报警");
    for width in [1280, 390] {
        bench.browser.resize(width, 1_400);
        let wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        bench.holds(&format!("nothing sticks out at {width}"), wide);
        keep_a_look(&bench.browser, &format!("walk-{width}"));
    }
    bench.browser.resize(1_280, 900);
    bench.click("#end-0");
    bench.holds(
        "it is ended",
        "(() => { document.getElementById('confirm-ok').click(); return !document.getElementById('confirm').open })()",
    );
    bench.holds("the banner is gone", "document.getElementById('modes').hidden");
    bench.shows("#events", "走查测试 结束");
    bench.holds("what stands of it is real", "document.querySelector('.cards.apart') === null");
    bench.no_errors();
    bench.gateway.term();
}

/// What made the level is over and the hold too: it waits, and a person lets it fall.
#[test]
fn a_warning_level_is_released_at_the_head_of_the_page() {
    let Some(mut bench) = bench_with("", "\n[warning]\ndown_after = \"1s\"\n") else { return };
    bench.browser.script("localStorage.setItem('gengfu.by', '值班员')");
    bench.shows("#live", "实时");
    bench.plant.devices[0].set(900);
    bench.shows("#levels [data-state=reached]", "橙");
    assert_eq!(bench.at("#act-release"), "", "nothing to release while it holds");
    bench.plant.devices[0].set(0);
    let id = bench.id("flip-d0", "returned");
    bench.click(&format!("#act-{id}"));
    bench.shows("#levels [data-state=awaits-release]", "依据已消除，等待人工解除");
    keep_a_look(&bench.browser, "release");
    bench.click("#act-release");
    bench.shows("#confirm-what", "橙");
    bench.holds(
        "it is released",
        "(() => { document.getElementById('confirm-ok').click(); return !document.getElementById('confirm').open })()",
    );
    bench.shows("#levels", "无预警");
    bench.holds("the button is gone", "document.getElementById('act-release') === null");
    bench.no_errors();
    bench.gateway.term();
}

#[test]
fn a_click_on_a_point_draws_its_trend() {
    let Some(mut bench) = bench("") else { return };
    bench.shows("#live", "实时");
    bench.plant.devices[0].set(321);
    bench.shows(&row("d0/r0", ".value"), "321");
    bench.click("a[data-trend='d0/r0']");
    bench.shows("#trend-title", "d0/r0");
    let drawn = "(() => { const c = document.querySelector('#chart canvas'); if (!c || !c.width) return false; \
        const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
        return pixels.some((byte, place) => place % 4 === 3 && byte > 0); })()";
    bench.holds("a canvas is drawn", drawn);
    bench.click("#trend button[data-range='600000']");
    bench.holds(
        "the range is taken",
        "document.querySelector(\"#trend button[data-range='600000']\").ariaPressed === 'true'",
    );
    bench.shows("#trend-now", "321");
    bench.no_errors();
    keep_a_look(&bench.browser, "trend");
    bench.click("#trend-close");
    bench.holds("it closes", "document.getElementById('trend').hidden");
    bench.gateway.term();
}

#[test]
fn the_page_speaks_english_too() {
    let Some(mut bench) = bench("?lang=en") else { return };
    bench.shows("#live", "live");
    bench.plant.devices[0].set(900);
    let id =
        bench.gateway.alarm("flip-d0", SOON, |a| a["state"] == "unacknowledged")["id"].as_str().unwrap().to_owned();
    let card = format!("#alarm-{id}");
    bench.shows(&card, "CRITICAL");
    bench.shows(&card, "not acknowledged");
    bench.shows(&row("d1/r0", ".quality"), "good");
    bench.plant.devices[1].fault(Fault::Exception(4));
    bench.shows(&row("d1/r0", ".quality"), "device fault");
    // parts that are fetched anew stay in the language, all but the link to the other one
    let chinese =
        "/[\\u4e00-\\u9fff]/.test(document.body.innerText.replace(document.getElementById('lang').innerText, ''))";
    assert_eq!(bench.browser.script(&format!("return {chinese}")), false, "{}", bench.browser.text());
    bench.no_errors();
    // the choice stays
    bench.browser.open(&format!("http://127.0.0.1:{}/", bench.gateway.port));
    bench.shows(&card, "not acknowledged");
    bench.click("#lang");
    bench.shows(&card, "未确认");
    assert_eq!(bench.browser.script("return document.documentElement.lang"), "zh-CN");
    bench.gateway.term();
}

/// For a person's eye: with `GENGFU_LOOK=<folder>` screenshots are kept there, as base64 of PNG.
fn keep_a_look(browser: &Browser, name: &str) {
    let picture = browser.screenshot();
    assert!(picture.len() > 1_000);
    if let Some(folder) = std::env::var_os("GENGFU_LOOK") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png.base64")), picture).unwrap();
    }
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let (dir, plant) = (Folder::new("page"), Plant::start(1));
    let mut gateway = Gateway::start(&Site::new("rig").modbus(&plant, 500, 4).text, dir.path());
    for path in ["/", "/?lang=en", "/assets/app.js", "/assets/app.css"] {
        let answer = gateway.get(path);
        assert_eq!(answer.status, 200, "{path}");
        for word in ["src=\"http", "href=\"http", "url(http", "url(\"http", "@import", "//# sourceMappingURL=http"] {
            assert!(!answer.text().contains(word), "{word} in {path}");
        }
        assert!(answer.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'self'")));
    }
    gateway.term();
}
