//! Sites built by hand for this room's tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gengfu_core::normalize::Scaling;

use crate::config::checked::{
    Broker, ConsoleConfig, JournalConfig, ModbusDevice, ModbusLine, ModbusPoint, MqttLink, MqttPoint, Order, PointSpec,
    Site, Subscription, Table, ValueType,
};
use crate::scripted::DEADLINE;

pub(super) fn spec(name: &str, unit: Option<&str>, range: Option<(f64, f64)>) -> PointSpec {
    PointSpec {
        name: name.into(),
        unit: unit.map(Into::into),
        scaling: Scaling { range, ..Scaling::default() },
        life_safety: false,
        bad_after: Duration::from_secs(10),
        stale_after: None,
    }
}

pub(super) fn point(name: &str, table: Table, address: u16, ty: ValueType) -> ModbusPoint {
    ModbusPoint { spec: spec(name, None, None), table, address, ty, order: Order::Abcd }
}

pub(super) fn device(name: &str, unit: u8, points: Vec<ModbusPoint>) -> ModbusDevice {
    ModbusDevice { name: name.into(), unit, every: Duration::from_secs(1), kind: "device".into(), area: None, points }
}

pub(super) fn line(name: &str, address: &str, devices: Vec<ModbusDevice>) -> ModbusLine {
    ModbusLine { name: name.into(), address: address.into(), timeout: Duration::from_millis(500), devices }
}

pub(super) fn link(name: &str, port: u16, subscriptions: Vec<Subscription>) -> MqttLink {
    MqttLink {
        name: name.into(),
        broker: Broker {
            host: "127.0.0.1".into(),
            port,
            client_id: format!("gengfu-{name}"),
            username: None,
            password_file: None,
            keep_alive: Duration::from_secs(30),
        },
        subscriptions,
    }
}

pub(super) fn subscription(topic: &str, device: &str, expect: &[&str], points: Vec<MqttPoint>) -> Subscription {
    Subscription {
        topic: topic.into(),
        qos: 1,
        device: device.into(),
        kind: "device".into(),
        area: None,
        expect: expect.iter().map(|name| (*name).into()).collect(),
        max_devices: 500,
        points,
    }
}

pub(super) fn mqtt_point(name: &str, value: &str, time: Option<&str>) -> MqttPoint {
    MqttPoint { spec: spec(name, Some("%LEL"), None), value: value.into(), time: time.map(Into::into) }
}

pub(super) fn site(modbus: Vec<ModbusLine>, mqtt: Vec<MqttLink>) -> Site {
    Site {
        id: "test".into(),
        name: "test".into(),
        street: None,
        industry: None,
        timezone: "Asia/Shanghai".into(),
        calendar: gengfu_core::detect::calendar::Calendar::default(),
        clock_tolerance: Duration::from_mins(1),
        journal: JournalConfig {
            path: PathBuf::from("/nonexistent"),
            keep: Duration::from_hours(24),
            keep_life_safety: Duration::from_hours(24),
            max_size: 1 << 30,
        },
        console: ConsoleConfig { listen: SocketAddr::from(([127, 0, 0, 1], 8420)) },
        modbus,
        mqtt,
        rules: Vec::new(),
        policy: crate::config::checked::Policy::default(),
        performance: gengfu_core::alarm::performance::Params::default(),
        warning: crate::config::checked::WarningConfig::default(),
        labels: crate::config::checked::Labels::default(),
        influx: Vec::new(),
        uplinks: Vec::new(),
        webhooks: Vec::new(),
    }
}

/// A loopback address nobody listens on at the moment.
pub(super) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("loopback has a free port")
}

/// Waits until `holds`.
pub(super) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, patience).await.is_ok(), "never came true: {what}");
}
