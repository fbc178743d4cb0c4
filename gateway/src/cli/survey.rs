//! What a good site file amounts to: the read plan, the load of the lines, the points each rule is on. Plain data,
//! which `check` prints as text or JSON.

use gengfu_core::alarm::Priority;
use gengfu_core::detect::{Params, count, drift, group, limit, rate, sibling, vote};
use serde::Serialize;

use crate::config::checked::{
    Compression, Drain, InfluxConfig, LevelMeta, ModbusDevice, ModbusLine, MqttLink, Rule, Site, Subscription,
    UplinkConfig, WebhookConfig,
};
use crate::config::pack::{Origin, Place};
use crate::config::units::{show, show_ms};
use crate::config::{Loaded, pattern};
use crate::source::modbus::plan;

#[derive(Debug, Serialize)]
pub(super) struct Survey {
    pub(super) site: Head,
    pub(super) modbus: Vec<Line>,
    pub(super) mqtt: Vec<Link>,
    pub(super) rules: Vec<RuleView>,
    /// The packs that rules came from.
    pub(super) packs: Vec<PackView>,
    /// Points that no rule watches and whose loss is no alarm either.
    pub(super) unwatched: Vec<String>,
    pub(super) sinks: Vec<Sink>,
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) street: Option<String>,
    pub(super) industry: Option<String>,
    pub(super) timezone: String,
    pub(super) journal: String,
    pub(super) keep: String,
    pub(super) keep_life_safety: String,
    pub(super) max_size_bytes: u64,
    pub(super) console: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) timeout: String,
    /// Requests that read every device once, and how long these take.
    pub(super) requests: usize,
    pub(super) cycle_ms: u64,
    pub(super) load_percent: f64,
    pub(super) devices: Vec<Device>,
}

#[derive(Debug, Serialize)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) unit: u8,
    pub(super) every: String,
    pub(super) kind: String,
    pub(super) area: Option<String>,
    pub(super) reads: Vec<Read>,
}

#[derive(Debug, Serialize)]
pub(super) struct Read {
    pub(super) table: &'static str,
    pub(super) start: u16,
    pub(super) count: u16,
    pub(super) points: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) broker: String,
    pub(super) client_id: String,
    pub(super) subscriptions: Vec<SubscriptionView>,
}

