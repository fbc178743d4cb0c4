//! The telemetry lane's loop: a live request and a backlog request side by side, one each, so that neither waits for the
//! other; while a backlog request is out the next batch is read and encoded.

use std::sync::Arc;

use gengfu_core::time::Mono;
use tokio::task::{JoinError, JoinSet};

use super::batch::{Job, Stopped};
use super::bucket::Bucket;
use super::delivery::{BACKLOG_BATCH, Delivery, LIVE_BATCH};
use super::feed::Lane;
use super::link::Link;
use super::memory::{LOOK_BACK, Memory};
use super::names::Names;
use super::store::TsSink;
use super::{Pace, line, settle_all, unreadable};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::Drain;
use crate::journal::Seq;
use crate::stop::Stop;

/// How long a batch that is not full waits for more: the price of few requests at high rates.
const LINGER: u64 = 50;
/// When ranges without a record are looked at again.
const RECHECK: u64 = 1_000;
/// The same where nothing was passed over: a redrive makes records owed again that lie behind both cursors.
const LOOK_BEHIND: u64 = 5_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Live,
    Backlog,
}

/// Where a cursor's batch is.
#[derive(Debug)]
enum Slot {
    Empty,
    /// Encoded, to be sent (again).
    Ready(Box<Job>),
    Flying,
}

impl Slot {
    fn take(&mut self) -> Option<Box<Job>> {
        match std::mem::replace(self, Self::Flying) {
            Self::Ready(job) => Some(job),
            same @ (Self::Empty | Self::Flying) => {
                *self = same;
                None
            }
        }
    }
}

/// One cursor: its batch and what it remembers of the points.
#[derive(Debug)]
struct Cursor {
    slot: Slot,
    memory: Memory,
    /// The last record of its batch.
    upto: Seq,
    /// The last two ranges that were read: one may fly while the next is ready.
    read: [(Seq, Seq); 2],
    /// See [`Job::doubt`].
    doubt: Option<u64>,
}

struct Landed {
    which: Which,
    job: Box<Job>,
    sent: Result<(), Stopped>,
}

pub(super) struct Forwarder<L, S> {
    lane: L,
    link: Arc<Link<S>>,
    catalog: Catalog,
    names: Names,
    clock: Clock,
    pace: Pace,
    /// How fast the backlog goes.
    bucket: Bucket,
    delivery: Delivery,
    live: Cursor,
    backlog: Cursor,
    /// The backlog batch after the one that flies.
    next: Option<Box<Job>>,
    flights: JoinSet<Landed>,
    /// The head when the live cursor last found nothing more.
    seen: Seq,
    /// A batch is gathering until then.
    gather: Option<Mono>,
    /// Nothing is sent before: the store failed, or the journal.
    rest: Option<Mono>,
    /// A backlog batch was refused whole: it waits until then, or for the live cursor to show whether the store is well.
    aside: Option<Mono>,
    recheck: Option<Mono>,
    /// The backlog may go on then.
    drain: Option<Mono>,
    /// Records a request may carry, once a store has called one too large.
    limit: usize,
}

impl<L: Lane, S: TsSink> Forwarder<L, S> {
    pub(super) fn new(
        lane: L,
        link: Arc<Link<S>>,
        catalog: Catalog,
        names: Names,
        clock: Clock,
        (pace, drain): (Pace, Drain),
    ) -> Self {
        let cursor =
            || Cursor { slot: Slot::Empty, memory: Memory::default(), upto: 0, read: [(0, 0); 2], doubt: None };
        Self {
            lane,
            link,
            catalog,
            names,
            bucket: Bucket::new(drain, clock.mono()),
            clock,
            pace,
            delivery: Delivery::default(),
            live: cursor(),
            backlog: cursor(),
            next: None,
            flights: JoinSet::new(),
            seen: 0,
            gather: None,
            rest: None,
            aside: None,
            recheck: None,
            drain: None,
            limit: BACKLOG_BATCH,
        }
    }

    /// Ends when stop was said and nothing is under way.
    pub(super) async fn run(mut self, mut stop: Stop) {
        loop {
            if !stop.said() {
                self.launch().await;
            } else if self.flights.is_empty() {
                return;
            }
            let wake = self.wake().filter(|_| !stop.said());
            let wake_at = self.clock.instant(wake.unwrap_or_default());
            let full = self.gather.map_or(0, |_| LIVE_BATCH as u64 - 1);
            tokio::select! {
                Some(landed) = self.flights.join_next() => self.land(landed).await,
                () = self.lane.beyond(self.seen + full), if self.listening() && !stop.said() => self.arrived(),
                () = tokio::time::sleep_until(wake_at), if wake.is_some() => {}
                () = stop.wait(), if !stop.said() => {}
            }
        }
    }

    /// When there is something to launch that no landing and no new record would tell of.
    fn wake(&self) -> Option<Mono> {
        if self.rest.is_some() {
            return self.rest;
        }
        let gather = self.gather.filter(|_| matches!(self.live.slot, Slot::Empty) && !self.must_wait());
        let recheck = self.recheck.filter(|_| self.backlog_idle() && !self.must_wait());
        let aside = self.aside.filter(|_| !self.must_wait());
        let drain = self.drain.filter(|_| self.aside.is_none() && self.backlog_idle() && !self.must_wait());
        gather.into_iter().chain(recheck).chain(aside).chain(drain).min()
    }

