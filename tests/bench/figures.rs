//! `make bench`: the figures of docs/benchmarks.md, against the budgets of design.md section 8. Prints Markdown.
//!
//! The gateway is a process of its own, so its CPU and memory are its alone; so is the bare poller it is compared with,
//! and so are the simulated devices (`figures sim`). The sink and the receiver live here. `FIGURES_SECONDS` is the length
//! of each measurement (10); the largest load is measured for a minute at least.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a bench that falls over has failed")]

mod commit;
mod drain;
mod history;
mod parts;
mod bytes;
mod replay;

use std::time::Duration;

use bytes::{Bytes, Meter};
use gengfu_tests::broker::Broker;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::{Folder, bytes_below};
use gengfu_tests::random::Random;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{eventually, now, pause};
use parts::{Poller, Sim, Sink, Subscriber};

/// Points a device has in the throughput runs, each polled ten times a second.
const POINTS: u16 = 100;
const EVERY_MS: u64 = 100;
const WARM: Duration = Duration::from_secs(5);
/// From so many devices on a measurement lasts a minute at least: a round of sealing begins every 20 s there, and costs as well.
const SEALING: usize = 200;
const SEALED_WITHIN: Duration = Duration::from_mins(1);
/// Messages of an MQTT run.
const MESSAGES: u64 = 200_000;
const PATIENCE: Duration = Duration::from_mins(2);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|a| a.parse().ok()).unwrap_or(0);
    match arguments.first().map(String::as_str) {
        Some("history") => history::report(),
        Some("commit") => commit::report(),
        Some("drain") => drain::report(),
        Some("bytes") => bytes::report(Vec::new()),
        Some("replay") => replay::report(),
        Some("sim") => parts::simulate(number(1)),
        Some("subscriber") => parts::subscribe(number(1) as u16, number(2) as u64),
        Some("poller") => parts::poll(&arguments[1..]),
        Some(other) => panic!("figures: no such part: {other}"),
        None => report(),
    }
}

