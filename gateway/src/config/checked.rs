//! What the program needs: every value checked, no `Option` left that the code would have to second-guess.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gengfu_core::alarm::{Priority, damper, performance};
use gengfu_core::detect::Params;
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::normalize::Scaling;
use gengfu_core::warning::{RiskLevel, Row, WarningLevel};

use crate::flow::Text;

/// One site, whole and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    pub id: String,
    /// For people. Default: the id.
    pub name: String,
    pub street: Option<String>,
    pub industry: Option<String>,
    /// IANA name; times on paper use it. Default Asia/Shanghai.
    pub timezone: String,
    /// Zone, opening hours, days of rest and holidays, for the rules.
    pub calendar: Calendar,
    /// A source stamp further from now than this is not believed. Default 60 s.
    pub clock_tolerance: Duration,
    pub journal: JournalConfig,
    pub console: ConsoleConfig,
    pub modbus: Vec<ModbusLine>,
    pub mqtt: Vec<MqttLink>,
    pub rules: Vec<Rule>,
    pub policy: Policy,
    /// What the alarms as a whole are measured against.
    pub performance: performance::Params,
    pub warning: WarningConfig,
    pub labels: Labels,
    pub influx: Vec<InfluxConfig>,
    pub uplinks: Vec<UplinkConfig>,
    pub webhooks: Vec<WebhookConfig>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct JournalConfig {
    /// Absolute directory. Default `data` beside the site file.
    pub path: PathBuf,
    /// Age at which telemetry expires. Default 90 days.
    pub keep: Duration,
    /// The same of the history of life-safety points. Default `keep`, and never less.
    pub keep_life_safety: Duration,
    /// Bytes the telemetry lane may take on disk. Default 4 GiB.
    pub max_size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleConfig {
    /// Always a loopback address until users and TLS exist. Default 127.0.0.1:8420; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// One Modbus line; for now one TCP host.
#[derive(Debug, Clone, PartialEq)]
pub struct ModbusLine {
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// How long a reply may take. Default 500 ms.
    pub timeout: Duration,
    pub devices: Vec<ModbusDevice>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ModbusDevice {
    pub name: String,
    pub unit: u8,
    /// Default 1 s, at least 10 ms.
    pub every: Duration,
    /// Measurement of its time series. Default `device`.
    pub kind: String,
    pub area: Option<String>,
    pub points: Vec<ModbusPoint>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ModbusPoint {
    pub spec: PointSpec,
    pub table: Table,
    /// Zero-based protocol address of the first register.
    pub address: u16,
    pub ty: ValueType,
    pub order: Order,
}

/// After so much silence a point that nobody polls is lost, where its loss is an alarm and nothing else is said.
pub const DEFAULT_STALE: Duration = Duration::from_mins(15);

/// What both kinds of source know about a point.
#[derive(Debug, Clone, PartialEq)]
pub struct PointSpec {
    pub name: String,
    pub unit: Option<String>,
    pub scaling: Scaling,
    /// Losing it is itself an alarm.
    pub life_safety: bool,
    /// Life-safety: how long its quality may be bad. Default 10 s.
    pub bad_after: Duration,
    /// How long nothing may come before it counts as lost. Modbus: 5 periods, at least 10 s. MQTT: the subscription's
    /// `stale_after`, else [`DEFAULT_STALE`] where life-safety. `None`: the same where a rule says `unknown = "alarm"`, else
    /// never.
    pub stale_after: Option<Duration>,
}

/// What people call devices, points and states. Where nothing is written, identifiers stand alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Labels {
    pub(super) devices: HashMap<String, Text>,
    /// By `device/point`.
    pub(super) points: HashMap<String, PointLabel>,
    /// The same with `*`, for all devices of a topic.
    pub(super) patterns: Vec<(String, PointLabel)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PointLabel {
    pub label: Option<Text>,
    /// Words of the values 0, 1 and so on; empty where the point is no state.
    pub words: Vec<Text>,
}

/// The four tables of Modbus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    Coil,
    Discrete,
    Input,
    Holding,
}

impl Table {
    /// The word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Coil => "coil",
            Self::Discrete => "discrete",
            Self::Input => "input",
            Self::Holding => "holding",
        }
    }
}

/// How the registers of a point are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A coil or discrete input, or a register that is zero or not.
    Bool,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
    /// One bit of a register, 0 the lowest.
    Bit(u8),
}

