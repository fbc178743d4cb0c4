//! `[[modbus]]`: lines, devices and points.

use std::time::Duration;

use super::address::{self, Later};
use super::checked::{ModbusDevice, ModbusLine, ModbusPoint, Order, Table as Registers, ValueType};
use super::labels;
use super::names::{self, Known, Names, Thing};
use super::point;
use super::site::{DAY, SECOND};
use super::table::Table;
use super::value::{Value, shorten};
use crate::source::modbus::plan;

const DEFAULT_TIMEOUT: Duration = Duration::from_millis(500);
const DEFAULT_EVERY: Duration = SECOND;
const MIN_EVERY: Duration = Duration::from_millis(10);
/// Registered for Modbus TCP.
const PORT: u16 = 502;
/// A polled point is lost after this many periods, but not before [`MIN_STALE`].
const STALE_PERIODS: u32 = 5;
const MIN_STALE: Duration = Duration::from_secs(10);
const LATER_SCHEMES: [Later; 2] = [
    ("rtu", "put a Modbus TCP gateway on the serial line and write tcp://host:port"),
    ("rtu+tcp", "set the converter to Modbus TCP and write tcp://host:port"),
];
const TYPES: [(&str, ValueType); 9] = [
    ("bool", ValueType::Bool),
    ("u16", ValueType::U16),
    ("i16", ValueType::I16),
    ("u32", ValueType::U32),
    ("i32", ValueType::I32),
    ("u64", ValueType::U64),
    ("i64", ValueType::I64),
    ("f32", ValueType::F32),
    ("f64", ValueType::F64),
];

/// What manuals and other programs call them.
const ALIASES: [(&str, &str); 11] = [
    ("uint16", "u16"),
    ("int16", "i16"),
    ("word", "u16"),
    ("uint32", "u32"),
    ("int32", "i32"),
    ("uint64", "u64"),
    ("int64", "i64"),
    ("float", "f32"),
    ("float32", "f32"),
    ("double", "f64"),
    ("float64", "f64"),
];

/// Load of a line, in percent, from which `check` has a word to say.
const BUSY: f64 = 80.0;
const OVERLOADED: f64 = 100.0;

pub(super) fn read(file: &Table<'_>, names: &mut Names) -> Vec<ModbusLine> {
    file.tables("modbus", "[[modbus]]").into_iter().filter_map(|table| line(table, names)).collect()
}

fn line(table: Table<'_>, names: &mut Names) -> Option<ModbusLine> {
    let name_value = table.need("name", "\"pump-room\"");
    let name = name_value.and_then(names::name);
    if let (Some(name), Some(value)) = (&name, name_value) {
        names.claim(Thing::Source, name, value);
    }
    let connect = table.need("connect", "\"tcp://192.168.1.10:502\"").and_then(connect);
    let timeout = table.or("timeout", DEFAULT_TIMEOUT, |v| v.duration(MIN_EVERY..=Duration::from_mins(1)));
    let devices = table.tables("device", "[[modbus.device]]");
    if devices.is_empty() && table.place("device").is_none() {
        table.book.warn(table.at, "this line has no [[modbus.device]]", "add one, or remove the line");
    }
    let devices = devices.into_iter().filter_map(|device| self::device(device, names)).collect();
    let (book, at) = (table.book, name_value.map_or(table.at, |v| v.at));
    table.finish(&[]);
    let line = ModbusLine { name: name?, address: connect?, timeout: timeout?, devices };
    let load = plan::line_load(&line).percent;
    if load > OVERLOADED {
        let what =
            format!("line `{}` is asked for {load:.0} % of what it can carry and cannot keep its periods", line.name);
        book.warn(at, what, "poll less often (every), or spread the devices over several lines");
    } else if load > BUSY {
        let what = format!("line `{}` is {load:.0} % loaded", line.name);
        book.warn(at, what, "leave room for a slow device: poll less often (every)");
    }
    Some(line)
}

fn connect(value: Value<'_>) -> Option<String> {
    let address = address::read(value, "tcp", PORT, &LATER_SCHEMES)?;
    if !address.path.is_empty() {
        value.complain(
            format!("`connect` has a path, \"{}\"", shorten(&address.path)),
            "end it after the port: tcp://host:port",
        );
        return None;
    }
    Some(address.authority())
}

fn device(table: Table<'_>, names: &mut Names) -> Option<ModbusDevice> {
    let name_value = table.need("name", "\"hydrant-main\"");
    let name = name_value.and_then(names::name);
    match (&name, name_value) {
        (Some(name), Some(value)) => {
            names.claim(Thing::Device, name, value);
        }
        _ => names.doubtful = true,
    }
    // 0 is no broadcast on TCP: many gateways take it for "the device itself". 255 likewise.
    let unit = table.need("unit", "1").and_then(|v| v.whole(0..=255)).map(|unit| unit as u8);
    let every = table.or("every", DEFAULT_EVERY, |v| v.duration(MIN_EVERY..=DAY));
    let kind = table.or("kind", "device".to_owned(), names::kind);
    let area = table.get("area").and_then(point::area);
    if let (Some(label), Some(name)) = (labels::label(&table), &name) {
        names.labels.name_device(name, label);
    }
    let points = table.tables("point", "[[modbus.device.point]]");
    let profile = table.later(&["profile"], "list the points with [[modbus.device.point]]");
    if points.is_empty() && table.place("point").is_none() && !profile {
        table.book.warn(table.at, "this device has no [[modbus.device.point]]", "add one, or remove the device");
    }
    names.doubtful |= profile;
    let context = Context { device: name.as_deref(), every };
    let points = points.into_iter().filter_map(|table| point(table, names, &context)).collect();
    table.finish(&["profile"]);
    Some(ModbusDevice { name: name?, unit: unit?, every: every?, kind: kind?, area, points })
}

