//! The dead man's handle: the service manager is told "alive" only while the engine takes its turns and both journal
//! writers get on. sd_notify(3): datagrams to the socket in `NOTIFY_SOCKET`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock::Clock;
use crate::driver::EngineHandle;
use crate::journal::Journal;

/// A writer that has not finished a round for this long is stuck. Longer than any disk hiccup that heals by itself;
/// shorter than `WatchdogSec` in deploy/gengfu.service.
const STUCK_MS: u64 = 30_000;
/// How long the engine may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The service manager's ear; silent where there is none.
#[derive(Debug)]
pub(super) struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear from us, `WATCHDOG_USEC` / 3.
    pub(super) every: Option<Duration>,
}

impl Manager {
    /// From the environment the service manager set.
    pub(super) fn from_environment() -> Self {
        let socket = std::env::var("NOTIFY_SOCKET").ok().and_then(|path| {
            let address = match path.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&path),
            };
            Some((UnixDatagram::unbound().ok()?, address.ok()?))
        });
        let every = std::env::var("WATCHDOG_USEC").ok().and_then(|usec| usec.parse().ok());
        Self { socket, every: every.map(|usec: u64| Duration::from_micros(usec / 3).max(Duration::from_millis(100))) }
    }

    /// `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=…`. A manager that does not listen is none of our business.
    pub(super) fn say(&self, word: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(word.as_bytes(), address)
        {
            tracing::warn!(%error, word, "service manager does not listen");
        }
    }
}

/// Says "alive" as often as it is asked for, for as long as it is true.
pub(super) async fn feed(manager: &Manager, engine: &EngineHandle, journal: &Journal, clock: &Clock) {
    let Some(every) = manager.every else { return std::future::pending().await };
    let mut ticker = tokio::time::interval(every);
    loop {
        ticker.tick().await;
        match pulse(engine, journal, clock).await {
            Ok(()) => manager.say("WATCHDOG=1"),
            Err(why) => tracing::error!(why, "no progress, the watchdog is not fed"),
        }
    }
}

/// Whether everything that must move moves; if not, what does not.
async fn pulse(engine: &EngineHandle, journal: &Journal, clock: &Clock) -> Result<(), &'static str> {
    if !tokio::time::timeout(ANSWER, engine.ping()).await.unwrap_or(false) {
        return Err("engine does not answer");
    }
    let (health, now) = (journal.health(), clock.mono().0);
    if now.saturating_sub(health.alarm_progress) > STUCK_MS {
        return Err("alarm lane is stuck");
    }
    if now.saturating_sub(health.telemetry_progress) > STUCK_MS {
        return Err("telemetry lane is stuck");
    }
    Ok(())
}
