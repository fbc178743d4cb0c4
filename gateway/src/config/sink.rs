//! `[[forward.influxdb]]`, `[[forward.mqtt]]` and `[[notify.webhook]]`: where readings and alarms go.

use std::path::Path;
use std::time::Duration;

use gengfu_core::alarm::{Priority, damper};

use super::address::{self, Address, Later};
use super::checked::{Compression, Drain, InfluxConfig, UplinkConfig, WebhookConfig};
use super::detector::PRIORITIES;
use super::names::{self, Names, Thing};
use super::site::{self, DAY, MAX_TEXT, SECOND};
use super::table::Table;
use super::uplink;
use super::value::{Value, shorten};

const DEFAULT_STORE_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_PUSH_TIMEOUT: Duration = Duration::from_secs(5);
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
const MAX_TIMEOUT: Duration = Duration::from_mins(5);
const PORT: u16 = 80;
const LATER_SCHEMES: [Later; 1] =
    [("https", "TLS comes later: run a relay on this machine that speaks it, and write http://127.0.0.1:port")];

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sinks {
    pub(super) influx: Vec<InfluxConfig>,
    pub(super) uplinks: Vec<UplinkConfig>,
    pub(super) webhooks: Vec<WebhookConfig>,
}

pub(super) fn read(file: &Table<'_>, names: &mut Names, site: &str, directory: &Path) -> Sinks {
    let mut sinks = Sinks::default();
    if let Some(forward) = file.table("forward", "[[forward.influxdb]]") {
        let stores = forward.tables("influxdb", "[[forward.influxdb]]");
        sinks.influx = stores.into_iter().filter_map(|table| store(table, names, directory)).collect();
        sinks.uplinks = uplink::read(forward.tables("mqtt", "[[forward.mqtt]]"), names, site, directory);
        forward.finish(&[]);
    }
    if let Some(notify) = file.table("notify", "[[notify.webhook]]") {
        let hooks = notify.tables("webhook", "[[notify.webhook]]");
        sinks.webhooks = hooks.into_iter().filter_map(|table| webhook(table, names, directory)).collect();
        notify.finish(&[]);
    }
    sinks
}

fn store(table: Table<'_>, names: &mut Names, directory: &Path) -> Option<InfluxConfig> {
    let name = sink_name(Thing::Store, &table, names, "\"central\"");
    let url = table.need("url", "\"http://127.0.0.1:8086\"").and_then(store_url);
    let org = table.need("org", "\"district\"").and_then(|v| v.line(MAX_TEXT));
    let bucket = table.need("bucket", "\"telemetry\"").and_then(|v| v.line(MAX_TEXT));
    let token_file = table.need("token_file", "\"influx.token\"").and_then(|v| site::path(v, directory));
    let words = [("auto", Compression::Auto), ("gzip", Compression::Gzip), ("none", Compression::None)];
    let compression = table.or("compression", Compression::Auto, |v| v.choice(&words));
    let drain = table.or("drain", Drain::Max, uplink::drain);
    let timeout = table.or("timeout", DEFAULT_STORE_TIMEOUT, |v| v.duration(MIN_TIMEOUT..=MAX_TIMEOUT));
    let later = ["token"];
    if let Some(at) = table.place("token") {
        table.book.complain(
            at,
            "a token does not belong into this file",
            "put it into a file of its own: token_file = \"influx.token\"",
        );
    }
    table.finish(&later);
    Some(InfluxConfig {
        name: name?,
        url: url?,
        org: org?,
        bucket: bucket?,
        token_file: token_file?,
        compression: compression?,
        drain: drain?,
        timeout: timeout?,
    })
}

/// `http://host:port` and nothing more: the client drops a path and would write elsewhere.
fn store_url(value: Value<'_>) -> Option<String> {
    let address = address::read(value, "http", PORT, &LATER_SCHEMES)?;
    if !matches!(address.path.as_str(), "" | "/") {
        value.complain(
            format!("`url` has a path, \"{}\", which the client would drop", shorten(&address.path)),
            "end it after the port, and let a store behind a path listen on a port of its own",
        );
        return None;
    }
    Some(url(&Address { path: String::new(), ..address }))
}

fn webhook(table: Table<'_>, names: &mut Names, directory: &Path) -> Option<WebhookConfig> {
    let name = sink_name(Thing::Webhook, &table, names, "\"duty-room\"");
    let url = table.need("url", "\"http://127.0.0.1:9000/alarm\"");
    let url = url.and_then(|v| address::read(v, "http", PORT, &LATER_SCHEMES)).map(|address| self::url(&address));
    let priorities = table.get("priorities").map_or(Some(Vec::new()), priorities);
    let secret_file = table.get("secret_file").and_then(|v| site::path(v, directory));
    let heartbeat = table.get("heartbeat").and_then(|v| v.duration(SECOND..=DAY));
    let timeout = table.or("timeout", DEFAULT_PUSH_TIMEOUT, |v| v.duration(MIN_TIMEOUT..=MAX_TIMEOUT));
    let damp = table.or("damp", false, Value::boolean);
    let tests = table.or("tests", false, Value::boolean);
    table.finish(&[]);
    Some(WebhookConfig {
        name: name?,
        url: url?,
        priorities: priorities?,
        tests: tests?,
        secret_file,
        heartbeat,
        timeout: timeout?,
        damp: damp?.then(damper::Params::default),
    })
}

fn priorities(value: Value<'_>) -> Option<Vec<Priority>> {
    let items = value.list()?;
    if items.is_empty() {
        value.complain("`priorities` is empty, so that nothing would be pushed", "name some, or leave it out for all");
        return None;
    }
    let mut all: Vec<Priority> = items.into_iter().map(|v| v.choice(&PRIORITIES)).collect::<Option<_>>()?;
    all.sort_unstable();
    all.dedup();
    Some(all)
}

fn sink_name(thing: Thing, table: &Table<'_>, names: &mut Names, example: &str) -> Option<String> {
    let value = table.need("name", example)?;
    let name = names::name(value)?;
    names.claim(thing, &name, value);
    Some(name)
}

fn url(address: &Address) -> String {
    format!("http://{}{}", address.authority(), address.path)
}
