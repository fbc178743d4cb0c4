//! The uplink: committed records of both lanes to a centre, by an MQTT broker, and the centre's commands back. The contract
//! is docs/uplink.md. Our own durable outbox is the journal's delivery map: a record is delivered on the acknowledgement of
//! its own message, by the connection that sent it, and what was under way when a connection broke is owed and sent again.
//!
//! [`framing`], [`command`], [`status`], and [`book`] are pure, [`load`] reads, [`link`] is the only file that
//! knows the client library, [`session`] runs one connection, [`desk`] its commands. Nothing here may send what is not
//! synced, call a record delivered that nobody acknowledged, or change anything but through the engine.

use std::sync::Arc;
use std::time::Duration;

use gengfu_core::time::Mono;

use super::GRACE;
use super::bucket::Bucket;
use crate::backoff::{self, Backoff};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::UplinkConfig;
use crate::driver::EngineHandle;
use crate::journal::{Feed, Journal, Stretch};
use crate::stop::Stop;
use crate::telemetry::{LinkState, SharedStats};
use framing::Topics;
use load::Loader;
use status::{GoneBook, LaneState};

mod framing;
mod command;
mod status;
mod book;
mod load;
mod link;
mod desk;
mod session;
#[cfg(test)]
mod tests;

/// What an uplink is given.
#[derive(Debug)]
pub struct Context {
    pub config: UplinkConfig,
    /// The site's id.
    pub site: String,
    pub clock: Clock,
    pub catalog: Catalog,
    pub stats: SharedStats,
    pub engine: EngineHandle,
    pub journal: Journal,
    pub alarm: Feed,
    pub telemetry: Feed,
    pub stop: Stop,
}

/// Pauses between attempts to connect, each between half and all of it: a broker that comes back is not stormed.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// How long a connection must have stood to count as one that held, ms.
const HELD: u64 = 5_000;
/// Records one telemetry message may carry; fewer after a broker threw us out for one that arrived nowhere.
const MOST_RECORDS: usize = 5_000;
const LEAST_RECORDS: usize = 50;

/// Forwards until told to stop; never returns on its own.
pub async fn run(context: Context) {
    let mut stop = context.stop.clone();
    let mut overdue = context.stop.clone();
    let uplink = Uplink::new(context);
    let late = async {
        overdue.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    match uplink {
        Ok(mut uplink) => tokio::select! {
            () = uplink.run(&mut stop) => {}
            () = late => {}
        },
        Err(why) => {
            tracing::error!(why, "uplink can't begin");
            stop.wait().await;
        }
    }
}

/// What outlives a connection.
struct Uplink {
    /// `mqtt/centre`
    name: String,
    config: UplinkConfig,
    site: String,
    topics: Topics,
    clock: Clock,
    stats: SharedStats,
    engine: EngineHandle,
    journal: Journal,
    alarm: Outbox,
    telemetry: Outbox,
    loader: Loader,
    bucket: Bucket,
    gone: GoneBook,
    /// Records a message may carry now.
    most: usize,
    told: Option<LinkState>,
}

/// One lane: its feed and its epochs, which change only when the journal is opened.
struct Outbox {
    feed: Arc<Feed>,
    epochs: Vec<Stretch>,
}

impl Outbox {
    fn new(feed: Feed) -> Self {
        Self { feed: Arc::new(feed), epochs: Vec::new() }
    }

    /// Reads the epochs, unless that of now is known; it is on disk once its first record is. Says whether it read.
    async fn learn(&mut self) -> Result<bool, String> {
        let now = self.feed.head().epoch;
        let known = self.epochs.iter().any(|stretch| stretch.epoch == now);
        if !known {
            self.epochs = self.feed.epochs().await?;
        }
        Ok(!known)
    }

    fn state(&self) -> LaneState {
        // The head first: what is owed may then lie beyond it, never the other way round.
        let head = self.feed.head().seq;
        LaneState { epochs: self.epochs.clone(), head, owed: self.feed.pending() }
    }
}

impl Uplink {
    fn new(context: Context) -> Result<Self, String> {
        let Context { config, site, clock, catalog, stats, engine, journal, alarm, telemetry, stop: _ } = context;
        let loader = Loader::new(catalog, &site).map_err(|error| format!("zstd: {error}"))?;
        Ok(Self {
            name: format!("mqtt/{}", config.name),
            topics: Topics::of(&site),
            bucket: Bucket::new(config.drain, clock.mono()),
            alarm: Outbox::new(alarm),
            telemetry: Outbox::new(telemetry),
            gone: GoneBook::default(),
            most: MOST_RECORDS,
            told: None,
            loader,
            config,
            site,
            clock,
            stats,
            engine,
            journal,
        })
    }

    /// One connection after the other.
    async fn run(&mut self, stop: &mut Stop) {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY, backoff::seed(&self.name, &self.clock));
        self.tell(LinkState::Connecting);
        while !stop.said() {
            let start = self.clock.mono();
            match self.connection(stop).await {
                Ok(()) => return,
                Err(why) => self.lost(why),
            }
            if self.held(start) {
                backoff.reset();
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                () = stop.wait() => {}
            }
        }
    }

    fn held(&self, start: Mono) -> bool {
        self.clock.mono().since(start) >= HELD
    }

    /// One connection from start to end: `Ok` at a stop, else what ended it.
    async fn connection(&mut self, stop: &mut Stop) -> Result<(), String> {
        self.alarm.learn().await?;
        self.telemetry.learn().await?;
        session::run(self, stop).await
    }

    fn lost(&mut self, why: String) {
        self.stats.forward_failures.add(1);
        self.tell(LinkState::Down { why });
    }

    /// To the page at once, to the log once a change.
    fn tell(&mut self, state: LinkState) {
        match (&state, &self.told) {
            (LinkState::Up, Some(LinkState::Up))
            | (LinkState::Down { .. }, Some(LinkState::Down { .. }))
            | (LinkState::Connecting, _) => {}
            (LinkState::Up, _) => tracing::info!(link = self.name, "centre's broker takes data"),
            (LinkState::Down { why }, _) => {
                tracing::warn!(link = self.name, why, "centre's broker can't be reached, all is kept");
            }
        }
        self.stats.link(&self.name, state.clone(), self.clock.wall().0);
        self.told = Some(state);
    }

    /// What is wrong with the gateway, in words.
    fn troubles(&self) -> Vec<String> {
        let health = self.journal.health();
        let journal = health.alarm_error.into_iter().chain(health.telemetry_error).map(|why| format!("journal: {why}"));
        let links = self.stats.links().into_iter().filter_map(|(name, status)| match status.state {
            LinkState::Down { why } => Some(format!("{name}: {why}")),
            LinkState::Connecting | LinkState::Up => None,
        });
        journal.chain(links).take(MOST_TROUBLES).collect()
    }
}

/// Troubles that are told; a site whose switch is dead has as many as it has lines.
const MOST_TROUBLES: usize = 32;
