//! One connection, from greeting to its end: what arrives is entered in the book, what may go is read and handed over, in
//! the order alarms, live readings, what was asked for again, backlog. Only this task touches the book; the client is polled
//! by another, so that neither ever waits for the other.

use std::time::Duration;

use gengfu_core::time::Mono;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::book::{Book, Cargo, Class, Fates, Parcel, Range};
use super::desk::{Desk, Reply};
use super::link::{self, Client, Happening};
use super::{LEAST_RECORDS, MOST_RECORDS, Outbox, Uplink, status};
use crate::forward::delivery::Delivery;
use crate::forward::settle_all;
use crate::journal::{self, Lane, Outcome, Seq};
use crate::stop::Stop;
use crate::telemetry::LinkState;
use outgo::Topic;

mod outgo;

/// Happenings that may wait: all acknowledgements of the widest window and a heap of commands.
const INBOX: usize = 4_096;
/// How long the broker may take to greet us and to grant the subscription.
const GREETING: Duration = Duration::from_secs(10);
/// A message that is not acknowledged for so long makes the connection a dead one, ms.
const PATIENCE: u64 = 30_000;
/// Records that live may be behind before it goes on near the head.
const LIVE_LAG: u64 = 2 * MOST_RECORDS as u64;
/// Statuses and replies under way, beyond which replies are not sent any more.
const MOST_WORDS: usize = 256;
/// How long the last words may take at a stop, and what is still to be recorded after them.
const FAREWELL: Duration = Duration::from_millis(500);
const RECORD: Duration = Duration::from_millis(300);
/// The client's queue is full: it stands still, and the connection with it.
const FULL: &str = "the client takes nothing any more";

/// Connects, and serves until the connection ends (`Err`, in words) or stop is said.
pub(super) async fn run(uplink: &mut Uplink, stop: &mut Stop) -> Result<(), String> {
    let will = status::offline(&uplink.site, "connection lost");
    let (client, poller) =
        link::open(&uplink.config.broker, (&uplink.topics.status, will), uplink.config.window).await?;
    let (told, mut inbox) = mpsc::channel(INBOX);
    // Dropped, and with it the connection, when this returns.
    let mut tasks = JoinSet::new();
    tasks.spawn(poller.run(told));
    let early = tokio::select! {
        greeted = timeout(GREETING, greet(&client, &uplink.topics.command, &mut inbox)) => {
            greeted.map_err(|_| "the broker does not greet us in time".to_owned())??
        }
        () = stop.wait() => return Ok(()),
    };
    uplink.tell(LinkState::Up);
    let mut session = Session::new(uplink, client);
    let end = session.serve(early, &mut inbox, stop).await;
    session.close(end.is_err()).await;
    end
}

/// CONNACK and the subscription. Commands that the broker had kept for us may come before it is granted.
async fn greet(client: &Client, topic: &str, inbox: &mut mpsc::Receiver<Happening>) -> Result<Vec<Happening>, String> {
    let mut early = Vec::new();
    loop {
        match inbox.recv().await {
            Some(Happening::Connected) => client.subscribe(topic).map_err(|_| FULL.to_owned())?,
            Some(Happening::Subscribed(true)) => return Ok(early),
            Some(Happening::Subscribed(false)) => {
                return Err(format!("the broker refuses our subscription to {topic}; mend its access rules"));
            }
            // What is beyond is not acknowledged and comes again.
            Some(message @ Happening::Message(_)) if early.len() < INBOX => early.push(message),
            Some(Happening::Message(_) | Happening::Sent(_) | Happening::Acked(_)) => {}
            Some(Happening::Lost(why)) => return Err(why),
            None => return Err("the client ended".to_owned()),
        }
    }
}

/// What came of settling.
type Settled = (Lane, Range);

struct Session<'a> {
    up: &'a mut Uplink,
    client: Client,
    book: Book,
    desk: Desk,
    delivery: Delivery,
    heads: [watch::Receiver<journal::Head>; 2],
    settlements: JoinSet<Settled>,
    /// Alarm entries up to here are under way, or can't be read for now.
    alarm_skip: Seq,
    recheck: Option<Mono>,
    /// The journal can't be read; not before.
    rest: Option<Mono>,
    /// Live readings gather until then.
    gather: Option<Mono>,
    /// The backlog may go on then.
    drain_at: Option<Mono>,
    /// The alarm lane's head when the connection began: what is not beyond is late.
    began: Seq,
    status_at: Mono,
    /// Something of ours arrived on this connection.
    arrived: bool,
}

impl<'a> Session<'a> {
    fn new(up: &'a mut Uplink, client: Client) -> Self {
        let now = up.clock.mono();
        Self {
            book: Book::new(up.config.window),
            desk: Desk::new(),
            delivery: Delivery::near(MOST_RECORDS, LIVE_LAG),
            heads: [Lane::Alarm, Lane::Telemetry].map(|lane| up.journal.head(lane)),
            settlements: JoinSet::new(),
            alarm_skip: 0,
            recheck: None,
            rest: None,
            // What waits for this connection gathers no longer.
            gather: Some(now),
            drain_at: None,
            began: up.alarm.feed.head().seq,
            status_at: now,
            arrived: false,
            client,
            up,
        }
    }

