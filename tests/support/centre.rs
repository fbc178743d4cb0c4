//! A centre as docs/uplink.md describes it: it takes each (lane, epoch, seq) once, knows what a message claims to be behind
//! it, and sends commands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rumqttc::{Client, Event, MqttOptions, Packet, Publish, QoS};
use serde_json::{Value, json};

use crate::counting::Set;
use crate::stub::fields;
use crate::wait::{now, pause, until};

const MAX_PACKET: usize = 16 << 20;

/// Records of a lane by epoch.
pub type Taken = BTreeMap<String, BTreeSet<u64>>;

/// A message of records: when it came and what it said of itself.
#[derive(Debug, Clone)]
pub struct Message {
    pub at: Instant,
    pub lane: String,
    pub epoch: String,
    pub first: u64,
    pub last: u64,
    pub order: String,
    pub head: u64,
    pub tail: u64,
    pub resend: Option<String>,
}

#[derive(Debug, Default)]
pub struct Book {
    pub taken: BTreeMap<String, Taken>,
    /// Records that came a second time, without the resends.
    pub twice: u64,
    pub messages: Vec<Message>,
    /// Entries of the alarm lane.
    pub entries: Vec<Value>,
    pub samples: Set,
    pub statuses: Vec<Value>,
    pub replies: Vec<Value>,
    /// Records below a `tail` that had not come: what the centre would have called missing.
    pub called_missing: Vec<String>,
    /// Everything below has come, a lane.
    whole: BTreeMap<String, u64>,
    bytes: u64,
}

/// The centre; its connection ends when dropped, its session stays with the broker.
pub struct Centre {
    client: Client,
    site: String,
    book: Arc<Mutex<Book>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Centre {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Centre").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Centre {
    /// Connects as `name` and subscribes to all that `site` says.
    pub fn connect(port: u16, site: &str, name: &str) -> Self {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_max_packet_size(MAX_PACKET, MAX_PACKET).set_clean_session(false);
        let (client, mut connection) = Client::new(options, 100);
        let (book, over): (Arc<Mutex<Book>>, Arc<AtomicBool>) = Default::default();
        let (inside, ended, asker, topics) = (book.clone(), over.clone(), client.clone(), site.to_owned());
        let granted = Arc::new(AtomicBool::new(false));
        let grant = granted.clone();
        let thread = std::thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        for leaf in ["alarm", "telemetry", "status", "reply"] {
                            asker.try_subscribe(format!("gengfu/v1/{topics}/{leaf}"), QoS::AtLeastOnce).unwrap();
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => grant.store(true, Ordering::Relaxed),
                    Ok(Event::Incoming(Packet::Publish(publish))) => inside.lock().unwrap().note(&publish),
                    Ok(_) => {}
                    Err(_) if ended.load(Ordering::Relaxed) => return,
                    Err(_) => pause(Duration::from_millis(20)),
                }
            }
        });
        let centre = Self { client, site: site.to_owned(), book, over, thread: Some(thread) };
        until(Duration::from_secs(5), "the centre is subscribed", || granted.load(Ordering::Relaxed).then_some(()));
        centre
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Sends a command, and waits for the reply to it.
    pub fn command(&self, id: &str, command: &str, more: &Value) -> Value {
        let mut body = json!({ "id": id, "command": command });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.say(body.to_string().as_bytes());
        until(Duration::from_secs(10), &format!("reply to {body}"), || self.reply(|reply| reply["id"] == id))
    }

    /// Sends anything on the command topic.
    pub fn say(&self, payload: &[u8]) {
        let topic = format!("gengfu/v1/{}/command", self.site);
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
    }

    pub fn reply(&self, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        self.book().replies.iter().find(|reply| fits(reply)).cloned()
    }

    /// The last status.
    pub fn status(&self) -> Value {
        self.book().statuses.last().cloned().unwrap_or_default()
    }

    /// Records of a lane, whatever their epoch.
    pub fn count(&self, lane: &str) -> usize {
        self.book().taken.get(lane).map_or(0, |taken| taken.values().map(BTreeSet::len).sum())
    }
}

impl Book {
    /// What came by the resend of this id.
    pub fn resent(&self, id: &str) -> BTreeSet<u64> {
        let of = self.messages.iter().filter(|m| m.resend.as_deref() == Some(id));
        of.flat_map(|m| m.first..=m.last).collect()
    }

    /// Bytes of all messages of records.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn note(&mut self, publish: &Publish) {
        match publish.topic.rsplit('/').next().unwrap() {
            "status" => self.statuses.push(serde_json::from_slice(&publish.payload).unwrap()),
            "reply" => self.replies.push(serde_json::from_slice(&publish.payload).unwrap()),
            "alarm" => self.alarm(serde_json::from_slice(&publish.payload).unwrap()),
            "telemetry" => self.telemetry(&zstd::decode_all(&*publish.payload).unwrap()),
            leaf => panic!("nothing goes to {leaf}"),
        }
        self.bytes += publish.payload.len() as u64;
    }

    fn alarm(&mut self, entry: Value) {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| entry[key].as_u64().unwrap();
        assert_eq!(text("lane"), "alarm", "{entry}");
        self.take(Message {
            at: now(),
            lane: text("lane"),
            epoch: text("epoch"),
            first: number("seq"),
            last: number("seq"),
            order: text("order"),
            head: number("head"),
            tail: number("tail"),
            resend: entry["resend"].as_str().map(str::to_owned),
        });
        self.entries.push(entry);
    }

    fn telemetry(&mut self, plain: &[u8]) {
        let text = std::str::from_utf8(plain).unwrap();
        let (head, lines) = text.split_once('\n').unwrap();
        let words = head.strip_prefix("# gengfu ").unwrap();
        let said: BTreeMap<&str, &str> = words.split(' ').filter_map(|word| word.split_once('=')).collect();
        let (first, last) = said["seq"].split_once("..").unwrap();
        self.take(Message {
            at: now(),
            lane: said["lane"].to_owned(),
            epoch: said["epoch"].to_owned(),
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            order: said["order"].to_owned(),
            head: said["head"].parse().unwrap(),
            tail: said["tail"].parse().unwrap(),
            resend: said.get("resend").map(|id| (*id).to_owned()),
        });
        self.samples.extend(lines.lines().flat_map(fields));
    }

    fn take(&mut self, message: Message) {
        let lane = self.taken.entry(message.lane.clone()).or_default();
        let taken = lane.entry(message.epoch.clone()).or_default();
        for seq in message.first..=message.last {
            self.twice += u64::from(!taken.insert(seq) && message.resend.is_none());
        }
        // numbers go on through epochs
        let whole = self.whole.entry(message.lane.clone()).or_insert(1);
        while lane.values().any(|taken| taken.contains(whole)) {
            *whole += 1;
        }
        if *whole < message.tail {
            self.called_missing.push(format!("{} of {}, when {message:?} came", whole, message.lane));
        }
        self.messages.push(message);
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.client.try_disconnect();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
