//! `/metrics`: the Prometheus text format 0.0.4, written by hand since it is a few lines of text.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use gengfu_core::alarm::ModeName;

use super::super::App;
use super::{performance, process, warning};
use crate::driver::Snapshot;
use crate::journal::{Health, Room, SinkBalance};
use crate::telemetry::{LinkState, RefusedReason, Stats};

pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let snapshot = app.snapshot().await;
    let mut out = Exposition::default();
    process(&mut out, &app, snapshot.is_some());
    if let Some(snapshot) = &snapshot {
        alarms(&mut out, snapshot);
        warning::metrics(&mut out, &snapshot.levels);
    }
    if let Some(report) = app.performance().await {
        performance::metrics(&mut out, &report);
    }
    readings(&mut out, &app.stats);
    sinks(&mut out, &app.history.ledger());
    journal(&mut out, &app.history.health(), app.clock.mono().0);
    links(&mut out, &app.stats);
    counters(&mut out, &app.stats);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out.text)
}

/// The text as it grows: families in order, each with its help and type before its samples.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    pub(super) fn family(&mut self, name: &'static str, kind: &'static str, help: &'static str) -> Family<'_> {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { name, text: &mut self.text }
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str, value: impl Display) {
        self.family(name, "gauge", help).sample(&[], value);
    }

    fn counter(&mut self, name: &'static str, help: &'static str, value: impl Display) {
        self.family(name, "counter", help).sample(&[], value);
    }
}

pub(super) struct Family<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.name);
        for (place, (label, content)) in labels.iter().enumerate() {
            let open = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{label}=\"{}\"", escaped(content));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn process(out: &mut Exposition, app: &App, engine: bool) {
    out.family("gengfu_info", "gauge", "Version and site; always 1")
        .sample(&[("version", env!("CARGO_PKG_VERSION")), ("site", &app.site().id)], 1);
    out.gauge("gengfu_uptime_seconds", "Time since this run began", app.clock.up_ms() as f64 / 1000.0);
    out.gauge("gengfu_clock_set", "Whether the gateway knows what time it is", u8::from(app.clock.is_set()));
    out.gauge("gengfu_engine_alive", "Whether the engine answered within 2 s", u8::from(engine));
    if let Some(bytes) = process::resident_bytes() {
        out.gauge("process_resident_memory_bytes", "Resident memory size in bytes", bytes);
    }
    if let Some(seconds) = process::cpu_seconds() {
        out.counter("process_cpu_seconds_total", "User and system CPU time spent in seconds", seconds);
    }
    if let Some(bytes) = process::written() {
        out.counter("gengfu_disk_written_bytes_total", "Bytes this run had written to disks", bytes);
    }
    if let Some(a_day) = process::written_a_day(app.clock.up_ms()) {
        out.gauge("gengfu_disk_written_bytes_per_day", "The same a day: the wear of a flash", a_day);
    }
}

fn alarms(out: &mut Exposition, snapshot: &Snapshot) {
    let mut counts: BTreeMap<(&str, &str, Option<&str>), u64> = BTreeMap::new();
    for alarm in &snapshot.alarms {
        *counts.entry((&alarm.state, &alarm.priority, alarm.test.as_deref())).or_default() += 1;
    }
    let mut family = out.family("gengfu_alarms", "gauge", "Alarms that are not normal; those of a test bear its name");
    for ((state, priority, test), count) in counts {
        let labels = [("state", state), ("priority", priority), ("test", test.unwrap_or_default())];
        family.sample(if test.is_some() { &labels } else { labels.get(..2).unwrap_or(&labels) }, count);
    }
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for alarm in &snapshot.shadows {
        *counts.entry((&alarm.state, &alarm.priority)).or_default() += 1;
    }
    let mut family = out.family("gengfu_shadow_alarms", "gauge", "The same of rules on trial, which call nobody");
    for ((state, priority), count) in counts {
        family.sample(&[("state", state), ("priority", priority)], count);
    }
    let mut family = out.family("gengfu_modes", "gauge", "Areas that are in this mode");
    for mode in ModeName::ALL.map(ModeName::word) {
        family.sample(&[("mode", mode)], snapshot.modes.iter().filter(|record| record.mode == mode).count());
    }
    let mut counts: BTreeMap<&str, u64> = ["good", "uncertain", "bad"].map(|quality| (quality, 0)).into();
    for (_, reading) in snapshot.present() {
        *counts.entry(super::super::view::Now::of(reading).quality).or_default() += 1;
    }
    let mut family = out.family("gengfu_points", "gauge", "Points by the quality of their last reading");
    for (quality, count) in counts {
        family.sample(&[("quality", quality)], count);
    }
}

fn readings(out: &mut Exposition, stats: &Stats) {
    let mut family = out.family("gengfu_readings_total", "counter", "Readings of this run by what became of them");
    for reason in RefusedReason::ALL {
        family.sample(&[("stage", "refused"), ("reason", reason.word())], stats.refused(reason));
    }
    family.sample(&[("stage", "committed")], stats.committed.get());
    // Last, so that what is in flight never comes out negative.
    family.sample(&[("stage", "read")], stats.read.get());
}