    /// Whether new records make a difference: a full batch that must wait is not to be told of again and again.
    fn listening(&self) -> bool {
        matches!(self.live.slot, Slot::Empty) && self.rest.is_none() && !self.must_wait()
    }

    /// A store that failed is asked with one request; the others follow its answer.
    fn must_wait(&self) -> bool {
        self.pace.failures > 0 && !self.flights.is_empty()
    }

    fn backlog_idle(&self) -> bool {
        matches!(self.backlog.slot, Slot::Empty) && self.next.is_none()
    }

    /// The head moved: a first record starts the gathering, a full batch ends it.
    fn arrived(&mut self) {
        let now = self.clock.mono();
        self.gather = Some(if self.gather.is_some() { now } else { now.plus(LINGER) });
    }

    /// Sends what may be sent now.
    async fn launch(&mut self) {
        let now = self.clock.mono();
        if self.rest.is_some_and(|until| now < until) {
            return;
        }
        self.rest = None;
        if self.recheck.is_some_and(|at| now >= at) && self.backlog_idle() && !self.must_wait() {
            self.recheck = None;
            self.delivery.look_again();
            self.gather.get_or_insert(now);
        }
        if !self.must_wait() {
            self.launch_live(now).await;
        }
        self.aside = self.aside.filter(|until| now < *until);
        if !self.must_wait() && self.aside.is_none() {
            self.launch_backlog().await;
        }
        let again = now.plus(if self.delivery.skipped() { RECHECK } else { LOOK_BEHIND });
        self.recheck = Some(self.recheck.map_or(again, |at| at.min(again)));
    }

    async fn launch_live(&mut self, now: Mono) {
        if matches!(self.live.slot, Slot::Flying) {
            return;
        }
        // After a failure nothing gathers: what is asked then, and answered first, is to be the newest.
        let due = self.pace.failures > 0 || self.gather.is_some_and(|at| now >= at);
        if !due && matches!(self.live.slot, Slot::Empty) {
            return;
        }
        let head = self.lane.head();
        let owed = self.lane.owed();
        // Told once: through an outage it jumps again and again.
        let draining = self.delivery.backlog(&owed).is_some() || !self.backlog_idle();
        if self.delivery.catch_up(&owed, head) {
            if !draining {
                let link = self.link.name();
                tracing::info!(link, head, "far behind, going on near the head and draining the rest beside it");
            }
            self.live.slot = Slot::Empty;
        }
        if matches!(self.live.slot, Slot::Empty) {
            self.gather = None;
            self.seen = head;
            if let Some(range) = self.delivery.live(&self.lane.owed()) {
                match self.read(Which::Live, range, LIVE_BATCH.min(self.limit)).await {
                    Some(job) => self.live.slot = Slot::Ready(job),
                    None => self.more(),
                }
            }
        }
        self.fly(Which::Live);
    }

    async fn launch_backlog(&mut self) {
        if matches!(self.backlog.slot, Slot::Empty) {
            let next = match self.next.take() {
                Some(job) => Some(job),
                None => self.read_backlog().await,
            };
            if let Some(job) = next {
                self.backlog.slot = Slot::Ready(job);
            }
        }
        self.fly(Which::Backlog);
        if matches!(self.backlog.slot, Slot::Flying) && self.next.is_none() {
            self.next = self.read_backlog().await;
        }
    }

    async fn read_backlog(&mut self) -> Option<Box<Job>> {
        self.drain = None;
        while let Some(range) = self.delivery.backlog(&self.lane.owed()) {
            let most = BACKLOG_BATCH.min(self.limit);
            let allowed = self.bucket.allowance(self.clock.mono(), most);
            if allowed == 0 {
                self.drain = Some(self.bucket.ready(most));
                return None;
            }
            let job = self.read(Which::Backlog, range, allowed).await;
            if job.is_some() || self.rest.is_some() {
                return job;
            }
        }
        None
    }

