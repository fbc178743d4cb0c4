//! To the stores: committed records become line protocol and go to the InfluxDB v2 API. Nothing is forwarded before it
//! is synced; what a store does not take stays owed in its delivery map.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::{InfluxConfig, Site};
use crate::journal::Feed;
use crate::stop::Stop;
use crate::telemetry::SharedStats;

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

/// Forwards until told to stop; never returns on its own.
pub async fn run(_context: Context) {
    unimplemented!()
}
