//! The task of one line: it alone owns the connection, asks one unit after the other, and hands on one batch a poll.
//! Whatever goes wrong, each point of each device still gets a reading each period: with a quality that says why.

use std::sync::Arc;
use std::time::Duration;

use gengfu_core::normalize::Scaling;
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;

use super::breaker::Breaker;
use super::decode::Block;
use super::plan::{Place, Plan, Read, plan};
use super::schedule::{Schedule, Slot, Turn};
use super::wire::{Trouble, Wire};
use crate::backoff::phase;
use crate::catalog::PointMeta;
use crate::config::checked::{ModbusDevice, ModbusLine, ModbusPoint, Order, ValueType};
use crate::flow::Batch;
use crate::source::{Context, Gone};
use crate::telemetry::LinkState;

/// Runs until stop is said.
pub(in crate::source) async fn run(context: Context, config: Arc<ModbusLine>) {
    let mut stop = context.stop.clone();
    let mut line = Line::new(context, &config);
    // Dropping the line in mid-request is safe only because its connection goes with it.
    tokio::select! {
        () = stop.wait() => {}
        Err(Gone) = line.go() => {}
    }
}

struct Line {
    context: Context,
    name: String,
    wire: Wire,
    devices: Vec<Device>,
    schedule: Schedule,
}

struct Device {
    name: String,
    unit: u8,
    reads: Vec<Read>,
    points: Vec<Point>,
}

/// A point, with all that decoding it takes side by side.
struct Point {
    id: PointId,
    place: Place,
    ty: ValueType,
    order: Order,
    scaling: Scaling,
}

/// What became of one request of a poll, and when.
type Outcome = (Result<Block, Reason>, Wall);

impl Line {
    fn new(context: Context, config: &ModbusLine) -> Self {
        let (slots, units) = slots(config);
        let schedule = Schedule::new(&slots, units, context.clock.mono());
        let devices = config.devices.iter().map(|device| Device::new(&context, &config.name, device)).collect();
        context.link(&config.name, LinkState::Connecting);
        let wire = Wire::new(config, &context.site.id);
        Self { context, name: config.name.clone(), wire, devices, schedule }
    }

    async fn go(&mut self) -> Result<(), Gone> {
        let mut outcomes = Vec::new();
        loop {
            match self.schedule.next(self.context.clock.mono()) {
                Turn::Wait(until) => tokio::time::sleep_until(self.context.clock.instant(until)).await,
                Turn::Report { device, why } => self.report(device, why).await?,
                Turn::Ask { device, late } => {
                    self.context.stats.modbus_late_polls.add(late);
                    if self.wire.connected(&self.context).await {
                        self.poll(device, &mut outcomes).await?;
                    } else {
                        self.report(device, Reason::Comm).await?;
                    }
                }
            }
        }
    }

    /// One poll of a device: all its requests, one batch.
    async fn poll(&mut self, index: usize, outcomes: &mut Vec<Outcome>) -> Result<(), Gone> {
        let Some(device) = self.devices.get(index) else { return Ok(()) };
        outcomes.clear();
        let mut down: Option<Trouble> = None;
        for read in &device.reads {
            let outcome = match down {
                Some(trouble) => Err(trouble.reason()),
                None => self.wire.ask(&self.context, device.unit, read).await.map_err(|trouble| {
                    down = (!matches!(trouble, Trouble::Request(_))).then_some(trouble);
                    trouble.reason()
                }),
            };
            outcomes.push((outcome, self.context.clock.wall()));
        }
        let batch = device.batch(outcomes);
        self.settle(index, down);
        self.context.hand_over(batch).await
    }

