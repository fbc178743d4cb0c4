//! The link against a real Mosquitto.

use std::time::Duration;

use gengfu_core::normalize::Scaling;

use crate::config::checked::{MqttLink, MqttPoint, PointSpec, Subscription};

pub(super) fn point(name: &str, value: &str) -> MqttPoint {
    let spec = PointSpec {
        name: name.to_owned(),
        unit: None,
        scaling: Scaling::default(),
        life_safety: false,
        bad_after: Duration::from_secs(10),
        stale_after: None,
    };
    MqttPoint { spec, value: value.to_owned(), time: None }
}

pub(super) fn subscription(topic: &str, device: &str, points: Vec<MqttPoint>) -> Subscription {
    Subscription {
        topic: topic.to_owned(),
        qos: 1,
        device: device.to_owned(),
        kind: "gas".to_owned(),
        area: None,
        expect: Vec::new(),
        max_devices: 500,
        points,
    }
}

pub(super) fn link(host: &str, port: u16, subscriptions: Vec<Subscription>) -> MqttLink {
    MqttLink {
        name: "lora".to_owned(),
        host: host.to_owned(),
        port,
        client_id: "gengfu-test".to_owned(),
        username: None,
        password_file: None,
        keep_alive: Duration::from_secs(5),
        subscriptions,
    }
}