/// What a point must know of its device.
struct Context<'n> {
    device: Option<&'n str>,
    every: Option<Duration>,
}

fn point(table: Table<'_>, names: &mut Names, context: &Context<'_>) -> Option<ModbusPoint> {
    let draft = point::read(&table, context.every);
    let register = table.need("register", "\"holding:0\"");
    let place = register.and_then(self::register);
    let ty = value_type(&table, place.map(|(table, _)| table));
    let order = table.get("order");
    let order_read = order.and_then(|v| {
        v.choice(&[("abcd", Order::Abcd), ("badc", Order::Badc), ("cdab", Order::Cdab), ("dcba", Order::Dcba)])
    });
    if let (Some(order), Some((Registers::Coil | Registers::Discrete, _))) = (order, place) {
        order.complain("`order` says nothing about a single bit", "leave it out for coils and discrete inputs");
    }
    if let (Some(register), Some((_, Some(address))), Some(ty)) = (register, place, ty)
        && u32::from(address) + u32::from(ty.width()) > 0x1_0000
    {
        register.complain(
            format!("`register` begins at {address} and its {} registers end beyond 65535", ty.width()),
            "the last register there is has address 65535",
        );
    }
    match (&draft.name, context.device) {
        (Some(name), Some(device)) => {
            let full = format!("{device}/{name}");
            let value = table.get("name")?;
            names.claim(Thing::Point, &full, value);
            let (unit, range) = (draft.unit.clone(), draft.range());
            names.labels.name_point(full.clone(), draft.label.clone());
            names.points.push(Known { name: full, unit, range, every: context.every, rules: 0 });
        }
        (None, _) => names.doubtful = true,
        (Some(_), None) => {}
    }
    table.finish(&[]);
    let stale = context.every.map(|every| (every * STALE_PERIODS).max(MIN_STALE));
    let (table, Some(address)) = place? else { return None };
    let order = if order.is_some() { order_read? } else { Order::default() };
    Some(ModbusPoint { spec: draft.finish(stale)?, table, address, ty: ty?, order })
}

/// `holding:0`. The table alone, where the address is wrong.
fn register(value: Value<'_>) -> Option<(Registers, Option<u16>)> {
    const EXAMPLE: &str = "write the table and the zero-based protocol address: register = \"holding:0\"";
    let text = value.text()?;
    let Some((table, address)) = text.split_once(':') else {
        value.complain(format!("`register` is \"{}\", without a table", shorten(text)), EXAMPLE);
        return None;
    };
    let tables = [
        ("holding", Registers::Holding),
        ("input", Registers::Input),
        ("coil", Registers::Coil),
        ("discrete", Registers::Discrete),
    ];
    let Some((_, table)) = tables.into_iter().find(|(word, _)| *word == table) else {
        let near = super::near::misspelt(table, tables.map(|(word, _)| word));
        let near = near.map_or(String::new(), |near| format!("did you mean \"{near}\"? "));
        value.complain(
            format!("there is no table \"{}\"", shorten(table)),
            format!("{near}known: holding, input, coil, discrete"),
        );
        return None;
    };
    if address.is_empty() || !address.chars().all(|c| c.is_ascii_digit()) {
        value.complain(format!("`register` is \"{}\", without a number", shorten(text)), EXAMPLE);
        return None;
    }
    let number = address.parse::<u16>().ok();
    match number {
        Some(number) => modicon(value, table, number),
        None => value.complain(format!("address {} is beyond 65535", shorten(address)), "addresses go from 0 to 65535"),
    }
    Some((table, number))
}

/// Manuals often say 40001 for the first holding register; taken as a protocol address it is another one.
fn modicon(value: Value<'_>, table: Registers, address: u16) {
    let first = match table {
        Registers::Holding => 40_001,
        Registers::Input => 30_001,
        Registers::Discrete => 10_001,
        Registers::Coil => return,
    };
    if (first..first + 1_000).contains(&address) {
        value.warn(
            format!("{address} looks like a number out of a manual, where {first} is the first register"),
            format!("write {} if it is; addresses here begin at 0", address - first),
        );
    }
}

/// The type, which only bits may leave out.
fn value_type(table: &Table<'_>, place: Option<Registers>) -> Option<ValueType> {
    match place {
        Some(Registers::Coil | Registers::Discrete) => {
            let ty = table.or("type", ValueType::Bool, self::ty);
            if ty.is_some_and(|ty| ty != ValueType::Bool)
                && let Some(value) = table.get("type")
            {
                value.complain("coils and discrete inputs are single bits", "write type = \"bool\", or leave it out");
            }
            ty
        }
        Some(Registers::Input | Registers::Holding) => table.need("type", "\"u16\"").and_then(self::ty),
        // What the register is has had its complaint; whether it wants a type is not known.
        None => table.get("type").and_then(self::ty),
    }
}

fn ty(value: Value<'_>) -> Option<ValueType> {
    let text = value.text()?;
    if let Some((_, ours)) = ALIASES.into_iter().find(|(alias, _)| *alias == text) {
        value.complain(format!("`type` cannot be \"{text}\""), format!("it is called \"{ours}\" here"));
        return None;
    }
    let Some(bit) = text.strip_prefix("bit:") else { return value.choice(&TYPES) };
    let bit = bit.parse().ok().filter(|n| *n <= 15 && !bit.contains('+'));
    if bit.is_none() {
        value.complain("a register has the bits 0 to 15", "write type = \"bit:0\" for the lowest");
    }
    bit.map(ValueType::Bit)
}
