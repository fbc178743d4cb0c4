//! The tasks of one link: one polls the connection and does nothing else, one makes batches of what came and waits
//! for the engine, one acknowledges what is synced. Between them are bounds, and what is beyond them is counted (QoS 0)
//! or left with the broker (QoS 1), never lost and never waited for by the polling task.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gengfu_core::time::{Mono, Wall};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::acks::{Ledger, MOST_OWED};
use super::delivery::{Contact, Delivery};
use super::intake::{Body, Intake, Message};
use super::link::{Acker, Happening, Incoming, Link};
use super::payload::LARGEST;
use super::registry::Registry;
use super::stamp::{Arrival, Trust};
use crate::backoff::{Backoff, phase};
use crate::config::checked::MqttLink;
use crate::flow::REFUSED_HEAD;
use crate::source::Context;
use crate::telemetry::{LinkState, RefusedReason};

/// Bytes of payload that may wait for the engine.
const MOST_HELD: usize = 32 << 20;
/// Pauses between attempts to connect; the first after a connection that had held comes sooner.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);
const FAST_RETRY: Duration = Duration::from_millis(100);
/// How long a connection must have stood to count as one that held, in milliseconds. Two clients of one id that throw
/// each other out never reach it.
const HELD: u64 = 5_000;
/// How long a broker may take to hand over what waited for us, in milliseconds.
const FLUSH: u64 = 300_000;
/// How long the broker may take to grant the subscriptions.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs until stop is said. A panic in any of its tasks is its own.
pub(in crate::source) async fn run(context: Context, config: Arc<MqttLink>) {
    let mut stop = context.stop.clone();
    let (mark, synced) = watch::channel(0);
    let (inbox, messages) = mpsc::channel(MOST_OWED);
    let held = Arc::new(AtomicUsize::new(0));
    let registry = Registry::new(&config, context.catalog.clone());
    let trust = Trust { tolerance: context.site.clock_tolerance, horizon: context.site.journal.keep };
    let intake = Intake::new(&config.name, registry, trust, Arc::clone(&context.stats), Arc::new(mark));

    let (contact, watched) = watch::channel(Contact::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(Delivery::new(context.clone(), intake, Arc::clone(&held), watched).run(messages));
    let away = context.off_since;
    let receiver =
        Receiver { context, config, inbox, held, synced, contact, tokens: 0, subscribed: false, away, resumed: None };
    tasks.spawn(receiver.run());
    tokio::select! {
        () = stop.wait() => {}
        Some(Err(ended)) = tasks.join_next() => {
            if let Ok(panic) = ended.try_into_panic() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Acknowledges on one connection what is synced, until the connection is gone.
async fn acknowledge(mut acker: Acker, mut synced: watch::Receiver<u64>, ledger: Arc<Mutex<Ledger>>) {
    loop {
        let upto = *synced.borrow_and_update();
        while let Some(packet) = { lock(&ledger).settle(upto) } {
            if acker.ack(packet).await.is_err() {
                return;
            }
        }
        if synced.changed().await.is_err() {
            return;
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The polling task: one connection after the other.
struct Receiver {
    context: Context,
    config: Arc<MqttLink>,
    inbox: mpsc::Sender<Message>,
    held: Arc<AtomicUsize>,
    synced: watch::Receiver<u64>,
    contact: watch::Sender<Contact>,
    /// The last token given out.
    tokens: u64,
    /// This run has subscribed: a session that is still there has our subscriptions, not those of an older configuration.
    subscribed: bool,
    /// When the last connection ended, in this run or the one before.
    away: Option<Wall>,
    /// This connection goes on with a session that was kept for us since the first time; what waited comes before the second.
    resumed: Option<(Wall, Mono)>,
}

impl Receiver {
    async fn run(mut self) {
        let name = self.config.name.clone();
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY, phase(&[&self.context.site.id, &name]));
        let mut fast = true;
        self.context.link(&name, LinkState::Connecting);
        loop {
            let start = self.context.clock.mono();
            let why = self.connection().await;
            self.context.link(&name, LinkState::Down { why });
            if self.contact.borrow().up {
                self.away = Some(self.context.clock.wall());
            }
            self.contact.send_modify(|contact| contact.up = false);
            if self.context.clock.mono().since(start) >= HELD {
                backoff.reset();
                fast = true;
            }
            let pause = if std::mem::take(&mut fast) { FAST_RETRY } else { backoff.next() };
            tokio::time::sleep(pause).await;
        }
    }

    /// One connection from start to end; says what ended it.
    async fn connection(&mut self) -> String {
        let mut link = match Link::open(&self.config.broker).await {
            Ok(link) => link,
            Err(why) => return why,
        };
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        // Dropped, and with it stopped, when the connection ends.
        let mut acker = JoinSet::new();
        acker.spawn(acknowledge(link.acker(), self.synced.clone(), Arc::clone(&ledger)));
        let mut granted = true;
        loop {
            let next = if granted {
                link.next().await
            } else {
                match timeout(SUBSCRIBE_TIMEOUT, link.next()).await {
                    Ok(next) => next,
                    Err(_) => return "the broker does not answer our subscriptions".to_owned(),
                }
            };
            let done = match next {
                Err(why) => Err(why),
                Ok(Happening::Message(incoming)) => self.admit(incoming, &ledger),
                Ok(Happening::Connected { session_present }) => {
                    granted = session_present && self.subscribed;
                    self.resumed = self.away.filter(|_| session_present).map(|away| self.absence(away));
                    self.connected(&link, granted)
                }
                Ok(Happening::Subscribed(accepted)) => {
                    granted = true;
                    self.granted(&accepted);
                    Ok(())
                }
                Ok(Happening::Nothing) => Ok(()),
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    /// Since when a session was kept for us, and until when what waited may come. A connection can have been dead for two
    /// keep-alives before that was noticed.
    fn absence(&self, away: Wall) -> (Wall, Mono) {
        let unnoticed = 2 * i64::try_from(self.config.broker.keep_alive.as_millis()).unwrap_or(i64::MAX / 2);
        (Wall(away.0.saturating_sub(unnoticed)), self.context.clock.mono().plus(FLUSH))
    }

    fn arrival(&self, incoming: &Incoming) -> Arrival {
        let clock = &self.context.clock;
        let resumed = self.resumed.filter(|(_, until)| clock.mono() < *until);
        // Since before the clock was set, and nobody knows when that was: what is of now is believed.
        let resumed = resumed.map(|(since, _)| clock.dated(since).unwrap_or_else(|| clock.wall()));
        match (incoming.retained, incoming.duplicate, resumed) {
            (true, ..) => Arrival::Retained,
            (_, true, resumed) => Arrival::Resent(resumed.unwrap_or_else(|| clock.wall())),
            (_, _, Some(since)) => Arrival::Queued(since),
            (_, _, None) => Arrival::Live,
        }
    }

    fn connected(&mut self, link: &Link, standing: bool) -> Result<(), String> {
        self.context.stats.mqtt_connects.add(1);
        if standing {
            self.context.link(&self.config.name, LinkState::Up);
            self.contact.send_modify(|contact| contact.up = true);
            return Ok(());
        }
        self.contact.send_modify(|contact| contact.session += 1);
        let filters = self.config.subscriptions.iter().map(|s| (s.topic.as_str(), s.qos));
        link.subscribe(filters)
            .then_some(())
            .ok_or_else(|| "a topic filter is not valid; mend the configuration".to_owned())
    }

    /// The link is up only if every subscription was granted; those that were go on in any case.
    fn granted(&mut self, accepted: &[bool]) {
        let all = self.config.subscriptions.iter().zip(accepted.iter().chain(std::iter::repeat(&false)));
        let refused: Vec<(usize, &str)> = all
            .enumerate()
            .filter(|(_, (_, accepted))| !**accepted)
            .map(|(index, (subscription, _))| (index, subscription.topic.as_str()))
            .collect();
        self.subscribed = refused.is_empty();
        let (indices, topics): (Vec<usize>, Vec<&str>) = refused.into_iter().unzip();
        let state = if topics.is_empty() {
            LinkState::Up
        } else {
            LinkState::Down { why: format!("the broker refuses to let us subscribe to {}", topics.join(", ")) }
        };
        self.context.link(&self.config.name, state);
        self.contact.send_modify(|contact| (contact.up, contact.refused) = (true, indices));
    }

    /// Takes a message in. Never waits: an error drops the connection, and the broker keeps what is not acknowledged.
    fn admit(&mut self, incoming: Incoming, ledger: &Mutex<Ledger>) -> Result<(), String> {
        self.context.stats.mqtt_messages.add(1);
        let full = || "too much waits for the engine; the broker keeps the rest".to_owned();
        let waiting = self.held.load(Ordering::Relaxed);
        let Some(packet) = incoming.packet else {
            // QoS 0 may be lost, so it goes first: before it takes the room of what must not be.
            if waiting > MOST_HELD / 2 || self.inbox.capacity() < MOST_OWED / 2 {
                self.context.stats.read.add(1);
                self.context.stats.refuse(RefusedReason::EngineBusy, 1);
                return Ok(());
            }
            return self.pass_on(incoming, None).map_err(|()| full());
        };
        // Counted to the sync, over all connections: a sick disk and a link that flaps would else take the same messages in
        // again and again.
        if self.tokens.saturating_sub(*self.synced.borrow()) >= MOST_OWED as u64 {
            return Err("the disk does not take what is owed an acknowledgement; the broker keeps the rest".to_owned());
        }
        self.tokens += 1;
        if waiting > MOST_HELD || !lock(ledger).owe(self.tokens, packet) {
            return Err(full());
        }
        self.pass_on(incoming, Some(self.tokens)).map_err(|()| full())
    }

    fn pass_on(&self, incoming: Incoming, token: Option<u64>) -> Result<(), ()> {
        let how = self.arrival(&incoming);
        let size = incoming.payload.len();
        let body = if size > LARGEST {
            // A copy, so that the megabytes behind the slice are freed.
            let head = incoming.payload.iter().take(REFUSED_HEAD).copied().collect();
            Body::TooLarge { head, size }
        } else {
            Body::Whole(incoming.payload)
        };
        let message = Message { topic: incoming.topic, body, how, at: self.context.clock.wall(), token };
        let weight = message.body.weight();
        self.inbox.try_send(message).map_err(|_| ())?;
        self.held.fetch_add(weight, Ordering::Relaxed);
        Ok(())
    }
}
