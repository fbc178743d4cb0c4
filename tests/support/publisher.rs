//! An MQTT publisher that knows which messages the broker has acknowledged: the set that must not be lost.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Outgoing, Packet, QoS};

use crate::counting::{Sample, Set};
use crate::wait::{eventually, pause, unix_ms};

/// Messages handed over and not acknowledged yet, at most.
const WINDOW: u16 = 1000;
/// Largest payload a test sends.
const MAX_PACKET: usize = 32 << 20;

#[derive(Debug, Default)]
struct Book {
    /// Handed to the client, not yet on the wire, in order. `None`: not part of the count.
    handed: VecDeque<Option<Sample>>,
    flying: HashMap<u16, Option<Sample>>,
    acked: Set,
    count: u64,
    failed: Option<String>,
}

/// The publisher; its connection closes when dropped.
pub struct Publisher {
    client: Client,
    book: Arc<Mutex<Book>>,
    thread: Option<JoinHandle<()>>,
    last: HashMap<String, i64>,
    sent: u64,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Publisher {
    pub fn connect(port: u16) -> Self {
        Self::named("rig", port)
    }

    /// One beside another.
    pub fn named(name: &str, port: u16) -> Self {
        let mut options = MqttOptions::new(format!("{name}-{}-{port}", std::process::id()), "127.0.0.1", port);
        options.set_max_packet_size(MAX_PACKET, MAX_PACKET).set_inflight(WINDOW).set_keep_alive(Duration::from_mins(1));
        let (client, mut connection) = Client::new(options, usize::from(WINDOW));
        let book: Arc<Mutex<Book>> = Arc::default();
        let inside = book.clone();
        let thread = std::thread::spawn(move || {
            for event in connection.iter() {
                if !note(&inside, event) {
                    return;
                }
            }
        });
        Self { client, book, thread: Some(thread), last: HashMap::new(), sent: 0 }
    }

    /// Sends the next value of `device` on `rig/<device>/v` with a stamp of its own millisecond.
    pub fn reading(&mut self, device: &str) {
        let last = self.last.get(device).copied().unwrap_or(0);
        let at = unix_ms().max(last + 1);
        self.last.insert(device.to_owned(), at);
        self.sent += 1;
        self.reading_at(device, self.sent as f64 / 10.0, at);
    }

    /// Sends `value` with the stamp `at` (UTC ms), QoS 1.
    pub fn reading_at(&mut self, device: &str, value: f64, at: i64) {
        let payload = serde_json::json!({ "v": value, "ts": at }).to_string();
        let sample = Sample::new(&format!("device_v,{device}"), at * 1_000_000, value);
        self.publish(&format!("rig/{device}/v"), payload.as_bytes(), QoS::AtLeastOnce, false, Some(sample));
    }

    /// Sends anything; not part of the count.
    pub fn raw(&mut self, topic: &str, payload: &[u8], retain: bool) {
        self.publish(topic, payload, QoS::AtLeastOnce, retain, None);
    }

    fn publish(&mut self, topic: &str, payload: &[u8], qos: QoS, retain: bool, sample: Option<Sample>) {
        self.book.lock().unwrap().handed.push_back(sample);
        self.client.publish(topic, qos, retain, payload).unwrap();
    }

    /// Spreads readings over `devices` (`<prefix>0`…) at `rate` a second for `length`.
    pub fn load(&mut self, prefix: &str, devices: usize, rate: u64, length: Duration) {
        let start = crate::wait::now();
        let total = (length.as_secs_f64() * rate as f64) as u64;
        for number in 0..total {
            let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
            pause(due.saturating_duration_since(crate::wait::now()));
            self.reading(&format!("{prefix}{}", number as usize % devices));
        }
    }

    /// Waits until everything sent is acknowledged.
    pub fn flush(&self) {
        eventually(Duration::from_secs(30), "broker acknowledged everything", || {
            let book = self.book.lock().unwrap();
            if let Some(why) = &book.failed {
                panic!("publisher lost its broker: {why}");
            }
            book.handed.is_empty() && book.flying.is_empty()
        });
    }

    /// Whether the broker has cut it off.
    pub fn lost(&self) -> bool {
        self.book.lock().unwrap().failed.is_some()
    }

    /// What the broker has acknowledged.
    pub fn acked(&self) -> Set {
        self.book.lock().unwrap().acked.clone()
    }

    /// How many messages it has acknowledged, uncounted ones too.
    pub fn acked_count(&self) -> u64 {
        self.book.lock().unwrap().count
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.client.try_disconnect();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Packet ids are given in the order of the requests. False once the connection is over.
fn note(book: &Mutex<Book>, event: Result<Event, rumqttc::ConnectionError>) -> bool {
    let mut book = book.lock().unwrap();
    match event {
        Ok(Event::Outgoing(Outgoing::Publish(id))) => {
            let sample = book.handed.pop_front().unwrap_or_default();
            book.flying.insert(id, sample);
        }
        Ok(Event::Incoming(Packet::PubAck(ack))) => {
            if let Some(sample) = book.flying.remove(&ack.pkid) {
                book.count += 1;
                book.acked.extend(sample);
            }
        }
        Ok(Event::Outgoing(Outgoing::Disconnect)) => return false,
        Ok(_) => {}
        Err(e) => {
            book.failed = Some(e.to_string());
            return false;
        }
    }
    true
}
