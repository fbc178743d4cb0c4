//! The same mind everywhere: one input log, made of a seed, through the real engine, and what came of it as two numbers.
//!
//! A host and a Cortex-M run this same code (`firmware/src/bin/mind.rs`) and must agree on both numbers at every mark:
//!
//! ```text
//!  seed ──▶ inputs ──▶ site (the engine on arrays) ──▶ transitions, refusals, next deadline ──▶ outputs
//!                       └──────────────────────────── all that the engine remembers ──────────▶ state
//! ```
//! The numbers are taken over the `Debug` text. It names every field, so one that is added later is compared without a
//! line here; and Rust writes a float in the fewest digits that give its bits again, so equal texts are equal bits. Only
//! two NaN would look the same, and a test says that none gets in.

pub mod site;
mod plant;
mod inputs;
mod print;
pub mod cost;
pub mod series;

use core::fmt;

use gengfu_core::alarm::Transition;
use gengfu_core::alarm::state::Refusal;
use gengfu_core::engine::Event;
use gengfu_core::time::Now;
use inputs::{Input, Inputs};
use plant::Plant;
use print::Print;

/// Events between two marks.
pub const EVERY: u32 = 1_000;

/// What came of the log so far. Its text is a line of the protocol: events, outputs, state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Events taken.
    pub events: u32,
    /// Hash of all outputs since the start.
    pub outputs: u64,
    /// Hash of what the engine remembers now.
    pub state: u64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:016x} {:016x}", self.events, self.outputs, self.state)
    }
}

/// An event that was taken.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// When it came.
    pub now: Now,
    /// What it was.
    pub event: Event,
    /// Whether it was refused.
    pub answer: Result<(), Refusal>,
}

/// The log of one seed on its way through the engine.
#[derive(Debug)]
pub struct Run {
    plant: Plant,
    inputs: Inputs,
    outputs: Print,
    events: u32,
}

impl Run {
    /// At the start of the log.
    pub fn new(seed: u64) -> Self {
        let inputs = Inputs::new(seed);
        let mut run = Self { plant: plant::plant(inputs.now()), inputs, outputs: Print::default(), events: 0 };
        run.plant.start(|transition| run.outputs.take(transition));
        run
    }

    /// Takes the next event; `witness` sees the transitions as well.
    pub fn step(&mut self, mut witness: impl FnMut(&Transition)) -> Taken {
        let (now, input) = self.inputs.draw();
        let event = match input {
            Input::Reading(reading, delivery) => Event::Reading(reading, delivery),
            Input::Press { button, alarm } => site::press(button, self.plant.alarm(alarm)),
            Input::Tick => Event::Tick,
        };
        let answer = self.plant.handle(event, now, |transition| {
            self.outputs.take(transition);
            witness(transition);
        });
        self.outputs.take(&(answer, self.plant.next_deadline()));
        self.events += 1;
        Taken { now, event, answer }
    }

    /// What came of it.
    pub fn mark(&self) -> Mark {
        let mut state = Print::default();
        state.take(self.plant.memory());
        Mark { events: self.events, outputs: self.outputs.hash(), state: state.hash() }
    }
}

/// Takes `events` events of this seed's log; `tell` gets a mark every [`EVERY`], and after event number `closely` one an
/// event, for finding the first that differs.
pub fn run(seed: u64, events: u32, closely: u32, mut tell: impl FnMut(Mark)) {
    let mut run = Run::new(seed);
    for event in 1..=events {
        run.step(|_| ());
        if event % EVERY == 0 || event > closely {
            tell(run.mark());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use gengfu_core::alarm::EventName;

    #[test]
    fn the_log_is_its_seed() {
        let marks = |seed| {
            let mut all = Vec::new();
            run(seed, 2_500, 2_490, |mark| all.push(mark));
            all
        };
        assert_eq!(marks(1), marks(1));
        assert_eq!(marks(1).iter().map(|m| m.events).collect::<Vec<_>>()[..3], [1_000, 2_000, 2_491]);
        assert!(marks(1).iter().zip(marks(2)).all(|(a, b)| a.outputs != b.outputs && a.state != b.state));
    }

    /// A log in which nothing happens would agree everywhere.
    #[test]
    fn everything_that_can_happen_happens() {
        // the kinds come by turns, so a rule of a kind comes again after so many
        let rules =
            plant::kinds().take(plant::POINTS / plant::OF_EACH).map(|kind| kind.rules.len() as u32).sum::<u32>();
        let mut seen = BTreeSet::new();
        let mut answers = BTreeSet::new();
        let mut run = Run::new(1);
        for _ in 0..600_000 {
            let taken = run.step(|t| {
                seen.insert((t.binding % rules, t.event as u8));
            });
            answers.insert(format!("{:?}", taken.answer));
        }
        for rule in 0..rules {
            for event in [EventName::Raise, EventName::Return, EventName::Acknowledge] {
                assert!(seen.contains(&(rule, event as u8)), "rule {rule}: no {event:?}");
            }
        }
        let all: BTreeSet<u8> = seen.iter().map(|(_, event)| *event).collect();
        assert_eq!(all, EventName::ALL.into_iter().map(|event| event as u8).collect());
        // Every refusal but that of a time without end and of an area that does not exist.
        assert_eq!(answers.len(), 14, "{answers:?}");
    }

    /// Two NaN are not told apart by their text, and their signs are another on x86 than on ARM.
    #[test]
    fn nothing_that_is_no_number_is_remembered() {
        let mut run = Run::new(5);
        for event in 0..40_000 {
            run.step(|_| ());
            if event % 50 == 0 {
                let mut text = String::new();
                let _ = write!(text, "{:?}", run.plant.memory());
                assert!(!text.contains("NaN") && !text.contains("inf"), "event {event}: {text}");
            }
        }
    }
}
