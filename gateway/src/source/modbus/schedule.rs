//! Who is asked next on a line. Pure: time comes in, a turn goes out. Each device has a fixed grid (period and
//! phase); a poll that is more than a period late is skipped and counted, never piled up.

use std::time::Duration;

use gengfu_core::quality::Reason;
use gengfu_core::time::Mono;

use super::breaker::{Breaker, Leave};

/// First polls are spread over this many milliseconds after the start, whatever the period.
const FIRST_POLLS: u64 = 100;
/// Phases are multiples of this many milliseconds.
const BEAT: u64 = 10;
/// Units that answer go before probes, unless a probe has been waiting this many milliseconds.
const PROBE_PATIENCE: u64 = 1_000;

/// What the schedule has to know of a device.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Index into the breakers.
    pub(super) unit: usize,
    pub(super) period: Duration,
    /// Spreads the devices over their period; made of names, so that it is the same every run.
    pub(super) seed: u64,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing before then.
    Wait(Mono),
    /// Ask this device; `late` polls of it had to be skipped.
    Ask { device: usize, late: u64 },
    /// Do not ask this one, say why.
    Report { device: usize, why: Reason },
}

#[derive(Debug)]
pub(super) struct Schedule {
    grids: Vec<Grid>,
    units: Vec<Breaker>,
}

#[derive(Debug)]
struct Grid {
    unit: usize,
    period: u64,
    phase: u64,
    due: Mono,
    /// The first poll is off the grid.
    first: bool,
}

impl Grid {
    fn new(slot: &Slot, start: Mono) -> Self {
        let period = (slot.period.as_millis() as u64).max(1);
        let due = start.plus(slot.seed % period.min(FIRST_POLLS));
        // On the beat, so that polls of many lines that fall together are one wake of the thread.
        let phase = slot.seed % period;
        let phase = if period > BEAT { phase - phase % BEAT } else { phase };
        Self { unit: slot.unit, period, phase, due, first: true }
    }

    /// Moves on to the first line of the grid after `now`; says how many were passed over. Not to one less than an eighth of
    /// a period away (a half after the first poll), which would ask twice for the same.
    fn advance(&mut self, now: Mono) -> u64 {
        let late = now.since(self.due) / self.period;
        let from = now.plus(self.period / if std::mem::take(&mut self.first) { 2 } else { 8 });
        // `phase < period`: one period is added so that the difference stays above zero.
        let into = (from.0 + self.period - self.phase) % self.period;
        self.due = from.plus(self.period - into);
        late
    }
}

impl Schedule {
    /// `units` are the breakers that `slots` point to.
    pub(super) fn new(slots: &[Slot], units: Vec<Breaker>, start: Mono) -> Self {
        Self { grids: slots.iter().map(|slot| Grid::new(slot, start)).collect(), units }
    }

    /// The next turn: what costs nothing first, then the unit waiting longest, then probes.
    pub(super) fn next(&mut self, now: Mono) -> Turn {
        let mut earliest = now.plus(1_000);
        let mut best: Option<(u8, Mono, usize, Option<Reason>)> = None;
        for (device, grid) in self.grids.iter().enumerate() {
            if grid.due > now {
                earliest = earliest.min(grid.due);
                continue;
            }
            let (class, why) = match self.units.get(grid.unit).map_or(Leave::Ask, |unit| unit.leave(now)) {
                Leave::Rest(why) => (0, Some(why)),
                Leave::Ask => (1, None),
                Leave::Probe(since) if now.since(since) > PROBE_PATIENCE + grid.period => (1, None),
                Leave::Probe(_) => (2, None),
            };
            if best.is_none_or(|(c, due, ..)| (class, grid.due) < (c, due)) {
                best = Some((class, grid.due, device, why));
            }
        }
        let Some((_, _, device, why)) = best else { return Turn::Wait(earliest) };
        let late = self.grids.get_mut(device).map_or(0, |grid| grid.advance(now));
        match why {
            Some(why) => Turn::Report { device, why },
            None => Turn::Ask { device, late },
        }
    }

    /// The device's unit answered. True if it had been given up.
    pub(super) fn answered(&mut self, device: usize) -> bool {
        self.unit(device).is_some_and(Breaker::answered)
    }

    /// The device's unit failed. True if it is given up now.
    pub(super) fn failed(&mut self, device: usize, why: Reason, now: Mono) -> bool {
        self.unit(device).is_some_and(|unit| unit.failed(why, now))
    }

    /// No unit answers: what is at the other end of the line, if anything, is of no use.
    pub(super) fn silent(&self) -> bool {
        self.units.iter().all(Breaker::silent)
    }

