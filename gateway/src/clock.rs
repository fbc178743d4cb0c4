//! The one place that asks the operating system for the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gengfu_core::time::{Mono, Now, Wall};

/// Where the counter starts: well above zero, so that the readings of an earlier run have a place on it.
pub const ORIGIN: Mono = Mono(1 << 40);

/// The process's clock; cheap to clone, the same for everybody.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Arc<Instant>,
    /// See [`Clock::hurry`].
    ahead: Arc<AtomicU64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::start()
    }
}

impl Clock {
    /// Starts the engine's counter, at [`ORIGIN`].
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn start() -> Self {
        Self { origin: Arc::new(Instant::now()), ahead: Arc::default() }
    }

    /// Both clocks at this moment.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: self.wall() }
    }

    /// [`ORIGIN`] plus the milliseconds since [`Clock::start`].
    pub fn mono(&self) -> Mono {
        ORIGIN.plus(self.origin.elapsed().as_millis() as u64 + self.ahead())
    }

    /// Moves both clocks ahead by `ms`, of whoever holds a clone: a campaign lives through days in minutes. The gateway
    /// itself never does.
    pub fn hurry(&self, ms: u64) {
        self.ahead.fetch_add(ms, Ordering::Relaxed);
    }

    fn ahead(&self) -> u64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Milliseconds since [`Clock::start`].
    pub fn up_ms(&self) -> u64 {
        self.mono().since(ORIGIN)
    }

    /// UTC as the machine believes it; before 1970 it says 1970.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn wall(&self) -> Wall {
        Wall(
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as i64
                + self.ahead() as i64,
        )
    }

    /// The instant at which the counter will show `mono`, for a timer of the runtime.
    pub fn instant(&self, mono: Mono) -> tokio::time::Instant {
        let far = Duration::from_millis(mono.since(ORIGIN).saturating_sub(self.ahead()).min(1 << 40));
        tokio::time::Instant::from_std(self.origin.checked_add(far).unwrap_or(*self.origin))
    }
}
