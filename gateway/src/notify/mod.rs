//! To people: every transition is pushed at once, in order per alarm, and again until it is accepted.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::checked::{Site, WebhookConfig};
use crate::journal::Tap;
use crate::stop::Stop;
use crate::telemetry::SharedStats;

/// What a push channel is given.
#[derive(Debug)]
pub struct Context {
    pub config: WebhookConfig,
    pub site: Arc<Site>,
    pub clock: Clock,
    pub stats: SharedStats,
    pub tap: Tap,
    pub stop: Stop,
    /// Address of the console, for the link in the message.
    pub console: String,
}

/// Pushes until told to stop; never returns on its own.
pub async fn run(_context: Context) {
    unimplemented!()
}
