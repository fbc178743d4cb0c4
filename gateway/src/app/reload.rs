//! A changed site file takes effect while the gateway runs: checked whole by the code of `gengfu check`, applied whole or
//! not at all. Everything that can fail is done first, beside what runs; then what has changed ends and begins, in the
//! order of a stop and a start, and what is the same is not touched. Dropped half-way (the process is told to stop), it
//! leaves nothing that a stop would not end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::reading::PointId;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::crew::Crew;
use super::good::Good;
use super::{Parts, good, points, sinks};
use crate::catalog::PointMeta;
use crate::config::change::{Change, Delta, needs_restart};
use crate::config::checked::{PointSpec, Site};
use crate::config::{self, Loaded};
use crate::driver::{self, Switched};
use crate::journal::{Entry, SinkSpec};
use crate::reload::{Ask, Done, Refusal, Who};
use crate::source::{self, own};
use crate::telemetry::LinkState;

/// How long a file may take to be read or written.
const FILE: Duration = Duration::from_secs(5);
/// How long the answer waits for its audit entry to be on disk.
const COMMIT: Duration = Duration::from_secs(1);
/// Lines of one entry in the alarm lane.
const TOLD: usize = 20;

/// All that runs around the engine and may begin anew.
#[derive(Debug)]
pub(super) struct Rooms {
    pub(super) parts: Parts,
    pub(super) field: Handle,
    pub(super) sources: Crew,
    pub(super) readers: Crew,
    /// Where the configuration came from; `None` if it was made up.
    pub(super) file: Option<PathBuf>,
}

/// A file that may be applied.
struct Checked {
    good: Good,
    site: Site,
    warnings: Vec<String>,
    change: Change,
}

/// A change of which nothing can fail any more.
struct Ready {
    site: Arc<Site>,
    change: Change,
    points: Vec<(PointMeta, PointSpec)>,
    engine: driver::Prepared,
}

impl Rooms {
    /// Carries out what is asked for, one after the other; never returns.
    pub(super) async fn serve(&mut self, asks: &mut mpsc::Receiver<Ask>) {
        while let Some(Ask { who, reply }) = asks.recv().await {
            let mut result = self.reload().await;
            match &result {
                Ok(_) => self.parts.stats.site_file(None),
                Err(Refusal::Wrong(complaints)) => {
                    self.parts.stats.site_file(complaints.first().map(ToString::to_string));
                }
                // Says nothing of the file.
                Err(Refusal::Failed(_)) => {}
            }
            let durable = self.tell(&who, &result).await;
            if let Ok(done) = &mut result {
                done.durable = durable;
            }
            // Who asked may have gone; the entry says it all.
            let _ = reply.send(result);
        }
        std::future::pending::<()>().await;
    }

    async fn reload(&mut self) -> Result<Done, Refusal> {
        let made_up = || Refusal::Failed("this gateway was not started on a file; there is nothing to read".to_owned());
        let file = self.file.clone().ok_or_else(made_up)?;
        let Checked { good, site, warnings, change } = self.check(&file).await?;
        let mut changes = change.words();
        let mut closed = 0;
        if !changes.is_empty() {
            let ready = self.prepare(site, change).await.map_err(Refusal::Failed)?;
            let switched = self.apply(ready).await.map_err(Refusal::Failed)?;
            closed = switched.closed;
            if !switched.relearn.is_empty() {
                let rules: Vec<String> = switched.relearn.into_iter().collect();
                changes.push(format!("rules that learn anew, since they are others now: {}", rules.join(", ")));
            }
        }
        self.keep(good).await;
        Ok(Done { file: file.display().to_string(), changes, warnings, closed, durable: false })
    }

