//! What is different between two sites. Pure; both are checked. What can't change while the gateway runs is told like a
//! mistake, at its line.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::path::Path;

use super::checked::{InfluxConfig, Labels, ModbusLine, MqttLink, Rule, Site, UplinkConfig, WebhookConfig};
use super::{Complaint, place};

/// The difference, by the names of things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// `[site]`, `[journal]` and `[alarms]`: what is said of them, in words.
    pub settings: Vec<String>,
    pub modbus: Delta,
    pub mqtt: Delta,
    pub rules: Delta,
    /// What people call things is said otherwise somewhere.
    pub labels: bool,
    pub stores: Delta,
    pub uplinks: Delta,
    pub webhooks: Delta,
    /// All readings of brokers are dated and believed otherwise than before: every MQTT link begins anew.
    pub dating: bool,
}

/// Names of one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

impl Delta {
    fn between<T: PartialEq>(old: &[T], new: &[T], name: impl Fn(&T) -> &str) -> Self {
        let find = |all: &'_ [T], wanted: &str| all.iter().position(|item| name(item) == wanted);
        let mut delta = Self::default();
        for item in new {
            match find(old, name(item)).and_then(|at| old.get(at)) {
                None => delta.added.push(name(item).to_owned()),
                Some(was) if was != item => delta.changed.push(name(item).to_owned()),
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|item| find(new, name(item)).is_none());
        delta.removed = gone.map(|item| name(item).to_owned()).collect();
        delta
    }

    fn without(mut self, left_out: impl Fn(&str) -> bool) -> Self {
        for names in [&mut self.added, &mut self.changed, &mut self.removed] {
            names.retain(|name| !left_out(name));
        }
        self
    }

    /// Whether the thing of this name must end before the new configuration begins.
    pub fn ends(&self, name: &str) -> bool {
        self.changed.iter().chain(&self.removed).any(|n| n == name)
    }

    /// Whether it must begin with the new configuration.
    pub fn begins(&self, name: &str) -> bool {
        self.changed.iter().chain(&self.added).any(|n| n == name)
    }

    fn words(&self, what: &str) -> Vec<String> {
        let kinds = [(&self.added, "added"), (&self.changed, "changed"), (&self.removed, "removed")];
        let kinds = kinds.into_iter().filter(|(names, _)| !names.is_empty());
        kinds.map(|(names, how)| format!("{what} {how}: {}", listed(names))).collect()
    }
}

/// Names that are told; of more the number.
const TOLD: usize = 20;

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(TOLD);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

impl Change {
    pub fn between(old: &Site, new: &Site) -> Self {
        let dating = old.clock_tolerance != new.clock_tolerance || old.journal.keep != new.journal.keep;
        let mut mqtt = Delta::between(&old.mqtt, &new.mqtt, |l: &MqttLink| &l.name);
        if dating {
            let same = new.mqtt.iter().map(|link| &link.name).filter(|name| !mqtt.begins(name));
            let same: Vec<String> = same.cloned().collect();
            mqtt.changed.extend(same);
        }
        Self {
            settings: settings(old, new),
            modbus: Delta::between(&old.modbus, &new.modbus, |l: &ModbusLine| &l.name),
            mqtt,
            rules: Delta::between(&old.rules, &new.rules, |r: &Rule| &r.id).without(ours),
            labels: differ(&old.labels, &new.labels),
            stores: Delta::between(&old.influx, &new.influx, |s: &InfluxConfig| &s.name),
            uplinks: Delta::between(&old.uplinks, &new.uplinks, |u: &UplinkConfig| &u.name),
            webhooks: Delta::between(&old.webhooks, &new.webhooks, |w: &WebhookConfig| &w.name),
            dating,
        }
    }

    /// For people, a line each; nothing where the two are the same.
    pub fn words(&self) -> Vec<String> {
        let mut words = self.settings.clone();
        let parts = [
            (&self.modbus, "modbus"),
            (&self.mqtt, "mqtt"),
            (&self.rules, "rule"),
            (&self.stores, "forward.influxdb"),
            (&self.uplinks, "forward.mqtt"),
            (&self.webhooks, "notify.webhook"),
        ];
        words.extend(parts.into_iter().flat_map(|(delta, what)| delta.words(what)));
        if self.labels {
            words.push("labels changed".to_owned());
        }
        words
    }