fn seconds() -> Duration {
    Duration::from_secs(std::env::var("FIGURES_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(10))
}

/// How long a load of so many devices is measured.
fn measured(devices: usize) -> Duration {
    if devices >= SEALING { seconds().max(SEALED_WITHIN) } else { seconds() }
}

/// One load, the gateway and the bare poller one after the other on the same devices.
struct Cost {
    rate: f64,
    cpu_per_million: f64,
    bare_per_million: f64,
    resident: f64,
    disk_per_reading: f64,
    bytes: Bytes,
}

fn report() {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!(
        "`make bench`, {cores} cores, {} s a measurement ({} s from {SEALING} devices on, so that rounds of sealing are inside), loopback.\n",
        seconds().as_secs(),
        measured(SEALING).as_secs()
    );
    println!(
        "| load | readings/s at the sink | CPU s per million | budget | bare poller | ratio | resident MiB | budget | disk B/reading |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut bytes = Vec::new();
    for (devices, cpu_budget, memory_budget) in [(10, 2.0, 24), (50, 0.8, 48), (200, 0.5, 48)] {
        let cost = throughput(devices);
        bytes.push((format!("{devices} × {POINTS} points, {EVERY_MS} ms"), cost.bytes));
        println!(
            "| {devices} × {POINTS} points, {EVERY_MS} ms, over {} s | {:.0} | {:.2} | {cpu_budget} | {:.2} | {:.1} | {:.1} | {memory_budget} | {:.1} |",
            measured(devices).as_secs(),
            cost.rate,
            cost.cpu_per_million,
            cost.bare_per_million,
            cost.cpu_per_million / cost.bare_per_million,
            cost.resident,
            cost.disk_per_reading,
        );
    }
    bytes::report(bytes);
    taken_in();
    let late = latency(200, 200);
    let at = |q: f64| late[((late.len() - 1) as f64 * q).round() as usize].as_secs_f64() * 1000.0;
    println!("\n| change in a device to webhook, 200 devices every 100 ms, {} changes | ms | budget |", late.len());
    println!(
        "|---|---|---|\n| p50 | {:.1} | 52 |\n| p90 | {:.1} | – |\n| p99 | {:.1} | 104 |\n| worst | {:.1} | – |",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    commit::report();
    drain::report();
    history::report();
    replay::report();
}

fn throughput(devices: usize) -> Cost {
    let (dir, sim, sink) = (Folder::new("figures"), Sim::start(devices), Sink::start());
    let site = sim.site(Site::new("bench"), EVERY_MS, POINTS + 1).flips(0, devices).influx("sink", sink.port());
    let mut gateway = Gateway::start(&site.text, dir.path());
    eventually(PATIENCE, "readings arrive", || sink.readings() > u64::from(POINTS) * devices as u64);
    pause(WARM);

    let (start, cpu, readings) = (now(), gateway.process().cpu(), sink.readings());
    let (meter, disk) = (Meter::start(&mut gateway), bytes_below(&gateway.data()));
    pause(measured(devices));
    let lasted = start.elapsed().as_secs_f64();
    let cpu = gateway.process().cpu() - cpu;
    let readings = (sink.readings() - readings) as f64;
    let disk = bytes_below(&gateway.data()).saturating_sub(disk) as f64 / meter.committed(&gateway);
    let resident = gateway.process().resident();
    let bytes = meter.end(&mut gateway);

    let mut poller = Poller::start(&sim, EVERY_MS, POINTS + 1);
    pause(Duration::from_secs(2));
    let (bare_cpu, polls) = (poller.process.cpu(), sim.polls());
    pause(measured(devices));
    let bare_cpu = poller.process.cpu() - bare_cpu;
    let bare_readings = (sim.polls() - polls) as f64 * f64::from(POINTS);
    poller.process.kill9();
    Cost {
        rate: readings / lasted,
        cpu_per_million: cpu / readings * 1e6,
        bare_per_million: bare_cpu / bare_readings * 1e6,
        resident,
        disk_per_reading: disk,
        bytes,
    }
}

/// MQTT of QoS 1 as fast as the broker gives it, by the bare subscriber and by the gateway, in turns: the machine's pace
/// changes from minute to minute.
fn taken_in() {
    println!("\n| MQTT QoS 1, {MESSAGES} messages | messages/s | CPU s per million | ratio | budget |");
    println!("|---|---|---|---|---|");
    for _ in 0..3 {
        let (bare, bare_cpu) = subscribed();
        let (ours, our_cpu) = acknowledged();
        println!("| bare subscriber | {bare:.0} | {bare_cpu:.1} | 1 | – |");
        println!(
            "| gateway, synced before acknowledged | {ours:.0} | {our_cpu:.1} | {:.2} | ≥ 0.8, ≤ 10 |",
            ours / bare
        );
    }
}

fn subscribed() -> (f64, f64) {
    let broker = Broker::start();
    let mut subscriber = Subscriber::start(broker.port, MESSAGES);
    eventually(PATIENCE, "the bare subscriber listens", || broker.subscribed());
    let (start, mut cpu) = (now(), 0.0);
    std::thread::scope(|scope| {
        scope.spawn(|| parts::publish(broker.port, MESSAGES));
        eventually(PATIENCE, "the bare subscriber has them", || {
            let alive = subscriber.process.alive();
            cpu = if alive { subscriber.process.cpu() } else { cpu };
            !alive
        });
        (MESSAGES as f64 / start.elapsed().as_secs_f64(), cpu / MESSAGES as f64 * 1e6)
    })
}

fn acknowledged() -> (f64, f64) {
    let (dir, broker, sink) = (Folder::new("figures"), Broker::start(), Sink::start());
    let mut gateway =
        Gateway::start(&Site::new("bench").mqtt(broker.port).influx("sink", sink.port()).text, dir.path());
    eventually(PATIENCE, "the gateway has subscribed", || broker.subscribed());
    let (start, cpu) = (now(), gateway.process().cpu());
    let figure = std::thread::scope(|scope| {
        scope.spawn(|| parts::publish(broker.port, MESSAGES));
        eventually(PATIENCE, "the store has them", || sink.readings() >= MESSAGES);
        (MESSAGES as f64 / start.elapsed().as_secs_f64(), (gateway.process().cpu() - cpu) / MESSAGES as f64 * 1e6)
    });
    gateway.term();
    figure
}

/// From the change of a register to the arrival of the push, sorted.
fn latency(devices: usize, changes: usize) -> Vec<Duration> {
    let (dir, sim, sink, receiver) = (Folder::new("figures"), Sim::start(devices), Sink::start(), Receiver::start());
    let watched = devices.min(10);
    let site = sim.site(Site::new("bench"), EVERY_MS, 10).flips(0, watched).influx("sink", sink.port());
    let mut gateway = Gateway::start(&site.webhook("duty", receiver.port()).text, dir.path());
    eventually(PATIENCE, "readings arrive", || sink.readings() > 9 * devices as u64);
    let mut random = Random::new(1);
    let mut late = Vec::new();
    for change in 0..changes {
        let device = change % watched;
        let name = format!("d{device}");
        let round = change / watched + 1;
        let pushed = |event: &str| {
            let found = receiver.seen().into_iter().filter(|p| p.word("device") == name && p.word("event") == event);
            found.map(|p| p.at).collect::<Vec<_>>()
        };
        pause(Duration::from_millis(random.between(20, 120)));
        let start = now();
        sim.flip(device, 900);
        eventually(PATIENCE, "raise is pushed", || pushed("raise").len() >= round);
        late.push(pushed("raise")[round - 1] - start);
        sim.flip(device, 0);
        eventually(PATIENCE, "return is pushed", || pushed("return").len() >= round);
    }
    gateway.term();
    late.sort();
    late
}
