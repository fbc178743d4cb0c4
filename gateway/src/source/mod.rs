//! From bytes to readings: one task a link owns it and is the only one to touch it. Codecs are sans-I/O; the task
//! around them only moves bytes. A task that panics is started again; what one link suffers costs the others nothing.

use std::future::Future;
use std::pin::Pin;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::Site;
use crate::driver::EngineHandle;
use crate::stop::Stop;
use crate::telemetry::SharedStats;

pub mod own;
pub mod modbus;
pub mod mqtt;

/// What every source task is given.
#[derive(Debug, Clone)]
pub struct Context {
    pub clock: Clock,
    pub catalog: Catalog,
    pub engine: EngineHandle,
    pub stats: SharedStats,
    pub stop: Stop,
    pub site: std::sync::Arc<Site>,
}

/// One link's task, in a form that can be started again.
pub struct SourceTask {
    /// The link's name in the configuration.
    pub name: String,
    pub start: Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>,
}

impl std::fmt::Debug for SourceTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceTask").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The tasks of all links of the site. The points of Modbus devices and of expected MQTT devices are in the catalog
/// already (the app adds them from the checked configuration, by `device/point` name).
pub fn tasks(_context: &Context) -> Vec<SourceTask> {
    unimplemented!()
}
