//! The matrix as it is printed: a line a cell.

use std::time::Duration;

use gengfu_tests::wait::say;

/// What a cell counted.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub fault: String,
    pub class: &'static str,
    pub outcome: Outcome,
}

#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Counted(Counts),
    /// This machine can't, or nobody asked for it; which is no pass.
    NotRun(String),
    /// It broke off, and nothing was counted.
    Failed,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub repetitions: usize,
    pub items: u64,
    pub lost: u64,
    pub note: String,
}

pub(super) const POLLED: &str = "polled telemetry";
pub(super) const MESSAGES: &str = "QoS 1 messages";
pub(super) const ALARMS: &str = "alarm transitions";
pub(super) const ACKNOWLEDGED: &str = "acknowledgements";
pub(super) const SHELVES: &str = "shelves";
pub(super) const MODES: &str = "modes";
pub(super) const TIMERS: &str = "timers";
pub(super) const VOTES: &str = "votes";
pub(super) const CLASSES: [&str; 8] = [POLLED, MESSAGES, ALARMS, ACKNOWLEDGED, SHELVES, MODES, TIMERS, VOTES];

/// All cells of a fault alike.
pub(super) fn row(fault: &str, outcome: &Outcome) -> Vec<Cell> {
    CLASSES.map(|class| Cell { fault: fault.to_owned(), class, outcome: outcome.clone() }).to_vec()
}

pub(super) fn print(cells: &[Cell]) {
    say("| fault | class | repetitions | items | lost | |");
    say("|---|---|---|---|---|---|");
    for Cell { fault, class, outcome } in cells {
        match outcome {
            Outcome::Counted(Counts { repetitions, items, lost, note }) => {
                say(&format!("| {fault} | {class} | {repetitions} | {items} | {lost} | {note} |"));
            }
            Outcome::NotRun(why) => say(&format!("NOT RUN {fault} × {class}: {why}")),
            Outcome::Failed => say(&format!("FAILED {fault} × {class}")),
        }
    }
}

pub(super) fn ms(length: Duration) -> String {
    format!("{} ms", length.as_millis())
}