#[derive(Debug, Serialize)]
pub(super) struct SubscriptionView {
    pub(super) topic: String,
    pub(super) qos: u8,
    pub(super) device: String,
    pub(super) kind: String,
    pub(super) area: Option<String>,
    pub(super) expect: Vec<String>,
    pub(super) max_devices: usize,
    pub(super) points: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct RuleView {
    pub(super) id: String,
    pub(super) levels: Vec<Level>,
    /// Those that exist from the start, and `gas-{1}/ch4` for those that come.
    pub(super) points: Vec<String>,
    /// What it looks at beside them, as it is written.
    pub(super) beside: Vec<String>,
    pub(super) basis: Option<String>,
    pub(super) advice: Option<String>,
    /// On trial.
    pub(super) shadow: bool,
    /// Where it came from, where that is a pack.
    pub(super) from: Option<Origin>,
}

#[derive(Debug, Serialize)]
pub(super) struct PackView {
    pub(super) name: String,
    pub(super) edition: String,
    pub(super) effective: String,
    pub(super) place: Place,
    pub(super) rules: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Level {
    pub(super) priority: &'static str,
    pub(super) latch: bool,
    pub(super) condition: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Sink {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) what: String,
}

pub(super) fn survey(loaded: &Loaded) -> Survey {
    let site = &loaded.site;
    let points = points(site);
    Survey {
        site: head(site),
        modbus: site.modbus.iter().map(line).collect(),
        mqtt: site.mqtt.iter().map(link).collect(),
        rules: site.rules.iter().map(|rule| rule_view(rule, &points, &loaded.origins)).collect(),
        packs: packs(&loaded.origins),
        unwatched: points.iter().filter(|point| !point.watched(&site.rules)).map(|point| point.shown.clone()).collect(),
        sinks: site
            .influx
            .iter()
            .map(store)
            .chain(site.uplinks.iter().map(uplink))
            .chain(site.webhooks.iter().map(webhook))
            .collect(),
        warnings: loaded.warnings.iter().map(ToString::to_string).collect(),
    }
}

fn head(site: &Site) -> Head {
    Head {
        id: site.id.clone(),
        name: site.name.clone(),
        street: site.street.clone(),
        industry: site.industry.clone(),
        timezone: site.timezone.clone(),
        journal: site.journal.path.display().to_string(),
        keep: show(site.journal.keep),
        keep_life_safety: show(site.journal.keep_life_safety),
        max_size_bytes: site.journal.max_size,
        console: format!("http://{}", site.console.listen),
    }
}

fn line(line: &ModbusLine) -> Line {
    let load = plan::line_load(line);
    Line {
        name: line.name.clone(),
        address: format!("tcp://{}", line.address),
        timeout: show(line.timeout),
        requests: load.requests,
        cycle_ms: load.cycle.as_millis() as u64,
        load_percent: (load.percent * 10.0).round() / 10.0,
        devices: line.devices.iter().map(device).collect(),
    }
}

fn device(device: &ModbusDevice) -> Device {
    let plan = plan::plan(&device.points);
    let read = |(index, read): (usize, &plan::Read)| Read {
        table: read.table.word(),
        start: read.start,
        count: read.count,
        points: (device.points.iter().zip(&plan.places))
            .filter(|(_, place)| place.read == index)
            .map(|(point, _)| point.spec.name.clone())
            .collect(),
    };
    Device {
        name: device.name.clone(),
        unit: device.unit,
        every: show(device.every),
        kind: device.kind.clone(),
        area: device.area.clone(),
        reads: plan.reads.iter().enumerate().map(read).collect(),
    }
}

fn link(link: &MqttLink) -> Link {
    Link {
        name: link.name.clone(),
        broker: link.broker.url(),
        client_id: link.broker.client_id.clone(),
        subscriptions: link.subscriptions.iter().map(subscription).collect(),
    }
}

fn subscription(subscription: &Subscription) -> SubscriptionView {
    SubscriptionView {
        topic: subscription.topic.clone(),
        qos: subscription.qos,
        device: subscription.device.clone(),
        kind: subscription.kind.clone(),
        area: subscription.area.clone(),
        expect: subscription.expect.clone(),
        max_devices: subscription.max_devices,
        points: subscription.points.iter().map(|point| point.spec.name.clone()).collect(),
    }
}

/// A point by name and as a rule sees it, with its unit.
struct Known {
    shown: String,
    pattern: String,
    unit: Option<String>,
    life_safety: bool,
}

impl Known {
    /// One that stands for devices to come is under a rule only where that is on a pattern: a name in full is one device.
    fn is_on(&self, rule: &Rule) -> bool {
        let template = self.pattern.contains('*');
        let fits = |pattern: &&String| pattern::overlap(pattern, &self.pattern) && (pattern.contains('*') || !template);
        rule.points.iter().any(|pattern| fits(&pattern))
    }

