//! `[[forward.mqtt]]`: the uplink to a centre, by its broker.

use std::collections::HashMap;
use std::path::Path;

use super::broker;
use super::checked::{Broker, Drain, UplinkConfig};
use super::names::{self, Names, Thing};
use super::table::Table;
use super::value::{Value, shorten};

const DEFAULT_WINDOW: usize = 64;
/// Alarms, readings of now and a backlog each need room in it.
const MIN_WINDOW: i64 = 4;
/// What a client library and a broker bear without being asked.
const MAX_WINDOW: i64 = 1_000;
const MAX_DRAIN: i64 = 10_000_000;

pub(super) fn read(tables: Vec<Table<'_>>, names: &mut Names, site: &str, directory: &Path) -> Vec<UplinkConfig> {
    let mut brokers = HashMap::new();
    let uplinks = tables.into_iter().filter_map(|table| uplink(table, names, site, directory, &mut brokers));
    uplinks.collect()
}

fn uplink(
    table: Table<'_>,
    names: &mut Names,
    site: &str,
    directory: &Path,
    brokers: &mut HashMap<(String, u16), usize>,
) -> Option<UplinkConfig> {
    let name_value = table.need("name", "\"centre\"");
    let name = name_value.and_then(names::name);
    if let (Some(name), Some(value)) = (&name, name_value) {
        names.claim(Thing::Uplink, name, value);
    }
    let default_id = name.as_ref().map(|name| format!("gengfu-{site}-uplink-{name}"));
    let broker = broker::read(&table, default_id, names, directory);
    if let (Some(broker), Some(value)) = (&broker, table.get("connect")) {
        alone(broker, value, brokers);
    }
    let drain = table.or("drain", Drain::Max, drain);
    let window = table.or("window", DEFAULT_WINDOW, |v| v.whole(MIN_WINDOW..=MAX_WINDOW).map(|window| window as usize));
    if let Some(at) = table.place("password") {
        table.book.complain(
            at,
            "a password does not belong into this file",
            "put it into a file of its own: password_file = \"centre.password\"",
        );
    }
    for key in ["qos", "topic"] {
        if let Some(at) = table.place(key) {
            let what =
                format!("`{key}` can't be chosen here: QoS 1 and the topics gengfu/v1/<site>/… are the contract");
            table.book.complain(at, what, "remove it; docs/uplink.md says what goes where");
        }
    }
    table.finish(&[broker::LATER.as_slice(), &["password", "qos", "topic"]].concat());
    Some(UplinkConfig { name: name?, broker: broker?, drain: drain?, window: window? })
}

/// Two uplinks to one broker would say everything twice on the same topics, and carry every command out twice.
fn alone(broker: &Broker, value: Value<'_>, brokers: &mut HashMap<(String, u16), usize>) {
    let first = *brokers.entry((broker.host.clone(), broker.port)).or_insert(value.at);
    if first != value.at {
        let line = value.book.line(first);
        value.complain(
            format!(
                "a second uplink goes to {}, on the same topics as the first",
                shorten(&format!("{}:{}", broker.shown_host(), broker.port))
            ),
            format!("keep one a broker; the first is in line {line}"),
        );
    }
}

/// `"max"`, or records a second.
pub(super) fn drain(value: Value<'_>) -> Option<Drain> {
    if value.tree.as_str() == Some("max") {
        return Some(Drain::Max);
    }
    if !value.tree.is_integer() {
        value.complain(
            "`drain` must be \"max\" or a number of records a second",
            "write drain = \"max\", or drain = 5000",
        );
        return None;
    }
    value.whole(1..=MAX_DRAIN).map(|rate| Drain::Rate(rate as u64))
}
