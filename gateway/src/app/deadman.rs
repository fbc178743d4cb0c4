//! The dead man's handle: the service manager is told "alive" only while the engine takes its turns and both journal
//! writers get on. sd_notify(3): datagrams to the socket in `NOTIFY_SOCKET`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock::Clock;
use crate::driver::EngineHandle;
use crate::journal::{Health, Journal};

/// The least time without a finished round after which a writer counts as stuck: three rounds of an idle one.
const LEAST_STUCK: Duration = Duration::from_secs(3);
/// How long the engine may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The service manager's ear; silent where there is none.
#[derive(Debug)]
pub(super) struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// `WATCHDOG_USEC`: a process it has not heard from for so long is ended.
    period: Option<Duration>,
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
        let period = std::env::var("WATCHDOG_USEC").ok().and_then(|usec| usec.parse().ok()).map(Duration::from_micros);
        Self { socket, period }
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
    let Some(period) = manager.period else { return std::future::pending().await };
    let mut ticker = tokio::time::interval((period / 3).max(Duration::from_millis(100)));
    // A machine that was asleep for an hour owes one beat, not a thousand.
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticker.tick().await;
        match pulse(engine, journal, clock, stuck(period)).await {
            Ok(()) => manager.say("WATCHDOG=1"),
            Err(why) => tracing::error!(why, "no progress, the watchdog is not fed"),
        }
    }
}

/// How long a writer may go without a finished round: two thirds of the manager's period. With the 30 s of
/// deploy/gengfu.service a disk that hangs for less than 20 s costs nothing, and one that hangs on ends the process
/// between 40 and 50 s after it began to.
fn stuck(period: Duration) -> Duration {
    (period * 2 / 3).max(LEAST_STUCK)
}

/// Whether everything that must move moves; if not, what does not.
async fn pulse(engine: &EngineHandle, journal: &Journal, clock: &Clock, stuck: Duration) -> Result<(), &'static str> {
    if !tokio::time::timeout(ANSWER, engine.ping()).await.unwrap_or(false) {
        return Err("engine does not answer");
    }
    lanes(&journal.health(), clock.mono().0, stuck.as_millis() as u64)
}

fn lanes(health: &Health, now: u64, stuck_ms: u64) -> Result<(), &'static str> {
    if now.saturating_sub(health.alarm_progress) > stuck_ms {
        return Err("alarm lane is stuck");
    }
    if now.saturating_sub(health.telemetry_progress) > stuck_ms {
        return Err("telemetry lane is stuck");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_period_survives_a_disk_that_hangs_for_ten_seconds() {
        let unit = include_str!("../../../deploy/gengfu.service");
        let seconds = unit.lines().find_map(|line| line.strip_prefix("WatchdogSec=")).unwrap();
        let stuck = stuck(Duration::from_secs(seconds.parse().unwrap()));
        assert_eq!(stuck, Duration::from_secs(20));
        let health = |alarm_progress, telemetry_progress| Health {
            alarm_progress,
            telemetry_progress,
            alarm_error: None,
            telemetry_error: None,
            ring: 0,
            queued: 0,
            undated: 0,
            bytes_on_disk: 0,
            room: crate::journal::Room::default(),
        };
        let judge = |alarm, telemetry| lanes(&health(alarm, telemetry), 100_000, stuck.as_millis() as u64);
        assert_eq!(judge(90_000, 90_000), Ok(()));
        assert_eq!(judge(79_999, 90_000), Err("alarm lane is stuck"));
        assert_eq!(judge(90_000, 79_999), Err("telemetry lane is stuck"));
    }

    #[test]
    fn an_idle_writer_is_not_stuck_however_short_the_period() {
        assert_eq!(stuck(Duration::from_secs(2)), LEAST_STUCK);
    }
}
