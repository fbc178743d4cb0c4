//! Mosquitto with the very configuration that deploy/ ships, on a port of its own.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::process::{Folder, Process, free_port, installed};
use crate::wait::eventually;

/// A broker; ends when dropped.
#[derive(Debug)]
pub struct Broker {
    pub port: u16,
    process: Process,
    dir: Folder,
}

impl Broker {
    pub fn start() -> Self {
        Self::logging("")
    }

    /// The same, and logs every packet: see [`Broker::acks`].
    pub fn chatty() -> Self {
        Self::logging("log_type debug\n")
    }

    /// The same, and hands out all it holds at once, acknowledged or not: more than the shipped file lets it.
    pub fn eager() -> Self {
        Self::logging("log_type debug\nmax_inflight_messages 0\n")
    }

    fn logging(more: &str) -> Self {
        let dir = Folder::new("broker");
        let port = free_port();
        let shipped = std::fs::read_to_string(crate::root().join("deploy/mosquitto.conf")).unwrap();
        dir.write("mosquitto.conf", &(adapt(&shipped, port, &dir.path().display().to_string(), more)));
        let process = launch(&dir);
        let broker = Self { port, process, dir };
        broker.ready();
        broker
    }

    /// Kills it and starts it again on what it had kept.
    pub fn restart(&mut self) {
        self.process.kill9();
        self.process = launch(&self.dir);
        self.ready();
    }

    /// Ends it in good order: what it knows is on disk.
    pub fn stop(&mut self) {
        self.process.signal("TERM");
        self.process.wait(Duration::from_secs(10)).expect("mosquitto ends when asked");
    }

    /// Starts it after [`Broker::stop`], on what it had kept or, if it shall `forget`, as new.
    pub fn start_again(&mut self, forget: bool) {
        if forget {
            std::fs::remove_file(self.dir.join("mosquitto.db")).unwrap();
        }
        self.process = launch(&self.dir);
        self.ready();
    }

    /// The gateway's subscription of `Site::mqtt` stands: from here on nothing that is acknowledged may be lost.
    pub fn subscribed(&self) -> bool {
        self.subscriptions() > 0
    }

    /// How often the gateway has subscribed since the first start.
    pub fn subscriptions(&self) -> usize {
        self.process.output().matches(" rig/+/v").count()
    }

    /// Messages the gateway of `Site::mqtt` has acknowledged; of a chatty broker.
    pub fn acks(&self) -> usize {
        self.process.output().matches("Received PUBACK from gengfu-rig").count()
    }

    fn ready(&self) {
        eventually(Duration::from_secs(5), "mosquitto listens", || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }
}

fn launch(dir: &Folder) -> Process {
    let mut command = Command::new(installed("mosquitto").unwrap_or_else(|| "mosquitto".into()));
    command.arg("-c").arg(dir.join("mosquitto.conf"));
    Process::start("mosquitto", command, dir.path())
}

/// The shipped file with another port and folder; users, passwords and certificates do not exist here.
fn adapt(shipped: &str, port: u16, dir: &str, more: &str) -> String {
    let replaced = [
        "listener",
        "persistence_location",
        "user",
        "pid_file",
        "log_dest",
        "log_type",
        "password_file",
        "acl_file",
        "allow_anonymous",
    ];
    let replaced = replaced.into_iter().chain(more.lines().filter_map(|line| line.split_whitespace().next()));
    let replaced: Vec<&str> = replaced.collect();
    let kept = shipped.lines().filter(|line| !replaced.contains(&line.split_whitespace().next().unwrap_or_default()));
    let mut text = kept.collect::<Vec<_>>().join("\n") + "\n";
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    text += &format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence_location {dir}/\nuser {user}\n");
    text += "log_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\nlog_type subscribe\n";
    text + more
}
