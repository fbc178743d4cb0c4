//! A bench for sources: a context whose engine is the test itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::reading::Reading;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Context, tasks};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::{ConsoleConfig, JournalConfig, ModbusLine, MqttLink, Site};
use crate::driver::{EngineHandle, Input};
use crate::flow::Batch;
use crate::scripted::DEADLINE;
use crate::stop::{Stopper, channel};
use crate::telemetry::{LinkState, Stats};

pub(super) struct Bench {
    pub(super) context: Context,
    inputs: mpsc::Receiver<Input>,
    running: Vec<JoinHandle<()>>,
    stopper: Stopper,
}

impl Bench {
    /// Starts all sources of a site.
    pub(super) fn start(modbus: Vec<ModbusLine>, mqtt: Vec<MqttLink>) -> Self {
        Self::with_queue(1024, modbus, mqtt)
    }

    /// With an engine whose queue takes no more than `inputs`.
    pub(super) fn with_queue(inputs: usize, modbus: Vec<ModbusLine>, mqtt: Vec<MqttLink>) -> Self {
        let (engine, inputs, _) = EngineHandle::detached(inputs);
        let (stopper, stop) = channel();
        let site = Arc::new(site(modbus, mqtt));
        let (clock, stats) = (Clock::start(), Arc::new(Stats::default()));
        let (catalog, said) = (Catalog::default(), Arc::default());
        let context = Context { clock, catalog, engine, stats, stop, site, off_since: None, said };
        let running =
            tasks(&context).into_iter().map(|task| tokio::spawn((task.start)(context.stop.clone()))).collect();
        Self { context, inputs, running, stopper }
    }

    /// Stops all tasks and sees them end.
    pub(super) async fn stop(self) {
        self.stopper.stop();
        for task in self.running {
            timeout(DEADLINE, task).await.expect("a source ends when told").expect("without a panic");
        }
    }

    pub(super) async fn input(&mut self) -> Input {
        timeout(DEADLINE, self.inputs.recv()).await.expect("an input in time").expect("sources run")
    }

    /// The next batch; announcements of points are passed over.
    pub(super) async fn batch(&mut self) -> Batch {
        loop {
            if let Input::Batch(batch) = self.input().await {
                return batch;
            }
        }
    }

    /// Readings with their names, until one satisfies `enough`; that one is the last.
    pub(super) async fn readings_until(
        &mut self,
        mut enough: impl FnMut(&str, &Reading) -> bool,
    ) -> Vec<(String, Reading)> {
        let mut seen = Vec::new();
        loop {
            for reading in self.batch().await.readings {
                let name = self.name(&reading);
                let done = enough(&name, &reading);
                seen.push((name, reading));
                if done {
                    return seen;
                }
            }
        }
    }

    pub(super) fn name(&self, reading: &Reading) -> String {
        self.context.catalog.get(reading.point).expect("readings have names").name()
    }

    /// Waits for a link to be as wanted.
    pub(super) async fn link(&self, name: &str, wanted: impl Fn(&LinkState) -> bool) {
        let reached = async {
            while !self.context.stats.links().get(name).is_some_and(|status| wanted(&status.state)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = timeout(DEADLINE, reached).await.is_ok();
        assert!(in_time, "link {name} is {:?}", self.context.stats.links().get(name));
    }
}

fn site(modbus: Vec<ModbusLine>, mqtt: Vec<MqttLink>) -> Site {
    Site {
        id: "test".to_owned(),
        name: "Test".to_owned(),
        street: None,
        industry: None,
        timezone: "Asia/Shanghai".to_owned(),
        calendar: gengfu_core::detect::calendar::Calendar::default(),
        clock_tolerance: Duration::from_mins(1),
        journal: JournalConfig {
            path: PathBuf::from("/nonexistent"),
            keep: Duration::from_hours(90 * 24),
            keep_life_safety: Duration::from_hours(90 * 24),
            max_size: 1 << 30,
        },
        console: ConsoleConfig { listen: ([127, 0, 0, 1], 0).into() },
        modbus,
        mqtt,
        rules: Vec::new(),
        policy: crate::config::checked::Policy::default(),
        performance: gengfu_core::alarm::performance::Params::default(),
        warning: crate::config::checked::WarningConfig::default(),
        labels: crate::config::checked::Labels::default(),
        influx: Vec::new(),
        uplinks: Vec::new(),
        webhooks: Vec::new(),
    }
}
