//! The group detector on SKAB, the recordings of a pump rig: `cargo run --release -p gengfu-core --example score_skab -- DATA OUT [--report]`.
//!
//! Reads every DATA/skab/<group>/<n>.csv and writes OUT/skab/<group>/<n>.csv with the columns `anomaly` and `changepoint`, one
//! row a data row from row 400 on: the first 400 rows are the training. One configuration for all, one pass in time order,
//! and labels are looked at by `--report` alone, which prints the scores by the rules of SKAB's leaderboard.
#![expect(clippy::disallowed_methods, reason = "a stopwatch is part of what this is")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gengfu_core::detect::group::{CHANNELS, Params, State, TRAINING};
use gengfu_core::time::{Mono, Now, Wall};

/// Columns that are no channel.
const OTHERS: [&str; 3] = ["t", "anomaly", "changepoint"];
/// A change counts as found when the first alarm comes within this time of it, s.
const FOUND_WITHIN: f64 = 60.0;
/// What an alarm outside of all of them costs.
const FALSE_TURN: f64 = 0.11;

struct Run {
    name: String,
    seconds: Vec<f64>,
    /// A row's values; `None` where there is no number.
    rows: Vec<Vec<Option<f64>>>,
    /// (anomaly, changepoint) a row, where the file has them.
    labels: Option<Vec<(bool, bool)>>,
}

struct Verdict {
    anomaly: bool,
    turn: bool,
}

/// What is counted over a run; the scores are made of sums of these.
#[derive(Clone, Copy, Default)]
struct Tally {
    hits: f64,
    false_alarms: f64,
    misses: f64,
    quiet: f64,
    changes: f64,
    change_score: f64,
    false_turns: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let report = args.iter().any(|a| a == "--report");
    args.retain(|a| a != "--report");
    let [data, out] = args.as_slice() else { return Err("usage: score_skab DATA OUT [--report]".into()) };
    let (mut tallies, mut rows, mut taken) = (Vec::new(), 0, Duration::ZERO);
    for path in files(&Path::new(data).join("skab"))? {
        let run = read(&path)?;
        let start = Instant::now();
        let verdicts = watch(&run);
        taken += start.elapsed();
        rows += run.rows.len();
        write(&Path::new(out).join("skab").join(format!("{}.csv", run.name)), &verdicts)?;
        if report {
            match &run.labels {
                Some(labels) => tallies.push((run.name.clone(), tally(&run, labels, &verdicts))),
                None => share(&run.name, &verdicts),
            }
        }
    }
    if report {
        print(&tallies);
    }
    println!(
        "{rows} rows, {:.0} ns a row, {} bytes of state",
        taken.as_nanos() as f64 / rows as f64,
        size_of::<State>()
    );
    Ok(())
}

/// All CSV files below, in the order of their names.
fn files(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|x| x == "csv") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Run, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    let column = |name: &str| header.iter().position(|h| *h == name);
    let channels = header.iter().enumerate().filter(|(_, h)| !OTHERS.contains(h)).map(|(i, _)| i);
    let channels: Vec<usize> = channels.take(CHANNELS).collect();
    let labels = column("anomaly").zip(column("changepoint"));
    let name = path.iter().rev().take(2).map(|p| p.to_string_lossy().into_owned()).collect::<Vec<_>>();
    let name = name.into_iter().rev().collect::<Vec<_>>().join("/").trim_end_matches(".csv").to_owned();
    let mut run = Run { name, seconds: Vec::new(), rows: Vec::new(), labels: labels.map(|_| Vec::new()) };
    for line in lines.filter(|l| !l.trim().is_empty()) {
        let cells: Vec<Option<f64>> = line.split(',').map(|c| c.trim().parse().ok()).collect();
        let cell = |i: usize| cells.get(i).copied().flatten();
        // A row without a time follows the one before it by a second.
        let after = run.seconds.last().map_or(0.0, |t| t + 1.0);
        run.seconds.push(column("t").and_then(cell).unwrap_or(after));
        run.rows.push(channels.iter().map(|i| cell(*i)).collect());
        if let (Some(known), Some((anomaly, change))) = (&mut run.labels, labels) {
            known.push((cell(anomaly) == Some(1.0), cell(change) == Some(1.0)));
        }
    }
    Ok(run)
}

/// One pass in time order; the verdicts from the end of the training on.
fn watch(run: &Run) -> Vec<Verdict> {
    let channels = run.rows.first().map_or(0, Vec::len) as u8;
    let params = Params { channels, ..Params::default() };
    let (mut state, mut verdicts) = (State::default(), Vec::new());
    let first = run.seconds.first().copied().unwrap_or(0.0);
    for (row, (seconds, values)) in run.seconds.iter().zip(&run.rows).enumerate() {
        let at = Wall((seconds * 1000.0) as i64);
        let now = Now { mono: Mono(((seconds - first).max(0.0) * 1000.0) as u64), wall: at };
        let before = state.turned();
        for (channel, value) in values.iter().enumerate() {
            match value {
                Some(value) => state.value(&params, channel, *value, at, now),
                None => state.unknown(&params, channel, at, now),
            }
        }
        if row >= TRAINING {
            verdicts.push(Verdict { anomaly: state.standing().is_some(), turn: state.turned() != before });
        }
    }
    verdicts
}

