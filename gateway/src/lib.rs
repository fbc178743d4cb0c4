//! Gengfu's edge process. The rooms below stand in the order of the flow; data moves one way, and nothing
//! further down can slow, block or stop anything above it.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod clock;
pub mod stop;
mod backoff;
pub mod ballot;
mod disk;
mod secret;
mod broker;
pub mod reload;
#[cfg(test)]
mod scripted;
pub mod telemetry;
pub mod catalog;
pub mod flow;
pub mod config;
pub mod source;
pub mod driver;
pub mod journal;
pub mod foretold;
pub mod forward;
pub mod notify;
pub mod console;
pub mod export;
pub mod replay;
pub mod simulate;
pub mod app;
pub mod cli;