    fn unit(&mut self, device: usize) -> Option<&mut Breaker> {
        let unit = self.grids.get(device)?.unit;
        self.units.get_mut(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::phase;

    fn schedule(periods: &[u64]) -> Schedule {
        let slots: Vec<Slot> = periods
            .iter()
            .enumerate()
            .map(|(n, ms)| Slot { unit: n, period: Duration::from_millis(*ms), seed: phase(&["line", &n.to_string()]) })
            .collect();
        let units = (0..periods.len()).map(|n| Breaker::new(n as u64, None)).collect();
        Schedule::new(&slots, units, Mono(5))
    }

    /// Runs a line whose device `d` takes `cost(d)` ms to answer; `None` = silent for a timeout of 500 ms.
    fn run(schedule: &mut Schedule, until: u64, cost: impl Fn(usize) -> Option<u64>) -> Vec<(usize, u64, u64)> {
        let (mut now, mut polls) = (Mono(5), Vec::new());
        while now.0 < until {
            match schedule.next(now) {
                Turn::Wait(then) => {
                    assert!(then > now);
                    now = then;
                }
                Turn::Ask { device, late } => {
                    polls.push((device, now.0, late));
                    if let Some(ms) = cost(device) {
                        now = now.plus(ms);
                        schedule.answered(device);
                    } else {
                        now = now.plus(500);
                        schedule.failed(device, Reason::Timeout, now);
                    }
                }
                Turn::Report { .. } => {}
            }
        }
        polls
    }

    #[test]
    fn the_grid_is_fixed_and_the_first_poll_soon() {
        let mut line = schedule(&[1000, 100, 250]);
        let polls = run(&mut line, 60_000, |_| Some(1));
        for (device, period) in [(0, 1000), (1, 100), (2, 250)] {
            let times: Vec<u64> = polls.iter().filter(|p| p.0 == device).map(|p| p.1).collect();
            assert!(times[0] <= 105 + 3, "first poll of {device} at {}", times[0]);
            let second = times[1] - times[0];
            assert!((period / 2..=period * 3 / 2 + 3).contains(&second), "second poll of {device} after {second}");
            for pair in times[1..].windows(2) {
                let gap = pair[1] - pair[0];
                assert!(gap.abs_diff(period) <= 3, "device {device}: gap {gap}");
            }
        }
        assert!(polls.iter().all(|p| p.2 == 0), "nothing was late");
    }

    #[test]
    fn a_dead_unit_costs_its_neighbours_only_the_probes() {
        let mut line = schedule(&[1000; 10]);
        let polls = run(&mut line, 120_000, |device| (device != 3).then_some(2));
        let probes = polls.iter().filter(|p| p.0 == 3).count();
        assert!((5..=12).contains(&probes), "{probes} probes in two minutes");
        for device in (0..10).filter(|d| *d != 3) {
            let n = polls.iter().filter(|p| p.0 == device).count();
            assert!(n >= 119, "device {device} had {n} polls of 120");
        }
    }

    #[test]
    fn too_much_is_skipped_and_counted_and_shared() {
        // Ten devices each 100 ms, each taking 50 ms: five times what the line can carry.
        let mut line = schedule(&[100; 10]);
        let polls = run(&mut line, 60_000, |_| Some(50));
        let late: u64 = polls.iter().map(|p| p.2).sum();
        assert!((4000..=6000).contains(&(late as usize + polls.len())), "polls made and skipped");
        assert!(late > 3000, "{late} were skipped");
        for device in 0..10 {
            let n = polls.iter().filter(|p| p.0 == device).count();
            assert!((100..=140).contains(&n), "device {device} had {n} polls");
        }
    }

    #[test]
    fn a_probe_is_not_starved_by_a_full_line() {
        let mut line = schedule(&[100, 100, 100]);
        let polls = run(&mut line, 120_000, |device| (device != 2).then_some(60));
        assert!(polls.iter().filter(|p| p.0 == 2).count() >= 5);
    }

    #[test]
    fn fifty_lines_do_not_fire_at_once() {
        let mut at = [0_u32; 100];
        for n in 0..50 {
            let slot = Slot { unit: 0, period: Duration::from_millis(100), seed: phase(&[&format!("line-{n}"), "d"]) };
            let mut line = Schedule::new(&[slot], vec![Breaker::new(0, None)], Mono(0));
            for (_, when, _) in run(&mut line, 1000, |_| Some(0)) {
                at[(when % 100) as usize] += 1;
            }
        }
        assert!(at.iter().max().unwrap() <= &120, "at most 12 of 50 lines on the same beat: {at:?}");
    }
}
