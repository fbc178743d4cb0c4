//! The processes around the gateway: simulated devices, a bare poller, and a sink that only counts.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gengfu_tests::http::{Reply, Server};
use gengfu_tests::plant::Plant;
use gengfu_tests::process::{Folder, Process};
use gengfu_tests::site::Site;
use gengfu_tests::wait::unix_ms;
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// `figures sim DEVICES`: prints its ports, then obeys `flip DEVICE VALUE` and `polls` until its input ends.
pub(crate) fn simulate(devices: usize) {
    let plant = Plant::without_log(devices);
    let ports: Vec<String> = plant.ports().iter().map(u16::to_string).collect();
    println!("{}", ports.join(" "));
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["flip", device, value] = words.as_slice() {
            plant.devices[device.parse::<usize>().unwrap()].set(value.parse().unwrap());
        }
        println!("{}", plant.polls());
    }
}

/// `figures poller EVERY_MS REGISTERS PORT…`: asks every device at its pace and drops what it says.
pub(crate) fn poll(arguments: &[String]) {
    let numbers: Vec<u64> = arguments.iter().map(|a| a.parse().unwrap()).collect();
    let (every, registers) = (Duration::from_millis(numbers[0]), numbers[1] as u8);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let devices: Vec<_> =
        numbers[2..].iter().map(|port| runtime.spawn(poll_one(*port as u16, every, registers))).collect();
    for device in devices {
        runtime.block_on(device).unwrap().unwrap();
    }
}

async fn poll_one(port: u16, every: Duration, registers: u8) -> std::io::Result<()> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut timer = tokio::time::interval(every);
    let mut reply = vec![0; 9 + usize::from(registers) * 2];
    loop {
        timer.tick().await;
        stream.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, registers]).await?;
        stream.read_exact(&mut reply).await?;
        std::hint::black_box(reply[9..].chunks(2).map(|w| f64::from(w[0]) * 256.0 + f64::from(w[1])).sum::<f64>());
    }
}

/// `figures subscriber PORT COUNT`: takes in that many messages of QoS 1, acknowledges each at once and drops it.
pub(crate) fn subscribe(port: u16, count: u64) {
    let (client, mut connection) = mqtt("bare", port);
    client.subscribe("rig/+/v", QoS::AtLeastOnce).unwrap();
    let mut messages = connection.iter().filter(|event| matches!(event, Ok(Event::Incoming(Packet::Publish(_)))));
    assert!(messages.nth(count as usize - 1).is_some());
}

/// Publishes `count` readings of 50 devices, QoS 1, as fast as the broker takes them; returns at the last PUBACK.
pub(crate) fn publish(port: u16, count: u64) {
    let (client, mut connection) = mqtt("load", port);
    let sender = std::thread::spawn(move || {
        for n in 0..count {
            let payload = format!("{{\"v\":{}.5,\"ts\":{}}}", n % 100, unix_ms());
            client.publish(format!("rig/d{}/v", n % 50), QoS::AtLeastOnce, false, payload).unwrap();
        }
        client
    });
    let mut acks = connection.iter().filter(|event| matches!(event, Ok(Event::Incoming(Packet::PubAck(_)))));
    assert!(acks.nth(count as usize - 1).is_some());
    drop(sender.join());
}

fn mqtt(id: &str, port: u16) -> (Client, Connection) {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_inflight(1000).set_keep_alive(Duration::from_mins(1));
    Client::new(options, 1000)
}

/// The simulated devices, in a process of their own.
pub(crate) struct Sim {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    ports: Vec<u16>,
}

impl Sim {
    pub(crate) fn start(devices: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["sim", &devices.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let ports = line.split_whitespace().map(|p| p.parse().unwrap()).collect();
        Self { child, pipes: Mutex::new((input, output)), ports }
    }

    fn ask(&self, line: &str) -> u64 {
        let mut pipes = self.pipes.lock().unwrap();
        writeln!(pipes.0, "{line}").unwrap();
        let mut answer = String::new();
        pipes.1.read_line(&mut answer).unwrap();
        answer.trim().parse().unwrap()
    }

    pub(crate) fn flip(&self, device: usize, value: u16) {
        self.ask(&format!("flip {device} {value}"));
    }

    pub(crate) fn polls(&self) -> u64 {
        self.ask("polls")
    }

    /// Its devices in a site file.
    pub(crate) fn site(&self, site: Site, every_ms: u64, registers: u16) -> Site {
        site.modbus_at(&self.ports, every_ms, registers)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bare poller, in a process of its own.
pub(crate) struct Poller {
    pub(crate) process: Process,
    _dir: Folder,
}

/// The bare subscriber, in a process of its own; ends after so many messages.
pub(crate) struct Subscriber {
    pub(crate) process: Process,
    _dir: Folder,
}

impl Subscriber {
    pub(crate) fn start(port: u16, count: u64) -> Self {
        let dir = Folder::new("subscriber");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["subscriber", &port.to_string(), &count.to_string()]);
        Self { process: Process::start("subscriber", command, dir.path()), _dir: dir }
    }
}

impl Poller {
    pub(crate) fn start(sim: &Sim, every_ms: u64, registers: u16) -> Self {
        let dir = Folder::new("poller");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["poller", &every_ms.to_string(), &registers.to_string()]);
        command.args(sim.ports.iter().map(u16::to_string));
        Self { process: Process::start("poller", command, dir.path()), _dir: dir }
    }
}

/// An InfluxDB v2 write endpoint that counts numbers and forgets them.
pub(crate) struct Sink {
    server: Server,
    readings: Arc<AtomicU64>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let readings: Arc<AtomicU64> = Arc::default();
        let count = readings.clone();
        let server = Server::start(move |request| {
            let body = request.plain();
            let lines = body.split(|b| *b == b'\n').filter(|l| !l.starts_with(b"alarm,"));
            count.fetch_add(lines.map(fields).sum(), Ordering::Relaxed);
            Reply::Status(204, String::new())
        });
        Self { server, readings }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    pub(crate) fn readings(&self) -> u64 {
        self.readings.load(Ordering::Relaxed)
    }
}

/// Fields of a line whose names and tags need no escapes, as the bench's do.
fn fields(line: &[u8]) -> u64 {
    let part = line.split(|b| *b == b' ').nth(1).unwrap_or_default();
    part.split(|b| *b == b'=').count() as u64 - 1
}
