//! Waiting for conditions. A test states what it waits for and how long that may take; it never just sleeps.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// What happens at once on an idle machine has happened by then on any that is worth testing on.
pub const SOON: Duration = Duration::from_mins(1);

/// The rig's stopwatch.
#[expect(clippy::disallowed_methods, reason = "the rig measures from outside")]
pub fn now() -> Instant {
    Instant::now()
}

/// UTC milliseconds.
#[expect(clippy::disallowed_methods, reason = "the rig measures from outside")]
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Lets time pass: only for pacing a load or holding a fault, never to wait for something to have happened.
#[expect(clippy::disallowed_methods, reason = "a load has a pace, a fault a length")]
pub fn pause(length: Duration) {
    std::thread::sleep(length);
}

/// Waits until `look` gives something; panics with `what` after `limit`.
pub fn until<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < end, "{what}: not within {limit:?}");
        pause(LOOK);
    }
}

/// Waits until `condition` holds; panics with `what` after `limit`. Gives the time it took.
pub fn eventually(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let start = now();
    until(limit, what, || condition().then_some(()));
    start.elapsed()
}

/// Asserts that `condition` holds all along for `length`.
pub fn always(length: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = now() + length;
    while now() < end {
        assert!(condition(), "{what}: no longer");
        pause(LOOK);
    }
}

/// Length of a long item: `GENGFU_LONG=1` takes the issue's, a number that many seconds, else the slice for CI.
pub fn length(slice: u64, long: u64) -> Duration {
    let seconds = match std::env::var("GENGFU_LONG").ok().and_then(|text| text.parse::<u64>().ok()) {
        None | Some(0) => slice,
        Some(1) => long,
        Some(seconds) => seconds,
    };
    Duration::from_secs(seconds)
}

/// How often a long item is repeated: the slice for CI, or the number with `GENGFU_LONG` set.
pub fn times(slice: usize, long: usize) -> usize {
    if std::env::var("GENGFU_LONG").is_ok_and(|text| text != "0") { long } else { slice }
}

/// A line past the capture of the test runner: seeds, measured figures, what could not be run.
pub fn say(line: &str) {
    let mut text = String::new();
    let _ = writeln!(text, "    {line}");
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Says that a test could not run here because something is not installed. Where `tests/setup` has just installed it all
/// (`GENGFU_STRICT=1`) that fails.
pub fn not_run(why: &str) {
    not_allowed(why);
    assert!(std::env::var("GENGFU_STRICT").is_err(), "NOT RUN: {why}");
}

/// Says that a test could not run here because the system does not allow what it does: a container may lack a right that
/// nothing can install.
pub fn not_allowed(why: &str) {
    say(&format!("NOT RUN {}: {why}", std::thread::current().name().unwrap_or("?")));
}

/// Held by a test that measures time or loads the machine: such tests run one after the other.
pub fn quiet() -> MutexGuard<'static, ()> {
    static QUIET: Mutex<()> = Mutex::new(());
    QUIET.lock().unwrap_or_else(PoisonError::into_inner)
}
