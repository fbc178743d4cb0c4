//! Lines against servers: tokio-modbus's own, and hand-written ones that misbehave byte by byte. Register `a` of unit
//! `u` always holds `1000 * u + a`, so a value that belongs to another request shows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gengfu_core::normalize::Scaling;
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::Reading;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::checked::{ModbusDevice, ModbusLine, ModbusPoint, Order, PointSpec, Table, ValueType};
use crate::scripted::DEADLINE;
use crate::source::testing::Bench;
use crate::telemetry::LinkState;

/// How long the lines of these tests wait for a reply.
const TIMEOUT: Duration = Duration::from_millis(150);

fn point(name: &str, table: Table, address: u16, ty: ValueType) -> ModbusPoint {
    let spec = PointSpec {
        name: name.to_owned(),
        unit: None,
        scaling: Scaling::default(),
        life_safety: false,
        bad_after: Duration::from_secs(10),
        stale_after: None,
    };
    ModbusPoint { spec, table, address, ty, order: Order::Abcd }
}

fn device(unit: u8, points: Vec<ModbusPoint>) -> ModbusDevice {
    ModbusDevice {
        name: format!("u{unit}"),
        unit,
        every: Duration::from_millis(50),
        kind: "device".to_owned(),
        area: None,
        points,
    }
}

fn line(address: SocketAddr, devices: Vec<ModbusDevice>) -> ModbusLine {
    ModbusLine { name: "line".to_owned(), address: address.to_string(), timeout: TIMEOUT, devices }
}

/// A device with one point of two registers at address 10.
fn plain(unit: u8) -> ModbusDevice {
    device(unit, vec![point("v", Table::Holding, 10, ValueType::U32)])
}

/// What the plain point of `unit` must read.
fn truth(unit: u8) -> f64 {
    let first = u32::from(unit) * 1000 + 10;
    f64::from((first << 16) | (first + 1))
}

/// One read request, as the wire has it.
#[derive(Debug, Clone)]
struct Asked {
    transaction: u16,
    unit: u8,
    function: u8,
    address: u16,
    count: u16,
}

impl Asked {
    fn frame(&self, pdu: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend(self.transaction.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend((pdu.len() as u16 + 1).to_be_bytes());
        frame.push(self.unit);
        frame.extend(pdu);
        frame
    }

    /// The right answer with `count` registers.
    fn registers(&self, count: u16) -> Vec<u8> {
        let mut pdu = vec![self.function, (count * 2) as u8];
        for n in 0..count {
            pdu.extend((u16::from(self.unit) * 1000 + self.address + n).to_be_bytes());
        }
        self.frame(&pdu)
    }

    fn right(&self) -> Vec<u8> {
        self.registers(self.count)
    }

    fn exception(&self, code: u8) -> Vec<u8> {
        self.frame(&[self.function | 0x80, code])
    }
}

/// What a server does with a request.
enum Deed {
    Send(Vec<u8>),
    /// Waits first, with everything behind it waiting too.
    SendLate(Duration, Vec<u8>),
    Nothing,
    Close,
}

/// A server that does with each request what `deed` says; requests are numbered from 0 over all connections.
async fn server(deed: impl Fn(u64, &Asked) -> Deed + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (deed, count) = (Arc::new(deed), Arc::new(AtomicU64::new(0)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (deed, count) = (Arc::clone(&deed), Arc::clone(&count));
            tokio::spawn(async move { serve(stream, &*deed, &count).await });
        }
    });
    address
}

async fn serve(mut stream: TcpStream, deed: &(impl Fn(u64, &Asked) -> Deed + Sync), count: &AtomicU64) -> Option<()> {
    let mut frame = [0; 12];
    loop {
        stream.read_exact(&mut frame).await.ok()?;
        let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let asked =
            Asked { transaction: word(0), unit: frame[6], function: frame[7], address: word(8), count: word(10) };
        match deed(count.fetch_add(1, Ordering::SeqCst), &asked) {
            Deed::Send(bytes) => stream.write_all(&bytes).await.ok()?,
            Deed::SendLate(wait, bytes) => {
                tokio::time::sleep(wait).await;
                stream.write_all(&bytes).await.ok()?;
            }
            Deed::Nothing => {}
            Deed::Close => return None,
        }
    }
}

