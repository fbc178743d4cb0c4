//! From what the connection took in to what the engine is given: batches of messages, in order, and what the link's own
//! state makes of its points. Fault is not a value: a link that is gone takes the good of its points with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Mono;
use tokio::sync::{mpsc, watch};

use super::intake::{Intake, Message, batches};
use crate::flow::Batch;
use crate::source::{Context, Gone};

/// Messages that one batch is made of at most.
const GROUP: usize = 512;
/// How long a link may be down before its points are bad, in milliseconds: a reconnect is shorter. A peer that falls silent without a
/// word is noticed after two keep-alives at most, which comes before this.
const LOST_AFTER: u64 = 10_000;

/// How the link stands, for the task that speaks for its devices.
#[derive(Debug, Clone, Default)]
pub(super) struct Contact {
    pub(super) up: bool,
    /// Counts the sessions that began anew: while it is the same, the broker kept every QoS 1 message for us.
    pub(super) session: u64,
    /// Subscriptions that the broker refused, by index.
    pub(super) refused: Vec<usize>,
}

/// Makes batches of what came and hands them on, in order; says of the points what the link's own state makes of them.
pub(super) struct Delivery {
    context: Context,
    intake: Intake,
    held: Arc<AtomicUsize>,
    contact: watch::Receiver<Contact>,
    /// When the points will be lost, while the link is down.
    lost_at: Option<Mono>,
    /// The session in which they were lost.
    lost: Option<u64>,
}

impl Delivery {
    pub(super) fn new(
        context: Context,
        intake: Intake,
        held: Arc<AtomicUsize>,
        contact: watch::Receiver<Contact>,
    ) -> Self {
        Self { context, intake, held, contact, lost_at: None, lost: None }
    }

    /// Ends when the engine takes no more.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut group = Vec::with_capacity(GROUP);
        let mut batches = self.expected().await;
        self.down();
        loop {
            for input in self.intake.announced() {
                if self.context.engine.submit(input).await.is_err() {
                    return;
                }
            }
            for batch in batches.drain(..) {
                if let Err(Gone) = self.context.hand_over(batch).await {
                    return;
                }
            }
            let due = self.context.clock.instant(self.lost_at.unwrap_or_default());
            tokio::select! {
                // What came before the link's fate is told before it.
                biased;
                taken = inbox.recv_many(&mut group, GROUP) => {
                    if taken == 0 {
                        return;
                    }
                    self.held.fetch_sub(group.iter().map(|message| message.body.weight()).sum(), Ordering::Relaxed);
                    batches = self.intake.take(&mut group);
                }
                Ok(()) = self.contact.changed() => batches = self.changed().await,
                () = tokio::time::sleep_until(due), if self.lost_at.is_some() => batches = self.lose().await,
            }
        }
    }

    /// Expected devices are bad(comm) until they are heard; one that the journal has heard of lately is what it said.
    async fn expected(&mut self) -> Vec<Batch> {
        let heard = self.present().await;
        self.intake.recall(&heard);
        let (at, points) = (self.context.clock.wall(), self.intake.points());
        let bad = |point| Reading { point, at, value: 0.0, quality: Quality::Bad(Reason::Comm) };
        let unheard: Vec<Reading> = points.into_iter().filter(|id| !heard.contains_key(id)).map(bad).collect();
        batches(&unheard)
    }

    fn down(&mut self) {
        if self.lost.is_none() && self.lost_at.is_none() {
            self.lost_at = Some(self.context.clock.mono().plus(LOST_AFTER));
        }
    }

    async fn lose(&mut self) -> Vec<Batch> {
        self.lost_at = None;
        self.lost = Some(self.contact.borrow().session);
        self.intake.lose(&self.present().await, self.context.clock.wall())
    }

    async fn changed(&mut self) -> Vec<Batch> {
        let contact = self.contact.borrow_and_update().clone();
        if !contact.up {
            self.down();
            return Vec::new();
        }
        self.lost_at = None;
        let whole = self.lost.take() == Some(contact.session);
        if !whole && contact.refused.is_empty() {
            return Vec::new();
        }
        self.intake.regain(whole, &contact.refused, &self.present().await, self.context.clock.wall())
    }

    /// The last reading of every point that has one.
    async fn present(&self) -> HashMap<PointId, Reading> {
        let points = self.context.engine.snapshot().await.map(|present| present.points).unwrap_or_default();
        points.into_iter().filter_map(|(id, last)| Some((id, last?))).collect()
    }
}
