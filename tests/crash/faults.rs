//! The faults after which nothing may be missing. Each ends with a gateway that is dead: what is counted afterwards is what
//! the disk has, and not what was still in memory.

use std::time::{Duration, Instant};

use gengfu_tests::wait::{SOON, length, now, pause};
use rusqlite::config::DbConfig;

use super::rig::{Rig, Round};

/// How soon an alarm must be out while the disk is sick: 500 ms for the commit, two polls, and what a busy machine takes.
const PUSHED_WITHIN: Duration = Duration::from_secs(2);
const LANES: [&str; 2] = ["alarm.db", "telemetry.db"];

/// A row of the matrix, but for the one of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Kill,
    PowerCut,
    Full,
    Stall,
    Errors,
}

impl Fault {
    pub(super) const ALL: [Self; 5] = [Self::Kill, Self::PowerCut, Self::Full, Self::Stall, Self::Errors];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::PowerCut => "power cut",
            Self::Full => "disk full",
            Self::Stall => "disk stalls",
            Self::Errors => "I/O errors",
        }
    }

    pub(super) fn number(self) -> u64 {
        self as u64
    }

    /// What this rig lacks for it.
    pub(super) fn lacks(self, rig: &Rig) -> Option<String> {
        match self {
            Self::Kill => None,
            Self::PowerCut => rig.disk.as_ref().err().cloned(),
            Self::Full | Self::Stall | Self::Errors => rig.sick.is_none().then(|| "no C compiler".to_owned()),
        }
    }

    /// One repetition: load, the fault in the midst of it, and all that was owed a push pushed.
    pub(super) fn repeat(self, rig: &mut Rig) {
        rig.book(self.number());
        let told = rig.receiver.pushes().len();
        let before = Duration::from_millis(rig.random.between(200, 700));
        rig.load(before);
        // a window of polled readings stays open only while no message closes it
        if rig.random.between(0, 4) == 0 {
            let silent = Duration::from_millis(rig.random.between(200, 2_200));
            rig.polls_alone(silent);
        } else {
            rig.burst();
            pause(Duration::from_micros(rig.random.between(0, 30_000)));
        }
        let (felt, cut_at) = match self {
            Self::Kill => {
                keep_word(rig, told);
                (false, None)
            }
            Self::PowerCut => {
                keep_word(rig, told);
                (false, Some(cut(rig)))
            }
            Self::Full | Self::Stall | Self::Errors => (self.falls_sick(rig), None),
        };
        rig.gateway.kill9();
        let at = cut_at.unwrap_or_else(now);
        if self == Self::PowerCut {
            power_is_back(rig);
        }
        // what was on the wire is answered by then
        pause(Duration::from_millis(rig.random.between(50, 200)));
        let kill = rig.death(at);
        rig.gateway.restart();
        rig.rounds.push(Round { number: self.number(), kill, back: now(), felt });
        rig.all_pushed();
    }

    /// The disk falls sick and is healed; the gateway lives, and its alarms go out meanwhile. Whether it was felt.
    fn falls_sick(self, rig: &mut Rig) -> bool {
        rig.all_pushed();
        let before = rig.edges.pushed.len();
        let heal = self.sicken(rig);
        rig.flip_surely();
        let held = match self {
            Self::Stall => length(4, 30),
            Self::Kill | Self::PowerCut | Self::Full | Self::Errors => {
                Duration::from_millis(rig.random.between(700, 1_200))
            }
        };
        rig.load(held);
        assert!(rig.gateway.process().alive(), "{}: it goes on", self.name());
        heal(rig);
        rig.all_pushed();
        rig.on_disk();
        let meanwhile = &rig.edges.pushed[before..];
        let late = meanwhile.iter().map(|push| push.late).max().unwrap_or_default();
        assert!(late <= PUSHED_WITHIN, "{}: pushed after {late:?}", self.name());
        let felt = meanwhile.iter().any(|push| !push.durable);
        let rest = Duration::from_millis(rig.random.between(0, 200));
        rig.load(rest);
        felt
    }

    /// What heals it.
    pub(super) fn sicken(self, rig: &mut Rig) -> fn(&Rig) {
        let sick = rig.sick.as_ref().expect("looked at before");
        match self {
            Self::Kill | Self::PowerCut => |_| (),
            // a disk that is really full may still have room in the log's old pages; the other never has
            Self::Full if rig.random.between(0, 2) == 0 && rig.disk.is_ok() => {
                rig.disk.as_ref().unwrap().fill();
                |rig| rig.disk.as_ref().unwrap().free()
            }
            Self::Full => {
                sick.full();
                |rig| rig.sick.as_ref().unwrap().heal()
            }
            Self::Stall => {
                sick.hang();
                |rig| rig.sick.as_ref().unwrap().heal()
            }
            Self::Errors => {
                sick.errors(rig.random.between(5, 101) as usize);
                |rig| rig.sick.as_ref().unwrap().heal()
            }
        }
    }
}

/// On a busy machine a commit may take longer than a push waits. What people were told as not durable since the first `told`
/// pushes comes to disk before the gateway dies: a crash would take it back, and it was never promised.
fn keep_word(rig: &Rig, told: usize) {
    if rig.receiver.pushes_after(told).iter().any(|push| push.body["durable"] == false) {
        rig.gateway.alarm_lane_on_disk();
    }
}

/// The power goes, between any two calls to the disk. Not in the midst of one: ext4's shutdown lets an `fdatasync` that it
/// overtakes return success for what is then gone, in any program with two threads that sync, and no real power cut does.
/// Gives when it stood still: what the cut takes then is no part of its life.
fn cut(rig: &mut Rig) -> Instant {
    let held = rig.gateway.process().hold();
    let at = now();
    rig.disk.as_ref().unwrap().cut().expect("the power can be cut");
    // it dies as it stands
    std::mem::forget(held);
    at
}

/// Mounted anew. By a coin the journal is told that the machine was booted meanwhile, as after a real cut; else it is left
/// exactly as the cut left it.
fn power_is_back(rig: &mut Rig) {
    rig.disk.as_ref().unwrap().back();
    if rig.random.between(0, 2) == 0 {
        return;
    }
    for name in LANES {
        let lane = rusqlite::Connection::open(rig.gateway.data().join(name)).unwrap();
        lane.busy_timeout(SOON).unwrap();
        // the log is left to the gateway
        lane.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        let changed = lane.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot'", []).unwrap();
        assert_eq!(changed, 1, "{name} knows its boot");
    }
}
