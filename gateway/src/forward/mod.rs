//! To the stores and the centre: committed records become line protocol and go to the InfluxDB v2 API, and by
//! [`uplink`] over MQTT. Nothing is forwarded before it is synced; what a sink does not take stays owed in its delivery map.
//!
//! [`names`], [`line`], [`memory`] and [`alarm`] write, [`batch`], [`delivery`] and [`bucket`] decide, [`store`] sends, [`alarms`] and
//! [`telemetry`] are the two loops. Nothing here may drop a record, reorder what is owed, or make the journal wait.

use std::sync::Arc;
use std::time::Duration;

use crate::backoff::{self, Backoff};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::{Drain, InfluxConfig, Site};
use crate::journal::{Feed, Outcome, Seq};
use crate::stop::Stop;
use crate::telemetry::SharedStats;

mod names;
mod memory;
mod line;
mod alarm;
mod batch;
mod delivery;
mod bucket;
mod store;
mod link;
mod feed;
mod alarms;
mod telemetry;
pub(crate) mod past;
pub mod uplink;
#[cfg(test)]
mod tests;

/// What a forwarder is given.
#[derive(Debug)]
pub struct Context {
    pub config: InfluxConfig,
    pub site: Arc<Site>,
    pub clock: Clock,
    pub catalog: Catalog,
    pub stats: SharedStats,
    pub alarm: Feed,
    pub telemetry: Feed,
    pub stop: Stop,
}

/// How long a request under way at a stop may still take.
const GRACE: Duration = Duration::from_secs(1);

/// Forwards until told to stop; never returns on its own.
pub async fn run(context: Context) {
    let Context { config, site, clock, catalog, stats, alarm, telemetry, stop } = context;
    let store = store::Influx::new(&config);
    // A series goes by its time.
    let named = (config.name.as_str(), config.drain);
    forward(named, &site.id, clock, catalog, stats, (alarm.by_time(), telemetry), store, stop).await;
}

#[expect(clippy::too_many_arguments, reason = "the context taken apart, with the lanes and the store open to tests")]
async fn forward<L: feed::Lane, S: store::TsSink>(
    (name, drain): (&str, Drain),
    site: &str,
    clock: Clock,
    catalog: Catalog,
    stats: SharedStats,
    (alarm, records): (L, L),
    store: S,
    stop: Stop,
) {
    let name = format!("influxdb/{name}");
    let seed = backoff::seed(&name, &clock);
    let link = Arc::new(link::Link::new(name, store, clock.clone(), stats));
    let alarms = alarms::run(alarm, link.clone(), Pace::new(seed), stop.clone());
    let records =
        telemetry::Forwarder::new(records, link, catalog, names::Names::new(site), clock, (Pace::new(!seed), drain));
    let end = async |mut stop: Stop| {
        stop.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        _ = async { tokio::join!(alarms, records.run(stop.clone())) } => {}
        () = end(stop.clone()) => {}
    }
}

/// When to try again.
#[derive(Debug)]
struct Pace {
    backoff: Backoff,
    failures: u32,
}

impl Pace {
    const FLOOR: Duration = Duration::from_millis(100);
    /// A store on the line is asked at least this often, so that its return is seen, and a batch made, within a second.
    const CEILING: Duration = Duration::from_millis(700);
    /// How often a store is asked that waits for a person.
    const HOLD: Duration = Duration::from_secs(1);
    /// How often a journal is asked that can't be read.
    const UNREADABLE: Duration = Duration::from_secs(1);

    fn new(seed: u64) -> Self {
        Self { backoff: Backoff::new(Self::FLOOR, Self::CEILING, seed), failures: 0 }
    }

    fn fine(&mut self) {
        self.failures = 0;
    }

    fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.backoff.delay(self.failures)
    }

    /// The journal would not give its records: they stay owed.
    fn unreadable(link: &str, why: &str) -> Duration {
        tracing::error!(link, why, "journal not readable, trying again");
        Self::UNREADABLE
    }
}

/// Rows that can't be read which are given up at once; the next look takes more.
const GIVEN_UP: usize = 64;

/// Nothing of this range could be had: what of it is there and can't be read is dead, since sealing, which takes such rows out, may
/// have passed it. The rest has expired, which is the journal's to say.
async fn unreadable<L: feed::Lane>(lane: &L, (from, to): (Seq, Seq)) -> Result<Vec<(Seq, Seq, Outcome)>, String> {
    let rows = lane.unreadable(from, to, GIVEN_UP).await?;
    Ok(rows.into_iter().map(|(from, to)| (from, to, Outcome::Dead(batch::UNREADABLE.to_owned()))).collect())
}

/// How often a settlement is tried, a second apart.
const SETTLE_TRIES: usize = 10;

/// Settles all ranges of a batch, and waits for the disk once: a batch with a hundred bad records in it takes no longer
/// than a good one. Says whether all are settled; those that are not stay owed.
async fn settle_all<L: feed::Lane>(lane: &L, link: &str, ranges: Vec<(Seq, Seq, Outcome)>) -> bool {
    let settled = ranges.into_iter().map(|(from, to, outcome)| settle(lane, link, from, to, outcome));
    futures_util::future::join_all(settled).await.into_iter().all(|settled| settled)
}

/// Settles a range, patiently: what is sent and not settled is sent twice. Says whether it is settled; if not it stays owed.
async fn settle<L: feed::Lane>(lane: &L, link: &str, from: Seq, to: Seq, outcome: Outcome) -> bool {
    for _ in 0..SETTLE_TRIES {
        match lane.settle(from, to, outcome.clone()).await {
            Ok(()) => return true,
            Err(why) => tracing::error!(link, from, to, why, "delivery not recorded, trying again"),
        }
        tokio::time::sleep(Pace::UNREADABLE).await;
    }
    false
}
