//! Counting Modbus TCP devices, each on a port of its own, with faults on demand. Written on plain sockets, since a
//! proper server library refuses to misbehave. Register 0 is set by the test, registers 1 and 2 hold the number of the
//! poll (u32, big words first), so that losses and repeats are exact; the rest wander slowly, as sensors do,
//! or are noise, which no journal can make small.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wait::now;

/// What a device does instead of answering well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    #[default]
    Sound,
    /// Takes the request and says nothing.
    Silent,
    /// Modbus exception of this code.
    Exception(u8),
    /// Bytes that are no frame.
    Garbage,
    /// Fewer registers than asked for, in a frame that is well formed.
    Short,
    /// More registers than asked for.
    Long,
    /// Header names another unit.
    OtherUnit,
    /// Header names another transaction.
    OtherTransaction,
    /// Each reply comes when the next request has: late by one.
    LateByOne,
    /// Answers after so many ms.
    Slow(u16),
    /// Closes the connection on each request.
    Closes,
}

/// One device.
#[derive(Debug, Default)]
pub struct Device {
    polls: AtomicU32,
    asked: AtomicU32,
    connected: AtomicU32,
    set: AtomicU16,
    fault: Mutex<Fault>,
    answered: Mutex<Vec<(u32, Instant)>>,
    keep_log: AtomicBool,
    noise: AtomicBool,
}

impl Device {
    /// Requests that covered the counter and were answered well.
    pub fn polls(&self) -> u32 {
        self.polls.load(Ordering::SeqCst)
    }

    /// Requests of any kind that reached it, however it answered.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Writes register 0.
    pub fn set(&self, value: u16) {
        self.set.store(value, Ordering::SeqCst);
    }

    /// From now on the registers from 3 on are noise.
    pub fn noise(&self) {
        self.noise.store(true, Ordering::SeqCst);
    }

    pub fn fault(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Poll numbers with the time of their answer.
    pub fn log(&self) -> Vec<(u32, Instant)> {
        self.answered.lock().unwrap().clone()
    }

    /// Connections made to its line.
    pub fn connections(&self) -> u32 {
        self.connected.load(Ordering::SeqCst)
    }

    fn register(&self, address: u16, counter: u32) -> u16 {
        match address {
            0 => self.set.load(Ordering::SeqCst),
            1 => (counter >> 16) as u16,
            2 => counter as u16,
            _ if self.noise.load(Ordering::Relaxed) => (u64::from(counter) << 16 | u64::from(address))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(20) as u16,
            _ => 1000u16.wrapping_add(address.wrapping_mul(7)).wrapping_add((counter >> 4) as u16 & 7),
        }
    }
}

/// All devices; gone when dropped.
#[derive(Debug)]
pub struct Plant {
    ports: Vec<u16>,
    pub devices: Vec<Arc<Device>>,
    _runtime: tokio::runtime::Runtime,
}

impl Plant {
    /// `count` devices that keep a log of their polls.
    pub fn start(count: usize) -> Self {
        Self::with_log(count, true)
    }

    /// Without a log, for long and fast runs.
    pub fn without_log(count: usize) -> Self {
        Self::with_log(count, false)
    }

    /// `count` devices on one line (one port), as units 1, 2, 3…
    pub fn line(count: usize) -> Self {
        Self::listen(vec![devices(count, true)])
    }

    fn with_log(count: usize, keep_log: bool) -> Self {
        Self::listen((0..count).map(|_| devices(1, keep_log)).collect())
    }

    fn listen(lines: Vec<Vec<Arc<Device>>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let devices = lines.iter().flatten().cloned().collect();
        let mut ports = Vec::new();
        for line in lines {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            ports.push(listener.local_addr().unwrap().port());
            runtime.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let line = line.clone();
                    for device in &line {
                        device.connected.fetch_add(1, Ordering::SeqCst);
                    }
                    tokio::spawn(async move {
                        let _ = serve(stream, &line).await;
                    });
                }
            });
        }
        Self { ports, devices, _runtime: runtime }
    }

    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Answered polls of all devices.
    pub fn polls(&self) -> u64 {
        self.devices.iter().map(|d| u64::from(d.polls())).sum()
    }
}

fn devices(count: usize, keep_log: bool) -> Vec<Arc<Device>> {
    let device = || Arc::new(Device { keep_log: AtomicBool::new(keep_log), ..Device::default() });
    (0..count).map(|_| device()).collect()
}

