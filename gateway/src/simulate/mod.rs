//! The plant: Modbus servers and MQTT publishers that behave like a building. For demonstrations and tests; the gateway
//! proper uses nothing of it, and it reaches nothing but this machine: every address it is given must be a loopback one,
//! so that invented values never get into a real system.
//!
//! [`story`] says what happens (pure, seeded), [`script`] is the demonstration's day, `modbus` and `publish` tell it to
//! the world, [`broker`] is there for a demonstration on a machine without one.

mod encode;
mod fault;
mod image;
mod modbus;
mod payload;
mod plant;
mod publish;
mod signal;
mod site;
mod topic;

pub mod broker;
pub mod script;
pub mod story;

#[cfg(test)]
mod testing;

use gengfu_core::time::{Mono, Wall};

use crate::clock::Clock;

pub use fault::Fault;
pub use plant::{Counts, Plant, running_brokers};
pub use site::{DEMO_SITE, DemoPorts, HeldPorts, demo_site};
pub use story::Story;

/// Time as the story counts it: milliseconds since the plant started.
#[derive(Debug, Clone)]
struct StoryTime {
    clock: Clock,
    start: Mono,
}

impl StoryTime {
    fn starting_now(clock: Clock) -> Self {
        Self { start: clock.mono(), clock }
    }

    fn now(&self) -> u64 {
        self.clock.mono().since(self.start)
    }

    /// For the stamps in payloads.
    fn wall(&self) -> Wall {
        self.clock.wall()
    }
}
