//! MQTT 3.1.1. `topic`, `payload`, `stamp` and `acks` are pure, `registry` and `intake` touch only the catalog; `link`
//! is the only file that knows the client library, `session` and `delivery` the only ones that run tasks. A message of QoS 1 is
//! acknowledged once the commit that holds it is synced, and never on another connection than the one that brought it.
//! Nothing is published here.

mod topic;
mod stamp;
mod payload;
mod acks;
mod registry;
mod intake;
mod delivery;
mod link;
mod session;
#[cfg(test)]
mod broker;
#[cfg(test)]
mod tests;

pub(super) use session::run;
