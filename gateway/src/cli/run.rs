//! `gengfu run`: the gateway of a site, until told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::{End, Gateway};
use crate::config;

pub(super) async fn run(file: PathBuf) -> ExitCode {
    let loaded = match config::load(&file) {
        Ok(loaded) => loaded,
        Err(complaints) => return super::refused(&complaints),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let stop = super::told_to_stop();
    let gateway = match Gateway::start(loaded.site).await {
        Ok(gateway) => gateway,
        Err(why) => return super::failed(&why),
    };
    tracing::info!(console = gateway.console, "ready");
    match gateway.run_until(stop).await {
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
