//! Wires everything, and reads like the drawing in ARCHITECTURE.md: journal, engine, what reads the journal, and last
//! the sources. It stops in the mirrored order, within a deadline.

mod crew;
mod deadman;
mod field;
pub(crate) mod good;
pub(crate) mod points;
mod reload;
mod supervise;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod figures_tests;
#[cfg(test)]
mod learned_tests;
#[cfg(test)]
mod silent_tests;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::time::Wall;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::{InfluxConfig, Site, UplinkConfig, WebhookConfig};
use crate::driver::{self, EngineHandle};
use crate::forward::uplink;
use crate::journal::{Entry, Journal, Lane, Opened, SinkSpec, StartCause, Writers};
use crate::reload::{Ask, Reloads};
use crate::source::{self, SourceTask, own};
use crate::stop::{self, Stop};
use crate::telemetry::{SharedStats, Stats};
use crate::{console, forward, journal, notify};
use crew::Crew;
use field::Field;
use good::Good;
use reload::Rooms;
use supervise::{Keeper, Side};

/// How long a stop may take, in milliseconds: 5 s are promised.
const STOP: u64 = 4_400;
/// How long each stage before the last may take; the last, the journal's, has all that is left.
const STAGE: Duration = Duration::from_millis(1_100);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// The engine's door.
    pub engine: EngineHandle,
    /// `http://127.0.0.1:8420`
    pub console: String,
    clock: Clock,
    journal: Journal,
    writers: Writers,
    field: Field,
    engine_task: JoinHandle<()>,
    rooms: Rooms,
    asks: mpsc::Receiver<Ask>,
}

/// Why a run ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Told to; says whether everything got to disk.
    Stopped { clean: bool },
    /// The engine or a journal writer is gone: better dead and restarted than alive and deaf.
    Broken(&'static str),
}

impl Gateway {
    /// Starts everything; the error says what could not be had, and the mend.
    pub async fn start(site: Site) -> Result<Self, String> {
        Self::start_with(site, source::tasks).await
    }

    /// The same on sources of the caller's.
    async fn start_with(site: Site, sources: impl FnOnce(&source::Context) -> Vec<SourceTask>) -> Result<Self, String> {
        Self::start_by(Clock::start(), site, sources).await
    }

    /// The same by a clock of the caller's, which has just been started.
    async fn start_by(
        clock: Clock,
        mut site: Site,
        sources: impl FnOnce(&source::Context) -> Vec<SourceTask>,
    ) -> Result<Self, String> {
        let stats: SharedStats = Arc::new(Stats::default());
        let catalog = Catalog::default();
        own::complete(&mut site);
        let site = Arc::new(site);

        let listener = bind(&site).await?;
        let console = format!("http://{}", listener.local_addr().map_err(|e| e.to_string())?);

        belongs(&site)?;
        let opened = Journal::open(&site.journal, &catalog, &clock, &stats, &sinks(&site)).map_err(|e| e.0)?;
        let Opened { journal, standing, modes, levels, learned, cause, last_seen, present, writers } = opened;
        // The journal knows more about the clock than the clock.
        let started = clock.wall().0;
        tell_start(&journal, cause, last_seen, started);
        stats.journal_repairs.add(u64::from(cause == StartCause::Repair));

        let lately = driver::Lately::read(&journal).await;
        let tests = driver::tests_of(&journal, &modes).await;
        let points = points::enter(&site, &catalog, &standing);
        let (engine, task) = driver::start(driver::Setup {
            site: Arc::clone(&site),
            catalog: catalog.clone(),
            clock: clock.clone(),
            stats: Arc::clone(&stats),
            journal: journal.clone(),
            points,
            standing,
            lately,
            modes,
            tests,
            levels,
            learned,
            last_seen,
            present,
        })?;
        let field = Field::start()?;
        let engine_task = field.handle.spawn(task);

        let (reloads, asks) = Reloads::channel();
        let parts = Parts {
            shown: watch::Sender::new(Arc::clone(&site)),
            site,
            clock: clock.clone(),
            catalog,
            stats,
            journal: journal.clone(),
            engine: engine.clone(),
            reloads,
            address: console.clone(),
            off_since: last_seen.map(Wall),
        };
        let readers = parts.start_readers(listener, started);
        let sources = parts.start_sources(&field.handle, sources);
        let rooms = Rooms { parts, field: field.handle.clone(), sources, readers, file: None };
        Ok(Self { engine, console, clock, journal, writers, field, engine_task, rooms, asks })
    }

