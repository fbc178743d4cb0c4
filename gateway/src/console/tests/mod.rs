//! The console as a client meets it: a real listener, a made-up engine and journal behind it.

pub(super) mod made_up;

mod api;
mod commands;
mod guards;
mod page;
mod streams;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use gengfu_core::engine::Command;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::App;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::driver::{
    CommandError, Done, EngineHandle, ForgetDone, ForgetOrder, Held, LevelDone, ModeDone, ModeOrder, Report, Request,
    Snapshot,
};
use crate::flow::AlarmEvent;
use crate::journal::{LevelRecord, Ticket};
use crate::scripted::DEADLINE;
use crate::stop::{self, Stopper};
use crate::telemetry::{SharedStats, Stats};

/// What the made-up engine answers.
#[derive(Debug, Default)]
struct Engine {
    snapshot: Snapshot,
    command: Option<Result<AlarmEvent, CommandError>>,
    /// Who asked for what.
    asked: Vec<(String, String, String)>,
    /// What the last command was, and what was written with it.
    command_asked: Option<Command>,
    note: Option<String>,
    report: Report,
    released: Option<Result<LevelRecord, CommandError>>,
    /// Modes that were begun or ended.
    modes: Vec<ModeOrder>,
    held: Vec<Held>,
    /// What was to be forgotten.
    forgotten: Vec<ForgetOrder>,
    silent: bool,
}

struct Console {
    address: SocketAddr,
    client: Client,
    engine: Arc<Mutex<Engine>>,
    handle: EngineHandle,
    journal: Arc<made_up::Journal>,
    reload_asks: mpsc::Receiver<crate::reload::Ask>,
    stats: SharedStats,
    clock: Clock,
    stopper: Stopper,
    server: JoinHandle<()>,
}

impl Console {
    async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (handle, _inputs, requests) = EngineHandle::detached(1);
        let catalog = Catalog::default();
        let clock = Clock::start();
        let snapshot = made_up::snapshot(&catalog, clock.wall().0);
        let engine = Arc::new(Mutex::new(Engine { snapshot, ..Engine::default() }));
        tokio::spawn(answer(Arc::clone(&engine), requests));
        let (stopper, stop) = stop::channel();
        let stats: SharedStats = Arc::new(Stats::default());
        let journal = Arc::new(made_up::Journal::default());
        let site = tokio::sync::watch::channel(Arc::new(made_up::site())).1;
        let (reloads, reload_asks) = crate::reload::Reloads::channel();
        let started = clock.wall().0;
        let app = App::new(
            site,
            clock.clone(),
            catalog,
            Arc::clone(&stats),
            handle.clone(),
            journal.clone(),
            reloads,
            stop,
            started,
        );
        let server = tokio::spawn(super::run(listener, app));
        Self { address, client: Client::new(), engine, handle, journal, reload_asks, stats, clock, stopper, server }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    async fn get(&self, path: &str) -> Response {
        soon(self.request(Method::GET, path).send()).await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let text = response.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let request = self.request(Method::POST, path).header("content-type", "application/json").body(body.to_owned());
        let response = soon(request.send()).await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    fn set(&self, change: impl FnOnce(&mut Engine)) {
        change(&mut self.engine.lock().unwrap());
    }
}

impl Engine {
    fn carried_out(&self) -> Result<Done, CommandError> {
        let event = self.command.clone().unwrap_or(Err(CommandError::NoSuchAlarm))?;
        Ok(Done { event, ticket: Ticket(1) })
    }
}

/// Answers in the engine's place.
async fn answer(engine: Arc<Mutex<Engine>>, mut requests: mpsc::Receiver<Request>) {
    let mut unanswered = Vec::new();
    while let Some(request) = requests.recv().await {
        let mut engine = engine.lock().unwrap();
        if engine.silent {
            unanswered.push(request);
            continue;
        }
        match request {
            Request::Ping { reply } => drop(reply.send(())),
            Request::Snapshot { reply } => drop(reply.send(engine.snapshot.clone())),
            Request::Order { order, reply } => {
                let word = match order.command {
                    Command::Acknowledge => "acknowledge",
                    Command::Reset => "reset",
                    Command::Shelve { .. } => "shelve",
                    Command::Unshelve => "unshelve",
                    Command::OutOfService { .. } => "out-of-service",
                    Command::ReturnToService => "return-to-service",
                    Command::Note => "note",
                };
                engine.asked.push((word.to_owned(), order.target, order.by));
                engine.command_asked = Some(order.command);
                engine.note = order.note;
                drop(reply.send(engine.carried_out()));
            }
            Request::Performance { reply } => drop(reply.send(engine.report.clone())),
            Request::Release { by, note, reply } => {
                engine.asked.push(("release".to_owned(), note, by));
                let record = engine.released.clone().unwrap_or(Err(CommandError::Stopped));
                drop(reply.send(record.map(|record| LevelDone { record, ticket: Ticket(1) })));
            }
            Request::Mode { order, reply } => {
                let record = made_up::mode(&order.area, order.begin.map_or("walk-test", |(mode, _)| mode.word()));
                engine.modes.push(order);
                drop(reply.send(Ok(ModeDone { record, ticket: Ticket(1) })));
            }
            Request::Learned { reply } => drop(reply.send(engine.held.clone())),
            Request::Forget { order, reply } => {
                let held = engine.held.iter().find(|held| held.rule == order.rule && held.point == order.point);
                let record = held.map(|held| made_up::forgotten(held, &order));
                let kept = watch::channel(1).1;
                let done = record.map(|record| ForgetDone { record, ticket: Ticket(1), kept });
                engine.forgotten.push(order);
                drop(reply.send(done.ok_or(CommandError::Wrong("no rule looks at that".to_owned()))));
            }
            // Nobody here reloads the engine's rules.
            Request::Prepare { .. } | Request::Switch { .. } => {}
        }
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("happens before the deadline")
}
