//! From bytes to readings: one task a link owns it and is the only one to touch it. Codecs are sans-I/O; the task
//! around them only moves bytes. A task that panics is started again; what one link suffers costs the others nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use gengfu_core::time::Wall;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::Site;
use crate::driver::{EngineHandle, Input};
use crate::flow::Batch;
use crate::stop::Stop;
use crate::telemetry::{LinkState, SharedStats};

mod said;
pub mod own;
pub mod modbus;
pub mod mqtt;
#[cfg(test)]
mod testing;

pub use said::Said;

/// What every source task is given.
#[derive(Debug, Clone)]
pub struct Context {
    pub clock: Clock,
    pub catalog: Catalog,
    pub engine: EngineHandle,
    pub stats: SharedStats,
    pub stop: Stop,
    pub site: Arc<Site>,
    /// When the last run wrote its last; `None` at the first start.
    pub off_since: Option<Wall>,
    /// What the log says of the task's link; the task's own, also when it is started again.
    pub said: Arc<Mutex<Said>>,
}

/// The engine takes nothing more: the process is stopping.
#[derive(Debug)]
struct Gone;

impl Context {
    /// Counts a batch as read and gives it to the engine; waits while its queue is full.
    async fn hand_over(&self, batch: Batch) -> Result<(), Gone> {
        self.stats.read.add((batch.readings.len() + batch.refused.len()) as u64);
        self.engine.submit(Input::Batch(batch)).await.map_err(|_| Gone)
    }

    /// Says how a link is: to the page always, to the log as [`Said`] thinks fit.
    fn link(&self, name: &str, state: LinkState) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match &state {
            LinkState::Down { why } => match said.down(self.clock.mono()) {
                Some(1) => tracing::warn!(link = name, why, "link down, trying again"),
                Some(attempts) => tracing::warn!(link = name, attempts, why, "link still down"),
                None => tracing::debug!(link = name, why, "link still down"),
            },
            LinkState::Up if said.up() => tracing::info!(link = name, "link up"),
            LinkState::Up | LinkState::Connecting => {}
        }
        drop(said);
        self.stats.link(name, state, self.clock.wall().0);
    }

    /// For the task of one link.
    fn of_one_link(&self) -> Self {
        Self { said: Arc::default(), ..self.clone() }
    }

    /// For one start of a task.
    fn until(&self, stop: Stop) -> Self {
        Self { stop, ..self.clone() }
    }
}

/// A task that has not been started.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One link's task, in a form that can be started again; it runs until the word is said that it is given.
pub struct SourceTask {
    /// The link's name in the configuration.
    pub name: String,
    pub start: Box<dyn Fn(Stop) -> Work + Send + Sync>,
}

impl std::fmt::Debug for SourceTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceTask").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The tasks of all links of the site. The points of Modbus devices and of expected MQTT devices are in the catalog
/// already (the app adds them from the checked configuration, by `device/point` name).
pub fn tasks(context: &Context) -> Vec<SourceTask> {
    let site = Arc::clone(&context.site);
    let lines = site.modbus.iter().map(|line| {
        let (context, config) = (context.of_one_link(), Arc::new(line.clone()));
        SourceTask {
            name: line.name.clone(),
            start: Box::new(move |stop| Box::pin(modbus::run(context.until(stop), Arc::clone(&config)))),
        }
    });
    let links = site.mqtt.iter().map(|link| {
        let (context, config) = (context.of_one_link(), Arc::new(link.clone()));
        SourceTask {
            name: link.name.clone(),
            start: Box::new(move |stop| Box::pin(mqtt::run(context.until(stop), Arc::clone(&config)))),
        }
    });
    lines.chain(links).collect()
}
