//! The page in a real browser: live values, an alarm, and the button that acknowledges it.

use std::time::Duration;

use gengfu_tests::browser::Browser;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::{Fault, Plant};
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{eventually, not_run};

const SOON: Duration = Duration::from_secs(15);

#[test]
fn live_values_an_alarm_and_its_acknowledgement() {
    let Some(browser) = Browser::start() else { return not_run("chromium or chromedriver is missing: make setup") };
    let (dir, plant, receiver) = (Folder::new("page"), Plant::start(2), Receiver::start());
    let site = Site::new("rig").modbus(&plant, 200, 4).flips(0, 1).webhook("duty", receiver.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    plant.devices[1].set(123);
    browser.open(&format!("http://127.0.0.1:{}/", gateway.port));
    eventually(SOON, "a value is shown", || browser.text().contains("123"));
    plant.devices[1].set(321);
    eventually(SOON, "it changes by itself", || browser.text().contains("321"));
    plant.devices[1].fault(Fault::Exception(4));
    eventually(SOON, "quality is shown", || {
        browser.text().contains("device-fault") || browser.text().contains("设备故障")
    });

    plant.devices[0].set(900);
    eventually(SOON, "the alarm is shown", || browser.text().contains("flip-d0") || browser.text().contains("900"));
    gateway.alarm("flip-d0", SOON, |a| a["state"] == "unacknowledged");
    // a name is wanted: whatever asks for it is answered
    let click = "window.prompt = () => 'duty'; \
        for (const i of document.querySelectorAll('input')) if (/by|name|who|人/i.test(i.name + i.id + i.placeholder)) { \
            i.value = 'duty'; i.dispatchEvent(new Event('input', {bubbles: true})); i.dispatchEvent(new Event('change', {bubbles: true})); } \
        const b = [...document.querySelectorAll('button')].find(b => /确认|acknowledge/i.test(b.textContent) && b.offsetParent); \
        if (b) b.click(); return !!b;";
    eventually(SOON, "acknowledged by its button", || {
        browser.script(click);
        gateway.alarms("flip-d0").iter().any(|a| a["state"] == "acknowledged")
    });
    eventually(SOON, "the page says so", || {
        browser.text().contains("已确认") || browser.text().to_lowercase().contains("acknowledged")
    });
    assert_eq!(browser.errors(), Vec::<String>::new(), "errors of the page");
    assert!(browser.screenshot().len() > 1_000);
    gateway.term();
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let (dir, plant) = (Folder::new("page"), Plant::start(1));
    let mut gateway = Gateway::start(&Site::new("rig").modbus(&plant, 500, 4).text, dir.path());
    let page = gateway.get("/").text();
    for word in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page.contains(word), "{word} in the page");
    }
    assert!(gateway.get("/").header("content-security-policy").is_some());
    gateway.term();
}