fn write(path: &Path, verdicts: &[Verdict]) -> Result<(), Box<dyn Error>> {
    let mut text = String::from("anomaly,changepoint\n");
    for v in verdicts {
        writeln!(text, "{},{}", u8::from(v.anomaly), u8::from(v.turn))?;
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn tally(run: &Run, labels: &[(bool, bool)], verdicts: &[Verdict]) -> Tally {
    let mut t = Tally::default();
    let scored = || labels.iter().zip(&run.seconds).skip(TRAINING);
    for (((anomaly, _), _), verdict) in scored().zip(verdicts) {
        match (verdict.anomaly, anomaly) {
            (true, true) => t.hits += 1.0,
            (true, false) => t.false_alarms += 1.0,
            (false, true) => t.misses += 1.0,
            (false, false) => t.quiet += 1.0,
        }
    }
    let turns: Vec<f64> = scored().zip(verdicts).filter(|(_, v)| v.turn).map(|((_, t), _)| *t).collect();
    let changes: Vec<f64> = scored().filter(|((_, change), _)| *change).map(|(_, t)| *t).collect();
    let near = |change: f64, turn: f64| turn >= change && turn <= change + FOUND_WITHIN;
    t.changes = changes.len() as f64;
    t.false_turns = turns.iter().filter(|turn| !changes.iter().any(|c| near(*c, **turn))).count() as f64;
    let found =
        |change: &f64| turns.iter().find(|turn| near(*change, **turn)).map_or(-1.0, |turn| reward(turn - change));
    t.change_score = changes.iter().map(found).sum::<f64>() - FALSE_TURN * t.false_turns;
    t
}

/// What finding a change after so many seconds is worth: tanh from 1 down to what a false turn costs.
fn reward(late: f64) -> f64 {
    let half = std::f64::consts::FRAC_PI_2;
    let x = (late / FOUND_WITHIN - 0.5) * 2.0 * half;
    (1.0 - FALSE_TURN) / 2.0 - f64::midpoint(1.0, FALSE_TURN) * x.tanh() / half.tanh()
}

/// F1, FAR %, MAR %, changepoint score.
fn scores<'a>(tallies: impl Iterator<Item = &'a Tally>) -> [f64; 4] {
    let mut t = Tally::default();
    for one in tallies {
        t.hits += one.hits;
        t.false_alarms += one.false_alarms;
        t.misses += one.misses;
        t.quiet += one.quiet;
        t.changes += one.changes;
        t.change_score += one.change_score;
    }
    [
        2.0 * t.hits / (2.0 * t.hits + t.false_alarms + t.misses),
        100.0 * t.false_alarms / (t.false_alarms + t.quiet),
        100.0 * t.misses / (t.misses + t.hits),
        100.0 * (t.change_score + t.changes) / (2.0 * t.changes),
    ]
}

fn share(name: &str, verdicts: &[Verdict]) {
    let alarms = verdicts.iter().filter(|v| v.anomaly).count() as f64;
    let turns = verdicts.iter().filter(|v| v.turn).count();
    println!("{name}: no labels, alarm share {:.1} %, {turns} turns", 100.0 * alarms / verdicts.len() as f64);
}

fn print(tallies: &[(String, Tally)]) {
    println!(
        "| run | hit | false | missed | quiet | changes | score of changes | false turns |\n|---|---|---|---|---|---|---|---|"
    );
    for (name, t) in tallies {
        let (h, f, m, q) = (t.hits, t.false_alarms, t.misses, t.quiet);
        println!("| {name} | {h} | {f} | {m} | {q} | {} | {:.2} | {} |", t.changes, t.change_score, t.false_turns);
    }
    let line = |what: &str, [f1, far, mar, change]: [f64; 4]| {
        println!("{what}: F1 {f1:.3}, FAR {far:.1} %, MAR {mar:.1} %, changepoint {change:.1}");
    };
    line("all", scores(tallies.iter().map(|(_, t)| t)));
    let mut groups: Vec<&str> = tallies.iter().filter_map(|(n, _)| n.split('/').next()).collect();
    groups.dedup();
    for group in groups {
        line(
            &format!("without {group}"),
            scores(tallies.iter().filter(|(n, _)| !n.starts_with(group)).map(|(_, t)| t)),
        );
    }
    let without = |i: usize| scores(tallies.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, (_, t))| t));
    let left: Vec<[f64; 4]> = (0..tallies.len()).map(without).collect();
    let over = |pick: fn(f64, f64) -> f64| {
        std::array::from_fn(|k| left.iter().filter_map(|s| s.get(k)).copied().reduce(pick).unwrap_or(f64::NAN))
    };
    line("leave one out, least", over(f64::min));
    line("leave one out, most", over(f64::max));
}
