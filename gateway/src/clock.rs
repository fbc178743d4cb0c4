//! The one place that asks the operating system for the time, and that says whether its answer is a time at all.
//!
//! A box without a battery wakes up in 1970, or at the hour of its last stop. Such a clock is not set: until it is, what
//! stands for the time is a count, the milliseconds since the machine was booted, told as if that had been at the beginning of
//! 1970. A count is known by its value ([`Clock::is_count`]), is the same line for every run of a boot, and becomes a time by
//! adding the time of the boot, which is known as soon as the clock is set ([`Clock::booted`]).

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gengfu_core::time::{Mono, Now, Wall};

/// Where the counter starts: well above zero, so that the readings of an earlier run have a place on it.
pub const ORIGIN: Mono = Mono(1 << 40);

/// No time lies before this, 2024-01-01T00:00:00Z: there was no gengfu. A clock or a stamp that says so is not set.
pub const EARLIEST: Wall = Wall(1_704_067_200_000);

/// How long a clock that is behind what the journal knows counts as not set, ms. Nobody has set it then, and it may as well be
/// the journal whose clock was ahead.
const DOUBT: u64 = 3_600_000;
/// How long the clock must have run without being set before the time of the boot is taken from it, ms: a clock is
/// often set twice, roughly and well.
const SETTLED: u64 = 5_000;
/// Two looks at the clocks that are not farther apart are one moment, ms.
const MOMENT: u64 = 20;
/// By how much the wall clock moves against the counter where it is set, ms: more than a leap second. Below that it is being
/// disciplined.
pub const STEP: i64 = 1_500;

