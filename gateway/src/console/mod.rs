//! A reader: the API and the page. It asks the engine and the journal, and can slow neither: every question has a
//! deadline, every list a limit, and one sampler serves all open streams. It keeps nothing that is not asked anew; whatever it
//! changes (what people do to alarms and areas) it asks of the engine.
//!
//! Until users and TLS exist it is for this machine alone: see [`guard`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::time::Wall;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::Site;
use crate::driver::{EngineHandle, Held, Report, Snapshot};
use crate::journal::Journal;
use crate::reload::Reloads;
use crate::stop::Stop;
use crate::telemetry::{LinkStatus, SharedStats};

mod api;
mod areas;
mod assets;
mod extract;
mod foretold;
mod guard;
mod history;
mod impaired;
mod live;
mod memo;
mod missing;
mod page;
mod problem;
mod router;
mod socket;
mod standing;
mod view;

#[cfg(test)]
mod tests;

/// How long the engine may take to answer a reader before it counts as silent.
const ENGINE_LIMIT: Duration = Duration::from_secs(2);
/// How long requests under way may take to end once stop was said; the process has 5 s in all.
const DRAIN: Duration = Duration::from_secs(2);
/// Open event streams; more get 503. A duty room has a few screens.
const MAX_STREAMS: usize = 64;

/// What the console is given.
#[derive(Debug, Clone)]
pub struct Context {
    /// As the last reload left it.
    pub site: watch::Receiver<Arc<Site>>,
    pub clock: Clock,
    pub catalog: Catalog,
    pub stats: SharedStats,
    pub engine: EngineHandle,
    pub journal: Journal,
    pub reloads: Reloads,
    pub stop: Stop,
    /// UTC ms of the start of this run.
    pub started: i64,
}

/// Serves until told to stop, then ends open streams.
pub async fn serve(listener: TcpListener, context: Context) {
    let Context { site, clock, catalog, stats, engine, journal, reloads, stop, started } = context;
    let history = Arc::new(journal);
    run(listener, App::new(site, clock, catalog, stats, engine, history, reloads, stop, started)).await;
}

/// What every request handler is given; cheap to clone.
#[derive(Debug, Clone)]
struct App {
    site: watch::Receiver<Arc<Site>>,
    clock: Clock,
    catalog: Catalog,
    stats: SharedStats,
    engine: EngineHandle,
    history: Arc<dyn history::History>,
    reloads: Reloads,
    stop: Stop,
    started: i64,
    live: live::Live,
    streams: Arc<Semaphore>,
    foretold: memo::Memo<crate::foretold::lane::Report>,
    missing: memo::Memo<missing::Missing>,
}

impl App {
    #[expect(clippy::too_many_arguments, reason = "the fields of Context, with the journal seen as a History")]
    fn new(
        site: watch::Receiver<Arc<Site>>,
        clock: Clock,
        catalog: Catalog,
        stats: SharedStats,
        engine: EngineHandle,
        history: Arc<dyn history::History>,
        reloads: Reloads,
        stop: Stop,
        started: i64,
    ) -> Self {
        let streams = Arc::new(Semaphore::new(MAX_STREAMS));
        let live = live::Live::default();
        let (foretold, missing) = (memo::Memo::default(), memo::Memo::default());
        Self { site, clock, catalog, stats, engine, history, reloads, stop, started, live, streams, foretold, missing }
    }

    /// The site, for as long as one answer takes.
    fn site(&self) -> Arc<Site> {
        self.site.borrow().clone()
    }

    /// The present; `None` where the engine does not answer in time.
    async fn snapshot(&self) -> Option<Snapshot> {
        timeout(ENGINE_LIMIT, self.engine.snapshot()).await.ok().flatten()
    }

    /// How well the alarms serve people; `None` where the engine does not answer in time.
    async fn performance(&self) -> Option<Report> {
        timeout(ENGINE_LIMIT, self.engine.performance()).await.ok().flatten()
    }

    /// What the rules that learn believe; `None` where the engine does not answer in time.
    async fn learned(&self) -> Option<Vec<Held>> {
        timeout(ENGINE_LIMIT, self.engine.learned()).await.ok().flatten()
    }

    /// How each link is. What was counted before the clock was set is told as the time it became.
    fn links(&self) -> BTreeMap<String, LinkStatus> {
        let mut links = self.stats.links();
        for link in links.values_mut() {
            link.since = self.dated(link.since);
        }
        links
    }

    /// When this run began, UTC ms.
    fn started(&self) -> i64 {
        self.dated(self.started)
    }

    fn dated(&self, at: i64) -> i64 {
        self.clock.dated(Wall(at)).map_or(at, |at| at.0)
    }

    /// What is not well in it.
    fn impaired(&self, snapshot: Option<&Snapshot>) -> impaired::Impaired {
        impaired::Impaired::of(snapshot, &self.catalog, &self.site(), &self.stats).clocked(self.clock.is_set())
    }
}

async fn run(listener: TcpListener, app: App) {
    let (mut stop, mut last_call) = (app.stop.clone(), app.stop.clone());
    let server = axum::serve(socket::Bounded::new(listener), router::router(app.clone()))
        .with_graceful_shutdown(async move { stop.wait().await });
    let overdue = async {
        last_call.wait().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = async { server.await } => {
            if let Err(error) = result {
                tracing::error!(%error, "console ended");
            }
        }
        () = app.live.sample(&app) => {}
        () = overdue => tracing::warn!("console requests cut off at shutdown"),
    }
}