    /// The links of `site`, the new one, that go on untouched.
    pub fn kept(&self, site: &Site) -> HashSet<String> {
        let modbus = site.modbus.iter().map(|line| &line.name).filter(|name| !self.modbus.begins(name));
        let mqtt = site.mqtt.iter().map(|link| &link.name).filter(|name| !self.mqtt.begins(name));
        modbus.chain(mqtt).cloned().collect()
    }
}

/// Rules and labels of the gateway's own device follow from the links; nobody has changed them.
fn ours(name: &str) -> bool {
    name.split_once('/').map_or(name, |(device, _)| device) == "gengfu"
}

fn differ(a: &Labels, b: &Labels) -> bool {
    fn theirs<T>(named: &HashMap<String, T>) -> HashMap<&String, &T> {
        named.iter().filter(|(name, _)| !ours(name)).collect()
    }
    theirs(&a.devices) != theirs(&b.devices) || theirs(&a.points) != theirs(&b.points) || a.patterns != b.patterns
}

fn settings(old: &Site, new: &Site) -> Vec<String> {
    let mut words = Vec::new();
    let mut compare = |what: &str, was: &dyn Debug, is: &dyn Debug| {
        let (was, is) = (format!("{was:?}"), format!("{is:?}"));
        if was != is {
            words.push(format!("{what} changed: {is}, was {was}"));
        }
    };
    compare("[site] name", &old.name, &new.name);
    compare("[site] street", &old.street, &new.street);
    compare("[site] industry", &old.industry, &new.industry);
    compare("[site] timezone", &old.timezone, &new.timezone);
    let hours = |site: &Site| (site.calendar.open_min, site.calendar.close_min, site.calendar.worked);
    compare("[site] open and rest", &hours(old), &hours(new));
    compare("[site] clock_tolerance", &old.clock_tolerance, &new.clock_tolerance);
    compare("[journal] keep", &old.journal.keep, &new.journal.keep);
    compare("[journal] max_size", &old.journal.max_size, &new.journal.max_size);
    let exceptions = |site: &Site| site.calendar.exceptions().collect::<BTreeSet<_>>();
    if exceptions(old) != exceptions(new) {
        words.push("[site] holidays and worked changed".to_owned());
    }
    let tables = [
        ("[alarms]", old.policy != new.policy),
        ("[warning]", old.warning != new.warning),
        ("[alarms.performance]", old.performance != new.performance),
    ];
    words.extend(tables.into_iter().filter(|(_, differs)| *differs).map(|(table, _)| format!("{table} changed")));
    words
}

/// What the gateway can't change while it runs.
pub fn needs_restart(old: &Site, new: &Site, text: &str, file: &Path) -> Vec<Complaint> {
    let facts = [
        ("site", "id", old.id.clone(), new.id.clone()),
        ("journal", "path", old.journal.path.display().to_string(), new.journal.path.display().to_string()),
        ("console", "listen", old.console.listen.to_string(), new.console.listen.to_string()),
    ];
    let differing = facts.into_iter().filter(|(_, _, was, is)| was != is);
    let complaint = |(table, key, was, is): (&str, &str, String, String)| {
        let (line, column) = place(text, table, key);
        let what = format!("[{table}] {key} is {is} and was {was}, which needs a restart");
        let mend = "put it back, or restart the gateway".to_owned();
        Complaint { file: file.display().to_string(), line, column, what, mend }
    };
    differing.map(complaint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const SITE: &str = "[site]\nid = \"s\"\n[[modbus]]\nname = \"a\"\nconnect = \"tcp://h:1\"\n[[modbus.device]]\nname = \"d\"\n\
                        unit = 1\npoint = [{ name = \"p\", register = \"holding:0\", type = \"u16\" }]\n\
                        [[mqtt]]\nname = \"m\"\nconnect = \"mqtt://h\"\nsubscribe = [{ topic = \"t/+\", device = \"{1}\", \
                        point = [{ name = \"x\", value = \"\" }] }]\n\
                        [[rule]]\nid = \"r\"\npoint = \"d/p\"\nhigh = { limit = 5, clear = 4 }\n\
                        [[forward.mqtt]]\nname = \"c\"\nconnect = \"mqtt://centre\"\n\
                        [[forward.influxdb]]\nname = \"i\"\nurl = \"http://store\"\norg = \"o\"\nbucket = \"b\"\ntoken_file = \"t\"\n\
                        [[notify.webhook]]\nname = \"w\"\nurl = \"http://h/p\"\n";

    fn site(text: &str) -> Site {
        parse(text, Path::new("/site/s.toml")).expect("a good site").site
    }

    fn words(from: &str, to: &str) -> Vec<String> {
        Change::between(&site(SITE), &site(&SITE.replace(from, to))).words()
    }

    #[test]
    fn each_difference_is_told_by_name_and_nothing_else() {
        assert!(words("", "").is_empty());
        assert_eq!(words("limit = 5", "limit = 6"), ["rule changed: r"]);
        assert_eq!(words("id = \"r\"", "id = \"q\""), ["rule added: q", "rule removed: r"]);
        assert_eq!(words("tcp://h:1", "tcp://h:2"), ["modbus changed: a"]);
        assert_eq!(words("http://h/p", "http://h/q"), ["notify.webhook changed: w"]);
        assert_eq!(words("mqtt://centre", "mqtt://other"), ["forward.mqtt changed: c"]);
        assert_eq!(words("http://store", "http://other"), ["forward.influxdb changed: i"]);
        assert_eq!(words("name = \"c\"", "name = \"d\""), ["forward.mqtt added: d", "forward.mqtt removed: c"]);
        assert_eq!(words("id = \"s\"\n", "id = \"s\"\nname = \"n\"\n"), ["[site] name changed: \"n\", was \"s\""]);
        assert_eq!(words("unit = 1\n", "unit = 1\nlabel = \"泵 / pump\"\n"), ["labels changed"]);
        let dated = words("id = \"s\"\n", "id = \"s\"\nclock_tolerance = \"5s\"\n");
        assert_eq!(dated, ["[site] clock_tolerance changed: 5s, was 60s", "mqtt changed: m"]);
    }

    #[test]
    fn all_that_is_said_of_a_broker_is_a_change_of_what_connects_to_it_alone() {
        for (who, connect) in [("mqtt", "mqtt://h\"\n"), ("forward.mqtt", "mqtt://centre\"\n")] {
            let with = |more: &str| words(connect, &format!("{connect}{more}\n"));
            let changed = [format!("{who} changed: {}", if who == "mqtt" { "m" } else { "c" })];
            for more in [
                "username = \"u\"",
                "username = \"u\"\npassword_file = \"p\"",
                "client_id = \"x\"",
                "keep_alive = \"9s\"",
            ] {
                assert_eq!(with(more), changed, "{more}");
            }
            assert_eq!(words(connect, &connect.replace("\"\n", ":1884\"\n")), changed, "its port");
            assert!(with("keep_alive = \"30s\"").is_empty(), "what it is anyway");
        }
    }

    #[test]
    fn what_the_gateway_adds_of_itself_is_nobodys_change() {
        let complete = |text: &str| {
            let mut site = site(text);
            crate::source::own::complete(&mut site);
            site
        };
        let renamed = SITE.replace("name = \"a\"", "name = \"b\"");
        let change = Change::between(&complete(SITE), &complete(&renamed));
        assert_eq!(change.words(), ["modbus added: b", "modbus removed: a"]);
    }

    #[test]
    fn what_is_kept_is_what_is_the_same() {
        let new = site(&SITE.replace("tcp://h:1", "tcp://h:2"));
        let change = Change::between(&site(SITE), &new);
        assert_eq!(change.kept(&new), HashSet::from(["m".to_owned()]));
        assert!(change.modbus.ends("a") && change.modbus.begins("a") && !change.mqtt.ends("m"));
    }

    #[test]
    fn what_needs_a_restart_is_told_at_its_line() {
        let text = format!("{}[console]\nlisten = \"127.0.0.1:1\"\n", SITE.replace("id = \"s\"", "id = \"t\""));
        let told = needs_restart(&site(SITE), &site(&text), &text, Path::new("/site/s.toml"));
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "/site/s.toml:2:6: [site] id is t and was s, which needs a restart; put it back, or restart the gateway",
                "/site/s.toml:31:10: [console] listen is 127.0.0.1:1 and was 127.0.0.1:8420, which needs a restart; \
                 put it back, or restart the gateway",
            ]
        );
        let moved = format!("[journal]\npath = \"other\"\n{SITE}");
        let told = needs_restart(&site(SITE), &site(&moved), &moved, Path::new("/site/s.toml"));
        assert!(told.len() == 1 && told[0].line == 2, "{told:?}");
    }

    #[test]
    fn the_journal_of_a_broken_file_is_found() {
        let at = |text: &str| crate::config::journal_directory(text, Path::new("/site/s.toml")).display().to_string();
        assert_eq!(at("[site]\nid = 3\n[journal]\npath = \"/var/lib/x\"\n[[modbus]]\nname = \n"), "/var/lib/x");
        assert_eq!(at("[journal\npath"), "/site/data");
    }
}