impl ValueType {
    /// Registers (or coils) it takes.
    pub const fn width(self) -> u16 {
        match self {
            Self::Bool | Self::U16 | Self::I16 | Self::Bit(_) => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }
}

/// Order of the bytes on the wire, `a` the most significant. For 64 bits the same pattern over words:
/// `abcd` big words first, `cdab` little words first, `badc` and `dcba` those with the bytes of each word swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    Abcd,
    Badc,
    Cdab,
    Dcba,
}

/// A broker, and as whom to connect to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    /// Default `gengfu-<site>-<link>` or `gengfu-<site>-uplink-<name>`; no two connections to one broker share it.
    pub client_id: String,
    pub username: Option<String>,
    pub password_file: Option<PathBuf>,
    /// Default 30 s.
    pub keep_alive: Duration,
}

impl Broker {
    /// The host as it stands before a port.
    pub fn shown_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// `mqtt://127.0.0.1:1883`
    pub fn url(&self) -> String {
        format!("mqtt://{}:{}", self.shown_host(), self.port)
    }
}

/// One broker connection that readings come by.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttLink {
    pub name: String,
    pub broker: Broker,
    pub subscriptions: Vec<Subscription>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// With `+` and `#`.
    pub topic: String,
    /// 0 or 1. Default 1.
    pub qos: u8,
    /// `gas-{1}`: `{n}` is the n-th wildcard, cleaned to `[A-Za-z0-9_.-]`.
    pub device: String,
    /// Measurement of its time series. Default `device`.
    pub kind: String,
    pub area: Option<String>,
    /// Devices that exist from the start and are bad(comm) until heard; a `device` without `{n}` is among them unasked.
    pub expect: Vec<String>,
    /// More are counted and alarmed, not created. Default 500.
    pub max_devices: usize,
    pub points: Vec<MqttPoint>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MqttPoint {
    pub spec: PointSpec,
    /// JSON pointer (RFC 6901); empty takes the whole payload.
    pub value: String,
    /// JSON pointer of the source's time.
    pub time: Option<String>,
}

/// Rules one point may have; the engine's work for a reading is bounded by it.
pub const MAX_RULES_A_POINT: usize = 64;

/// One rule: a detector on the points its patterns match.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub id: String,
    /// `device/point`, or a glob where `*` stands for any run of characters but `/`. See [`Rule::matches`].
    pub points: Vec<String>,
    pub detector: Params,
    /// Priority and latch of the first level, then of the second.
    pub levels: Vec<LevelMeta>,
    pub basis: Option<String>,
    pub advice: Option<String>,
    pub unknown: Unknown,
    /// An acknowledged alarm that still stands rings again after so long.
    pub re_alarm: Option<Duration>,
    /// What explains its alarms.
    pub suppressed_by: Option<SuppressedBy>,
    /// Name of the group whose first alarm is told from the rest.
    pub first_out: Option<String>,
    /// Of a vote: who votes, as (rule, `device/point`); empty for others.
    pub voters: Vec<Voter>,
    /// Points it looks at beside the one it is on, its channels from 1 on: `device/point`, or `point` of the same device.
    pub beside: Vec<String>,
    /// On trial: it runs and is recorded, and calls nobody and touches nothing that is not in shadow itself.
    pub shadow: bool,
}

/// What the lack of a value means to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It neither raises nor clears.
    Hold,
    /// It is an alarm of its own, as on a life-safety point.
    Alarm,
    /// It is danger, as if the first level were reached.
    Danger,
}

/// Another rule whose condition hides this one's alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressedBy {
    pub rule: String,
    pub same: Scope,
}

/// Where the other rule must stand to explain this one's alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Device,
    Area,
    Site,
}

impl Scope {
    /// For people who write site files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Device => "on the same device",
            Self::Area => "in the same area",
            Self::Site => "in the whole site",
        }
    }
}

/// One voter of a vote.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Voter {
    pub rule: String,
    /// `device/point`.
    pub point: String,
}

/// How long people may keep alarms from being announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Default 8 h.
    pub max_shelf: Duration,
    /// Default 30 d.
    pub max_out_of_service: Duration,
    /// A mode of an area. Default 12 h.
    pub max_mode: Duration,
}