/// Runs units 1 (sound) and 2 (which gets `deed`) on one line until unit 1 was read 20 times and unit 2 was bad once.
/// Returns the first bad reason of unit 2. No value may be another's, and unit 1 may not suffer.
async fn misbehaving(deed: impl Fn(u64, &Asked) -> Deed + Send + Sync + 'static) -> Reason {
    let address =
        server(move |n, asked| if asked.unit == 1 { Deed::Send(asked.right()) } else { deed(n, asked) }).await;
    let mut bench = Bench::start(vec![line(address, vec![plain(1), plain(2)])], vec![]);
    let (mut sound, mut first_bad) = (0, None);
    let seen = bench
        .readings_until(|name, reading| {
            sound += u32::from(name == "u1/v");
            if name == "u2/v" && first_bad.is_none() {
                first_bad = reading.quality.reason();
            }
            sound >= 20 && first_bad.is_some()
        })
        .await;
    only_truth(&seen);
    let suffered = seen.iter().filter(|(name, reading)| name == "u1/v" && reading.quality != Quality::Good).count();
    assert_eq!(suffered, 0, "the neighbour on the line");
    bench.stop().await;
    first_bad.expect("unit 2 was bad")
}

fn only_truth(seen: &[(String, Reading)]) {
    for (name, reading) in seen {
        let unit: u8 = name[1..].split('/').next().unwrap().parse().unwrap();
        match reading.quality {
            Quality::Good => assert_eq!(reading.value, truth(unit), "{name} holds another's value"),
            Quality::Bad(_) => assert_eq!(reading.value, 0.0, "{name}"),
            Quality::Uncertain(_) => panic!("{name}: {:?}", reading.quality),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_reply_is_a_device_fault_also_in_a_debug_build() {
    assert_eq!(misbehaving(|_, asked| Deed::Send(asked.registers(1))).await, Reason::DeviceFault);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reply_is_a_device_fault() {
    assert_eq!(misbehaving(|_, asked| Deed::Send(asked.registers(3))).await, Reason::DeviceFault);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_of_another_unit_is_a_late_reply() {
    let deed = |_, asked: &Asked| Deed::Send(Asked { unit: 7, ..asked.clone() }.right());
    assert_eq!(misbehaving(deed).await, Reason::LateReply);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_of_another_transaction_is_a_late_reply() {
    let deed = |_, asked: &Asked| {
        let other =
            Asked { transaction: asked.transaction.wrapping_sub(1), address: asked.address + 5, ..asked.clone() };
        Deed::Send(other.right())
    };
    assert_eq!(misbehaving(deed).await, Reason::LateReply);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_of_another_function_is_a_late_reply() {
    let deed = |_, asked: &Asked| Deed::Send(Asked { function: 4, ..asked.clone() }.right());
    assert_eq!(misbehaving(deed).await, Reason::LateReply);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_comm() {
    let deed = |n: u64, _: &Asked| Deed::Send(n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes().repeat(4));
    // Depending on what the length field says, the garbage is unreadable at once or never complete.
    let reason = misbehaving(deed).await;
    assert!(matches!(reason, Reason::Comm | Reason::Timeout), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_cut_short_inside_is_comm() {
    // Says four bytes of registers and holds two.
    let deed = |_, asked: &Asked| Deed::Send(asked.frame(&[3, 4, 0, 1]));
    assert_eq!(misbehaving(deed).await, Reason::Comm);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_a_timeout() {
    assert_eq!(misbehaving(|_, _| Deed::Nothing).await, Reason::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_is_comm() {
    assert_eq!(misbehaving(|_, _| Deed::Close).await, Reason::Comm);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_is_a_device_fault_and_a_gateways_complaint_is_comm() {
    assert_eq!(misbehaving(|_, asked| Deed::Send(asked.exception(2))).await, Reason::DeviceFault);
    assert_eq!(misbehaving(|_, asked| Deed::Send(asked.exception(0x0B))).await, Reason::Comm);
    assert_eq!(misbehaving(|_, asked| Deed::Send(asked.exception(0x0A))).await, Reason::Comm);
}

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_do_not_cost_the_connection_nor_the_other_requests() {
    let address =
        server(|_, asked| Deed::Send(if asked.address == 50 { asked.exception(2) } else { asked.right() })).await;
    let points = vec![
        point("v", Table::Holding, 10, ValueType::U32),
        point("w", Table::Holding, 50, ValueType::U32),
        point("x", Table::Holding, 10, ValueType::U32),
    ];
    let mut bench = Bench::start(vec![line(address, vec![device(1, points)])], vec![]);
    for _ in 0..10 {
        let batch = bench.batch().await;
        let qualities: Vec<Quality> = batch.readings.iter().map(|reading| reading.quality).collect();
        assert_eq!(qualities, [Quality::Good, Quality::Bad(Reason::DeviceFault), Quality::Good]);
    }
    assert_eq!(bench.context.stats.modbus_connects.get(), 1);
    assert!(bench.context.stats.modbus_exceptions.get() >= 10);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_late_reply_costs_one_poll_and_passes_for_no_other() {
    // Each reply takes 20 ms, one takes twice the timeout: the case in which the library never recovers by itself.
    let slow = Duration::from_millis(20);
    let address = server(move |n, asked| Deed::SendLate(if n == 5 { TIMEOUT * 2 } else { slow }, asked.right())).await;
    let devices = vec![plain(1), device(2, vec![point("v", Table::Holding, 10, ValueType::U32)])];
    let mut bench = Bench::start(vec![line(address, devices)], vec![]);
    let (mut after, mut bad) = (0, 0);
    let seen = bench
        .readings_until(|_, reading| {
            bad += u32::from(reading.quality != Quality::Good);
            after += u32::from(bad > 0);
            after >= 20
        })
        .await;
    only_truth(&seen);
    let reasons: Vec<_> = seen.iter().filter_map(|(_, reading)| reading.quality.reason()).collect();
    assert_eq!(reasons, [Reason::Timeout]);
    assert_eq!(bench.context.stats.modbus_connects.get(), 2);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_reply_before_the_right_one_is_refused() {
    // A serial gateway that hands out what it had kept from before, then the answer.
    let address = server(|n, asked| {
        let stale = Asked { transaction: asked.transaction.wrapping_sub(1), unit: 9, ..asked.clone() }.right();
        Deed::Send(if n == 3 { [stale, asked.right()].concat() } else { asked.right() })
    })
    .await;
    let mut bench = Bench::start(vec![line(address, vec![plain(1), plain(2)])], vec![]);
    let mut count = 0;
    let seen = bench
        .readings_until(|_, _| {
            count += 1;
            count >= 20
        })
        .await;
    only_truth(&seen);
    let reasons: Vec<_> = seen.iter().filter_map(|(_, reading)| reading.quality.reason()).collect();
    assert_eq!(reasons, [Reason::LateReply]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_comm_each_period_until_the_device_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut bench = Bench::start(vec![line(address, vec![plain(1)])], vec![]);
    let mut count = 0;
    let down = bench
        .readings_until(|_, reading| {
            assert_eq!(reading.quality, Quality::Bad(Reason::Comm));
            count += 1;
            count >= 10
        })
        .await;
    assert!(down.windows(2).all(|pair| pair[0].1.at <= pair[1].1.at), "stamped when it was reported");
    bench.link("line", |state| matches!(state, LinkState::Down { .. })).await;

    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let count = AtomicU64::new(0);
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream, &|_: u64, asked: &Asked| Deed::Send(asked.right()), &count).await;
        }
    });
    let seen = bench.readings_until(|_, reading| reading.quality == Quality::Good).await;
    only_truth(&seen);
    bench.link("line", |state| *state == LinkState::Up).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_accepts_and_closes_is_down_until_its_first_reply() {
    let well = Arc::new(AtomicU64::new(0));
    let mended = Arc::clone(&well);
    let address = server(
        move |_, asked| {
            if mended.load(Ordering::SeqCst) == 0 { Deed::Close } else { Deed::Send(asked.right()) }
        },
    )
    .await;
    let mut bench = Bench::start(vec![line(address, vec![plain(1)])], vec![]);
    bench.link("line", |state| matches!(state, LinkState::Down { .. })).await;
    let since = bench.context.stats.links()["line"].since;
    let (stats, mut polls) = (Arc::clone(&bench.context.stats), 0);
    bench
        .readings_until(|_, _| {
            assert!(matches!(stats.links()["line"].state, LinkState::Down { .. }), "no connection makes it up");
            polls += 1;
            polls >= 10 && stats.modbus_connects.get() >= 4
        })
        .await;
    assert_eq!(stats.links()["line"].since, since, "one outage");
    well.store(1, Ordering::SeqCst);
    bench.link("line", |state| *state == LinkState::Up).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_on_which_no_unit_answers_any_more_is_down_and_with_one_that_does_it_is_up() {
    let sick = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&sick);
    let deed = move |_, asked: &Asked| {
        if u64::from(asked.unit) <= seen.load(Ordering::SeqCst) { Deed::Nothing } else { Deed::Send(asked.right()) }
    };
    let mut bench = Bench::start(vec![line(server(deed).await, vec![plain(1), plain(2)])], vec![]);
    bench.link("line", |state| *state == LinkState::Up).await;
    sick.store(1, Ordering::SeqCst);
    let stats = Arc::clone(&bench.context.stats);
    bench.readings_until(|name, reading| name == "u1/v" && reading.quality != Quality::Good).await;
    bench
        .readings_until(|name, _| {
            assert_eq!(stats.links()["line"].state, LinkState::Up, "the other unit answers");
            name == "u2/v" && stats.modbus_timeouts.get() >= 3
        })
        .await;
    sick.store(2, Ordering::SeqCst);
    let down = |state: &LinkState| matches!(state, LinkState::Down { why } if why.contains("no unit answers"));
    bench.link("line", down).await;
    sick.store(0, Ordering::SeqCst);
    bench.link("line", |state| *state == LinkState::Up).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_unit_comes_back_by_a_probe() {
    let address =
        server(|n, asked| if asked.unit == 2 && n < 40 { Deed::Nothing } else { Deed::Send(asked.right()) }).await;
    let mut bench = Bench::start(vec![line(address, vec![plain(1), plain(2)])], vec![]);
    let seen = bench.readings_until(|name, reading| name == "u2/v" && reading.quality == Quality::Good).await;
    only_truth(&seen);
    let of = |unit: &str| seen.iter().filter(|(name, _)| name == unit).count();
    assert!(of("u2/v") >= 20, "a bad reading each period, asked or not: {}", of("u2/v"));
    let timeouts = bench.context.stats.modbus_timeouts.get();
    assert!((2..=6).contains(&timeouts), "{timeouts} requests went into the void");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_lines_of_which_three_are_sick() {
    let mut lines = Vec::new();
    for n in 0..50_u8 {
        let address = server(move |count, asked| match n {
            0 => Deed::Nothing,
            1 => Deed::Send(asked.exception(4)),
            2 => Deed::Send(count.to_le_bytes().repeat(3)),
            _ => Deed::Send(asked.right()),
        })
        .await;
        let mut config = line(address, vec![ModbusDevice { every: Duration::from_millis(100), ..plain(n) }]);
        config.name = format!("line-{n}");
        lines.push(config);
    }
    let mut bench = Bench::start(lines, vec![]);
    let mut polls: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut total = 0;
    let seen = bench
        .readings_until(|name, reading| {
            polls.entry(name.to_owned()).or_default().push(reading.at.0);
            total += 1;
            total >= 50 * 30
        })
        .await;
    only_truth(&seen);
    let sick = ["u0/v", "u1/v", "u2/v"];
    let gaps = |name: &str| polls[name].windows(2).skip(1).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    let worst = polls.keys().filter(|name| !sick.contains(&name.as_str())).map(|name| gaps(name)).max().unwrap();
    println!("47 sound devices polled every 100 ms: worst gap {worst} ms");
    assert!(worst <= 300, "worst gap {worst} ms");
    for (name, reading) in &seen {
        assert_eq!(reading.quality.has_value(), !sick.contains(&name.as_str()), "{name}: {:?}", reading.quality);
    }
    bench.stop().await;
}

/// All four tables, of a server that is not our code.
mod library_server {
    use super::*;
    use std::future::ready;
    use tokio_modbus::server::Service;
    use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
    use tokio_modbus::{ExceptionCode, Request, Response};

    struct Tables;

    impl Service for Tables {
        type Request = Request<'static>;
        type Response = Response;
        type Exception = ExceptionCode;
        type Future = std::future::Ready<Result<Response, ExceptionCode>>;

        #[expect(clippy::wildcard_enum_match_arm, reason = "every request but a read is refused")]
        fn call(&self, request: Self::Request) -> Self::Future {
            let words = |base: u16, address: u16, count: u16| (0..count).map(|n| base + address + n).collect();
            let bits = |address: u16, count: u16| (0..count).map(|n| (address + n).is_multiple_of(3)).collect();
            ready(match request {
                Request::ReadCoils(address, count) => Ok(Response::ReadCoils(bits(address, count))),
                Request::ReadDiscreteInputs(address, count) => Ok(Response::ReadDiscreteInputs(bits(address, count))),
                Request::ReadHoldingRegisters(address, count) => {
                    Ok(Response::ReadHoldingRegisters(words(1000, address, count)))
                }
                Request::ReadInputRegisters(address, count) => {
                    Ok(Response::ReadInputRegisters(words(2000, address, count)))
                }
                _ => Err(ExceptionCode::IllegalFunction),
            })
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn all_tables_and_a_signed_scaled_value() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let connected = |stream, from| async move { accept_tcp_connection(stream, from, |_| Ok(Some(Tables))) };
            let _ = Server::new(listener).serve(&connected, |_| {}).await;
        });
        let mut scaled = point("scaled", Table::Holding, 4, ValueType::I16);
        scaled.spec.scaling = Scaling { scale: 0.1, offset: -1.0, range: Some((0.0, 50.0)) };
        let points = vec![
            point("coil", Table::Coil, 9, ValueType::Bool),
            point("discrete", Table::Discrete, 10, ValueType::Bool),
            point("holding", Table::Holding, 7, ValueType::U16),
            point("input", Table::Input, 7, ValueType::U32),
            scaled,
        ];
        let mut bench = Bench::start(vec![line(address, vec![device(1, points)])], vec![]);
        let batch = tokio::time::timeout(DEADLINE, bench.batch()).await.unwrap();
        let values: Vec<(f64, Quality)> = batch.readings.iter().map(|r| (r.value, r.quality)).collect();
        let good = |value: f64| (value, Quality::Good);
        assert_eq!(
            values,
            [
                good(1.0),
                good(0.0),
                good(1007.0),
                good(f64::from(2007_u32 * 65_536 + 2008)),
                (0.0, Quality::Bad(Reason::OutOfRange)),
            ]
        );
        bench.stop().await;
    }
}
