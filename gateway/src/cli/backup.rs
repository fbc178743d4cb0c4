//! `gengfu backup` and `gengfu restore`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::place::{self, Place};
use crate::clock::Clock;
use crate::journal;

#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    place: Place,
    /// The directory to make; it must not exist, or be empty.
    #[arg(value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The directory that `gengfu backup` made.
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// The site's configuration; its [journal] path must hold no journal yet.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn backup(Backup { place, to }: Backup) -> ExitCode {
    let found = match place.find() {
        Ok(found) => found,
        Err(code) => return code,
    };
    let (clock, terminal) = (Clock::start(), std::io::stderr().is_terminal());
    let mut progress = |bytes: u64| {
        if terminal {
            let _ = write!(std::io::stderr(), "\r{} MB copied", bytes / 1_000_000);
        }
    };
    let made = journal::backup(&found.journal, &to, &found.site, || clock.wall().0, &mut progress);
    if terminal {
        warn!("\n");
    }
    match made {
        Ok(manifest) => {
            let bytes: u64 = manifest.lanes.iter().map(|lane| lane.bytes).sum();
            sayln!("{}: the journal of {}, {bytes} bytes", to.display(), manifest.site);
            for lane in &manifest.lanes {
                sayln!("  {} up to {}", lane.file, lane.last_seq);
            }
            ExitCode::SUCCESS
        }
        Err(error) => super::failed(&error.0),
    }
}

pub(super) fn restore(Restore { from, config }: &Restore) -> ExitCode {
    let site = match place::site(config) {
        Ok(site) => site,
        Err(code) => return code,
    };
    match journal::restore(from, &site.journal.path, &site.id) {
        Ok(_) => {
            sayln!("{}: restored from {}", site.journal.path.display(), from.display());
            sayln!(
                "gengfu run -c {} goes on with it, in a new epoch; the box it comes from must not run on",
                config.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => super::failed(&error.0),
    }
}
