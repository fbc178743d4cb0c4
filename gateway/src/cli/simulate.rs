//! `gengfu simulate`: the plant alone.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::clock::Clock;
use crate::config;
use crate::simulate::{Plant, Story};

pub(super) async fn run(file: PathBuf, seed: u64) -> ExitCode {
    let loaded = match config::load(&file) {
        Ok(loaded) => loaded,
        Err(complaints) => return super::refused(&complaints),
    };
    let plant = match Plant::start(&loaded.site, Story::plain(seed), Clock::start()).await {
        Ok(plant) => plant,
        Err(why) => return super::failed(&why),
    };
    tracing::info!(seed, site = loaded.site.id, "plant is running; stop it with ctrl-C");
    super::told_to_stop().await;
    plant.stop().await;
    ExitCode::SUCCESS
}
