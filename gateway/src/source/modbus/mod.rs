//! Modbus TCP.

pub mod plan;
