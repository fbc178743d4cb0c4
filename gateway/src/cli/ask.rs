//! How a command asks the gateway that runs: where it is, whether it is the one that is meant, and what it says.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::place;

/// A gateway that does not answer within this is not well.
const LIMIT: Duration = Duration::from_secs(15);

/// Which gateway.
#[derive(Debug, Args)]
pub(super) struct Running {
    /// Address of its console.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8420", conflicts_with = "config")]
    url: String,
    /// Or its configuration, to find the address there.
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A gateway that can be asked.
#[derive(Debug)]
pub(super) struct Gateway {
    url: String,
    client: Client,
}

/// Why it did not do what was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It says that what was asked is wrong in itself.
    Wrong(String),
    /// It is not there, or says no.
    Failed(String),
}

impl Failure {
    /// Prints it; the exit code for it.
    pub(super) fn told(self) -> ExitCode {
        match self {
            Self::Wrong(why) => {
                warnln!("gengfu: {why}");
                ExitCode::from(2)
            }
            Self::Failed(why) => super::failed(&why),
        }
    }
}

impl Running {
    /// The gateway; where a site file was given, only that site's.
    pub(super) async fn gateway(self) -> Result<Gateway, ExitCode> {
        let site = self.config.as_deref().map(place::running).transpose()?;
        let url = site.as_ref().map_or(self.url, |site| format!("http://{}", site.console.listen));
        let client = Client::builder().timeout(LIMIT).build().map_err(|error| super::failed(&error.to_string()))?;
        let gateway = Gateway { url: url.trim_end_matches('/').to_owned(), client };
        if let Some(site) = site {
            let status = gateway.get("status").await.map_err(Failure::told)?;
            if let Some(other) = status.pointer("/site/id").and_then(Value::as_str).filter(|id| *id != site.id) {
                return Err(super::failed(&format!(
                    "the gateway at {} is that of the site `{other}`, not of `{}`; start the one that is meant, or give each \
                     a [console] listen of its own",
                    gateway.url, site.id
                )));
            }
        }
        Ok(gateway)
    }
}

impl Gateway {
    /// The answer to `/api/v1/<what>`.
    pub(super) async fn get(&self, what: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, what, None).await
    }

    /// All items of a collection, page by page.
    pub(super) async fn items(&self, what: &str) -> Result<Vec<Value>, Failure> {
        let join = if what.contains('?') { '&' } else { '?' };
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{what}{join}limit=2000{cursor}")).await?;
            items.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// Asks for something to be done.
    pub(super) async fn post(&self, what: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, what, Some(body)).await
    }

    async fn ask(&self, method: Method, what: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let url = &self.url;
        let away = |error: reqwest::Error| {
            Failure::Failed(format!("{url} does not answer: {error}; is the gateway running there?"))
        };
        let mut request = self.client.request(method, format!("{url}/api/v1/{what}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(away)?;
        if status.is_success() {
            return Ok(body);
        }
        let why = body.get("detail").and_then(Value::as_str).map_or(format!("{url} answered {status}"), str::to_owned);
        Err(if status == StatusCode::BAD_REQUEST { Failure::Wrong(why) } else { Failure::Failed(why) })
    }
}

/// Who says so, for the audit: what was given, else the user's name.
pub(super) fn by(given: Option<String>) -> Result<String, ExitCode> {
    given
        .or_else(|| std::env::var("USER").ok())
        .ok_or_else(|| super::failed("nobody is named; say with --by who wants it, for the audit"))
}

/// A text as one part of an address.
pub(super) fn part(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A time of an answer, UTC ms, to the second.
pub(super) fn time(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    at.unwrap_or_else(|_| ms.to_string())
}

/// A field of an answer as people read it.
pub(super) fn word(item: &Value, key: &str) -> String {
    match item.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "?".to_owned(),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_named_by_rule_and_point_is_one_part_of_an_address() {
        assert_eq!(part("kitchen-gas@gas-01/ch4"), "kitchen-gas@gas-01%2Fch4");
        assert_eq!(part("地下 B1"), "%E5%9C%B0%E4%B8%8B%20B1");
    }
}
