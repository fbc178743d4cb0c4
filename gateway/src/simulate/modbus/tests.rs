//! The servers with real sockets and tokio-modbus clients.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_modbus::client::Context;
use tokio_modbus::prelude::*;

use super::super::testing::{device, eventually, free_address, line, point, site};
use super::*;
use crate::clock::Clock;
use crate::config::checked::{ModbusPoint, Site, ValueType};
use crate::simulate::Plant;

const SHORT: Duration = Duration::from_millis(200);

fn points() -> Vec<ModbusPoint> {
    let mut pressure = point("pressure", Table::Holding, 10, ValueType::F32);
    pressure.spec.unit = Some("MPa".into());
    vec![
        pressure,
        point("state", Table::Holding, 12, ValueType::U16),
        point("level", Table::Input, 0, ValueType::I16),
        point("pump", Table::Coil, 3, ValueType::Bool),
        point("door", Table::Discrete, 7, ValueType::Bool),
    ]
}

async fn plant() -> (Plant, Site, SocketAddr) {
    let address = free_address();
    let devices = vec![device("one", 1, points()), device("two", 2, points())];
    let site = site(vec![line("line", &address.to_string(), devices)], Vec::new());
    let plant = Plant::start(&site, Story::plain(1), Clock::start()).await.unwrap();
    (plant, site, address)
}

async fn client(address: SocketAddr, unit: u8) -> Context {
    tcp::connect_slave(address, Slave(unit)).await.unwrap()
}

async fn pressure(context: &mut Context) -> Result<Vec<u16>, ExceptionCode> {
    context.read_holding_registers(10, 2).await.expect("the link holds")
}

#[tokio::test]
async fn all_four_tables_answer() {
    let (plant, _, address) = plant().await;
    let mut context = client(address, 1).await;
    let words = context.read_holding_registers(10, 3).await.unwrap().unwrap();
    let value = f32::from_be_bytes([(words[0] >> 8) as u8, words[0] as u8, (words[1] >> 8) as u8, words[1] as u8]);
    assert!((0.30..=0.42).contains(&value), "{value} MPa");
    assert_eq!(context.read_input_registers(0, 1).await.unwrap().unwrap().len(), 1);
    assert_eq!(context.read_coils(3, 1).await.unwrap().unwrap().len(), 1);
    assert_eq!(context.read_discrete_inputs(7, 1).await.unwrap().unwrap().len(), 1);
    plant.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_an_exception_and_the_link_holds() {
    let (plant, _, address) = plant().await;
    let mut context = client(address, 1).await;
    assert_eq!(context.read_holding_registers(12, 2).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
    assert_eq!(context.read_coils(10, 1).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
    assert_eq!(context.write_single_register(10, 1).await.unwrap(), Err(ExceptionCode::IllegalFunction));
    context.set_slave(Slave(9));
    assert_eq!(context.read_holding_registers(10, 2).await.unwrap(), Err(ExceptionCode::GatewayTargetDevice));
    context.set_slave(Slave(2));
    assert!(pressure(&mut context).await.is_ok());
    plant.stop().await;
}

#[tokio::test]
async fn a_silent_device_leaves_its_neighbour_alone_and_comes_back() {
    let (plant, _, address) = plant().await;
    assert!(plant.set_fault("one", Fault::Silent));
    let mut silent = client(address, 1).await;
    assert!(tokio::time::timeout(SHORT, pressure(&mut silent)).await.is_err());
    assert!(pressure(&mut client(address, 2).await).await.is_ok());
    assert!(plant.set_fault("one", Fault::None));
    assert!(pressure(&mut client(address, 1).await).await.is_ok());
    plant.stop().await;
}

#[tokio::test]
async fn exceptions_and_delays_come_as_set() {
    let (plant, _, address) = plant().await;
    plant.set_fault("one", Fault::Exception(4));
    let mut context = client(address, 1).await;
    assert_eq!(pressure(&mut context).await, Err(ExceptionCode::ServerDeviceFailure));
    plant.set_fault("one", Fault::Slow(SHORT));
    assert!(tokio::time::timeout(SHORT / 2, pressure(&mut client(address, 1).await)).await.is_err());
    assert!(pressure(&mut client(address, 1).await).await.is_ok());
    plant.stop().await;
}

#[tokio::test]
async fn a_refusing_device_closes_its_address_and_opens_it_again() {
    let (plant, _, address) = plant().await;
    let mut before = client(address, 2).await;
    plant.set_fault("one", Fault::Refused);
    let refused = |e: std::io::Error| e.kind() == std::io::ErrorKind::ConnectionRefused;
    eventually("refusal", async || TcpStream::connect(address).await.is_err_and(refused)).await;
    eventually("old connections end", async || before.read_holding_registers(10, 2).await.is_err()).await;
    plant.set_fault("one", Fault::None);
    eventually("an open port", async || TcpStream::connect(address).await.is_ok()).await;
    assert!(pressure(&mut client(address, 1).await).await.is_ok());
    plant.stop().await;
}

/// One raw request for registers 10 and 11 of unit 1, and the bytes of the reply.
async fn raw(stream: &mut TcpStream) -> Vec<u8> {
    stream.write_all(&[0, 7, 0, 0, 0, 6, 1, 3, 0, 10, 0, 2]).await.unwrap();
    let mut head = [0; 6];
    stream.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]]))];
    stream.read_exact(&mut body).await.unwrap();
    body
}

#[tokio::test]
async fn garbage_is_too_short_too_long_and_of_another_function() {
    let (plant, _, address) = plant().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let good = raw(&mut stream).await;
    assert_eq!(good[..3], [1, 3, 4]);
    plant.set_fault("one", Fault::Garbage);
    assert_eq!(raw(&mut stream).await[1..3], [3, 2]);
    assert_eq!(raw(&mut stream).await[1..3], [3, 6]);
    assert_eq!(raw(&mut stream).await[1], 0x41);
    plant.set_fault("one", Fault::None);
    assert_eq!(raw(&mut stream).await[..3], [1, 3, 4]);
    plant.stop().await;
}

#[tokio::test]
async fn clients_that_talk_nonsense_end_their_own_connection_only() {
    let (plant, _, address) = plant().await;
    let mut well = client(address, 1).await;
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xFF; 300], &[0, 1, 0, 0, 0, 0], &[0, 1, 0, 0, 0, 6, 1]] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        drop(stream);
        assert!(pressure(&mut well).await.is_ok());
    }
    plant.stop().await;
}

#[tokio::test]
async fn clients_beyond_the_limit_are_turned_away_and_places_come_free() {
    let (plant, _, address) = plant().await;
    let mut clients = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut context = client(address, 1).await;
        assert!(pressure(&mut context).await.is_ok());
        clients.push(context);
    }
    let mut extra = client(address, 1).await;
    assert!(extra.read_holding_registers(10, 2).await.is_err());
    clients.clear();
    eventually("a free place", async || client(address, 1).await.read_holding_registers(10, 2).await.is_ok()).await;
    plant.stop().await;
}

#[tokio::test]
async fn a_stopped_plant_frees_its_port() {
    let (plant, site, address) = plant().await;
    let mut context = client(address, 1).await;
    assert!(pressure(&mut context).await.is_ok());
    plant.stop().await;
    eventually("connections end", async || context.read_holding_registers(10, 2).await.is_err()).await;
    let again = Plant::start(&site, Story::plain(1), Clock::start()).await.unwrap();
    assert!(pressure(&mut client(address, 1).await).await.is_ok());
    again.stop().await;
}
