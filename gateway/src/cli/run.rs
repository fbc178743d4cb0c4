//! `gengfu run`: the gateway of a site, until told to stop; SIGHUP lets it read the file again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::good::Good;
use crate::app::{End, Gateway, good};
use crate::config::{self, Complaint, Loaded};
use crate::reload::{Reloads, Who};

pub(super) async fn run(file: PathBuf) -> ExitCode {
    let (good, loaded, trouble) = match load(&file) {
        Ok((good, loaded)) => (good, loaded, None),
        Err(complaints) => match good::last(&file) {
            Some((good, loaded)) => {
                super::complain(&complaints);
                tracing::error!("the site file is wrong: this run is on the last good one; mend it and reload");
                (good, loaded, complaints.first().map(ToString::to_string))
            }
            None => return super::refused(&complaints),
        },
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let stop = super::told_to_stop();
    // From here on the signal ends nothing; one that comes early is heard when all is started.
    let hangups = signal(SignalKind::hangup());
    let gateway = match Gateway::start(loaded.site).await {
        Ok(gateway) => gateway.of_file(file, good, trouble).await,
        Err(why) => return super::failed(&why),
    };
    tracing::info!(console = gateway.console, "ready");
    let reloads = gateway.reloads();
    let end = tokio::select! {
        end = gateway.run_until(stop) => end,
        () = heed(hangups, reloads) => End::Broken("the reload's ear is gone"),
    };
    match end {
        End::Stopped { clean: true } => ExitCode::SUCCESS,
        End::Stopped { clean: false } => {
            super::failed("stopped, but not everything could be written; see the log above")
        }
        End::Broken(why) => {
            tracing::error!(why, "ends itself so that the service manager starts it anew");
            // Tasks that hang are left behind: they must not keep a deaf process alive.
            ExitCode::FAILURE
        }
    }
}

fn load(file: &Path) -> Result<(Good, Loaded), Vec<Complaint>> {
    let text = config::text(file)?;
    let loaded = config::parse(&text, file)?;
    Ok((Good { text, packs: loaded.outside.clone() }, loaded))
}

/// Asks for a reload at each hang-up, for ever; what comes of it is in the log.
async fn heed(hangups: std::io::Result<Signal>, reloads: Reloads) {
    let mut hangups = match hangups {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP is not heard; POST /api/v1/reload does the same");
            return std::future::pending().await;
        }
    };
    while hangups.recv().await.is_some() {
        let _ = reloads.ask(Who::Signal).await;
    }
    std::future::pending::<()>().await;
}
