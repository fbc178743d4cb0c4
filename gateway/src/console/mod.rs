//! A reader: the API and the page. It asks the engine and the journal, and can slow neither.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::Site;
use crate::driver::EngineHandle;
use crate::journal::Journal;
use crate::stop::Stop;
use crate::telemetry::SharedStats;

/// What the console is given.
#[derive(Debug, Clone)]
pub struct Context {
    pub site: Arc<Site>,
    pub clock: Clock,
    pub catalog: Catalog,
    pub stats: SharedStats,
    pub engine: EngineHandle,
    pub journal: Journal,
    pub stop: Stop,
    /// UTC ms of the start of this run.
    pub started: i64,
}

/// Serves until told to stop, then ends open streams.
pub async fn serve(_listener: tokio::net::TcpListener, _context: Context) {
    unimplemented!()
}