    async fn serve(
        &mut self,
        early: Vec<Happening>,
        inbox: &mut mpsc::Receiver<Happening>,
        stop: &mut Stop,
    ) -> Result<(), String> {
        early.into_iter().try_for_each(|happening| self.happened(happening))?;
        loop {
            while let Ok(happening) = inbox.try_recv() {
                self.happened(happening)?;
            }
            if stop.said() {
                self.farewell(inbox).await;
                return Ok(());
            }
            if self.send().await? {
                continue;
            }
            let wake = self.up.clock.instant(self.wake());
            let [alarm, telemetry] = &mut self.heads;
            tokio::select! {
                happening = inbox.recv() => {
                    self.happened(happening.unwrap_or_else(|| Happening::Lost("the client ended".to_owned())))?;
                }
                Some(settled) = self.settlements.join_next() => self.landed(settled)?,
                reply = self.desk.answered() => {
                    self.reply(reply)?;
                    self.desk.go_on(self.up);
                }
                Ok(()) = alarm.changed() => {}
                Ok(()) = telemetry.changed() => {}
                () = tokio::time::sleep_until(wake) => {}
                () = stop.wait() => {}
            }
            self.check_patience()?;
        }
    }

    /// Says goodbye, so that the last will is not told, and waits a little for what is under way.
    async fn farewell(&mut self, inbox: &mut mpsc::Receiver<Happening>) {
        let body = status::offline(&self.up.site, "stopped");
        if self.word(Topic::Status, body).is_err() {
            return;
        }
        let quiet = async {
            while !self.book.is_quiet()
                && let Some(happening) = inbox.recv().await
                && self.happened(happening).is_ok()
            {}
        };
        let _ = timeout(FAREWELL, quiet).await;
        self.client.disconnect();
        let gone = async { while inbox.recv().await.is_some() {} };
        let _ = timeout(FAREWELL / 5, gone).await;
    }

    /// What has arrived is recorded, whatever became of the connection. A broker that closes it for a message it finds too
    /// large would do so for ever: after a connection on which nothing arrived, messages are made smaller.
    async fn close(&mut self, lost: bool) {
        let all = async { while self.settlements.join_next().await.is_some() {} };
        let _ = timeout(RECORD, all).await;
        if self.arrived {
            self.up.most = MOST_RECORDS;
        } else if lost && self.book.load() > 0 {
            self.up.most = (self.up.most / 2).max(LEAST_RECORDS);
        }
    }

    /// When there is something to do that nothing else would tell of.
    fn wake(&self) -> Mono {
        let patience = self.book.waiting_since().map(|since| since.plus(PATIENCE));
        // A full window is told of by the acknowledgement that makes room.
        let gather = self.gather.filter(|_| self.book.room(Class::Live) > 0);
        let drain = self.drain_at.filter(|_| self.book.room(Class::Backlog) > 0);
        let due = if self.rest.is_some() { [self.rest, None, None] } else { [self.recheck, gather, drain] };
        due.into_iter().flatten().chain(patience).fold(self.status_at, Mono::min)
    }

    fn check_patience(&self) -> Result<(), String> {
        let now = self.up.clock.mono();
        match self.book.waiting_since() {
            Some(since) if now.since(since) >= PATIENCE => {
                Err(format!("the broker acknowledges nothing for {} s", PATIENCE / 1_000))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn happened(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Sent(packet) if self.book.sent(packet) => Ok(()),
            Happening::Sent(packet) => Err(format!("the client lost count at packet {packet}")),
            Happening::Acked(packet) => {
                if let Some(parcel) = self.book.acked(packet) {
                    self.arrived |= parcel.class != Class::Word;
                    self.delivered(parcel);
                }
                self.finish_resends()
            }
            Happening::Message(message) => match self.desk.take(self.up, message) {
                Some(reply) => self.reply(reply),
                // A range of which nothing is left is over at once.
                None => self.finish_resends(),
            },
            Happening::Connected | Happening::Subscribed(_) => Ok(()),
            Happening::Lost(why) => Err(why),
        }
    }

    fn delivered(&mut self, parcel: Parcel) {
        match parcel.cargo {
            Cargo::Word => {}
            Cargo::Resend(number) => self.desk.arrived(number),
            Cargo::Owed { lane, range, fates } => self.settle(lane, range, fates),
        }
    }

    fn settle(&mut self, lane: Lane, range: Range, fates: Fates) {
        let (feed, name) = (self.outbox(lane).feed.clone(), self.up.name.clone());
        for (from, to, outcome) in &fates {
            if let Outcome::Dead(why) = outcome {
                tracing::warn!(link = name, from, to, why, "can't be sent to the centre, dead-lettered");
            }
        }
        self.settlements.spawn(async move {
            settle_all(feed.as_ref(), &name, fates).await;
            (lane, range)
        });
    }

    /// Settled or not: if not, the records are owed and go again.
    fn landed(&mut self, settled: Result<Settled, tokio::task::JoinError>) -> Result<(), String> {
        let (lane, range) = settled.map_err(|error| format!("a settlement ended early: {error}"))?;
        self.book.settled(lane, range);
        Ok(())
    }

    fn outbox(&self, lane: Lane) -> &Outbox {
        match lane {
            Lane::Alarm => &self.up.alarm,
            Lane::Telemetry => &self.up.telemetry,
        }
    }

    fn finish_resends(&mut self) -> Result<(), String> {
        while let Some((reply, gone)) = self.desk.finished() {
            if !gone.is_empty() {
                self.status_at = self.up.clock.mono();
            }
            for gone in gone {
                self.up.gone.note(gone);
            }
            self.reply(reply)?;
        }
        Ok(())
    }

    /// Answers a command, and only then acknowledges it.
    fn reply(&mut self, reply: Reply) -> Result<(), String> {
        let Reply { packet, body } = reply;
        if self.book.words() < MOST_WORDS {
            self.word(Topic::Reply, body.to_string().into_bytes())?;
        } else {
            tracing::warn!(
                link = self.up.name,
                "the centre sends commands faster than it takes replies, one is left out"
            );
        }
        packet.map_or(Ok(()), |packet| self.client.acknowledge(packet).map_err(|_| FULL.to_owned()))
    }
}
