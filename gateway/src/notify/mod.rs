//! To people: every transition is pushed at once, in order per alarm, and again until it is accepted. A channel that asks for
//! it is spared what comes and goes all the time ([`damp`]).
//!
//! [`body`] says what is pushed, [`order`] when, [`receiver`] where to; [`pushes`] and [`heartbeat`] are the two loops,
//! which never wait for each other. Nothing here may drop a transition silently, delay a first raise behind a retry, or
//! need the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use gengfu_core::alarm::{ModeName, Priority};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::checked::{Site, WebhookConfig};
use crate::flow::AlarmEvent;
use crate::journal::Tap;
use crate::stop::Stop;
use crate::telemetry::{LinkState, SharedStats};

mod body;
mod order;
mod behind;
mod damp;
mod secret;
mod receiver;
mod pushes;
#[cfg(test)]
mod tests;

/// What a push channel is given.
#[derive(Debug)]
pub struct Context {
    pub config: WebhookConfig,
    pub site: Arc<Site>,
    pub clock: Clock,
    pub stats: SharedStats,
    pub tap: Tap,
    pub stop: Stop,
    /// Address of the console, for the link in the message.
    pub console: String,
}

/// Which transitions this channel is for.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    /// Empty for all.
    priorities: &'a [Priority],
    /// Also those of walk-tests and maintenance. A drill is to call people, and is always pushed.
    tests: bool,
}

impl<'a> Wanted<'a> {
    const fn of(config: &'a WebhookConfig) -> Self {
        Self { priorities: config.priorities.as_slice(), tests: config.tests }
    }

    fn is(self, event: &AlarmEvent) -> bool {
        let called = match event.test() {
            Some(ModeName::WalkTest | ModeName::Maintenance) => self.tests,
            Some(ModeName::Drill) | None => true,
        };
        let priority = |priority: &Priority| priority.word() == event.priority;
        called && (self.priorities.is_empty() || self.priorities.iter().any(priority))
    }
}

/// How long a push under way at a stop may still take.
const GRACE: Duration = Duration::from_secs(1);

/// Pushes until told to stop; never returns on its own.
pub async fn run(context: Context) {
    let Context { config, site, clock, stats, tap, stop, console } = context;
    notify(config, &site.id, clock, stats, tap, stop, console).await;
}

async fn notify<T: pushes::Source>(
    config: WebhookConfig,
    site: &str,
    clock: Clock,
    stats: SharedStats,
    tap: T,
    mut stop: Stop,
    console: String,
) {
    let name = format!("webhook/{}", config.name);
    stats.link(&name, LinkState::Connecting, clock.wall().0);
    let receiver = match receiver::Receiver::new(&config) {
        Ok(receiver) => receiver,
        Err(why) => {
            tracing::error!(link = name, why, "no pushes, all are kept");
            stats.link(&name, LinkState::Down { why }, clock.wall().0);
            return stop.wait().await;
        }
    };
    let shared = Arc::new(Shared {
        name,
        receiver,
        clock,
        stats,
        console,
        pushed: AtomicU64::new(0),
        waiting: AtomicUsize::new(0),
        reached: Notify::new(),
    });
    let end = async |mut stop: Stop| {
        stop.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = pushes::run(shared.clone(), tap, Wanted::of(&config), config.damp.map(damp::Damp::new), stop.clone()) => {}
        () = heartbeat(&shared, site, config.heartbeat) => {}
        () = end(stop.clone()) => {}
    }
    shared.stats.unpushed(&shared.name, None);
}

/// What both loops need.
#[derive(Debug)]
struct Shared {
    name: String,
    receiver: receiver::Receiver,
    clock: Clock,
    stats: SharedStats,
    console: String,
    pushed: AtomicU64,
    waiting: AtomicUsize,
    /// A heartbeat got through: pushes that wait for the receiver need not.
    reached: Notify,
}

impl Shared {
    /// Posts one body and tells the page how the link is.
    async fn post(&self, headers: &[(&'static str, String)], body: Vec<u8>) -> receiver::Answer {
        let answer = self.receiver.post(headers, body).await;
        let state = match &answer {
            receiver::Answer::Accepted => LinkState::Up,
            receiver::Answer::Refused(why) | receiver::Answer::Busy(why) | receiver::Answer::Away(why) => {
                LinkState::Down { why: why.clone() }
            }
        };
        self.stats.link(&self.name, state, self.clock.wall().0);
        answer
    }
}

/// Says "I am here" every `period`, so that silence is noticed. A lost beat is not repeated: the next one comes.
async fn heartbeat(shared: &Shared, site: &str, period: Option<Duration>) {
    let Some(period) = period else { return std::future::pending().await };
    let since = shared.clock.wall().0;
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let pulse = body::Pulse {
            sent: shared.clock.wall().0,
            since,
            pushed: shared.pushed.load(Ordering::Relaxed),
            waiting: shared.waiting.load(Ordering::Relaxed),
        };
        let answer = shared.post(&[(body::KIND, "heartbeat".to_owned())], body::heartbeat(site, pulse)).await;
        if answer == receiver::Answer::Accepted {
            shared.reached.notify_one();
        } else {
            tracing::debug!(link = shared.name, ?answer, "heartbeat not accepted");
        }
    }
}
