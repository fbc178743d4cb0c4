//! `[[mqtt]]`: links, subscriptions and points.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::broker;
use super::checked::{DEFAULT_STALE, MqttLink, MqttPoint, Subscription};
use super::labels;
use super::names::{self, Known, Names, Thing};
use super::pattern;
use super::point;
use super::site::{self, DAY, SECOND};
use super::table::Table;
use super::value::{Value, shorten};

const DEFAULT_QOS: u8 = 1;
const DEFAULT_MAX_DEVICES: usize = 500;
const MAX_DEVICES: i64 = 100_000;
/// MQTT 3.1.1, 1.5.3: a string has a length of two bytes.
const MAX_TOPIC: usize = 65_535;

/// What the reading of all links shares.
struct Context<'c, 'n> {
    names: &'n mut Names,
    site: &'c str,
    directory: &'c Path,
}

pub(super) fn read(file: &Table<'_>, names: &mut Names, site: &str, directory: &Path) -> Vec<MqttLink> {
    let mut context = Context { names, site, directory };
    file.tables("mqtt", "[[mqtt]]").into_iter().filter_map(|table| link(table, &mut context)).collect()
}

fn link(table: Table<'_>, context: &mut Context<'_, '_>) -> Option<MqttLink> {
    let name_value = table.need("name", "\"lora\"");
    let name = name_value.and_then(names::name);
    if let (Some(name), Some(value)) = (&name, name_value) {
        context.names.claim(Thing::Source, name, value);
    }
    let default_id = name.as_ref().map(|name| format!("gengfu-{}-{name}", context.site));
    let broker = broker::read(&table, default_id, context.names, context.directory);
    let subscriptions = table.tables("subscribe", "[[mqtt.subscribe]]");
    if subscriptions.is_empty() && table.place("subscribe").is_none() {
        table.book.warn(table.at, "this link has no [[mqtt.subscribe]]", "add one, or remove the link");
    }
    let subscriptions = subscriptions.into_iter().filter_map(|table| subscription(table, context.names)).collect();
    table.finish(&broker::LATER);
    Some(MqttLink { name: name?, broker: broker?, subscriptions })
}

fn subscription(table: Table<'_>, names: &mut Names) -> Option<Subscription> {
    let topic = table.need("topic", "\"sensors/+/gas\"").and_then(topic);
    let qos = table.or("qos", DEFAULT_QOS, |v| {
        if v.whole(0..=2)? == 2 {
            v.complain("`qos` 2 is not in this version", "write qos = 1; what comes twice is told apart here");
            return None;
        }
        v.whole(0..=1).map(|qos| qos as u8)
    });
    let device_value = table.need("device", "\"gas-{1}\"");
    let device = device_value.and_then(|v| template(v, topic.as_deref()));
    names.doubtful |= device.is_none();
    let kind = table.or("kind", "device".to_owned(), names::kind);
    let area = table.get("area").and_then(point::area);
    let stale_after = table.get("stale_after").and_then(|v| v.duration(SECOND..=DAY * 365));
    let max_devices = table.or("max_devices", DEFAULT_MAX_DEVICES, |v| v.whole(1..=MAX_DEVICES).map(|n| n as usize));
    let mut expect = table.get("expect").map_or_else(Vec::new, |v| expect(v, device.as_deref(), max_devices));
    if let (Some(device), Some(value)) = (&device, device_value) {
        not_modbus(device, value, names);
        // A plain name is known before anything is heard of it: a device that never speaks must not go unnoticed.
        if is_plain(device) && expect.is_empty() {
            expect.push((device.clone(), value));
        }
    }
    labels::devices(&table, device.as_deref(), names);
    for (name, value) in &expect {
        not_modbus(name, *value, names);
    }
    let tables = table.tables("point", "[[mqtt.subscribe.point]]");
    if tables.is_empty() && table.place("point").is_none() {
        table.book.warn(table.at, "this subscription has no [[mqtt.subscribe.point]]", "add one, or remove it");
    }
    let context = PointContext { device: device.as_deref(), expect: &expect, stale_after };
    let points = tables.into_iter().filter_map(|table| point(table, names, &context)).collect();
    table.finish(&[]);
    Some(Subscription {
        topic: topic?,
        qos: qos?,
        device: device?,
        kind: kind?,
        area,
        expect: expect.into_iter().map(|(name, _)| name).collect(),
        max_devices: max_devices?,
        points,
    })
}

/// MQTT 3.1.1, 4.7.1: wildcards stand for whole levels, `#` only at the end.
fn topic(value: Value<'_>) -> Option<String> {
    let topic = value.text()?;
    let levels: Vec<&str> = topic.split('/').collect();
    let inside = |level: &&str| level.len() > 1 && level.contains(['+', '#']);
    let fault = if topic.is_empty() {
        Some("it is empty")
    } else if topic.len() > MAX_TOPIC || topic.contains(|c: char| c.is_control()) {
        Some("it is too long, or holds control characters")
    } else if levels.iter().any(inside) {
        Some("+ and # stand for whole levels")
    } else if levels.iter().rev().skip(1).any(|level| *level == "#") {
        Some("# stands only at the end")
    } else {
        None
    };
    if let Some(fault) = fault {
        value.complain(
            format!("`topic` is \"{}\": {fault}", shorten(topic)),
            "write it like \"sensors/+/gas\" or \"sensors/#\"",
        );
        return None;
    }
    Some(topic.to_owned())
}

