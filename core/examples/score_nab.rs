//! The habit detector on the Numenta Anomaly Benchmark:
//! `cargo run --release -p gengfu-core --example score_nab -- DATA OUT [--report]`.
//!
//! Reads every DATA/nab/<category>/<name>.csv (columns `t` in unix seconds, `value`, and perhaps `window`), in one pass, and
//! writes OUT/nab/<category>/<name>.csv (column `score`, a row a data row) and OUT/nab/threshold. With `--report` and labels
//! it prints the benchmark's scores, and their spread when the threshold is chosen on one half of the series (by category)
//! and judged on the other.
#![expect(clippy::disallowed_methods, reason = "a stopwatch is part of the report")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::habit::{Params, State, THRESHOLD};
use gengfu_core::time::{Mono, Now, Wall};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Weights of a missed window and of a false alarm.
const PROFILES: [(&str, f64, f64); 3] = [("standard", 1.0, 0.11), ("low FP", 1.0, 0.22), ("low FN", 2.0, 0.11)];
const HALVES: usize = 200;

struct Series {
    category: String,
    name: String,
    rows: Vec<(Wall, f64)>,
    /// First and last row of each labelled window; nothing where there are no labels.
    windows: Option<Vec<(usize, usize)>>,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data, out, rest @ ..] = args.as_slice() else { return Err("usage: score_nab DATA OUT [--report]".into()) };
    let all = load(&Path::new(data).join("nab"))?;
    let out = Path::new(out).join("nab");
    let start = Instant::now();
    let scores: Vec<Vec<f64>> = all.iter().map(|s| run(s, THRESHOLD)).collect();
    let readings: usize = all.iter().map(|s| s.rows.len()).sum();
    let ns = start.elapsed().as_nanos() as f64 / readings.max(1) as f64;
    for (series, scores) in all.iter().zip(&scores) {
        let dir = out.join(&series.category);
        fs::create_dir_all(&dir)?;
        let lines: Vec<String> = scores.iter().map(f64::to_string).collect();
        fs::write(dir.join(format!("{}.csv", series.name)), format!("score\n{}\n", lines.join("\n")))?;
    }
    fs::create_dir_all(&out)?;
    fs::write(out.join("threshold"), format!("{THRESHOLD}\n"))?;
    println!("{} series, {readings} readings, {ns:.0} ns a reading, {} bytes of state", all.len(), size_of::<State>());
    if rest.iter().any(|a| a == "--report") {
        report(&all, &scores);
    }
    Ok(())
}

fn load(data: &Path) -> Result<Vec<Series>> {
    let mut all = Vec::new();
    for dir in entries(data)?.into_iter().filter(|p| p.is_dir()) {
        for file in entries(&dir)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "csv")) {
            all.push(read(&file).map_err(|e| format!("{}: {e}", file.display()))?);
        }
    }
    Ok(all)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut paths = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn read(file: &Path) -> Result<Series> {
    let text = fs::read_to_string(file)?;
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    let column = |name: &str| head.iter().position(|h| *h == name);
    let (t, value) = column("t").zip(column("value")).ok_or("no columns t and value")?;
    let window = column("window");
    let mut rows = Vec::new();
    let mut windows: Vec<(usize, (usize, usize))> = Vec::new();
    for (i, line) in lines.filter(|l| !l.trim().is_empty()).enumerate() {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let cell = |at: usize| cells.get(at).copied().ok_or_else(|| format!("row {}: too few columns", i + 1));
        let seconds: f64 = cell(t)?.parse()?;
        // What is no number is a reading that did not come; the detector is told so as NaN.
        rows.push((Wall((seconds * 1000.0) as i64), cell(value)?.parse().unwrap_or(f64::NAN)));
        if let Some(at) = window {
            let k: usize = cell(at)?.parse()?;
            match windows.last_mut() {
                Some((last, (_, end))) if *last == k => *end = i,
                Some(_) | None if k > 0 => windows.push((k, (i, i))),
                Some(_) | None => {}
            }
        }
    }
    let part = |p: Option<&std::ffi::OsStr>| p.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Series {
        category: part(file.parent().and_then(Path::file_name)),
        name: part(file.file_stem()),
        rows,
        windows: window.map(|_| windows.into_iter().map(|(_, w)| w).collect()),
    })
}

/// One pass in the order of the rows; the counter follows the stamps, and never runs back.
fn run(series: &Series, threshold: f64) -> Vec<f64> {
    let params = Params { threshold, block_ms: 0, calendar: Calendar::UTC };
    let mut state = State::default();
    let first = series.rows.first().map_or(0, |(at, _)| at.0);
    let one = |(at, value): &(Wall, f64)| {
        let now = Now { mono: Mono((at.0 - first).max(0) as u64), wall: *at };
        state.value(&params, *value, *at, now);
        if value.is_finite() { state.score() } else { 0.0 }
    };
    series.rows.iter().map(one).collect()
}