    /// The first batch of a range, of `most` records, encoded. `None`: nothing there, or the journal would not say.
    async fn read(&mut self, which: Which, (from, to): (Seq, Seq), most: usize) -> Option<Box<Job>> {
        let to = to.min(from.saturating_add(most as u64).saturating_sub(1));
        if !self.carry((from, to)) {
            self.delivery.look_again_later();
            return None;
        }
        let cursor = match which {
            Which::Live => &mut self.live,
            Which::Backlog => &mut self.backlog,
        };
        let read = async {
            if let Some((first, last)) = cursor.memory.gap(from) {
                let before =
                    if first <= last { self.lane.telemetry(first, last, LOOK_BACK).await? } else { Vec::new() };
                cursor.memory.learn(from, &before);
            }
            self.lane.telemetry(from, to, most).await
        };
        let records = match read.await {
            Ok(records) => records,
            Err(why) => {
                let wait = Pace::unreadable(self.link.name(), &why);
                self.rest = Some(self.clock.mono().plus(wait.as_millis() as u64));
                return None;
            }
        };
        let Some(last) = records.last() else {
            match which {
                Which::Live => self.delivery.skip_live(to),
                Which::Backlog => self.delivery.skip_backlog(to),
            }
            self.give_up((from, to)).await;
            return None;
        };
        self.names.refresh(&self.catalog);
        let lines = line::encode(&self.names, &mut cursor.memory, &records);
        cursor.memory.advance(last.seq);
        cursor.upto = last.seq;
        let [_, before] = cursor.read;
        cursor.read = [before, (from, last.seq)];
        if which == Which::Backlog {
            self.delivery.taken(last.seq);
            self.bucket.spend(records.len() as u64);
        }
        // What is under way of the backlog has its own; only the live cursor reads again what it could not send.
        let doubt = if which == Which::Live { self.live.doubt } else { None };
        Some(Box::new(Job::new(from, lines, doubt).unreadable_are_dead()))
    }

    /// Tells the journal what is in the hands here, with what is about to be.
    fn carry(&self, next: (Seq, Seq)) -> bool {
        let [a, b] = self.live.read;
        let [c, d] = self.backlog.read;
        self.lane.carry(&[a, b, c, d, next])
    }

    async fn give_up(&mut self, range: (Seq, Seq)) {
        match unreadable(&self.lane, range).await {
            Ok(settlements) => {
                self.link.tell_dead(&settlements);
                settle_all(&self.lane, self.link.name(), settlements).await;
            }
            Err(why) => {
                let wait = Pace::unreadable(self.link.name(), &why);
                self.rest = Some(self.clock.mono().plus(wait.as_millis() as u64));
            }
        }
    }

    fn fly(&mut self, which: Which) {
        if let Some(mut job) = self.cursor(which).slot.take() {
            let link = self.link.clone();
            self.flights.spawn(async move {
                let sent = link.send(&mut job).await;
                Landed { which, job, sent }
            });
        }
    }

    /// Settles what was sent, keeps what was not.
    async fn land(&mut self, landed: Result<Landed, JoinError>) {
        let Ok(Landed { which, mut job, sent }) = landed else {
            return self.start_over();
        };
        let settlements = job.settlements();
        self.link.tell_dead(&settlements);
        // One commit a batch of twenty thousand is little; waiting for one to ride on would be most of a drain's time.
        if which == Which::Backlog {
            self.lane.hurry();
        }
        if !settle_all(&self.lane, self.link.name(), settlements).await {
            self.delivery.look_again_later();
        }
        if let Some(limit) = job.shrink() {
            self.limit = self.limit.min(limit);
        }
        self.cursor(which).doubt = job.doubt();
        let wait = match sent {
            Ok(()) => {
                self.pace.fine();
                self.cursor(which).slot = Slot::Empty;
                if which == Which::Live {
                    self.delivery.passed(self.live.upto);
                    self.aside = None;
                    self.more();
                }
                return;
            }
            Err(Stopped::Doubt(_)) if which == Which::Backlog => {
                self.backlog.slot = Slot::Ready(job);
                self.aside = Some(self.clock.mono().plus(Pace::HOLD.as_millis() as u64));
                return;
            }
            Err(Stopped::Retry(_)) => self.pace.failed(),
            Err(Stopped::Busy { wait, .. }) => wait + self.pace.failed(),
            Err(Stopped::Hold(_) | Stopped::Doubt(_)) => {
                self.pace.failed();
                Pace::HOLD
            }
        };
        // A store in doubt is shown what came since as well: if it takes any of that, the doubt ends.
        let anew = which == Which::Live && job.doubt().is_some() && job.is_whole();
        self.cursor(which).slot = if anew { Slot::Empty } else { Slot::Ready(job) };
        self.rest = Some(self.clock.mono().plus(wait.as_millis() as u64));
    }

    /// After a live batch, or none: a full one that waits goes at once, the rest gathers.
    fn more(&mut self) {
        let owed = self.delivery.live_owed(&self.lane.owed());
        if owed > 0 {
            let wait = if owed >= self.limit.min(LIVE_BATCH) as u64 { 0 } else { LINGER };
            self.gather = Some(self.clock.mono().plus(wait));
        }
    }

    /// A flight panicked: all that was under way is still owed, so both cursors begin anew from there.
    fn start_over(&mut self) {
        tracing::error!(link = self.link.name(), "a request panicked, starting over from what is owed");
        self.flights.abort_all();
        self.flights = JoinSet::new();
        self.live.slot = Slot::Empty;
        self.backlog.slot = Slot::Empty;
        self.next = None;
        self.delivery.look_again();
        self.rest = Some(self.clock.mono().plus(self.pace.failed().as_millis() as u64));
        self.gather = self.rest;
    }

    fn cursor(&mut self, which: Which) -> &mut Cursor {
        match which {
            Which::Live => &mut self.live,
            Which::Backlog => &mut self.backlog,
        }
    }
}