/// The name of the devices of a topic: name characters and `{n}`, the n-th wildcard.
fn template(value: Value<'_>, topic: Option<&str>) -> Option<String> {
    let text = value.text()?;
    let wildcards = topic.map(|topic| topic.split('/').filter(|level| matches!(*level, "+" | "#")).count());
    let mut used = 0;
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        let number = after.split_once('}').and_then(|(number, tail)| Some((number.parse::<usize>().ok()?, tail)));
        let Some((number, tail)) = number else {
            value.complain(
                format!("`device` is \"{}\", with a bracket that holds no number", shorten(text)),
                "write {1} for the first wildcard",
            );
            return None;
        };
        if number == 0 || wildcards.is_some_and(|count| number > count) {
            let has = site::plural(wildcards.unwrap_or(0), "wildcard");
            value.complain(
                format!("`device` speaks of {{{number}}}, but the topic has {has}"),
                "count + and # from 1, left to right",
            );
            return None;
        }
        used += 1;
        // Stands for whatever the topic brings, cleaned to the characters of names.
        plain.push_str(before);
        plain.push('x');
        rest = tail;
    }
    plain.push_str(rest);
    if let Some(fault) = names::fault(&plain) {
        value.complain(
            format!("`device` is \"{}\", which {fault}", shorten(text)),
            "use letters, digits, _ . - and {1} for the first wildcard",
        );
        return None;
    }
    if used == 0 && wildcards.is_some_and(|count| count > 0) {
        value.warn(
            "every topic of this subscription would be the same device",
            "tell them apart with {1}, the first wildcard of the topic",
        );
    }
    Some(text.to_owned())
}

/// Whether a template names one device and no other.
pub(super) fn is_plain(device: &str) -> bool {
    !device.contains('{')
}

/// Devices that exist from the start, each with its place.
fn expect<'a>(value: Value<'a>, device: Option<&str>, max: Option<usize>) -> Vec<(String, Value<'a>)> {
    let pattern = device.map(pattern::of_template);
    let mut seen: HashMap<String, Value<'a>> = HashMap::new();
    let mut expected = Vec::new();
    for item in value.list().unwrap_or_default() {
        let Some(name) = names::name(item) else { continue };
        if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern::matches(pattern, &name)) {
            let what = format!(
                "\"{}\" can never come from this subscription, whose devices are named {pattern}",
                shorten(&name)
            );
            item.complain(what, "correct the name, or `device`");
        } else if let Some(first) = seen.insert(name.clone(), item) {
            let line = item.book.line(first.at);
            item.complain(
                format!("\"{}\" is expected twice", shorten(&name)),
                format!("remove one; the first is in line {line}"),
            );
        } else {
            expected.push((name, item));
        }
    }
    if let Some(max) = max.filter(|max| expected.len() > *max) {
        let what = format!("{} devices are expected, but max_devices is {max}", expected.len());
        value.complain(what, "raise max_devices");
    }
    expected
}

/// An MQTT device must not bear the name of a Modbus one. Two subscriptions may feed one device.
fn not_modbus(device: &str, value: Value<'_>, names: &Names) {
    if let Some(place) = names.place(Thing::Device, device) {
        names::second(value.book, Thing::Device, device, (place, value.at));
    }
}

/// What a point must know of its subscription.
struct PointContext<'p, 'a> {
    device: Option<&'p str>,
    expect: &'p [(String, Value<'a>)],
    stale_after: Option<Duration>,
}

fn point(table: Table<'_>, names: &mut Names, context: &PointContext<'_, '_>) -> Option<MqttPoint> {
    let draft = point::read(&table, None);
    let value = table.need("value", "\"/value\"").and_then(pointer);
    let time = table.get("time").and_then(pointer);
    match (&draft.name, context.device, table.get("name")) {
        (Some(point), Some(device), Some(at)) => know(point, device, at, &draft, names, context),
        (None, ..) => names.doubtful = true,
        _ => {}
    }
    table.finish(&[]);
    let stale = context.stale_after.or(draft.life_safety.then_some(DEFAULT_STALE));
    Some(MqttPoint { spec: draft.finish(stale)?, value: value?, time })
}

/// Enters a point of all devices of a topic, and of each that is expected, for the rules.
fn know(
    point: &str,
    device: &str,
    at: Value<'_>,
    draft: &point::Draft,
    names: &mut Names,
    context: &PointContext<'_, '_>,
) {
    let known = |device: &str| Known {
        name: format!("{device}/{point}"),
        unit: draft.unit.clone(),
        range: draft.range(),
        every: None,
        rules: 0,
    };
    if !names.claim(Thing::Point, &format!("{device}/{point}"), at) {
        return;
    }
    let pattern = pattern::of_template(device);
    names.labels.name_point(format!("{pattern}/{point}"), draft.label.clone());
    names.points.push(known(&pattern));
    for (expected, _) in context.expect.iter().filter(|(expected, _)| expected != device) {
        if names.claim(Thing::Point, &format!("{expected}/{point}"), at) {
            names.points.push(known(expected));
        }
    }
}

/// RFC 6901; empty is the whole payload.
fn pointer(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    let escapes = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    if !(text.is_empty() || text.starts_with('/')) || !escapes {
        value.complain(
            format!("`{}` is \"{}\", which is no JSON pointer", value.key, shorten(text)),
            "begin every step with a slash, \"/data/value\"; \"\" takes the whole payload",
        );
        return None;
    }
    Some(text.to_owned())
}
