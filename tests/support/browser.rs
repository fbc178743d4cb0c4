//! A real browser: chromium through chromedriver, by the plain HTTP of WebDriver (W3C).

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http;
use crate::process::{Folder, Process, free_port, installed};
use crate::wait::{eventually, until};

/// A session with one window; ends when dropped.
#[derive(Debug)]
pub struct Browser {
    port: u16,
    session: String,
    _driver: Process,
    _dir: Folder,
}

impl Browser {
    /// `None` where chromium or its driver is not installed.
    pub fn start() -> Option<Self> {
        let (driver, chromium) = (installed("chromedriver")?, installed("chromium")?);
        let dir = Folder::new("browser");
        let port = free_port();
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}"));
        let driver = Process::start("chromedriver", command, dir.path());
        eventually(Duration::from_secs(10), "chromedriver answers", || {
            http::get(port, "/status").is_ok_and(|a| a.json()["value"]["ready"] == true)
        });
        let profile = format!("--user-data-dir={}", dir.join("profile").display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            "--accept-lang=zh-CN",
            &profile,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let answer =
            until(Duration::from_mins(1), "browser session", || http::post_json(port, "/session", &wanted).ok());
        let session =
            answer.json()["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
        Some(Self { port, session, _driver: driver, _dir: dir })
    }

    pub fn open(&self, url: &str) {
        self.call("POST", "url", &json!({ "url": url }));
    }

    /// Runs `return …;` or any script body in the page.
    pub fn script(&self, body: &str) -> Value {
        self.call("POST", "execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// Makes the window of this size, in pixels.
    pub fn resize(&self, width: u32, height: u32) {
        self.call("POST", "window/rect", &json!({ "width": width, "height": height }));
    }

    /// All text of the page.
    pub fn text(&self) -> String {
        self.script("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Console messages of level SEVERE since the last call.
    pub fn errors(&self) -> Vec<String> {
        let log = self.call("POST", "se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().filter(|e| e["level"] == "SEVERE").map(|e| e["message"].to_string()).collect()
    }

    /// PNG in base64.
    pub fn screenshot(&self) -> String {
        self.call("GET", "screenshot", &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{path}", self.session);
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let answer =
            http::request(self.port, method, &path, &[("Content-Type", "application/json")], body.as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // ends chromium, which the driver started; the driver itself ends by its pid
        let _ = http::request(self.port, "DELETE", &format!("/session/{}", self.session), &[], &[]);
    }
}
