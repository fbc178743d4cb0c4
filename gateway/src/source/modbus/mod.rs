//! Modbus TCP. `plan`, `decode`, `breaker` and `schedule` are pure; `link` is the only file that knows the client
//! library; `wire` decides when a connection
//! is to be replaced, `line` is the task that owns it and all units behind it. Nothing is written to a device here,
//! and no request is ever repeated on a connection that has misbehaved.

pub mod plan;
mod decode;
mod breaker;
mod schedule;
mod link;
mod wire;
mod line;
#[cfg(test)]
mod tests;

pub(super) use line::run;
