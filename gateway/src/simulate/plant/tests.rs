//! The whole plant on real sockets.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use tokio_modbus::client::Reader;

use super::super::testing::{device, eventually, free_address, line, link, mqtt_point, point, site, subscription};
use super::*;
use crate::config::checked::{Table, ValueType};
use crate::scripted::DEADLINE;
use crate::simulate::DemoPorts;

async fn start(site: &Site) -> Result<Plant, String> {
    Plant::start(site, Story::plain(1), Clock::start()).await
}

fn gas(expect: &[&str]) -> crate::config::checked::Subscription {
    subscription("sensors/+/gas", "gas-{1}", expect, vec![mqtt_point("ch4", "/lel", Some("/ts"))])
}

/// Everything heard on the port, as `(topic, payload)`.
fn listen(port: u16) -> tokio::sync::mpsc::Receiver<(String, Vec<u8>)> {
    let (heard, hears) = tokio::sync::mpsc::channel(1_000);
    let (client, mut events) = AsyncClient::new(MqttOptions::new("listener", "127.0.0.1", port), 10);
    tokio::spawn(async move {
        client.subscribe("#", QoS::AtLeastOnce).await.expect("the queue is empty");
        while !heard.is_closed() {
            match events.poll().await {
                Ok(Event::Incoming(Packet::Publish(p))) => {
                    let _ = heard.send((p.topic.clone(), p.payload.to_vec())).await;
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    hears
}

async fn next(hears: &mut tokio::sync::mpsc::Receiver<(String, Vec<u8>)>) -> (String, Vec<u8>) {
    tokio::time::timeout(DEADLINE, hears.recv()).await.expect("a message in time").expect("a listener")
}

#[tokio::test]
async fn the_expected_devices_speak_each_second_through_the_broker_of_the_plant() {
    let port = free_address().port();
    let plant = start(&site(Vec::new(), vec![link("lora", port, vec![gas(&["gas-a", "gas-b"])])])).await.unwrap();
    assert_eq!(plant.brokers().len(), 1);
    let mut hears = listen(port);
    let mut topics = std::collections::BTreeSet::new();
    while topics.len() < 2 {
        let (topic, payload) = next(&mut hears).await;
        let json: Value = serde_json::from_slice(&payload).unwrap();
        assert!(json.pointer("/lel").is_some_and(Value::is_number) && json.pointer("/ts").is_some_and(Value::is_i64));
        topics.insert(topic);
    }
    assert_eq!(topics.into_iter().collect::<Vec<_>>(), ["sensors/a/gas", "sensors/b/gas"]);
    eventually("acknowledgements", async || plant.counts().acknowledged >= 2).await;
    plant.stop().await;
}

#[tokio::test]
async fn a_broker_that_listens_already_is_used() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broker = Broker::start(listener, Clock::start()).unwrap();
    let link = link("lora", broker.address().port(), vec![gas(&["gas-a"])]);
    let plant = start(&site(Vec::new(), vec![link])).await.unwrap();
    assert!(plant.brokers().is_empty());
    eventually("messages", async || broker.counts().received > 0).await;
    plant.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn a_broken_mqtt_device_is_silent_or_speaks_garbage() {
    let port = free_address().port();
    let plant = start(&site(Vec::new(), vec![link("lora", port, vec![gas(&["gas-a", "gas-b"])])])).await.unwrap();
    assert!(plant.set_fault("gas-a", Fault::Silent));
    assert!(plant.set_fault("gas-b", Fault::Garbage));
    assert!(!plant.set_fault("nobody", Fault::Silent));
    let mut hears = listen(port);
    // What was said before the switches moved may still come; then two rounds of garbage from b and nothing from a.
    let mut garbage = 0;
    while garbage < 2 {
        let (topic, payload) = next(&mut hears).await;
        if serde_json::from_slice::<Value>(&payload).is_err() {
            assert_eq!(topic, "sensors/b/gas");
            garbage += 1;
        } else {
            assert_eq!(garbage, 0, "{topic} spoke after its fault");
        }
    }
    plant.stop().await;
}

#[tokio::test]
async fn what_is_not_on_this_machine_is_refused_with_its_name() {
    let dev = || vec![device("d", 1, vec![point("p", Table::Holding, 0, ValueType::U16)])];
    for address in ["10.0.0.5:502", "plc.example:502", "0.0.0.0:1502", "127.0.0.1", "127.0.0.1:0", "[2001:db8::1]:502"]
    {
        let error = start(&site(vec![line("boiler", address, dev())], Vec::new())).await.unwrap_err();
        assert!(error.contains("boiler") && error.contains("127.0.0.1") || error.contains("port"), "{error}");
    }
    let mut far = link("cloud", 1883, vec![gas(&[])]);
    far.broker.host = "broker.example".into();
    let error = start(&site(Vec::new(), vec![far])).await.unwrap_err();
    assert!(error.contains("cloud") && error.contains("broker.example:1883"), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dev = vec![device("d", 1, vec![point("p", Table::Holding, 0, ValueType::U16)])];
    let error = start(&site(vec![line("boiler", &address, dev)], Vec::new())).await.unwrap_err();
    assert!(error.contains(&address), "{error}");
}

#[tokio::test]
async fn lines_that_share_an_address_share_its_server() {
    let address = free_address().to_string();
    let dev = |name: &str, unit| vec![device(name, unit, vec![point("p", Table::Holding, 0, ValueType::U16)])];
    let site = site(vec![line("a", &address, dev("d1", 1)), line("b", &address, dev("d2", 2))], Vec::new());
    let plant = start(&site).await.unwrap();
    for unit in [1, 2] {
        let mut context = tokio_modbus::client::tcp::connect_slave(address.parse().unwrap(), tokio_modbus::Slave(unit))
            .await
            .unwrap();
        assert!(context.read_holding_registers(0, 1).await.unwrap().is_ok());
    }
    plant.stop().await;
}

#[tokio::test]
async fn held_ports_are_handed_over() {
    let held = DemoPorts::free(8420).unwrap();
    let ports = held.ports;
    let dev = vec![device("d", 1, vec![point("p", Table::Holding, 0, ValueType::U16)])];
    let site = site(
        vec![line("pump-room", &format!("127.0.0.1:{}", ports.pump_room), dev)],
        vec![link("lora", ports.mqtt, vec![gas(&["gas-a"])])],
    );
    let plant = Plant::start_on(&site, Story::demo(1), Clock::start(), held.listeners).await.unwrap();
    assert_eq!(plant.brokers().len(), 1);
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", ports.pump_room)).await.is_ok());
    eventually("messages", async || plant.counts().acknowledged > 0).await;
    plant.stop().await;
}
