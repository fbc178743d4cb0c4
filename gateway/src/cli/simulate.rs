//! `gengfu simulate`: the plant alone. Its values are made up and look healthy, so that it must never speak into a system
//! that somebody relies on.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::clock::Clock;
use crate::config;
use crate::config::checked::Site;
use crate::simulate::{DEMO_SITE, Plant, Story, running_brokers};

pub(super) async fn run(file: PathBuf, seed: u64, into_running_broker: bool) -> ExitCode {
    let loaded = match config::load(&file) {
        Ok(loaded) => loaded,
        Err(complaints) => return super::refused(&complaints),
    };
    if let Err(why) = admit(&loaded.site, into_running_broker).await {
        return super::failed(&why);
    }
    let plant = match Plant::start(&loaded.site, Story::plain(seed), Clock::start()).await {
        Ok(plant) => plant,
        Err(why) => return super::failed(&why),
    };
    tracing::info!(seed, site = loaded.site.id, "plant is running; stop it with ctrl-C");
    super::told_to_stop().await;
    plant.stop().await;
    ExitCode::SUCCESS
}

/// Whether nobody can be deceived.
async fn admit(site: &Site, into_running_broker: bool) -> Result<(), String> {
    if !is_demo(site) && gateway_runs(&site.journal.path) {
        return Err(format!(
            "a gateway is running on {}: it would take made-up values for those of the site `{}`; stop it first and start \
             it after the simulation, or simulate a copy of the site file with ports and a [journal] path of its own",
            site.journal.path.display(),
            site.id
        ));
    }
    let running = running_brokers(site).await?;
    match running.as_slice() {
        [] => {}
        running if into_running_broker => {
            tracing::warn!(broker = running.join(", "), "made-up values go into a broker that others may listen to");
        }
        running => {
            return Err(format!(
                "a broker is already running at {}: whoever listens there would take made-up values for true; write a free \
                 port into a copy of the site file, or give --into-running-broker if nobody relies on it",
                running.join(", ")
            ));
        }
    }
    Ok(())
}

/// The demonstration site has no real devices: its gateway may run beside.
fn is_demo(site: &Site) -> bool {
    config::parse(DEMO_SITE, Path::new("demo.toml")).is_ok_and(|demo| demo.site.id == site.id)
}

/// Whether a gateway holds the journal. Nothing is made where there is none.
fn gateway_runs(journal: &Path) -> bool {
    let Ok(lock) = File::open(journal.join("journal.lock")) else { return false };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A site with a broker at `port`, its journal in a folder of its own.
    fn site(id: &str, port: u16) -> (Site, PathBuf) {
        let folder = std::env::temp_dir().join(format!("gengfu-simulate-{id}-{}", std::process::id()));
        let text = format!(
            "site = {{ id = \"{id}\" }}\n[[mqtt]]\nname = \"lora\"\nconnect = \"mqtt://127.0.0.1:{port}\"\n\
             subscribe = [{{ topic = \"t\", device = \"d\", point = [{{ name = \"x\", value = \"\" }}] }}]\n"
        );
        (config::parse(&text, &folder.join("site.toml")).unwrap().site, folder)
    }

    #[tokio::test]
    async fn a_broker_that_runs_is_left_alone_unless_it_is_asked_for() {
        let broker = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = broker.local_addr().unwrap().port();
        let (site, _) = site("broker", port);
        let why = admit(&site, false).await.unwrap_err();
        assert!(why.contains(&format!("127.0.0.1:{port}")) && why.contains("--into-running-broker"), "{why}");
        assert_eq!(admit(&site, true).await, Ok(()));
        drop(broker);
        assert_eq!(admit(&site, false).await, Ok(()));
    }

    #[tokio::test]
    async fn a_gateway_that_runs_on_the_journal_is_not_deceived() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (id, allowed) in [("held", false), ("demo-mall", true)] {
            let (site, folder) = site(id, free);
            assert_eq!(admit(&site, false).await, Ok(()), "no journal yet");
            assert!(!site.journal.path.exists(), "and none is made");
            std::fs::create_dir_all(&site.journal.path).unwrap();
            let lock = File::create(site.journal.path.join("journal.lock")).unwrap();
            assert_eq!(admit(&site, false).await, Ok(()), "it has ended");
            lock.try_lock().unwrap();
            let said = admit(&site, true).await;
            assert_eq!(said.is_ok(), allowed, "{id}: {said:?}");
            drop(lock);
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}