    /// Says which file the site was read from, and what it said: it can be read again, and is kept as good. `trouble`: why
    /// the file itself was not taken, where this is the last good one.
    pub async fn of_file(mut self, file: PathBuf, good: Good, trouble: Option<String>) -> Self {
        self.rooms.file = Some(file);
        self.rooms.parts.stats.site_file(trouble);
        self.rooms.keep(good).await;
        self
    }

    /// Where to ask for the file to be read again.
    pub fn reloads(&self) -> Reloads {
        self.rooms.parts.reloads.clone()
    }

    /// Runs until `stop` comes or something vital ends, feeding the service manager's watchdog, then stops in order.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> End {
        let manager = deadman::Manager::from_environment();
        manager.say("READY=1");
        let broken = tokio::select! {
            () = stop => None,
            _ = &mut self.engine_task => Some("the engine ended"),
            () = writers_gone(&self.writers) => Some("a journal writer ended"),
            () = deadman::feed(&manager, &self.engine, &self.journal, &self.clock) => None,
            () = self.rooms.serve(&mut self.asks) => None,
        };
        manager.say("STOPPING=1");
        match broken {
            Some(why) => End::Broken(why),
            None => End::Stopped { clean: self.stop().await },
        }
    }

    /// Sources first, then the engine empties its queue, then what reads the journal, then the journal itself.
    async fn stop(self) -> bool {
        let Self { engine, writers, field, engine_task, rooms, clock, .. } = self;
        let Rooms { parts, mut sources, mut readers, .. } = rooms;
        let due = clock.mono().plus(STOP);
        sources.end(|_| true).await;
        drop((engine, parts));
        // Readers hold doors to the engine: they go before it can end by itself.
        readers.end(|_| true).await;
        let drained = matches!(tokio::time::timeout(STAGE, engine_task).await, Ok(Ok(())));
        if !drained {
            tracing::warn!("engine did not empty its queue in time");
        }
        let left = Duration::from_millis(due.since(clock.mono()));
        let synced = tokio::task::spawn_blocking(move || writers.close(left)).await.unwrap_or(false);
        field.end();
        tracing::info!(drained, synced, "stopped");
        drained && synced
    }
}

/// What the rooms share.
#[derive(Debug, Clone)]
struct Parts {
    site: Arc<Site>,
    /// The same for the console, which goes on when it changes.
    shown: watch::Sender<Arc<Site>>,
    clock: Clock,
    catalog: Catalog,
    stats: SharedStats,
    journal: Journal,
    engine: EngineHandle,
    reloads: Reloads,
    /// Of the console.
    address: String,
    /// When the last run wrote its last.
    off_since: Option<Wall>,
}

impl Parts {
    /// Forward, notify, console.
    fn start_readers(&self, listener: std::net::TcpListener, started: i64) -> Crew {
        let mut crew = Crew::new("readers");
        self.start_sinks(&mut crew, |_| true);
        let (parts, listener) = (self.clone(), Arc::new(listener));
        crew.start("console".to_owned(), None, |stop| {
            let keeper = self.keeper(Side::Reader, &stop);
            let start = move || parts.clone().console(Arc::clone(&listener), stop.clone(), started);
            keeper.keep("console".to_owned(), start)
        });
        crew
    }