    /// Keeps what is in force, for a rollback.
    pub(super) async fn keep(&self, good: Good) {
        let dir = self.parts.site.journal.path.clone();
        let kept = tokio::task::spawn_blocking(move || good::keep(&dir, &good));
        match tokio::time::timeout(FILE, kept).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "last good configuration not kept; see to the journal's disk"),
            Ok(Err(_)) | Err(_) => tracing::warn!("last good configuration not kept yet; see to the journal's disk"),
        }
    }

    async fn check(&self, file: &Path) -> Result<Checked, Refusal> {
        let (file, old) = (file.to_owned(), Arc::clone(&self.parts.site));
        let late = format!("{} can't be read in time; see to the disk", file.display());
        let checked = tokio::task::spawn_blocking(move || checked(&file, &old));
        match tokio::time::timeout(FILE, checked).await {
            Ok(Ok(checked)) => checked,
            Ok(Err(_)) | Err(_) => Err(Refusal::Failed(late)),
        }
    }

    /// Everything that can fail; what runs is not touched by it.
    async fn prepare(&self, site: Site, change: Change) -> Result<Ready, String> {
        let parts = &self.parts;
        let site = Arc::new(site);
        let present = parts.engine.snapshot().await.ok_or("the engine does not answer; see the log")?;
        let points = points::list(&site, &parts.catalog, &present.alarms);
        let ids = points.iter().map(|(meta, spec)| (parts.catalog.reserve(meta), spec.clone()));
        let described = points.iter().map(|(meta, _)| (parts.catalog.reserve(meta), meta.clone()));
        let engine = parts.engine.prepare(driver::Change {
            site: Arc::clone(&site),
            points: points::by_index(ids.collect()),
            described: described.collect(),
            kept: change.kept(&site),
            lately: driver::Lately::read(&parts.journal).await,
            catalog: parts.catalog.clone(),
            clock: parts.clock.clone(),
            journal: parts.journal.clone(),
        });
        let engine = engine.await?;
        let mut added: Vec<SinkSpec> = Vec::new();
        for sink in missing(&site, &parts.site) {
            if let Err(why) = parts.journal.add_sink(&sink).await {
                for sink in &added {
                    parts.journal.remove_sink(sink);
                }
                return Err(why);
            }
            added.push(sink);
        }
        Ok(Ready { site, change, points, engine })
    }

    /// What goes ends in the order of a stop, what comes begins in the order of a start.
    async fn apply(&mut self, ready: Ready) -> Result<Switched, String> {
        let Ready { site, change, points, engine } = ready;
        let (ended, links) = (self.parts.clock.wall(), self.parts.stats.links());
        self.sources.end(|name| change.modbus.ends(name) || change.mqtt.ends(name)).await;
        for (meta, _) in points {
            self.parts.catalog.add(meta);
        }
        let switched = self.parts.engine.switch(engine).await.ok_or("the engine does not answer; see the log")?;
        let kept = change.kept(&site);
        let stays = |id: PointId, meta: &PointMeta| {
            switched.points.contains(&id) || meta.source.as_ref().is_some_and(|source| kept.contains(source))
        };
        self.parts.catalog.retire(|id, meta| !stays(id, meta));

        let of = |name: &str, is: fn(&Delta, &str) -> bool| {
            let kinds = [("influxdb", &change.stores), ("mqtt", &change.uplinks), ("webhook", &change.webhooks)];
            let (kind, name) = name.split_once('/').unwrap_or_default();
            kinds.into_iter().any(|(of, delta)| of == kind && is(delta, name))
        };
        self.readers.end(|name| of(name, Delta::ends)).await;
        let old = std::mem::replace(&mut self.parts.site, site);
        // What is known of one that changed is of the address before.
        for sink in sinks(&old).iter().filter(|sink| of(&sink.name, Delta::ends)) {
            self.parts.stats.forget(&sink.name);
        }
        self.forget(&old);
        self.parts.journal.limit(&self.parts.site.journal);
        self.parts.shown.send_replace(Arc::clone(&self.parts.site));

        self.parts.start_sinks(&mut self.readers, |name| of(name, Delta::begins));
        let begins = |name: &str| change.modbus.begins(name) || change.mqtt.begins(name);
        // One that was up has been away since then only; how long another was, the last run tells best.
        let up = |name: &str| links.get(name).is_some_and(|link| link.state == LinkState::Up);
        for (since, was_up) in [(Some(ended), true), (self.parts.off_since, false)] {
            let wanted = |name: &str| begins(name) && up(name) == was_up;
            self.parts.start_links(&mut self.sources, &self.field, source::tasks, since, wanted);
        }
        Ok(switched)
    }

    /// Sinks and links that are gone: nothing is counted for those, nothing is said of these.
    fn forget(&self, old: &Site) {
        let parts = &self.parts;
        for sink in missing(old, &parts.site) {
            parts.journal.remove_sink(&sink);
        }
        let has = |name: &String| {
            parts.site.modbus.iter().any(|line| line.name == *name)
                || parts.site.mqtt.iter().any(|link| link.name == *name)
        };
        let links = old.modbus.iter().map(|line| &line.name).chain(old.mqtt.iter().map(|link| &link.name));
        for name in links.filter(|name| !has(name)) {
            parts.stats.forget(name);
        }
    }

    /// To the log and to the alarm lane; says whether the entry is on disk.
    async fn tell(&self, who: &Who, result: &Result<Done, Refusal>) -> bool {
        let (what, lines) = match result {
            Ok(Done { changes, .. }) if changes.is_empty() => ("reload", vec!["nothing has changed".to_owned()]),
            Ok(done) => ("reload", done.changes.clone()),
            Err(Refusal::Wrong(complaints)) => ("reload-refused", complaints.iter().map(ToString::to_string).collect()),
            Err(Refusal::Failed(why)) => ("reload-refused", vec![why.clone()]),
        };
        for line in &lines {
            if result.is_ok() {
                tracing::info!(%line, "reload");
            } else {
                tracing::error!(%line, "reload refused, the running configuration goes on");
            }
        }
        if let Ok(done) = result {
            for warning in &done.warnings {
                tracing::warn!("{warning}");
            }
        }
        let more = (lines.len() > TOLD).then(|| format!("and {} more", lines.len() - TOLD));
        let detail = lines.iter().take(TOLD).cloned().chain(more).collect::<Vec<_>>().join("\n");
        let (at, what) = (self.parts.clock.wall().0, what.to_owned());
        let target = self.file.as_ref().map_or_else(String::new, |file| file.display().to_string());
        let entry = match who {
            Who::Signal => Entry::Maintenance { at, what, detail },
            Who::Person(by) => Entry::Audit { at, by: by.clone(), action: what, target, detail },
        };
        let ticket = self.parts.journal.append(entry);
        self.parts.journal.committed(ticket, COMMIT).await
    }
}

fn checked(file: &Path, old: &Site) -> Result<Checked, Refusal> {
    let text = config::text(file).map_err(Refusal::Wrong)?;
    let Loaded { mut site, warnings, outside, origins: _ } = config::parse(&text, file).map_err(Refusal::Wrong)?;
    let fixed = needs_restart(old, &site, &text, file);
    if !fixed.is_empty() {
        return Err(Refusal::Wrong(fixed));
    }
    own::complete(&mut site);
    let change = Change::between(old, &site);
    let good = Good { text, packs: outside };
    Ok(Checked { good, site, warnings: warnings.iter().map(ToString::to_string).collect(), change })
}

/// The sinks of one site that another does not have.
fn missing(of: &Site, other: &Site) -> Vec<SinkSpec> {
    let there = sinks(other);
    sinks(of).into_iter().filter(|sink| !there.contains(sink)).collect()
}
