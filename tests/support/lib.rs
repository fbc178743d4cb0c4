//! The rig: real brokers, stores and browsers, counting devices, and faults on demand. Everything binds port 0,
//! waits for conditions with a deadline, and ends what it started by its own pid when it is dropped.
//! Nothing here knows how the gateway works inside, but for [`counting::committed`], which reads its journal.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a rig that falls over is how a test fails"
)]
#![expect(clippy::format_push_string, clippy::wildcard_enum_match_arm, reason = "texts are short, faults are many")]

pub mod wait;
pub mod wall_clock;
pub mod random;
pub mod series;
pub mod process;
pub mod http;
pub mod gateway;
pub mod site;
pub mod plant;
pub mod pymodbus;
pub mod broker;
pub mod publisher;
pub mod store;
pub mod stub;
pub mod meter;
pub mod receiver;
pub mod centre;
pub mod proxy;
pub mod shim;
pub mod disk;
pub mod notify_socket;
pub mod browser;
pub mod counting;
pub mod owed;
pub mod board;

use std::path::{Path, PathBuf};

/// The top of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
