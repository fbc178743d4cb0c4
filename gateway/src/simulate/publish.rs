//! MQTT publishers: one client a link speaks for all devices of it, a payload each a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};
use tokio::time::MissedTickBehavior;

use super::StoryTime;
use super::fault::{Fault, Switch};
use super::payload::{Field, payload};
use super::story::{Silence, Story};
use super::topic::publishers;
use crate::config::checked::{MqttLink, Subscription};
use crate::stop::Stop;

/// How often a device speaks.
const EVERY: Duration = Duration::from_secs(1);
/// Messages that may wait for a broker that is away; more are dropped and counted.
const WAITING: usize = 1_000;
/// Pause between two attempts to reach the broker.
const AGAIN: Duration = Duration::from_millis(500);
/// A payload that is no JSON.
const GARBAGE: &[u8] = b"\xff\xfe{not json";

/// What a link's publishers have done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) published: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// One simulated device.
#[derive(Debug)]
struct Device {
    topic: String,
    qos: QoS,
    fields: Vec<Field>,
    silence: Silence,
    switch: Arc<Switch>,
}

/// All devices of a link.
#[derive(Debug)]
pub(super) struct Publisher {
    options: MqttOptions,
    devices: Vec<Device>,
    time: StoryTime,
    tally: Arc<Tally>,
}

impl Publisher {
    /// `Err` where the password cannot be read.
    pub(super) fn new(
        link: &MqttLink,
        story: &Story,
        time: StoryTime,
        tally: Arc<Tally>,
        mut switch: impl FnMut(&str) -> Arc<Switch>,
    ) -> Result<Self, String> {
        let of = |subscription: &Subscription| {
            let qos = if subscription.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            publishers(subscription)
                .into_iter()
                .map(|(name, topic)| {
                    let fields = subscription.points.iter().map(|point| Field::new(&name, point, story)).collect();
                    Device { topic, qos, fields, silence: story.silence(&name), switch: switch(&name) }
                })
                .collect::<Vec<_>>()
        };
        let devices = link.subscriptions.iter().flat_map(of).collect();
        Ok(Self { options: options(link)?, devices, time, tally })
    }

    /// Speaks until stopped.
    pub(super) async fn run(self, mut stop: Stop) {
        let (client, events) = AsyncClient::new(self.options.clone(), WAITING);
        // The half that speaks never waits for the half that moves the bytes: a full queue drops.
        tokio::select! {
            () = stop.wait() => {}
            () = self.speak(&client) => {}
            () = carry(events, &self.tally) => {}
        }
    }

    async fn speak(&self, client: &AsyncClient) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let (t, wall) = (self.time.now(), self.time.wall());
            for device in &self.devices {
                let Some(bytes) = device.says(t, wall) else { continue };
                if client.try_publish(&device.topic, device.qos, false, bytes).is_err() {
                    self.tally.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Device {
    fn says(&self, t: u64, wall: gengfu_core::time::Wall) -> Option<Vec<u8>> {
        match self.switch.get() {
            Fault::None | Fault::Slow(_) if self.silence.at(t) => None,
            Fault::None | Fault::Slow(_) => Some(payload(&self.fields, t, wall)),
            Fault::Garbage => Some(GARBAGE.to_vec()),
            Fault::Silent | Fault::Refused | Fault::Exception(_) => None,
        }
    }
}

fn options(link: &MqttLink) -> Result<MqttOptions, String> {
    let mut options = MqttOptions::new(format!("{}-plant", link.broker.client_id), &link.broker.host, link.broker.port);
    options.set_keep_alive(link.broker.keep_alive.max(Duration::from_secs(1)));
    options.set_clean_session(true);
    if let Some(user) = &link.broker.username {
        let password = match &link.broker.password_file {
            Some(file) => std::fs::read_to_string(file).map_err(|e| {
                format!(
                    "mqtt {}: the password in {} cannot be read ({e}); make the file readable",
                    link.name,
                    file.display()
                )
            })?,
            None => String::new(),
        };
        options.set_credentials(user, password.trim_end());
    }
    Ok(options)
}

/// Moves the bytes, for ever.
async fn carry(mut events: EventLoop, tally: &Tally) {
    loop {
        match events.poll().await {
            Ok(Event::Outgoing(Outgoing::Publish(_))) => {
                tally.published.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Event::Incoming(Packet::PubAck(_))) => {
                tally.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "simulated publisher lost its broker");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
