//! Tasks by name, each with a word of its own to stop: so that one can end and begin anew while the others go on.

use std::collections::BTreeMap;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::STAGE;
use crate::stop::{self, Stop, Stopper};

/// One side's tasks. Dropped, it takes them with it.
#[derive(Debug)]
pub(super) struct Crew {
    what: &'static str,
    members: BTreeMap<String, (Stopper, JoinSet<()>)>,
}

impl Crew {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, members: BTreeMap::new() }
    }

    /// Starts a task, on the thread of the field or on this one.
    pub(super) fn start<F>(&mut self, name: String, field: Option<&Handle>, work: impl FnOnce(Stop) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stopper, stop) = stop::channel();
        let mut task = JoinSet::new();
        match field {
            Some(field) => drop(task.spawn_on(work(stop), field)),
            None => drop(task.spawn(work(stop))),
        }
        self.members.insert(name, (stopper, task));
    }

    /// Tells those named to stop and waits for them, a stage at most.
    pub(super) async fn end(&mut self, named: impl Fn(&str) -> bool) {
        let (leaving, rest) = std::mem::take(&mut self.members).into_iter().partition(|(name, _)| named(name));
        self.members = rest;
        let mut leaving: BTreeMap<String, (Stopper, JoinSet<()>)> = leaving;
        for (stopper, _) in leaving.values() {
            stopper.stop();
        }
        let all = async {
            for (_, task) in leaving.values_mut() {
                while task.join_next().await.is_some() {}
            }
        };
        if tokio::time::timeout(STAGE, all).await.is_err() {
            tracing::warn!(what = self.what, "did not end in time, cut off");
            for (_, task) in leaving.values_mut() {
                task.abort_all();
                while task.join_next().await.is_some() {}
            }
        }
    }
}