/// The process's clock; cheap to clone, the same for everybody.
#[derive(Debug, Clone)]
pub struct Clock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    /// Milliseconds from the machine's boot to `origin`.
    uptime: i64,
    /// See [`Clock::hurry`].
    ahead: AtomicU64,
    /// A clock that is behind this is not set; see [`Clock::doubt`].
    known: AtomicI64,
    /// Counts of this boot are about.
    counted: AtomicBool,
    settling: Mutex<Settling>,
    /// By how much a test has set the wall clock, ms.
    #[cfg(test)]
    set: AtomicI64,
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
        let shared = Shared {
            origin: Instant::now(),
            uptime: uptime().unwrap_or(0),
            ahead: AtomicU64::new(0),
            known: AtomicI64::new(i64::MIN),
            counted: AtomicBool::new(false),
            settling: Mutex::default(),
            #[cfg(test)]
            set: AtomicI64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Both clocks at this moment.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: self.wall() }
    }

    /// [`ORIGIN`] plus the milliseconds since [`Clock::start`].
    pub fn mono(&self) -> Mono {
        ORIGIN.plus(self.shared.origin.elapsed().as_millis() as u64 + self.ahead())
    }

    /// Moves both clocks ahead by `ms`, of whoever holds a clone: a campaign lives through days in minutes. The gateway
    /// itself never does.
    pub fn hurry(&self, ms: u64) {
        self.shared.ahead.fetch_add(ms, Ordering::Relaxed);
    }

    fn ahead(&self) -> u64 {
        self.shared.ahead.load(Ordering::Relaxed)
    }

    /// Milliseconds since [`Clock::start`].
    pub fn up_ms(&self) -> u64 {
        self.mono().since(ORIGIN)
    }

    /// UTC as the machine believes it. While its clock is not set: the time of the boot and what was counted since, where that
    /// time is known; else the count alone.
    pub fn wall(&self) -> Wall {
        let told = self.told();
        if told >= self.floor() {
            return told;
        }
        if let Some(booted) = self.settling().booted {
            return Wall(self.count().0.saturating_add(booted));
        }
        self.shared.counted.store(true, Ordering::Relaxed);
        self.count()
    }

    /// What the machine says of UTC, be it a time or not; before 1970 it says 1970.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn told(&self) -> Wall {
        let told = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as i64;
        #[cfg(test)]
        let told = told + self.shared.set.load(Ordering::Relaxed);
        Wall(told + self.ahead() as i64)
    }

    fn floor(&self) -> Wall {
        let known = Wall(self.shared.known.load(Ordering::Relaxed));
        if known > EARLIEST && self.up_ms() < DOUBT { known } else { EARLIEST }
    }

    /// Milliseconds since the machine was booted, as a count.
    pub fn count(&self) -> Wall {
        self.count_at(self.mono())
    }

    fn count_at(&self, mono: Mono) -> Wall {
        Wall(self.shared.uptime.saturating_add_unsigned(mono.since(ORIGIN)))
    }

    /// Whether this time is a count of this boot.
    pub fn is_count(&self, at: Wall) -> bool {
        at < EARLIEST && self.shared.counted.load(Ordering::Relaxed)
    }

    /// Whether the machine's clock is set.
    pub fn is_set(&self) -> bool {
        self.told() >= self.floor()
    }

    /// It was this late already when an earlier run ended: a clock that is behind it is not set, for the first hour of
    /// this run.
    pub fn doubt(&self, known: Wall) {
        self.shared.known.store(known.0, Ordering::Relaxed);
    }

    /// Counts of this boot were given out by an earlier run, and may turn up again.
    pub fn recall(&self) {
        self.shared.counted.store(true, Ordering::Relaxed);
    }

    /// When the machine was booted, UTC ms: what makes a time of a count. `None` while the clock is not set, and has not been
    /// for a few seconds. It changes where the clock is set again.
    pub fn booted(&self) -> Option<i64> {
        let (mono, wall, after) = (self.mono(), self.told(), self.mono());
        let mut settling = self.settling();
        // Two looks are not one moment where the machine turned to something else in between.
        if wall >= self.floor() && after.since(mono) <= MOMENT {
            settling.look(Now { mono, wall }, wall.0.saturating_sub(self.count_at(mono).0));
            if settling.booted.is_some() {
                // Whatever it is set to from here on, it was set.
                self.doubt(Wall(i64::MIN));
            }
        }
        settling.booted
    }

    /// A time as it is, and that of a count once it is known.
    pub fn dated(&self, at: Wall) -> Option<Wall> {
        if self.is_count(at) { self.booted().map(|booted| Wall(at.0.saturating_add(booted))) } else { Some(at) }
    }

    fn settling(&self) -> std::sync::MutexGuard<'_, Settling> {
        self.shared.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wall clock is set by so much, and the counter is not.
    #[cfg(test)]
    pub(crate) fn set(&self, by: i64) {
        self.shared.set.fetch_add(by, Ordering::Relaxed);
    }

    /// The instant at which the counter will show `mono`, for a timer of the runtime.
    pub fn instant(&self, mono: Mono) -> tokio::time::Instant {
        let far = Duration::from_millis(mono.since(ORIGIN).saturating_sub(self.ahead()).min(1 << 40));
        let origin = self.shared.origin;
        tokio::time::Instant::from_std(origin.checked_add(far).unwrap_or(origin))
    }
}

/// Makes a time of a count of a boot at `booted`, UTC ms; leaves a time as it is.
pub fn date(at: &mut i64, booted: i64) {
    if Wall(*at) < EARLIEST {
        *at = at.saturating_add(booted);
    }
}

/// Since when the clock that is set runs with the counter, and the time of the boot by it.
#[derive(Debug, Default)]
struct Settling {
    since: Option<Now>,
    booted: Option<i64>,
}

impl Settling {
    fn look(&mut self, now: Now, booted: i64) {
        let drift = |since: Now| since.at(now.mono).wall.0.saturating_sub(now.wall.0);
        match self.since.filter(|since| drift(*since).abs() < STEP) {
            None => self.since = Some(now),
            Some(since)
                if now.mono.since(since.mono) >= SETTLED
                    && self.booted.is_none_or(|was| was.abs_diff(booted) >= STEP as u64) =>
            {
                self.booted = Some(booted);
            }
            Some(_) => {}
        }
    }
}

/// How long the machine runs, ms; `None` where the system does not tell.
fn uptime() -> Option<i64> {
    told_uptime().or_else(birth_of_a_thread)
}

fn told_uptime() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some((seconds * 1000.0) as i64)
}

/// A tick in what Linux says of a thread, ms (`USER_HZ`, proc(5)).
const TICK: i64 = 10;
/// Which word after the thread's name says when it began: field 22 of `stat`, of which the name is the second (proc(5)).
const BEGAN: usize = 22 - 3;