/// A request as it came: MBAP header (Modbus TCP guide 1.0b, 3.1.3) and a read of one of the four tables.
struct Asked {
    transaction: [u8; 2],
    unit: u8,
    function: u8,
    address: u16,
    count: u16,
}

/// A device alone on its line answers whatever unit is asked for; of several each answers for its own.
async fn serve(mut stream: TcpStream, line: &[Arc<Device>]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut held: Option<Vec<u8>> = None;
    let mut frame = [0u8; 260];
    loop {
        stream.read_exact(&mut frame[..7]).await?;
        let length = usize::from(u16::from_be_bytes([frame[4], frame[5]]));
        if !(2..=254).contains(&length) {
            return Ok(());
        }
        stream.read_exact(&mut frame[7..6 + length]).await?;
        let asked = Asked {
            transaction: [frame[0], frame[1]],
            unit: frame[6],
            function: frame[7],
            address: u16::from_be_bytes([frame[8], frame[9]]),
            count: u16::from_be_bytes([frame[10], frame[11]]),
        };
        let place = if line.len() > 1 { usize::from(asked.unit).saturating_sub(1) } else { 0 };
        let Some(device) = line.get(place) else { continue };
        device.asked.fetch_add(1, Ordering::SeqCst);
        let fault = *device.fault.lock().unwrap();
        let reply = match fault {
            Fault::Silent => continue,
            Fault::Closes => return Ok(()),
            Fault::Garbage => b"\xfe\xed not a frame at all \x00\xff".to_vec(),
            Fault::LateByOne => match held.replace(answer(device, &asked, fault)) {
                Some(last) => last,
                None => continue,
            },
            Fault::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(u64::from(ms))).await;
                answer(device, &asked, fault)
            }
            _ => answer(device, &asked, fault),
        };
        stream.write_all(&reply).await?;
    }
}

fn answer(device: &Device, asked: &Asked, fault: Fault) -> Vec<u8> {
    let pdu = match (fault, asked.function) {
        (Fault::Exception(code), function) => vec![function | 0x80, code],
        (_, 1 | 2) => bits(device, asked),
        (_, 3 | 4) => registers(device, asked, fault),
        // function not known here
        (_, function) => vec![function | 0x80, 1],
    };
    let mut transaction = asked.transaction;
    let mut unit = asked.unit;
    match fault {
        Fault::OtherTransaction => transaction[1] = transaction[1].wrapping_add(100),
        Fault::OtherUnit => unit = unit.wrapping_add(1),
        _ => {}
    }
    let mut reply = vec![transaction[0], transaction[1], 0, 0];
    reply.extend_from_slice(&(pdu.len() as u16 + 1).to_be_bytes());
    reply.push(unit);
    reply.extend_from_slice(&pdu);
    reply
}

fn registers(device: &Device, asked: &Asked, fault: Fault) -> Vec<u8> {
    let counts = asked.address <= 1 && asked.address + asked.count >= 3;
    let well = matches!(fault, Fault::Sound | Fault::Slow(_));
    let counter = if counts && well { device.polls.fetch_add(1, Ordering::SeqCst) + 1 } else { device.polls() };
    if counts && well && device.keep_log.load(Ordering::Relaxed) {
        device.answered.lock().unwrap().push((counter, now()));
    }
    let count = match fault {
        Fault::Short => asked.count.saturating_sub(1),
        Fault::Long => asked.count + 1,
        _ => asked.count,
    };
    let mut pdu = vec![asked.function, (count * 2) as u8];
    for offset in 0..count {
        pdu.extend_from_slice(&device.register(asked.address.wrapping_add(offset), counter).to_be_bytes());
    }
    pdu
}

fn bits(device: &Device, asked: &Asked) -> Vec<u8> {
    let mut data = vec![0u8; usize::from(asked.count).div_ceil(8)];
    // bit 0 of the table says whether register 0 is set, the others alternate
    for offset in 0..asked.count {
        let address = asked.address + offset;
        let on = if address == 0 { device.set.load(Ordering::SeqCst) > 0 } else { address % 2 == 1 };
        data[usize::from(offset / 8)] |= u8::from(on) << (offset % 8);
    }
    let mut pdu = vec![asked.function, data.len() as u8];
    pdu.extend_from_slice(&data);
    pdu
}
