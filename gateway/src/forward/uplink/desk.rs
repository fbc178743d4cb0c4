//! The centre's commands on one connection: taken in, carried out one after the other, answered, and only then
//! acknowledged, so that one which a crash or a broken connection cut short comes again.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Uplink;
use super::book::Range;
use super::command::{self, Command, Deed};
use super::link::Incoming;
use super::status::{self, Gone};
use crate::clock::Clock;
use crate::driver::{CommandError, EngineHandle};
use crate::journal::{Entry, Journal, Lane, Seq};

/// Commands that may wait; more are refused.
const MOST_WAITING: usize = 64;
/// Ranges of a resend that a reply names as gone; what is beyond is in the number.
const MOST_RANGES: usize = 32;

/// What is to be told, and the packet that may then be acknowledged.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) packet: Option<u16>,
    pub(super) body: Value,
}

/// A range on its way to the centre once more.
#[derive(Debug)]
pub(super) struct Resend {
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) lane: Lane,
    pub(super) epoch: u64,
    pub(super) range: Range,
    /// The next record to be read.
    pub(super) next: Seq,
    packet: Option<u16>,
    /// Messages not acknowledged yet.
    flying: usize,
    sent: u64,
    gone: Vec<Range>,
}

impl Resend {
    /// The records before `seq` are not there any more.
    fn gone_to(&mut self, seq: Seq) {
        if self.next < seq {
            self.gone.push((self.next, seq - 1));
            self.next = seq;
        }
    }

    fn is_over(&self) -> bool {
        self.next > self.range.1 && self.flying == 0
    }
}

/// One connection's commands.
#[derive(Debug)]
pub(super) struct Desk {
    errands: VecDeque<(Option<u16>, Command)>,
    errand: JoinSet<Reply>,
    resends: VecDeque<Resend>,
    count: u64,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self { errands: VecDeque::new(), errand: JoinSet::new(), resends: VecDeque::new(), count: 0 }
    }

    /// Takes a message in; gives the reply to one that is not carried out.
    pub(super) fn take(&mut self, uplink: &Uplink, message: Incoming) -> Option<Reply> {
        let Incoming { packet, retained, payload } = message;
        let command = match command::parse(&payload) {
            Ok(command) => command,
            Err(refused) => return Some(Reply { packet, body: status::refusal(&refused) }),
        };
        let refuse = |why: &str| Some(Reply { packet, body: status::refuse(&command, why) });
        if retained {
            return refuse("a retained command would come again at every connect; send it without retain");
        }
        if self.errands.len() + self.resends.len() >= MOST_WAITING {
            return refuse("too many commands wait already; send it again later");
        }
        let Deed::Resend { lane, epoch, from, to } = command.deed else {
            self.errands.push_back((packet, command));
            self.next_errand(uplink);
            return None;
        };
        let outbox = if lane == Lane::Alarm { &uplink.alarm } else { &uplink.telemetry };
        if let Some(why) = status::unheld(&command.deed, &outbox.epochs, outbox.feed.dated()) {
            return refuse(&why);
        }
        self.count += 1;
        self.resends.push_back(Resend {
            number: self.count,
            id: command.id,
            lane,
            epoch,
            range: (from, to),
            next: from,
            packet,
            flying: 0,
            sent: 0,
            gone: Vec::new(),
        });
        None
    }

    fn next_errand(&mut self, uplink: &Uplink) {
        if self.errand.is_empty()
            && let Some((packet, command)) = self.errands.pop_front()
        {
            let (engine, journal) = (uplink.engine.clone(), uplink.journal.clone());
            let errand = run(engine, journal, uplink.clock.clone(), uplink.name.clone(), command);
            self.errand.spawn(async move { Reply { packet, body: errand.await } });
        }
    }

    /// The reply to the errand under way; waits for ever where there is none. Cancel-safe.
    pub(super) async fn answered(&mut self) -> Reply {
        match self.errand.join_next().await {
            Some(Ok(reply)) => reply,
            Some(Err(error)) => {
                tracing::error!(%error, "a command of the centre ended early");
                Reply { packet: None, body: json!({ "ok": false, "why": "it ended early; send it again" }) }
            }
            None => std::future::pending().await,
        }
    }

    /// After [`Desk::answered`].
    pub(super) fn go_on(&mut self, uplink: &Uplink) {
        self.next_errand(uplink);
    }

    /// The resend whose turn it is.
    pub(super) fn resend(&self) -> Option<&Resend> {
        self.resends.front().filter(|resend| resend.next <= resend.range.1)
    }

    /// One message of the resend whose turn it is was handed over, with these records.
    pub(super) fn sent(&mut self, first: Seq, last: Seq) {
        if let Some(resend) = self.resends.front_mut() {
            resend.gone_to(first);
            resend.next = last + 1;
            resend.sent += last - first + 1;
            resend.flying += 1;
        }
    }

    /// What is left of the resend whose turn it is, up to `last`, is not there any more.
    pub(super) fn gone(&mut self, last: Seq) {
        if let Some(resend) = self.resends.front_mut() {
            resend.gone_to(last + 1);
        }
    }

    /// A message of the resend with this number arrived.
    pub(super) fn arrived(&mut self, number: u64) {
        if let Some(resend) = self.resends.iter_mut().find(|resend| resend.number == number) {
            resend.flying = resend.flying.saturating_sub(1);
        }
    }

    /// The reply to the resend in front, once all of it arrived, and what it found gone.
    pub(super) fn finished(&mut self) -> Option<(Reply, Vec<Gone>)> {
        let over = self.resends.pop_front_if(|resend| resend.is_over())?;
        let Resend { id, lane, epoch, range, packet, sent, gone, .. } = over;
        let lost: u64 = gone.iter().map(|(from, to)| to - from + 1).sum();
        let ranges: Vec<_> = gone.iter().take(MOST_RANGES).map(|(from, to)| json!([from, to])).collect();
        let more = json!({
            "lane": super::framing::lane_word(lane), "epoch": epoch.to_string(), "from": range.0, "to": range.1,
            "sent": sent, "gone": ranges, "gone_records": lost,
        });
        let gone = gone.into_iter().map(|range| Gone { lane, epoch, range }).collect();
        Some((Reply { packet, body: status::done(&id, "resend", more) }, gone))
    }
}

/// Carries out what goes through the engine. Where it came from is in the audit before anything happens.
async fn run(engine: EngineHandle, journal: Journal, clock: Clock, via: String, command: Command) -> Value {
    let Deed::Acknowledge { alarm, by, note } = command.deed.clone() else {
        return status::refuse(&command, "it is carried out elsewhere");
    };
    let detail = note.as_ref().map_or_else(|| format!("by {via}"), |note| format!("by {via}: {note}"));
    let action = "acknowledge-asked".to_owned();
    journal.append(Entry::Audit { at: clock.wall().0, by: by.clone(), action, target: alarm.clone(), detail });
    let durable = match engine.acknowledge(alarm.clone(), by, note).await {
        Ok(_) => true,
        Err(CommandError::NotDurable) => false,
        Err(CommandError::NoSuchAlarm) => return status::refuse(&command, &format!("no alarm {alarm} stands")),
        Err(CommandError::NotNow(why) | CommandError::Wrong(why) | CommandError::NoSuchArea(why)) => {
            return status::refuse(&command, &why);
        }
        Err(CommandError::Stopped) => return status::refuse(&command, "the gateway is stopping; send it again"),
    };
    status::done(&command.id, "acknowledge", json!({ "alarm": alarm, "durable": durable }))
}