/// When a thread that is made for this began, ms since the boot. A service may see nothing of `/proc` but its own processes
/// (systemd's `ProcSubset=pid`): then the machine's uptime is hidden, and this is not.
fn birth_of_a_thread() -> Option<i64> {
    let look = || std::fs::read_to_string("/proc/thread-self/stat").ok();
    let text = std::thread::Builder::new().spawn(look).ok()?.join().ok()??;
    // the name may hold brackets and spaces
    let (_, rest) = text.rsplit_once(')')?;
    let ticks: i64 = rest.split_whitespace().nth(BEGAN)?.parse().ok()?;
    ticks.checked_mul(TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    /// A clock that shows this time of the machine.
    fn at(wall: i64) -> Clock {
        let clock = Clock::start();
        clock.set(wall - clock.told().0);
        clock
    }

    #[test]
    fn a_clock_in_1970_counts_and_one_that_is_set_tells_the_time_of_the_boot() {
        let clock = at(12_345);
        let count = clock.wall();
        assert!(!clock.is_set() && clock.is_count(count) && clock.booted().is_none());
        assert!((count.0 - uptime().unwrap_or(0)).abs() < 10_000, "since the boot: {count:?}");
        clock.hurry(500);
        clock.set(-7_000);
        assert!((500..10_000).contains(&(clock.wall().0 - count.0)), "a step among nonsense is none");
        clock.set(NOW - clock.told().0);
        assert!(clock.is_set() && !clock.is_count(clock.wall()) && clock.is_count(count));
        assert_eq!(clock.booted(), None, "it has to settle");
        clock.hurry(SETTLED);
        let booted = clock.booted().expect("settled");
        assert!((clock.wall().0 - clock.count().0 - booted).abs() < STEP);
        assert_eq!(clock.dated(count), Some(Wall(count.0 + booted)));
        clock.set(-NOW);
        assert!(!clock.is_set());
        assert!((clock.wall().0 - NOW).abs() < 60_000, "the time goes on by the counter: {:?}", clock.wall());
    }

    #[test]
    fn where_the_uptime_is_hidden_a_new_thread_tells_it() {
        let (Some(before), Some(born), Some(after)) = (told_uptime(), birth_of_a_thread(), told_uptime()) else {
            panic!("Linux tells both")
        };
        assert!((before - TICK..=after + TICK).contains(&born), "{before} {born} {after}");
    }

    #[test]
    fn a_clock_behind_what_is_known_is_in_doubt_for_an_hour() {
        let clock = at(NOW);
        clock.doubt(Wall(NOW + 3_600_000));
        assert!(!clock.is_set() && clock.is_count(clock.wall()));
        clock.set(7_200_000);
        assert!(clock.is_set(), "set");
        clock.set(-7_200_000);
        clock.hurry(DOUBT);
        assert!(clock.is_set(), "by now the journal may be wrong as well");
        let behind = at(NOW);
        behind.doubt(Wall(i64::MAX));
        behind.hurry(DOUBT - 60_000);
        assert!(!behind.is_set());
        behind.hurry(60_000);
        assert!(behind.is_set());
    }

    #[test]
    fn the_boot_is_taken_from_a_clock_that_was_not_set_for_a_while() {
        let look = |settling: &mut Settling, mono: u64, wall: i64| {
            settling.look(Now { mono: Mono(mono), wall: Wall(wall) }, wall - mono as i64);
            settling.booted
        };
        let mut settling = Settling::default();
        assert_eq!(look(&mut settling, 0, NOW), None);
        assert_eq!(look(&mut settling, 4_000, NOW + 4_000 + 90_000), None, "set again, better");
        assert_eq!(look(&mut settling, 8_000, NOW + 8_000 + 90_000), None);
        assert_eq!(look(&mut settling, 9_000, NOW + 9_000 + 90_010), Some(NOW + 90_010));
        assert_eq!(look(&mut settling, 10_000, NOW + 10_000 + 90_300), Some(NOW + 90_010), "drift moves no boot");
        assert_eq!(look(&mut settling, 20_000, NOW + 20_000 + 3_690_000), Some(NOW + 90_010), "a step");
        assert_eq!(look(&mut settling, 25_000, NOW + 25_000 + 3_690_000), Some(NOW + 3_690_000));
    }
}