    fn watched(&self, rules: &[Rule]) -> bool {
        let looks = |rule: &Rule| self.is_on(rule) || rule.looks_at(&self.pattern);
        self.life_safety || rules.iter().any(|rule| !rule.shadow && looks(rule))
    }
}

/// All points that exist from the start, and one for each that topics may bring.
fn points(site: &Site) -> Vec<Known> {
    let known = |device: &str, point: &crate::config::checked::PointSpec| Known {
        shown: format!("{device}/{}", point.name),
        pattern: format!("{}/{}", pattern::of_template(device), point.name),
        unit: point.unit.clone(),
        life_safety: point.life_safety,
    };
    let modbus = site.modbus.iter().flat_map(|line| &line.devices);
    let mut all: Vec<Known> =
        modbus.flat_map(|device| device.points.iter().map(|point| known(&device.name, &point.spec))).collect();
    for subscription in site.mqtt.iter().flat_map(|link| &link.subscriptions) {
        let expected = subscription.expect.iter().filter(|name| **name != subscription.device);
        for device in expected.chain(std::iter::once(&subscription.device)) {
            all.extend(subscription.points.iter().map(|point| known(device, &point.spec)));
        }
    }
    all
}

/// Each pack once, in the order in which they are used.
fn packs(origins: &[Origin]) -> Vec<PackView> {
    let mut packs: Vec<PackView> = Vec::new();
    for origin in origins {
        if let Some(pack) = packs.iter_mut().find(|pack| pack.name == origin.pack) {
            pack.rules += 1;
            continue;
        }
        let Origin { pack, edition, effective, place, .. } = origin.clone();
        packs.push(PackView { name: pack, edition, effective, place, rules: 1 });
    }
    packs
}

fn rule_view(rule: &Rule, points: &[Known], origins: &[Origin]) -> RuleView {
    let bound: Vec<&Known> = points.iter().filter(|known| known.is_on(rule)).collect();
    // Also that of the devices to come that one named in full will be of.
    let akin = |known: &&Known| rule.points.iter().any(|pattern| pattern::overlap(pattern, &known.pattern));
    let unit = points.iter().filter(akin).find_map(|known| known.unit.as_deref());
    let conditions = conditions(&rule.detector, unit);
    let level = |(meta, condition): (&LevelMeta, String)| Level {
        priority: meta.priority.word(),
        latch: meta.latch,
        condition,
    };
    RuleView {
        id: rule.id.clone(),
        levels: rule.levels.iter().zip(conditions).map(level).collect(),
        points: bound.iter().map(|known| known.shown.clone()).chain(to_come(rule, points)).collect(),
        beside: rule.beside.clone(),
        basis: rule.basis.clone(),
        advice: rule.advice.clone(),
        shadow: rule.shadow,
        from: origins.iter().find(|origin| origin.rule == rule.id).cloned(),
    }
}

/// Points that a rule names in full, and that are there only once they are heard.
fn to_come<'a>(rule: &'a Rule, points: &'a [Known]) -> impl Iterator<Item = String> + 'a {
    let unknown = |name: &&String| !name.contains('*') && points.iter().all(|known| known.pattern != **name);
    rule.points.iter().filter(unknown).cloned()
}

/// What each level waits for, in words.
fn conditions(detector: &Params, unit: Option<&str>) -> Vec<String> {
    let unit = unit.map_or(String::new(), |unit| format!(" {unit}"));
    match detector {
        Params::Limit(limit) => {
            let levels = std::iter::once(limit.first).chain(limit.second);
            levels.map(|level| level_condition(limit.side, &level, &unit)).collect()
        }
        Params::Digital(state) => {
            let verb = if state.negate { "is not" } else { "is" };
            vec![format!("{verb} {}{}{}", state.is, lasting(state.on_ms), clearing(None, state.off_ms))]
        }
        Params::Trend(trend) => {
            let verb = if trend.side == limit::Side::High { "rises to" } else { "falls to" };
            let (limit, within, window) = (trend.limit, show_ms(trend.within_ms), show_ms(trend.window_ms));
            vec![format!("{verb} {limit}{unit} within {within}, by its trend over {window}")]
        }
        Params::Vote(p) => vec![ballot(p)],
        Params::Band(band) => [band.low, band.high]
            .iter()
            .map(|side| level_condition(side.side, &side.first, &unit))
            .reduce(|low, high| format!("{low}, or {high}"))
            .into_iter()
            .collect(),
        Params::Rate(rate) => {
            let verb = match rate.way {
                rate::Way::Up => "rises by",
                rate::Way::Down => "falls by",
                rate::Way::Any => "moves by",
            };
            vec![format!("{verb} {}{unit} an hour, over {}", rate.per_hour, show_ms(rate.window_ms))]
        }
        Params::Frozen(frozen) => {
            let within =
                if frozen.within > 0.0 { format!(" by more than {}{unit}", frozen.within) } else { String::new() };
            vec![format!("does not move{within}{}", lasting(frozen.for_ms))]
        }
        Params::Count(count) => vec![so_often(count)],
        Params::Dwell(dwell) => {
            let open = if dwell.open_hours.is_some() { " in opening hours" } else { "" };
            vec![format!("is {}{}{open}", dwell.is, lasting(dwell.hold_ms))]
        }
        Params::Accumulated(sum) => {
            let from = if sum.from > 0.0 { format!(" above {}{unit}", sum.from) } else { String::new() };
            vec![format!("sums up{from} to {} in {}", sum.limit, show_ms(sum.window_ms))]
        }
        Params::Rhythm(rhythm) => {
            let late = rhythm.late.map_or(String::new(), |late| format!(", or none for {late} times that"));
            vec![format!("starts before {} of its usual interval{late}", rhythm.early)]
        }
        Params::Drift(drift) => vec![leaves(drift, &unit, "what is usual", drift.learn_ms)],
        Params::Habit(habit) => vec![format!("does what it never did, surprise {}", habit.threshold)],
        Params::Sibling(pair) => vec![so_far_apart(pair, &unit)],
        Params::Residual(rest) => {
            let learned = rest.explained.learn_ms.saturating_add(rest.drift.learn_ms);
            vec![leaves(&rest.drift, &unit, "what its load explains", learned)]
        }
        Params::Ratio(p) => {
            let share = leaves(&p.drift, "", "what is usual", p.drift.learn_ms);
            vec![format!("its share, told every {}, {share}", p.channel.enough)]
        }
        Params::Group(p) => {
            let learned = show_ms(p.step_ms.saturating_mul(group::TRAINING as u64));
            vec![format!("{} points leave their place by {}, learned in {learned}", p.channels, p.raise)]
        }
        Params::Absent(absent) => vec![format!("no usable value for {}", show_ms(absent.bad_ms))],
    }
}

/// It leaves what it was, slowly.
fn leaves(drift: &drift::Params, unit: &str, what: &str, learn_ms: u64) -> String {
    let verb = if drift.side == limit::Side::High { "rises" } else { "falls" };
    format!("{verb} by {}{unit} from {what}, learned in {}", drift.shift, show_ms(learn_ms))
}

fn ballot(p: &vote::Params) -> String {
    match p.watch {
        vote::Watch::Danger => {
            let within = if p.within_ms > 0 { format!(" within {}", show_ms(p.within_ms)) } else { String::new() };
            format!("{} of {} call it{within}", p.need, p.of)
        }
        vote::Watch::Health { after_ms } => format!("a voter is bad{}", lasting(after_ms)),
    }
}

fn so_far_apart(pair: &sibling::Params, unit: &str) -> String {
    let side = match pair.way {
        sibling::Way::Any => "apart from",
        sibling::Way::Above => "above",
        sibling::Way::Below => "below",
    };
    let clear = (pair.clear < pair.limit).then_some(pair.clear);
    format!("{}{unit} {side} its sibling{}{}", pair.limit, lasting(pair.on_ms), clearing(clear, pair.off_ms))
}

fn so_often(count: &count::Params) -> String {
    let what = match count.what {
        count::What::Starts => "starts",
        count::What::Changes => "changes",
        count::What::Growth => "more",
    };
    let clear = (count.clear < count.limit).then_some(count.clear);
    format!("{} {what} within {}{}", count.limit, show_ms(count.window_ms), clearing(clear, 0))
}

fn level_condition(side: limit::Side, level: &limit::Level, unit: &str) -> String {
    let sign = if side == limit::Side::High { "≥" } else { "≤" };
    let clear = (level.clear != level.limit).then_some(level.clear);
    format!("{sign} {}{unit}{}{}", level.limit, lasting(level.on_ms), clearing(clear, level.off_ms))
}

fn lasting(ms: u64) -> String {
    if ms == 0 { String::new() } else { format!(" for {}", show_ms(ms)) }
}

fn clearing(clear: Option<f64>, off_ms: u64) -> String {
    match (clear, off_ms) {
        (None, 0) => String::new(),
        (None, off) => format!(", clears after {}", show_ms(off)),
        (Some(clear), off) => format!(", clears at {clear}{}", lasting(off)),
    }
}

fn store(store: &InfluxConfig) -> Sink {
    let compression = match store.compression {
        Compression::Auto => "gzip unless the store is on this machine",
        Compression::Gzip => "gzip",
        Compression::None => "not compressed",
    };
    let InfluxConfig { org, bucket, .. } = store;
    let (token, drain) = (store.token_file.display(), pace(store.drain));
    let what = format!("org {org}, bucket {bucket}, token in {token}, {compression}, a backlog {drain}");
    Sink { kind: "influxdb", name: store.name.clone(), url: store.url.clone(), what }
}

fn uplink(uplink: &UplinkConfig) -> Sink {
    let drain = pace(uplink.drain);
    let what = format!("as {}, a backlog {drain}, window {}", uplink.broker.client_id, uplink.window);
    Sink { kind: "mqtt", name: uplink.name.clone(), url: uplink.broker.url(), what }
}

fn pace(drain: Drain) -> String {
    match drain {
        Drain::Max => "as fast as it goes".to_owned(),
        Drain::Rate(rate) => format!("at {rate} records a second"),
    }
}

fn webhook(hook: &WebhookConfig) -> Sink {
    let words: Vec<&str> = hook.priorities.iter().rev().copied().map(Priority::word).collect();
    let priorities = if words.is_empty() { "all priorities".to_owned() } else { words.join(", ") };
    let heartbeat = hook.heartbeat.map_or(String::new(), |every| format!("; heartbeat every {}", show(every)));
    let signed = if hook.secret_file.is_some() { "; signed" } else { "" };
    let tests = if hook.tests { "; tests as well" } else { "" };
    let what = format!("{priorities}{tests}{heartbeat}{signed}");
    Sink { kind: "webhook", name: hook.name.clone(), url: hook.url.clone(), what }
}