    /// Tells the breaker how its unit did.
    fn settle(&mut self, index: usize, down: Option<Trouble>) {
        let Some(device) = self.devices.get(index) else { return };
        let (line, device, unit) = (&self.name, &device.name, device.unit);
        match down {
            None | Some(Trouble::Request(_)) => {
                if self.schedule.answered(index) {
                    tracing::info!(line, device, unit, "unit answers again");
                }
            }
            Some(Trouble::Unit(why)) => {
                if self.schedule.failed(index, why, self.context.clock.mono()) {
                    tracing::warn!(line, device, unit, why = why.word(), "unit given up, probing it from now on");
                }
                if self.schedule.silent() {
                    self.wire.silent(&self.context, why);
                }
            }
            Some(Trouble::Line(_)) => {}
        }
    }

    /// A reading of bad quality for each point of a device that was not asked.
    async fn report(&mut self, index: usize, why: Reason) -> Result<(), Gone> {
        let Some(device) = self.devices.get(index) else { return Ok(()) };
        let at = self.context.clock.wall();
        let readings = device.points.iter().map(|point| bad(point.id, at, why)).collect();
        self.context.hand_over(Batch { readings, ..Batch::default() }).await
    }
}

impl Device {
    fn new(context: &Context, line: &str, config: &ModbusDevice) -> Self {
        let Plan { reads, places } = plan(&config.points);
        let points = config.points.iter().zip(places);
        Self {
            name: config.name.clone(),
            unit: config.unit,
            reads,
            points: points.map(|(point, place)| Point::new(context, line, config, point, place)).collect(),
        }
    }

    fn batch(&self, outcomes: &[Outcome]) -> Batch {
        let readings = self.points.iter().map(|point| point.reading(outcomes)).collect();
        Batch { readings, ..Batch::default() }
    }
}

impl Point {
    fn new(context: &Context, line: &str, device: &ModbusDevice, config: &ModbusPoint, place: Place) -> Self {
        let name = format!("{}/{}", device.name, config.spec.name);
        let id = context.catalog.find(&name).unwrap_or_else(|| {
            context.catalog.add(PointMeta {
                device: device.name.clone(),
                point: config.spec.name.clone(),
                kind: device.kind.clone(),
                area: device.area.clone(),
                unit: config.spec.unit.clone(),
                life_safety: config.spec.life_safety,
                source: Some(line.to_owned()),
            })
        });
        Self { id, place, ty: config.ty, order: config.order, scaling: config.spec.scaling }
    }

    #[inline]
    fn reading(&self, outcomes: &[Outcome]) -> Reading {
        let Some((outcome, at)) = outcomes.get(self.place.read) else {
            return bad(self.id, Wall::default(), Reason::DeviceFault);
        };
        match outcome {
            Err(why) => bad(self.id, *at, *why),
            Ok(block) => match block.number(self.place.offset, self.ty, self.order) {
                None => bad(self.id, *at, Reason::DeviceFault),
                Some(raw) => {
                    let (value, quality) = self.scaling.apply(raw);
                    Reading { point: self.id, at: *at, value, quality }
                }
            },
        }
    }
}

const fn bad(point: PointId, at: Wall, why: Reason) -> Reading {
    Reading { point, at, value: 0.0, quality: Quality::Bad(why) }
}

/// The schedule's view: a slot a device, a breaker a unit (two devices may share one).
fn slots(config: &ModbusLine) -> (Vec<Slot>, Vec<Breaker>) {
    let mut units: Vec<(u8, Option<Duration>)> = Vec::new();
    let mut slots = Vec::new();
    for device in &config.devices {
        let index = units.iter().position(|(unit, _)| *unit == device.unit).unwrap_or_else(|| {
            units.push((device.unit, None));
            units.len() - 1
        });
        if let Some((_, fastest)) = units.get_mut(index)
            && device.points.iter().any(|point| point.spec.life_safety)
        {
            *fastest = Some(fastest.map_or(device.every, |f| f.min(device.every)));
        }
        slots.push(Slot { unit: index, period: device.every, seed: phase(&[&config.name, &device.name]) });
    }
    let breaker = |(unit, fastest)| Breaker::new(phase(&[&config.name, &format!("{unit}")]), fastest);
    (slots, units.into_iter().map(breaker).collect())
}