/// The tables of the site's warning level and risk colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarningConfig {
    pub rows: Vec<Row<Option<WarningLevel>>>,
    pub risk: Vec<Row<RiskLevel>>,
    /// The bits of [`gengfu_core::warning::Groups`], in their order.
    pub groups: Vec<RuleGroup>,
    /// How long nothing must have justified a level before it falls. Default 30 min.
    pub down: Duration,
    /// A warning level from here on falls by a person's word alone. Default orange (II); `None`: never.
    pub release: Option<WarningLevel>,
}

/// Rules that a row can name together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleGroup {
    pub name: String,
    /// Ids, with `*`.
    pub rules: Vec<String>,
}

impl RuleGroup {
    pub fn holds(&self, rule: &str) -> bool {
        self.rules.iter().any(|pattern| super::pattern::matches(pattern, rule))
    }
}

impl Default for Policy {
    /// A shift; a month; half a day: as core has it.
    fn default() -> Self {
        let core = gengfu_core::engine::Policy::default();
        Self {
            max_shelf: Duration::from_millis(core.max_shelf_ms),
            max_out_of_service: Duration::from_millis(core.max_out_ms),
            max_mode: Duration::from_millis(core.max_mode_ms),
        }
    }
}

impl Rule {
    /// A rule that hangs on no other: unknown is held, nothing rings again.
    pub fn new(id: String, points: Vec<String>, detector: Params, levels: Vec<LevelMeta>) -> Self {
        Self {
            id,
            points,
            detector,
            levels,
            basis: None,
            advice: None,
            unknown: Unknown::Hold,
            re_alarm: None,
            suppressed_by: None,
            first_out: None,
            voters: Vec::new(),
            beside: Vec::new(),
            shadow: false,
        }
    }

    /// Whether the rule is on the point named `device/point`.
    pub fn matches(&self, name: &str) -> bool {
        self.points.iter().any(|pattern| super::pattern::matches(pattern, name))
    }

    /// Whether the rule looks at the point of that name, or pattern, beside one that it is on.
    pub fn looks_at(&self, name: &str) -> bool {
        let beside =
            |home: &String| self.beside.iter().any(|other| super::pattern::overlap(&full_name(home, other), name));
        self.points.iter().any(beside)
    }
}

/// The full name of a point as a rule on the point `home` names it.
pub fn full_name(home: &str, other: &str) -> String {
    match home.split_once('/') {
        Some((device, _)) if !other.contains('/') => format!("{device}/{other}"),
        Some(_) | None => other.to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelMeta {
    pub priority: Priority,
    pub latch: bool,
    /// A person may put it on a shelf. Default: unless it is critical and latches.
    pub shelvable: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct InfluxConfig {
    pub name: String,
    /// `http://host:port`, no path: the client drops one.
    pub url: String,
    pub org: String,
    pub bucket: String,
    pub token_file: PathBuf,
    pub compression: Compression,
    /// How fast what an outage left is caught up with. Default `max`.
    pub drain: Drain,
    /// Whole request. Default 10 s.
    pub timeout: Duration,
}

/// Whether line protocol is sent as gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Gzip, unless the store is on this machine.
    Auto,
    Gzip,
    None,
}

/// The way to a centre, by its broker.
#[derive(Debug, Clone, PartialEq)]
pub struct UplinkConfig {
    pub name: String,
    pub broker: Broker,
    /// How fast what an outage left is caught up with. Default `max`.
    pub drain: Drain,
    /// Messages that may be under way at once. Default 64.
    pub window: usize,
}

/// How fast a backlog is sent; what is new is never held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    Max,
    /// Records a second.
    Rate(u64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct WebhookConfig {
    pub name: String,
    pub url: String,
    /// Empty: all.
    pub priorities: Vec<Priority>,
    /// Also what is raised in walk-tests and maintenance; a drill is pushed always. Default: no.
    pub tests: bool,
    pub secret_file: Option<PathBuf>,
    pub heartbeat: Option<Duration>,
    /// Whole request. Default 5 s.
    pub timeout: Duration,
    /// What comes and goes all the time is not said each time. Default not: a machine wants every step.
    pub damp: Option<damper::Params>,
}
