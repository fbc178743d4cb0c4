//! The mind of the gateway is the mind of the node: one input log, on this machine and on an emulated Cortex-M4F, the same
//! outputs and the same memory to the last bit.

use std::path::Path;
use std::time::Duration;

use gengfu::config;
use gengfu::config::checked::full_name;
use gengfu::config::pack::EMBEDDED;
use gengfu::config::pack::outside::From;
use gengfu::config::scenario::{Case, Scenario};
use gengfu_node::mind::series::{self, Frame};
use gengfu_node::mind::{self, Mark, Run, cost};
use gengfu_tests::board::Image;
use gengfu_tests::process::Folder;
use gengfu_tests::random::Random;
use gengfu_tests::wait::{not_run, say, times};

#[path = "../gateway/examples/score_scenarios/kinds.rs"]
mod kinds;
#[path = "../gateway/examples/score_scenarios/recorded.rs"]
mod recorded;

/// Logs that are always compared; the second once showed a difference (a trend that met an infinity).
const SEEDS: [u64; 2] = [1, 10];
const DRAWN: usize = 3;
/// A board that takes longer is not slow, it stands.
const LIMIT: Duration = Duration::from_mins(5);

/// Whole sites are made on the stack, as a board has them.
const STACK: usize = 32 << 20;

fn roomy(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, test).unwrap();
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn host_and_board_agree_to_the_bit() {
    roomy(logs);
}

fn logs() {
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
        let parts = first_difference(&here, &there);
        assert!(parts.is_none(), "{}", closely(&image, seed, parts.unwrap_or_default(), dir.path()));
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

/// The series that the packs are tried on; and, where `GENGFU_DATA` names a folder of recorded ones, those with the packs of their kinds.
#[test]
fn packs_say_the_same_of_their_series_on_host_and_board() {
    roomy(all_series);
}

fn all_series() {
    let image = match Image::build("mind-series") {
        Ok(image) => image,
        Err(why) => return not_run(why),
    };
    let dir = Folder::new("same-series");
    let compare = |what: &str, frames: &[Frame]| {
        let (mut run, mut here, mut file) = (series::Run::default(), Vec::new(), Vec::new());
        let mut transitions = 0;
        for frame in frames {
            run.take(*frame, &mut |mark| here.push(mark.to_string()));
            file.extend_from_slice(frame.bytes(&mut [0; series::LONGEST]).unwrap());
            transitions = run.transitions;
        }
        run.end(&mut |mark| here.push(mark.to_string()));
        let path = dir.path().join("series.bin");
        std::fs::write(&path, file).unwrap();
        let there = image.run(&[path.display().to_string()], None, dir.path(), LIMIT);
        let there: Vec<String> = there.lines().map(str::to_owned).collect();
        let parts = first_difference(&here, &there);
        assert!(
            parts.is_none(),
            "{what}: host and board part within {} readings of {}",
            mind::EVERY,
            parts.unwrap_or_default()
        );
        assert!(transitions > 0, "{what}: nothing happens in it");
        say(&format!(
            "{what}: {} frames, {transitions} transitions, {} marks, no difference",
            frames.len(),
            here.len()
        ));
    };
    for pack in EMBEDDED {
        let scenario = config::scenario(pack.scenario, Path::new(pack.name), From::Kept(&[])).unwrap();
        let cases = scenario.cases.iter().flat_map(|case| frames(&scenario, case)).collect::<Vec<_>>();
        compare(pack.name, &cases);
    }
    let Some(data) = std::env::var_os("GENGFU_DATA") else { return };
    let folder = Path::new(&data).join("scenarios");
    let limits = recorded::Table::read(&folder.join("limits.csv")).unwrap();
    for record in limits.records().iter().filter(|record| record["id"].ends_with(['1', '3', '5', '7', '9'])) {
        let recorded::Recorded { scenario, case, at } = recorded::Recorded::read(record, &folder).unwrap();
        assert!(at.is_sorted(), "{}: its rows are not in order", record["id"]);
        compare(record["id"], &frames(&scenario, &case));
    }
}

/// A case as a board is shown it: its points with their rules, and the readings in order of time.
fn frames(scenario: &Scenario, case: &Case) -> Vec<Frame> {
    let mut frames = vec![Frame::Site { at: case.start }];
    let mut beside = Vec::new();
    let point_of = |name: &str| case.series.iter().position(|(other, _)| other == name).map(|at| at as u8);
    let mut number = 0;
    for (name, _) in &case.series {
        let rules: Vec<_> = scenario.site.rules.iter().filter(|rule| rule.matches(name)).collect();
        frames.push(Frame::Point { rules: rules.len() as u8 });
        for rule in rules {
            frames.push(Frame::Rule { params: rule.detector });
            let others = rule.beside.iter().map(|other| point_of(&full_name(name, other)));
            for (point, channel) in others.zip(1..) {
                beside.extend(point.map(|point| Frame::Beside { rule: number, channel, point }));
            }
            number += 1;
        }
    }
    frames.append(&mut beside);
    let mut readings: Vec<(u64, Frame)> = Vec::new();
    for ((_, samples), point) in case.series.iter().zip(0..) {
        readings.extend(samples.iter().map(|sample| {
            let at = case.start + sample.after as i64;
            (sample.after, Frame::Reading { point, at, value: sample.value.ok() })
        }));
    }
    readings.sort_by_key(|(after, _)| *after);
    let last = readings.last().map_or(0, |(after, _)| *after);
    frames.extend(readings.into_iter().map(|(_, frame)| frame));
    frames.push(Frame::Tick { at: case.start + last as i64 + 3_600_000 });
    frames
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
