//! The whole plant of a site: servers, broker and publishers, started and stopped together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::StoryTime;
use super::broker::Broker;
use super::fault::{Fault, Switch};
use super::modbus::{self, Line};
use super::publish::{Publisher, Tally};
use super::story::Story;
use crate::clock::Clock;
use crate::config::checked::{ModbusLine, MqttLink, Site};
use crate::stop::{self, Stopper};

/// A running plant. Dropped without [`Plant::stop`] it stops as well, at its own pace.
#[derive(Debug)]
pub struct Plant {
    stopper: Stopper,
    tasks: JoinSet<()>,
    brokers: Vec<Broker>,
    switches: Switches,
    tally: Arc<Tally>,
    time: StoryTime,
}

/// What the publishers have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// MQTT messages written to the broker.
    pub published: u64,
    /// Of those of QoS 1, acknowledged by it.
    pub acknowledged: u64,
    /// Never sent: the broker was away for too long.
    pub dropped: u64,
}

impl Plant {
    /// Binds Modbus servers at the addresses of the site, starts the demonstration broker where a link's port on this
    /// machine has none, then the publishers. Whether they may speak into a broker that runs already is for the caller to
    /// know: see [`running_brokers`].
    pub async fn start(site: &Site, story: Story, clock: Clock) -> Result<Self, String> {
        Self::start_on(site, story, clock, Vec::new()).await
    }

    /// As [`Plant::start`], on listeners that somebody bound already; the others are bound here.
    pub async fn start_on(site: &Site, story: Story, clock: Clock, held: Vec<StdListener>) -> Result<Self, String> {
        let mut sockets = Sockets(held);
        let (stopper, stop) = stop::channel();
        let time = StoryTime::starting_now(clock.clone());
        let mut switches = Switches::new();
        let mut tasks = JoinSet::new();
        for line in lines(site, &story, &time, &mut switches)? {
            let listener = sockets.take(line.address).await.map_err(|e| {
                format!("modbus {}: cannot listen there ({e}); end what uses the port or change connect", line.address)
            })?;
            tasks.spawn(modbus::serve(Arc::new(line), listener, stop.clone()));
        }
        let brokers = brokers(site, &mut sockets, &clock).await?;
        let tally = Arc::new(Tally::default());
        for link in &site.mqtt {
            let switch = |device: &str| switches.of(device);
            let publisher = Publisher::new(link, &story, time.clone(), Arc::clone(&tally), switch)?;
            tasks.spawn(publisher.run(stop.clone()));
        }
        Ok(Self { stopper, tasks, brokers, switches, tally, time })
    }

    /// Breaks (or mends) a device; `false` where the site has none of this name.
    pub fn set_fault(&self, device: &str, fault: Fault) -> bool {
        self.switches.by_device.get(device).is_some_and(|switch| {
            switch.set(fault);
            true
        })
    }

    /// Milliseconds into the story.
    pub fn story_time(&self) -> u64 {
        self.time.now()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            published: self.tally.published.load(Ordering::Relaxed),
            acknowledged: self.tally.acknowledged.load(Ordering::Relaxed),
            dropped: self.tally.dropped.load(Ordering::Relaxed),
        }
    }

    /// The demonstration brokers that were started, one a port.
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// Ends everything; its ports are free again afterwards.
    pub async fn stop(mut self) {
        self.stopper.stop();
        while self.tasks.join_next().await.is_some() {}
        for broker in self.brokers {
            broker.stop().await;
        }
    }
}

/// A switch for every device.
#[derive(Debug)]
struct Switches {
    by_device: HashMap<String, Arc<Switch>>,
    moved: watch::Sender<u64>,
}

impl Switches {
    fn new() -> Self {
        Self { by_device: HashMap::new(), moved: watch::Sender::new(0) }
    }

    fn of(&mut self, device: &str) -> Arc<Switch> {
        let make = || Arc::new(Switch::new(self.moved.clone()));
        Arc::clone(self.by_device.entry(device.to_owned()).or_insert_with(make))
    }
}

/// Listeners bound beforehand, so that nobody can take a port between its choice and its use.
struct Sockets(Vec<StdListener>);

impl Sockets {
    async fn take(&mut self, address: SocketAddr) -> std::io::Result<TcpListener> {
        let held = self.0.iter().position(|listener| listener.local_addr().is_ok_and(|local| local == address));
        let Some(i) = held else { return TcpListener::bind(address).await };
        let listener = self.0.swap_remove(i);
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }
}

/// One [`Line`] an address; lines of the site that share it share the server.
fn lines(site: &Site, story: &Story, time: &StoryTime, switches: &mut Switches) -> Result<Vec<Line>, String> {
    let mut lines: Vec<Line> = Vec::new();
    for config in &site.modbus {
        let address = modbus_address(config)?;
        let at = lines.iter().position(|line| line.address == address).unwrap_or_else(|| {
            lines.push(Line::new(address, time.clone(), switches.moved.subscribe()));
            lines.len() - 1
        });
        if let Some(line) = lines.get_mut(at) {
            line.add(config, story, &mut |device| switches.of(device));
        }
    }
    Ok(lines)
}

fn modbus_address(line: &ModbusLine) -> Result<SocketAddr, String> {
    let name = &line.name;
    let (host, port) =
        line.address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
            .ok_or_else(|| format!("modbus {name}: {} has no port; write tcp://127.0.0.1:PORT", line.address))?;
    loopback("modbus", name, host, port)
}

/// One broker for each port of the links on which nothing listens yet.
async fn brokers(site: &Site, sockets: &mut Sockets, clock: &Clock) -> Result<Vec<Broker>, String> {
    let mut brokers: Vec<Broker> = Vec::new();
    for link in &site.mqtt {
        let address = mqtt_address(link)?;
        if brokers.iter().any(|broker| broker.address() == address) {
            continue;
        }
        match sockets.take(address).await {
            Ok(listener) => brokers.push(Broker::start(listener, clock.clone())?),
            // Somebody listens there: the site's own broker, and the publishers go to it.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => {
                return Err(format!("mqtt {}: cannot listen at {address} ({error}); choose another port", link.name));
            }
        }
    }
    Ok(brokers)
}

/// The addresses of the site's brokers at which somebody listens already.
pub async fn running_brokers(site: &Site) -> Result<Vec<String>, String> {
    let mut running = Vec::new();
    for link in &site.mqtt {
        let address = mqtt_address(link)?;
        let taken = TcpListener::bind(address).await.is_err_and(|e| e.kind() == std::io::ErrorKind::AddrInUse);
        if taken && !running.contains(&address.to_string()) {
            running.push(address.to_string());
        }
    }
    Ok(running)
}

fn mqtt_address(link: &MqttLink) -> Result<SocketAddr, String> {
    loopback("mqtt", &link.name, &link.broker.host, link.broker.port)
}

/// The address, if it is on this machine.
fn loopback(kind: &str, name: &str, host: &str, port: u16) -> Result<SocketAddr, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip = if bare == "localhost" { Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { bare.parse().ok() };
    match ip {
        Some(_) if port == 0 => Err(format!("{kind} {name}: port 0 cannot be connected to; name a port")),
        Some(ip) if ip.is_loopback() => Ok(SocketAddr::new(ip, port)),
        Some(_) | None => Err(format!(
            "{kind} {name}: {host}:{port} is not on this machine, and the simulator never speaks to a real system; \
             use 127.0.0.1 in a copy of the site file"
        )),
    }
}

#[cfg(test)]
mod tests;