    /// Those of the stores, centres and push channels that are wanted.
    fn start_sinks(&self, crew: &mut Crew, wanted: impl Fn(&str) -> bool) {
        for config in self.site.influx.iter().filter(|config| wanted(&influx_sink(&config.name))).cloned() {
            let (parts, name) = (self.clone(), influx_sink(&config.name));
            crew.start(name.clone(), None, |stop| {
                let keeper = self.keeper(Side::Reader, &stop);
                keeper.keep(name, move || parts.clone().forward(config.clone(), stop.clone()))
            });
        }
        for config in self.site.uplinks.iter().filter(|config| wanted(&uplink_sink(&config.name))).cloned() {
            let (parts, name) = (self.clone(), uplink_sink(&config.name));
            crew.start(name.clone(), None, |stop| {
                let keeper = self.keeper(Side::Reader, &stop);
                keeper.keep(name, move || parts.clone().uplink(config.clone(), stop.clone()))
            });
        }
        for config in self.site.webhooks.iter().filter(|config| wanted(&webhook_sink(&config.name))).cloned() {
            let (parts, name) = (self.clone(), webhook_sink(&config.name));
            crew.start(name.clone(), None, |stop| {
                let keeper = self.keeper(Side::Reader, &stop);
                keeper.keep(name, move || parts.clone().notify(config.clone(), stop.clone()))
            });
        }
    }

    /// Records of the journal to one store.
    async fn forward(self, config: InfluxConfig, stop: Stop) {
        let sink = influx_sink(&config.name);
        let feeds = (self.journal.feed(&sink, Lane::Alarm), self.journal.feed(&sink, Lane::Telemetry));
        let (Some(alarm), Some(telemetry)) = feeds else { return };
        let Self { site, clock, catalog, stats, .. } = self;
        forward::run(forward::Context { config, site, clock, catalog, stats, alarm, telemetry, stop }).await;
    }

    /// Records of the journal to one centre, and its commands to the engine.
    async fn uplink(self, config: UplinkConfig, stop: Stop) {
        let sink = uplink_sink(&config.name);
        let feeds = (self.journal.feed(&sink, Lane::Alarm), self.journal.feed(&sink, Lane::Telemetry));
        let (Some(alarm), Some(telemetry)) = feeds else { return };
        let Self { site, clock, catalog, stats, engine, journal, .. } = self;
        let site = site.id.clone();
        let context = uplink::Context { config, site, clock, catalog, stats, engine, journal, alarm, telemetry, stop };
        uplink::run(context).await;
    }

    /// Transitions of the journal to one webhook.
    async fn notify(self, config: WebhookConfig, stop: Stop) {
        let Some(tap) = self.journal.tap(&webhook_sink(&config.name)) else { return };
        let Self { site, clock, stats, address: console, .. } = self;
        notify::run(notify::Context { config, site, clock, stats, tap, stop, console }).await;
    }

    /// The socket stays open between two runs of the task, so that nobody else gets the port.
    async fn console(self, listener: Arc<std::net::TcpListener>, stop: Stop, started: i64) {
        match listener.try_clone().and_then(TcpListener::from_std) {
            Ok(listener) => {
                let Self { shown, clock, catalog, stats, journal, engine, reloads, .. } = self;
                let site = shown.subscribe();
                let context = console::Context { site, clock, catalog, stats, engine, journal, reloads, stop, started };
                console::serve(listener, context).await;
            }
            Err(error) => tracing::error!(%error, "console can't take its socket"),
        }
    }

    fn keeper(&self, side: Side, stop: &Stop) -> Keeper {
        Keeper {
            side,
            clock: self.clock.clone(),
            stats: Arc::clone(&self.stats),
            journal: self.journal.clone(),
            stop: stop.clone(),
        }
    }

    /// The links, and the gateway's own eye on itself.
    fn start_sources(&self, field: &Handle, tasks_of: impl FnOnce(&source::Context) -> Vec<SourceTask>) -> Crew {
        let mut crew = Crew::new("sources");
        self.start_links(&mut crew, field, tasks_of, self.off_since, |_| true);
        // A name that no link can have.
        crew.start(format!("{}/", own::DEVICE), Some(field), |stop| {
            let (context, sites, journal) = (self.context(&stop), self.shown.subscribe(), self.journal.clone());
            let seen = own::Seen::default();
            let own = move || own::run(context.clone(), sites.clone(), journal.clone(), seen.clone());
            self.keeper(Side::Source, &stop).keep(own::DEVICE.to_owned(), own)
        });
        crew
    }

