//! The mind of the gateway is the mind of the node: one input log, on this machine and on an emulated Cortex-M4F, the same
//! outputs and the same memory to the last bit.

use std::path::Path;
use std::time::Duration;

use gengfu_node::mind::{self, Mark, Run, cost};
use gengfu_tests::board::Image;
use gengfu_tests::process::Folder;
use gengfu_tests::random::Random;
use gengfu_tests::wait::{not_run, say, times};

/// Logs that are always compared; the second once showed a difference (a trend that met an infinity).
const SEEDS: [u64; 2] = [1, 10];
const DRAWN: usize = 3;
/// A board that takes longer is not slow, it stands.
const LIMIT: Duration = Duration::from_mins(5);

#[test]
fn host_and_board_agree_to_the_bit() {
    let image = match Image::build("mind") {
        Ok(image) => image,
        Err(why) => return not_run(why),
    };
    let dir = Folder::new("same-mind");
    let mut random = Random::seeded("same_mind");
    let events = times(50_000, 500_000) as u32;
    let drawn = std::iter::repeat_with(|| random.draw()).take(DRAWN);
    for seed in SEEDS.into_iter().chain(drawn) {
        let (here, there) = marks(&image, seed, events, events, dir.path());
        if let Some(mark) = first_difference(&here, &there) {
            panic!("{}", closely(&image, seed, mark, dir.path()));
        }
        say(&format!("seed {seed}: {events} events, {} marks, no difference", here.len()));
    }
}

/// What both say of the same log, line by line.
fn marks(image: &Image, seed: u64, events: u32, from: u32, dir: &Path) -> (Vec<String>, Vec<String>) {
    let mut here = Vec::new();
    mind::run(seed, events, from, |mark: Mark| here.push(mark.to_string()));
    let there = image.run(&[seed.to_string(), events.to_string(), from.to_string()], None, dir, LIMIT);
    (here, there.lines().map(str::to_owned).collect())
}

/// The last event that a pair of marks tells of: the first pair that differs, or lacks one of the two.
fn first_difference(here: &[String], there: &[String]) -> Option<u32> {
    let same = here.iter().zip(there).take_while(|(a, b)| a == b).count();
    let line = here.get(same).or(there.get(same))?;
    let event = line.split(' ').next().and_then(|word| word.parse().ok());
    assert!(event.is_some(), "the board says: {line}");
    event
}

/// The event at which they part, told so that it can be looked into.
fn closely(image: &Image, seed: u64, mark: u32, dir: &Path) -> String {
    let (here, there) = marks(image, seed, mark, mark.saturating_sub(mind::EVERY), dir);
    let Some(event) = first_difference(&here, &there) else {
        return format!("seed {seed}: host and board differ at event {mark}, and not when asked again");
    };
    let mut run = Run::new(seed);
    let input = (0..event).map(|_| run.step(|_| ())).last();
    let line = |lines: &[String]| lines.iter().find(|l| l.starts_with(&format!("{event} "))).cloned();
    format!(
        "seed {seed}: host and board part at event {event}, {input:?}: {:?} here, {:?} there",
        line(&here),
        line(&there)
    )
}

/// Instructions are exact under the emulator and the same in every run: a bound on them is no timing.
#[test]
fn a_reading_costs_the_board_few_instructions() {
    let image = match Image::build("mind-cost") {
        Ok(image) => image,
        Err(why) => return not_run(why),
    };
    let dir = Folder::new("mind-cost");
    let printed = image.run(&[], Some(cost::ICOUNT_SHIFT), dir.path(), LIMIT);
    assert_eq!(printed.lines().count(), cost::ROWS.len(), "{printed}");
    say("| detector | instructions a reading | the worst reading | budget | bytes of state |");
    say("|---|---|---|---|---|");
    for (row, line) in cost::ROWS.iter().zip(printed.lines()) {
        let (mean, worst) = line.split_once(' ').unwrap();
        say(&format!("| {} | {mean} | {worst} | {} | {} |", row.name, row.budget, row.bytes));
        assert!(
            mean.parse::<u32>().unwrap() <= row.most,
            "{}: {mean} instructions a reading, {} at most",
            row.name,
            row.most
        );
    }
}