/// What the alarms of one series, or of many, come to.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    windows: f64,
    found: f64,
    /// Sum of the windows' rewards, 0 to 1 each.
    reward: f64,
    false_alarms: f64,
    /// Sum of their costs, 0 to 1 each.
    cost: f64,
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            windows: self.windows + other.windows,
            found: self.found + other.found,
            reward: self.reward + other.reward,
            false_alarms: self.false_alarms + other.false_alarms,
            cost: self.cost + other.cost,
        }
    }

    fn score(self, w_fn: f64, w_fp: f64) -> f64 {
        let raw = self.reward - w_fp * self.cost - w_fn * (self.windows - self.found);
        100.0 * (raw + w_fn * self.windows) / (self.windows * (1.0 + w_fn)).max(1.0)
    }
}

fn sigma(x: f64) -> f64 {
    if x > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * x).exp()) - 1.0 }
}

fn tally(windows: &[(usize, usize)], scores: &[f64], threshold: f64) -> Tally {
    let probation = (scores.len() * 15 / 100).min(750);
    let mut t = Tally { windows: windows.len() as f64, ..Tally::default() };
    let mut found = None;
    for (i, _) in scores.iter().enumerate().skip(probation).filter(|(_, s)| **s >= threshold) {
        let past = windows.iter().rfind(|w| w.0 <= i);
        match past {
            Some(&(a, b)) if i <= b && found != Some(a) => {
                found = Some(a);
                t.found += 1.0;
                t.reward += sigma(-((b - i + 1) as f64) / (b - a + 1) as f64) / sigma(-1.0);
            }
            Some(&(_, b)) if i <= b => {}
            Some(&(a, b)) => {
                t.false_alarms += 1.0;
                t.cost -= sigma((i - b) as f64 / (b - a).max(1) as f64);
            }
            None => {
                t.false_alarms += 1.0;
                t.cost += 1.0;
            }
        }
    }
    t
}

fn report(all: &[Series], scores: &[Vec<f64>]) {
    let Some(windows) = all.iter().map(|s| s.windows.as_deref()).collect::<Option<Vec<_>>>() else {
        println!("no labels, no report");
        return;
    };
    let judge = |scores: &[Vec<f64>], threshold: f64| -> Vec<Tally> {
        windows.iter().zip(scores).map(|(w, s)| tally(w, s, threshold)).collect()
    };
    let each = judge(scores, THRESHOLD);
    println!("| series | windows | found | reward | false alarms |\n|---|---|---|---|---|");
    for (s, t) in all.iter().zip(&each) {
        println!("| {}/{} | {} | {} | {:.2} | {} |", s.category, s.name, t.windows, t.found, t.reward, t.false_alarms);
    }
    let sum = each.iter().copied().fold(Tally::default(), Tally::plus);
    println!("threshold {THRESHOLD}: {} of {} windows, {} false alarms", sum.found, sum.windows, sum.false_alarms);
    for (name, w_fn, w_fp) in PROFILES {
        println!("{name} {:.1}", sum.score(w_fn, w_fp));
    }

    let grid: Vec<f64> = (16..=40).map(|k| f64::from(k) * 0.5).collect();
    let runs: Vec<Vec<Tally>> = grid
        .iter()
        .map(|threshold| judge(&all.iter().map(|s| run(s, *threshold)).collect::<Vec<_>>(), *threshold))
        .collect();
    let line: Vec<String> = grid
        .iter()
        .zip(&runs)
        .map(|(g, run)| format!("{g}: {:.1}", run.iter().copied().fold(Tally::default(), Tally::plus).score(1.0, 0.11)))
        .collect();
    println!("standard by threshold: {}", line.join(", "));
    for (name, w_fn, w_fp) in PROFILES {
        let mut left: Vec<f64> = (0..HALVES).map(|seed| leave_half_out(all, &runs, seed, w_fn, w_fp)).collect();
        left.sort_by(f64::total_cmp);
        let mean = left.iter().sum::<f64>() / HALVES as f64;
        let sd = (left.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / HALVES as f64).sqrt();
        let at = |share: usize| left.get(HALVES * share / 100).copied().unwrap_or_default();
        println!("{name}, leave half out: {mean:.1} ± {sd:.1} (10 % below {:.1}, 90 % below {:.1})", at(10), at(90));
    }
}

/// The threshold that is best on a random half of every category, judged on the rest.
fn leave_half_out(all: &[Series], runs: &[Vec<Tally>], seed: usize, w_fn: f64, w_fp: f64) -> f64 {
    let coin = |i: usize| {
        let z = ((seed * 1_000 + i) as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 33
    };
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|i| (all.get(*i).map(|s| s.category.as_str()), coin(*i)));
    let half = |run: &Vec<Tally>, other: usize| {
        let picked = order.iter().skip(other).step_by(2).filter_map(|i| run.get(*i)).copied();
        picked.fold(Tally::default(), Tally::plus).score(w_fn, w_fp)
    };
    let side = seed % 2;
    let best = runs.iter().max_by(|a, b| half(a, side).total_cmp(&half(b, side)));
    best.map_or(0.0, |run| half(run, 1 - side))
}
