//! What goes out, and in which order.

use gengfu_core::time::Mono;

use super::super::book::{Cargo, Class, Parcel, Range};
use super::super::framing::{Frame, Order};
use super::super::load::{Cursor, epoch_of, hole};
use super::super::status::{Status, tail};
use super::{FULL, MOST_WORDS, Session};
use crate::forward::{Pace, unreadable};
use crate::journal::{Entry, Lane, Outcome, Seq};

/// How long live readings gather, ms: a message costs some hundred bytes whatever is in it.
const LINGER: u64 = 250;
/// When ranges without a record are looked at again, ms.
const RECHECK: u64 = 1_000;
/// How often the status is told, ms.
const STATUS_EVERY: u64 = 30_000;

#[derive(Debug, Clone, Copy)]
pub(super) enum Topic {
    Alarm,
    Telemetry,
    Status,
    Reply,
}

/// Why nothing more goes out.
#[derive(Debug)]
enum Halt {
    /// For a while: the journal can't be read.
    Journal(String),
    /// For good: the connection is dead.
    Line(String),
}

/// What one message took of a range.
#[derive(Debug)]
struct Step {
    /// Up to here it was looked at.
    upto: Seq,
    /// 0: there was nothing.
    records: u64,
}

impl Session<'_> {
    /// Hands over what goes first, if anything may go now; says whether to ask again at once.
    pub(super) async fn send(&mut self) -> Result<bool, String> {
        let now = self.up.clock.mono();
        if now >= self.status_at {
            self.tell_status(now)?;
        }
        if self.rest.is_some_and(|until| now < until) {
            return Ok(false);
        }
        self.rest = None;
        if self.recheck.is_some_and(|at| now >= at) {
            (self.recheck, self.alarm_skip) = (None, 0);
            self.delivery.look_again();
        }
        let sent = match self.first(now).await {
            Ok(sent) => sent,
            Err(Halt::Line(why)) => return Err(why),
            Err(Halt::Journal(why)) => {
                self.rest = Some(now.plus(Pace::unreadable(&self.up.name, &why).as_millis() as u64));
                false
            }
        };
        if (self.delivery.skipped() || self.alarm_skip > 0) && self.recheck.is_none() {
            self.recheck = Some(now.plus(RECHECK));
        }
        Ok(sent)
    }

    async fn first(&mut self, now: Mono) -> Result<bool, Halt> {
        self.drain_at = None;
        Ok(self.alarms(now).await? || self.live(now).await? || self.resend(now).await? || self.backlog(now).await?)
    }

    /// Alarm entries, oldest first, as many as the window takes.
    async fn alarms(&mut self, now: Mono) -> Result<bool, Halt> {
        let room = self.book.room(Class::Alarm);
        let owed = self.up.alarm.feed.owed();
        let free = self.book.free(Lane::Alarm, &owed);
        let next = free.into_iter().find(|range| range.1 > self.alarm_skip);
        let Some((from, to)) = next.filter(|_| room > 0) else { return Ok(false) };
        let from = from.max(self.alarm_skip + 1);
        if self.up.alarm.learn().await.map_err(Halt::Journal)? {
            self.status_at = now;
        }
        let entries = self.up.alarm.feed.entries(from, to, room).await.map_err(Halt::Journal)?;
        if entries.is_empty() {
            self.alarm_skip = to;
        }
        let mut next = from;
        for (seq, entry) in entries {
            let lost = hole(next, seq);
            let fates = lost.into_iter().chain([(seq, seq, Outcome::Done)]).collect();
            let cargo = Cargo::Owed { lane: Lane::Alarm, range: (next, seq), fates };
            let order = if seq > self.began { Order::Live } else { Order::Backlog };
            self.entry((seq, &entry), order, None, (Class::Alarm, cargo), now)?;
            next = seq + 1;
        }
        Ok(true)
    }

    /// One entry of the alarm lane as a message of its own.
    fn entry(
        &mut self,
        (seq, entry): (Seq, &Entry),
        order: Order,
        resend: Option<&str>,
        (class, cargo): (Class, Cargo),
        now: Mono,
    ) -> Result<(), Halt> {
        let outbox = &self.up.alarm;
        let head = outbox.feed.head().seq;
        let (epoch, _) = epoch_of(&outbox.epochs, seq);
        let tail = tail(&outbox.feed.pending(), head);
        let frame = Frame { site: &self.up.site, epoch, first: seq, last: seq, order, head, tail, resend };
        let payload = frame.entry(entry);
        self.hand(Topic::Alarm, payload, class, cargo, now).map_err(Halt::Line)
    }

    /// Readings near the head, once enough have gathered.
    async fn live(&mut self, now: Mono) -> Result<bool, Halt> {
        let head = self.up.telemetry.feed.head().seq;
        let owed = self.up.telemetry.feed.owed();
        let free = self.book.free(Lane::Telemetry, &owed);
        let draining = self.delivery.backlog(&free).is_some();
        if self.delivery.catch_up(&free, head) && !draining {
            tracing::info!(
                link = self.up.name,
                head,
                "far behind, going on near the head and draining the rest beside it"
            );
        }
        let waiting = self.delivery.live_owed(&free);
        let Some(range) = self.delivery.live(&free) else {
            self.gather = None;
            return Ok(false);
        };
        let due = *self.gather.get_or_insert(now.plus(LINGER));
        if (waiting < self.up.most as u64 && now < due) || self.book.room(Class::Live) == 0 {
            return Ok(false);
        }
        let step = self.telemetry(Cursor::Live, range, self.up.most, now).await?;
        if step.records == 0 {
            self.delivery.skip_live(step.upto);
        }
        self.gather = (waiting > step.records).then_some(now);
        Ok(true)
    }

    /// Readings below the live end, oldest first, as fast as `drain` lets them.
    async fn backlog(&mut self, now: Mono) -> Result<bool, Halt> {
        let free = self.book.free(Lane::Telemetry, &self.up.telemetry.feed.owed());
        let Some(range) = self.delivery.backlog(&free) else { return Ok(false) };
        let Some(most) = self.allowance(now) else { return Ok(false) };
        let step = self.telemetry(Cursor::Backlog, range, most, now).await?;
        if step.records == 0 {
            self.delivery.skip_backlog(step.upto);
        }
        self.up.bucket.spend(step.records);
        Ok(true)
    }

    /// Records of history that may go now.
    fn allowance(&mut self, now: Mono) -> Option<usize> {
        if self.book.room(Class::Backlog) == 0 {
            return None;
        }
        let most = self.up.bucket.allowance(now, self.up.most);
        if most == 0 {
            self.drain_at = Some(self.up.bucket.ready(self.up.most));
        }
        (most > 0).then_some(most)
    }

    /// One message with the first records of a range that is owed.
    async fn telemetry(&mut self, cursor: Cursor, (from, to): Range, most: usize, now: Mono) -> Result<Step, Halt> {
        if self.up.telemetry.learn().await.map_err(Halt::Journal)? {
            self.status_at = now;
        }
        let (epoch, end) = epoch_of(&self.up.telemetry.epochs, from);
        let upto = to.min(end).min(from.saturating_add(most as u64).saturating_sub(1));
        let feed = self.up.telemetry.feed.clone();
        let load = self.up.loader.read(cursor, feed.as_ref(), (from, upto), most).await.map_err(Halt::Journal)?;
        let Some(load) = load else {
            let dead = unreadable(feed.as_ref(), (from, upto)).await.map_err(Halt::Journal)?;
            if !dead.is_empty() {
                self.settle(Lane::Telemetry, (from, upto), dead);
            }
            return Ok(Step { upto, records: 0 });
        };
        let (class, order) = match cursor {
            Cursor::Live => (Class::Live, Order::Live),
            Cursor::Backlog | Cursor::Resend => (Class::Backlog, Order::Backlog),
        };
        let fates = hole(from, load.first).into_iter().chain(load.fates).collect();
        let cargo = Cargo::Owed { lane: Lane::Telemetry, range: (from, load.last), fates };
        let step = Step { upto: load.last, records: load.last - from + 1 };
        self.pack((epoch, load.first, load.last), order, None, &load.lines, (class, cargo), now)?;
        Ok(step)
    }

    fn pack(
        &mut self,
        (epoch, first, last): (u64, Seq, Seq),
        order: Order,
        resend: Option<&str>,
        lines: &[u8],
        (class, cargo): (Class, Cargo),
        now: Mono,
    ) -> Result<(), Halt> {
        let feed = &self.up.telemetry.feed;
        let head = feed.head().seq;
        let tail = tail(&feed.pending(), head);
        let frame = Frame { site: &self.up.site, epoch, first, last, order, head, tail, resend };
        let line = frame.line();
        let payload = self.up.loader.pack(&line, lines).map_err(|error| Halt::Line(format!("zstd: {error}")))?;
        self.hand(Topic::Telemetry, payload, class, cargo, now).map_err(Halt::Line)
    }

    /// One message more of what the centre asked for again; for alarms, as many as there is room for.
    async fn resend(&mut self, now: Mono) -> Result<bool, Halt> {
        let Some(resend) = self.desk.resend() else { return Ok(false) };
        let (lane, number, epoch) = (resend.lane, resend.number, resend.epoch);
        let (from, to, id) = (resend.next, resend.range.1, resend.id.clone());
        let Some(most) = self.allowance(now) else { return Ok(false) };
        let cargo = Cargo::Resend(number);
        let mut sent = 0;
        match lane {
            Lane::Telemetry => {
                let feed = self.up.telemetry.feed.clone();
                let read = self.up.loader.read(Cursor::Resend, feed.as_ref(), (from, to), most).await;
                if let Some(load) = read.map_err(Halt::Journal)? {
                    let seqs = (epoch, load.first, load.last);
                    self.pack(seqs, Order::Backlog, Some(&id), &load.lines, (Class::Backlog, cargo), now)?;
                    self.desk.sent(load.first, load.last);
                    sent = load.last - load.first + 1;
                }
            }
            Lane::Alarm => {
                let room = most.min(self.book.room(Class::Backlog));
                let entries = self.up.alarm.feed.entries(from, to, room).await.map_err(Halt::Journal)?;
                for (seq, entry) in entries {
                    let what = (Class::Backlog, cargo.clone());
                    self.entry((seq, &entry), Order::Backlog, Some(&id), what, now)?;
                    self.desk.sent(seq, seq);
                    sent += 1;
                }
            }
        }
        if sent == 0 {
            self.desk.gone(to);
            self.finish_resends().map_err(Halt::Line)?;
        }
        self.up.bucket.spend(sent);
        Ok(true)
    }

    fn hand(&mut self, topic: Topic, payload: Vec<u8>, class: Class, cargo: Cargo, now: Mono) -> Result<(), String> {
        let topics = &self.up.topics;
        let (topic, retain) = match topic {
            Topic::Alarm => (&topics.alarm, false),
            Topic::Telemetry => (&topics.telemetry, false),
            Topic::Status => (&topics.status, true),
            Topic::Reply => (&topics.reply, false),
        };
        self.up.stats.forward_batches.add(u64::from(class != Class::Word));
        let bytes = payload.len();
        self.client.publish(topic, retain, payload).map_err(|_| FULL.to_owned())?;
        self.book.hand(Parcel { class, cargo, bytes }, now);
        Ok(())
    }

    /// A status or a reply.
    pub(super) fn word(&mut self, topic: Topic, payload: Vec<u8>) -> Result<(), String> {
        let now = self.up.clock.mono();
        self.hand(topic, payload, Class::Word, Cargo::Word, now)
    }

    fn tell_status(&mut self, now: Mono) -> Result<(), String> {
        self.status_at = now.plus(STATUS_EVERY);
        if self.book.words() >= MOST_WORDS {
            return Ok(());
        }
        let (alarm, telemetry) = (self.up.alarm.state(), self.up.telemetry.state());
        let status = Status {
            site: &self.up.site,
            at: self.up.clock.wall().0,
            alarm: &alarm,
            telemetry: &telemetry,
            troubles: &self.up.troubles(),
            gone: &self.up.gone,
        };
        let body = status.json();
        self.word(Topic::Status, body)
    }
}
