//! The plant: Modbus servers and MQTT publishers that behave like a building. For demonstrations and tests; the gateway
//! proper uses nothing of it.

use std::path::Path;

use crate::clock::Clock;
use crate::config::checked::Site;

/// How the values go.
#[derive(Debug, Clone)]
pub struct Story {}

impl Story {
    /// Plausible values for any site.
    pub fn generic(_seed: u64) -> Self {
        unimplemented!()
    }

    /// The demonstration's.
    pub fn demo() -> Self {
        unimplemented!()
    }
}

/// The running plant.
#[derive(Debug)]
pub struct Plant {}

impl Plant {
    pub async fn start(_site: &Site, _story: Story, _clock: Clock) -> Result<Self, String> {
        unimplemented!()
    }

    pub async fn stop(self) {
        unimplemented!()
    }
}

/// The text of the demonstration's site, with free ports in it.
pub async fn demo_site(_dir: &Path, _port: u16) -> Result<String, String> {
    unimplemented!()
}
