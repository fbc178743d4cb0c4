//! A connection to an MQTT broker, as the two rooms that have one make it: `source/mqtt` and `forward/uplink`.
//!
//! A client lives as long as its connection and no longer. rumqttc reconnects by itself inside one client, and then a late
//! acknowledgement of the old connection goes out on the new one, where its packet id names another message; and what it
//! had accepted when a connection breaks it forgets.

use std::path::Path;
use std::time::Duration;

use rumqttc::{AsyncClient, EventLoop, MqttOptions, NetworkOptions};
use tokio::time::timeout;

use crate::config::checked::Broker;
use crate::secret;

/// Largest packet that is taken off the wire. Far above what is decoded, so that an oversized message is refused and
/// acknowledged: one that the client can't take would be sent again for ever, with everything behind it waiting.
pub(crate) const LARGEST_PACKET: usize = 16 << 20;
/// TCP connection and CONNACK, in seconds.
const CONNECT_TIMEOUT: u64 = 5;
/// How long the password's file may take to be read: a disk that hangs must not hang the field.
const PASSWORD_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that keeps its session and acknowledges by hand, with room for `requests` on their way to the wire; `more` is
/// what the room sets besides. Nothing is sent before the event loop is polled.
pub(crate) async fn open(
    broker: &Broker,
    requests: usize,
    more: impl FnOnce(&mut MqttOptions),
) -> Result<(AsyncClient, EventLoop), String> {
    // The client puts host and port together by itself and does not know IPv6.
    let mut options = MqttOptions::new(&broker.client_id, broker.shown_host(), broker.port);
    options
        // It panics below one second.
        .set_keep_alive(broker.keep_alive.clamp(Duration::from_secs(1), Duration::from_secs(u16::MAX.into())))
        .set_clean_session(false)
        .set_manual_acks(true)
        .set_max_packet_size(LARGEST_PACKET, LARGEST_PACKET);
    if let Some(user) = &broker.username {
        let password = match &broker.password_file {
            None => String::new(),
            Some(file) => password(file).await?,
        };
        options.set_credentials(user, password);
    }
    more(&mut options);
    let (client, mut events) = AsyncClient::new(options, requests);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_TIMEOUT);
    events.set_network_options(network);
    Ok((client, events))
}

/// Reads it beside the runtime.
async fn password(file: &Path) -> Result<String, String> {
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || secret::read(&path, "password"));
    let Ok(Ok(read)) = timeout(PASSWORD_TIMEOUT, read).await else {
        return Err(format!("{}: can't be read in time; check the disk", file.display()));
    };
    String::from_utf8(read?).map_err(|_| format!("{}: holds no text; put the password there", file.display()))
}
