//! `gengfu replay`: what a site's rules, or others, would have said of its past.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use gengfu_core::time::Mono;

use super::{place, refused};
use crate::clock::Clock;
use crate::config;
use crate::config::checked::Site;
use crate::export::moment;
use crate::journal;
use crate::replay::{self, Asked, Lang, Past, Progress};

/// How often it is told how far it is, ms: on a terminal, and where lines are kept.
const TELL_EVERY: [u64; 2] = [500, 5_000];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    Zh,
    En,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The site's configuration: its points and rules.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// From when: RFC 3339, or a date (and time) of the site; from the first reading if not given.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when; a date means all of that day. To the last reading if not given.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Other rules to be held against the site's own: a file with [[rule]] tables, or a whole site file.
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// Readings out of a CSV file, or of all *.csv of a directory, in place of the journal: columns time, point, value and,
    /// optional, device, quality, reason, as `gengfu export` writes them.
    #[arg(long, value_name = "FILE|DIR", conflicts_with = "journal")]
    csv: Option<PathBuf>,
    /// The directory of a journal or of a backup, in place of the site's own.
    #[arg(long, value_name = "PATH")]
    journal: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The language of the report; that of the terminal if not given.
    #[arg(long, value_enum)]
    lang: Option<Word>,
}

pub(super) fn run(asked: &Replay) -> ExitCode {
    let site = match place::site(&asked.config) {
        Ok(site) => site,
        Err(code) => return code,
    };
    let with = match asked.with.as_deref().map(|rules| config::with_rules(&asked.config, rules)).transpose() {
        Ok(with) => with.map(|loaded| Arc::new(loaded.site)),
        Err(complaints) => return refused(&complaints),
    };
    let time = |text: Option<&str>, end| text.map(|text| moment(text, &site.timezone, end)).transpose();
    let (from, to) = match (time(asked.from.as_deref(), false), time(asked.to.as_deref(), true)) {
        (Ok(Some(from)), Ok(Some(to))) if from >= to => {
            return wrong("--from lies behind --to; give a time before it");
        }
        (Ok(from), Ok(to)) => (from, to),
        (Err(why), _) | (_, Err(why)) => return wrong(&why),
    };
    let lang = language(asked.lang);
    match report(asked, site, with, (from, to)) {
        Ok(report) => {
            let text = if asked.json { report.json() } else { replay::text(&report, lang) };
            // A reader that has gone away (`| head`) is no reason to fail.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => super::failed(&why),
    }
}

/// Prints what is wrong with the command.
fn wrong(why: &str) -> ExitCode {
    warnln!("gengfu: {why}");
    ExitCode::from(2)
}

/// As asked, else as the terminal is set.
fn language(asked: Option<Word>) -> Lang {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    let chinese = set.into_iter().find(|value| !value.is_empty()).is_some_and(|value| value.starts_with("zh"));
    match asked {
        Some(Word::Zh) => Lang::Zh,
        None if chinese => Lang::Zh,
        Some(Word::En) | None => Lang::En,
    }
}

fn report(
    asked: &Replay,
    site: Site,
    with: Option<Arc<Site>>,
    (from, to): (Option<i64>, Option<i64>),
) -> Result<replay::Report, String> {
    let past = match &asked.csv {
        Some(path) => Past::csv(path, &site.timezone)?,
        None => Past::journal(&directory(asked.journal.as_deref(), &site)?)?,
    };
    let clock = Clock::start();
    let mut bar = Bar { began: clock.mono(), told: None, clock, terminal: std::io::stderr().is_terminal() };
    let report =
        replay::run(&Asked { site: Arc::new(site), with, from, to }, past, &mut |progress| bar.tell(progress))?;
    bar.end();
    Ok(report)
}

/// The journal, where it is this site's.
fn directory(given: Option<&Path>, site: &Site) -> Result<PathBuf, String> {
    let path = given.map_or_else(|| site.journal.path.clone(), Path::to_owned);
    match journal::owner(&path) {
        Some(owner) if owner != site.id => {
            let (path, id) = (path.display(), &site.id);
            Err(format!("{path}: belongs to the site `{owner}`, not to `{id}`; give that site's file"))
        }
        Some(_) | None => Ok(path),
    }
}

/// How far it is, on stderr.
struct Bar {
    clock: Clock,
    began: Mono,
    told: Option<(Mono, Progress)>,
    terminal: bool,
}

impl Bar {
    fn tell(&mut self, progress: Progress) {
        let now = self.clock.mono();
        let [on_terminal, in_lines] = TELL_EVERY;
        let every = if self.terminal { on_terminal } else { in_lines };
        let last = self.told.map_or(self.began, |(at, _)| at);
        self.told = Some((last, progress));
        if now.since(last) < every {
            return;
        }
        self.told = Some((now, progress));
        let Progress { done, all, at } = progress;
        let at = jiff::Timestamp::from_millisecond(at).map_or_else(|_| String::new(), |at| format!("{at:.0}"));
        let share = done.saturating_mul(100).checked_div(all).unwrap_or(100).min(100);
        let (begin, end) = if self.terminal { ("\r", "\x1b[K") } else { ("", "\n") };
        warn!("{begin}replay: {share} %, {done} readings, at {at}{end}");
    }

    fn end(&self) {
        let Some((_, Progress { done, .. })) = self.told else { return };
        let ms = self.clock.mono().since(self.began).max(1);
        let begin = if self.terminal { "\r\x1b[K" } else { "" };
        warnln!("{begin}replay: {done} readings in {}.{} s", ms / 1_000, ms % 1_000 / 100);
    }
}
