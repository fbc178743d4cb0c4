//! A connection to a broker, as `[[mqtt]]` and `[[forward.mqtt]]` both write it.

use std::path::Path;
use std::time::Duration;

use super::address::{self, Address, Later};
use super::checked::Broker;
use super::names::Names;
use super::site::{self, MAX_TEXT, SECOND};
use super::table::Table;
use super::value::{Value, shorten};

/// Keys of a later version, which have had their word.
pub(super) const LATER: [&str; 3] = ["ca", "cert", "key"];
const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Registered for MQTT without TLS.
const PORT: u16 = 1883;
const LATER_SCHEMES: [Later; 3] = [
    ("mqtts", "run a broker on this machine that bridges to the far one by TLS, and write mqtt://127.0.0.1:1883"),
    ("ws", "let the broker listen for plain MQTT and write mqtt://host:1883"),
    ("wss", "run a broker on this machine that bridges to the far one by TLS, and write mqtt://127.0.0.1:1883"),
];

pub(super) fn read(
    table: &Table<'_>,
    default_id: Option<String>,
    names: &mut Names,
    directory: &Path,
) -> Option<Broker> {
    let connect = table.need("connect", "\"mqtt://127.0.0.1:1883\"");
    let address = connect.and_then(self::connect);
    let client_value = table.get("client_id");
    let client_id = match client_value {
        Some(value) => value.line(MAX_TEXT),
        None => default_id,
    };
    let username = table.get("username").and_then(|v| v.line(MAX_TEXT));
    let password_file = table.get("password_file").and_then(|v| {
        if username.is_none() {
            v.complain("there is a password, but no user", "add username = \"…\"");
        }
        site::path(v, directory)
    });
    let keep_alive =
        table.or("keep_alive", DEFAULT_KEEP_ALIVE, |v| v.duration(SECOND * 5..=Duration::from_secs(65_535)));
    table.later(&LATER, "TLS comes later: run a broker on this machine that bridges to the far one");
    if let (Some(address), Some(id), Some(value)) = (&address, &client_id, client_value.or(connect)) {
        alone(address, id, value, names);
    }
    let Address { host, port, .. } = address?;
    Some(Broker { host, port, client_id: client_id?, username, password_file, keep_alive: keep_alive? })
}

/// A broker throws the elder of two namesakes out.
fn alone(address: &Address, id: &str, value: Value<'_>, names: &mut Names) {
    let key = (address.host.clone(), address.port, id.to_owned());
    let first = *names.clients.entry(key).or_insert(value.at);
    if first != value.at {
        let line = value.book.line(first);
        value.complain(
            format!(
                "a second link connects to the same broker as \"{}\"; they would throw each other out",
                shorten(id)
            ),
            format!("give it a client_id of its own; the first is in line {line}"),
        );
    }
}

fn connect(value: Value<'_>) -> Option<Address> {
    let address = address::read(value, "mqtt", PORT, &LATER_SCHEMES)?;
    if !address.path.is_empty() {
        value.complain(
            format!("`connect` has a path, \"{}\"", shorten(&address.path)),
            "end it after the port: mqtt://host:port",
        );
        return None;
    }
    Some(address)
}
