//! Faults that a test or a demonstration switches on, device by device.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What is wrong with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    #[default]
    None,
    /// Modbus: takes the request and never answers. MQTT: publishes nothing.
    Silent,
    /// Modbus: its address refuses connections, with all its neighbours. MQTT: publishes nothing.
    Refused,
    /// Modbus: answers this exception code. MQTT: publishes nothing.
    Exception(u8),
    /// Modbus: replies of a wrong length or function. MQTT: payloads that are not JSON.
    Garbage,
    /// Modbus: answers late by this much. MQTT: no effect.
    Slow(Duration),
}

/// One device's fault, shared by whoever moves it and whoever suffers it.
#[derive(Debug)]
pub(super) struct Switch {
    fault: Mutex<Fault>,
    moved: watch::Sender<u64>,
}

impl Switch {
    /// `moved` is told of every move.
    pub(super) fn new(moved: watch::Sender<u64>) -> Self {
        Self { fault: Mutex::default(), moved }
    }

    pub(super) fn get(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        self.moved.send_modify(|moves| *moves += 1);
    }
}