    /// Those of the links that are wanted, and since when they have not run.
    fn start_links(
        &self,
        crew: &mut Crew,
        field: &Handle,
        tasks_of: impl FnOnce(&source::Context) -> Vec<SourceTask>,
        off_since: Option<Wall>,
        wanted: impl Fn(&str) -> bool,
    ) {
        let (_stopper, unsaid) = stop::channel();
        let context = source::Context { off_since, ..self.context(&unsaid) };
        for task in tasks_of(&context).into_iter().filter(|task| wanted(&task.name)) {
            let SourceTask { name, start } = task;
            crew.start(name.clone(), Some(field), |stop| {
                let keeper = self.keeper(Side::Source, &stop);
                keeper.keep(name, move || start(stop.clone()))
            });
        }
    }

    fn context(&self, stop: &Stop) -> source::Context {
        source::Context {
            clock: self.clock.clone(),
            catalog: self.catalog.clone(),
            engine: self.engine.clone(),
            stats: Arc::clone(&self.stats),
            stop: stop.clone(),
            site: Arc::clone(&self.site),
            off_since: self.off_since,
            said: Arc::default(),
        }
    }
}

async fn writers_gone(writers: &Writers) {
    let mut ticker = tokio::time::interval(Duration::from_millis(500));
    while !writers.gone() {
        ticker.tick().await;
    }
}

async fn bind(site: &Site) -> Result<std::net::TcpListener, String> {
    let listen = site.console.listen;
    let listener = TcpListener::bind(listen).await.and_then(TcpListener::into_std);
    listener.map_err(|error| {
        format!("console can't listen on {listen}: {error}; end what uses the port or set [console] listen to another")
    })
}

/// A journal belongs to one site: another's alarms would stand here and never end. A damaged mark must not keep the
/// gateway from starting; it is written anew.
fn belongs(site: &Site) -> Result<(), String> {
    let dir = &site.journal.path;
    match journal::owner(dir) {
        Some(id) if id != site.id => Err(format!(
            "{} holds the journal of the site `{id}`, not of `{}`; give [journal] path a directory of its own",
            dir.display(),
            site.id
        )),
        Some(_) => Ok(()),
        None => match journal::own(dir, &site.id) {
            // No reason to leave a building unwatched: the next start writes the mark.
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::ReadOnlyFilesystem) => Ok(()),
            other => other.map_err(|error| format!("{}: {error}; check the path and the permissions", dir.display())),
        },
    }
}

fn tell_start(journal: &Journal, cause: StartCause, last_seen: Option<i64>, now: i64) {
    let off_ms = last_seen.map(|seen| now - seen).filter(|off| *off >= 0);
    tracing::info!(?cause, off_ms, "start");
    let version = env!("CARGO_PKG_VERSION").to_owned();
    journal.append(Entry::Start { at: now, version, cause, off_ms });
}

fn sinks(site: &Site) -> Vec<SinkSpec> {
    let influx =
        site.influx.iter().map(|c| SinkSpec { name: influx_sink(&c.name), lanes: &[Lane::Alarm, Lane::Telemetry] });
    let uplinks =
        site.uplinks.iter().map(|c| SinkSpec { name: uplink_sink(&c.name), lanes: &[Lane::Alarm, Lane::Telemetry] });
    let webhooks = site.webhooks.iter().map(|c| SinkSpec { name: webhook_sink(&c.name), lanes: &[Lane::Alarm] });
    influx.chain(uplinks).chain(webhooks).collect()
}

fn influx_sink(name: &str) -> String {
    format!("influxdb/{name}")
}

fn uplink_sink(name: &str) -> String {
    format!("mqtt/{name}")
}

fn webhook_sink(name: &str) -> String {
    format!("webhook/{name}")
}
