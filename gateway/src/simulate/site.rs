//! The demonstration site: config/sites/demo.toml with the ports and the directory of this run.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// The sample site as it lies in the repository.
pub const DEMO_SITE: &str = include_str!("../../../config/sites/demo.toml");

/// The ports of a run; [`DemoPorts::WRITTEN`] are those of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoPorts {
    pub pump_room: u16,
    pub basement: u16,
    pub lift_room: u16,
    pub mqtt: u16,
    pub console: u16,
}

/// The plant's ports, held until its servers take them over (see `Plant::start_on`).
#[derive(Debug)]
pub struct HeldPorts {
    pub ports: DemoPorts,
    pub listeners: Vec<TcpListener>,
}

impl DemoPorts {
    /// As in the file.
    pub const WRITTEN: Self = Self { pump_room: 1502, basement: 1503, lift_room: 1504, mqtt: 18830, console: 8420 };

    /// Free ports of this machine for the plant, and the console's as given.
    pub fn free(console: u16) -> std::io::Result<HeldPorts> {
        let mut listeners = Vec::new();
        let mut next = || -> std::io::Result<u16> {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let port = listener.local_addr()?.port();
            listeners.push(listener);
            Ok(port)
        };
        let ports = Self { pump_room: next()?, basement: next()?, lift_room: next()?, mqtt: next()?, console };
        Ok(HeldPorts { ports, listeners })
    }

    fn addresses(self) -> [String; 5] {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port)).to_string();
        [at(self.pump_room), at(self.basement), at(self.lift_room), at(self.mqtt), at(self.console)]
    }
}

/// The line of the file that names the journal's directory.
const JOURNAL: &str = "path = \"data\"";

/// The text of the demonstration site that keeps its journal in `dir` and uses `ports`.
pub fn demo_site(dir: &Path, ports: DemoPorts) -> String {
    // JSON's string escapes are all valid in a TOML basic string.
    let path = serde_json::Value::from(dir.to_string_lossy()).to_string();
    let text = DEMO_SITE.replacen(JOURNAL, &format!("path = {path}"), 1);
    // Through marks, so that a new port that equals another's old one is not replaced twice.
    let marks: Vec<String> = (0..5).map(|i| format!("\u{0}{i}\u{0}")).collect();
    let swap = |text: String, from: &[String], to: &[String]| {
        from.iter().zip(to).fold(text, |text, (from, to)| text.replace(from.as_str(), to))
    };
    swap(swap(text, &DemoPorts::WRITTEN.addresses(), &marks), &marks, &ports.addresses())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_each_address_once_and_the_directory_once() {
        for address in DemoPorts::WRITTEN.addresses() {
            assert_eq!(DEMO_SITE.matches(&format!("{address}\"")).count(), 1, "{address}");
        }
        assert_eq!(DEMO_SITE.lines().filter(|line| line.starts_with(JOURNAL)).count(), 1);
    }

    #[test]
    fn a_run_has_its_own_ports_and_directory() {
        let ports = DemoPorts { pump_room: 18830, basement: 8420, lift_room: 1502, mqtt: 1503, console: 1504 };
        let text = demo_site(Path::new("/tmp/a \"b\"\\c"), ports);
        let tree: toml::Table = text.parse().expect("still TOML");
        let connect = |table: &str, i: usize| tree[table][i]["connect"].as_str().map(str::to_owned);
        assert_eq!(connect("modbus", 0).as_deref(), Some("tcp://127.0.0.1:18830"));
        assert_eq!(connect("modbus", 1).as_deref(), Some("tcp://127.0.0.1:8420"));
        assert_eq!(connect("modbus", 2).as_deref(), Some("tcp://127.0.0.1:1502"));
        assert_eq!(connect("mqtt", 0).as_deref(), Some("mqtt://127.0.0.1:1503"));
        assert_eq!(tree["console"]["listen"].as_str(), Some("127.0.0.1:1504"));
        assert_eq!(tree["journal"]["path"].as_str(), Some("/tmp/a \"b\"\\c"));
    }

    #[test]
    fn free_ports_are_different_and_held() {
        let held = DemoPorts::free(8420).expect("loopback has free ports");
        let [a, b, c, d, _] = held.ports.addresses();
        let mut all = vec![a, b, c, d];
        all.dedup();
        assert_eq!(all.len(), held.listeners.len());
        assert!(TcpListener::bind(("127.0.0.1", held.ports.mqtt)).is_err());
    }

    #[test]
    fn every_moment_of_the_script_names_a_device_and_rule_of_the_file() {
        for moment in super::super::script::DEMO.moments {
            if let super::super::script::Cause::Rule(rule) = moment.cause {
                assert!(DEMO_SITE.contains(&format!("id = \"{rule}\"")), "{rule}");
            }
            assert!(DEMO_SITE.contains(&format!("\"{}\"", moment.device)), "{}", moment.device);
            assert!(DEMO_SITE.contains(&format!("name = \"{}\"", moment.point)), "{}", moment.point);
        }
        for track in super::super::script::DEMO.tracks {
            assert!(DEMO_SITE.contains(&format!("\"{}\"", track.device)), "{}", track.device);
            assert!(DEMO_SITE.contains(&format!("name = \"{}\"", track.point)), "{}", track.point);
        }
    }
}
