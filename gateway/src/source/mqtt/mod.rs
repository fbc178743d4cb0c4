//! MQTT 3.1.1. `topic`, `payload`, `stamp`, `acks` are pure, `registry` and `intake` touch only the catalog; `link` is
//! the only file that knows the client library. A message of QoS 1 is acknowledged once the commit that holds it is
//! synced and never on another connection than the one that brought it. Nothing is published here.

use std::sync::Arc;

use crate::config::checked::MqttLink;
use crate::source::Context;

pub(super) async fn run(_context: Context, _config: Arc<MqttLink>) {}