fn sinks(out: &mut Exposition, sinks: &[SinkBalance]) {
    let help = "Records since the sink was added: committed is the sum of the other states";
    let mut family = out.family("gengfu_sink_records", "gauge", help);
    for sink in sinks {
        let lane = match sink.lane {
            crate::journal::Lane::Alarm => "alarm",
            crate::journal::Lane::Telemetry => "telemetry",
        };
        let states = [
            ("committed", sink.committed),
            ("delivered", sink.delivered),
            ("pending", sink.pending),
            ("dead", sink.dead),
            ("thinned", sink.thinned),
            ("expired", sink.expired),
        ];
        for (state, count) in states {
            family.sample(&[("sink", &sink.sink), ("lane", lane), ("state", state)], count);
        }
    }
}

fn journal(out: &mut Exposition, health: &Health, mono: u64) {
    out.gauge("gengfu_journal_bytes", "Bytes the journal takes on disk", health.bytes_on_disk);
    out.gauge("gengfu_journal_ring", "Alarm entries not on disk yet", health.ring);
    out.gauge(
        "gengfu_journal_queue",
        "Readings waiting for their commit, and one more for each batch of them",
        health.queued,
    );
    out.gauge(
        "gengfu_journal_undated",
        "Readings taken before the clock was set, waiting for their time",
        health.undated,
    );
    room(out, health.room);
    let lanes = [
        ("alarm", health.alarm_progress, &health.alarm_error),
        ("telemetry", health.telemetry_progress, &health.telemetry_error),
    ];
    let mut family =
        out.family("gengfu_journal_silent_seconds", "gauge", "Time since the lane's writer last finished a round");
    for (lane, progress, _) in lanes {
        family.sample(&[("lane", lane)], mono.saturating_sub(progress) as f64 / 1000.0);
    }
    let mut family = out.family("gengfu_journal_error", "gauge", "Whether the lane has an error now");
    for (lane, _, error) in lanes {
        family.sample(&[("lane", lane)], u8::from(error.is_some()));
    }
}

fn room(out: &mut Exposition, room: Room) {
    if let Some(hours) = room.hours_left {
        let help = "Hours of outage until readings that a sink is owed must be thinned, at the present rate";
        out.gauge("gengfu_outage_hours_left", help, hours);
    }
    out.gauge(
        "gengfu_outage_owed",
        "Readings that the sink furthest behind was owed at the last look, one every 30 s",
        room.owed,
    );
    let help = "Whether readings that were owed were thinned or dropped within the last hour";
    out.gauge("gengfu_outage_gives_way", help, u8::from(room.gives_way));
}

fn links(out: &mut Exposition, stats: &Stats) {
    let mut family = out.family("gengfu_link_up", "gauge", "Whether a source link is up");
    for (name, link) in stats.links() {
        family.sample(&[("link", &name)], u8::from(link.state == LinkState::Up));
    }
}

fn counters(out: &mut Exposition, stats: &Stats) {
    let counters = [
        ("gengfu_modbus_requests_total", "Modbus requests sent", &stats.modbus_requests),
        ("gengfu_modbus_exceptions_total", "Modbus requests answered with an exception", &stats.modbus_exceptions),
        ("gengfu_modbus_timeouts_total", "Modbus requests without an answer in time", &stats.modbus_timeouts),
        ("gengfu_modbus_connects_total", "Modbus connections made", &stats.modbus_connects),
        ("gengfu_modbus_late_polls_total", "Polls begun over one period late", &stats.modbus_late_polls),
        ("gengfu_mqtt_messages_total", "MQTT messages received", &stats.mqtt_messages),
        ("gengfu_mqtt_refused_total", "MQTT messages kept as refused records", &stats.mqtt_refused),
        ("gengfu_mqtt_connects_total", "MQTT connections made", &stats.mqtt_connects),
        ("gengfu_alarm_transitions_total", "Alarm transitions", &stats.alarm_transitions),
        ("gengfu_forward_batches_total", "Batches sent to stores", &stats.forward_batches),
        ("gengfu_forward_failures_total", "Batches a store did not take", &stats.forward_failures),
        ("gengfu_notify_pushes_total", "Pushes sent", &stats.notify_pushes),
        ("gengfu_notify_failures_total", "Pushes that were not accepted", &stats.notify_failures),
        ("gengfu_notify_not_durable_total", "Pushes sent before their alarm was on disk", &stats.notify_not_durable),
        ("gengfu_clock_off_total", "Readings whose source's clock was not believed", &stats.clock_off),
        (
            "gengfu_journal_repairs_total",
            "Damage that this run found in the journal and took out",
            &stats.journal_repairs,
        ),
        ("gengfu_history_thinned_total", "Readings left out of old history for want of room", &stats.history_thinned),
        (
            "gengfu_history_expired_total",
            "Readings of history dropped by age or for want of room",
            &stats.history_expired,
        ),
        ("gengfu_reader_restarts_total", "Forward, push and console tasks started again", &stats.reader_restarts),
        ("gengfu_source_restarts_total", "Source tasks started again after a panic", &stats.source_restarts),
    ];
    for (name, help, counter) in counters {
        out.counter(name, help, counter.get());
    }
}
