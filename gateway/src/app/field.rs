//! The left half of the flow, sources and engine, on a thread of its own: whatever a reader on the right does with its
//! thread, a poll is on time and an alarm is raised. One thread also means that a reading wakes nobody on its way from
//! the socket to the engine.

use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};

use crate::stop::{self, Stopper};

/// The thread and the way onto it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) handle: Handle,
    stopper: Stopper,
    thread: JoinHandle<()>,
}

impl Field {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self, String> {
        let failed = |error| format!("can't start the field thread: {error}; check the limits on threads and memory");
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stopper, mut stop) = stop::channel();
        let thread = std::thread::Builder::new().name("field".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(stop.wait());
            // A name look-up that hangs must not hold up the stop.
            runtime.shutdown_background();
        });
        let thread = thread.map_err(failed)?;
        Ok(Self { handle, stopper, thread })
    }

    /// Ends it; tasks that are still there are dropped.
    pub(super) fn end(self) {
        self.stopper.stop();
        if self.thread.join().is_err() {
            tracing::error!("field thread ended in a panic");
        }
    }
}
