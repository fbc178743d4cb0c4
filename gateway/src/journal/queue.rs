//! What waits for the telemetry lane's next commit. Pure; bounded by readings; never waits.

use std::collections::VecDeque;

use gengfu_core::time::Mono;

use crate::flow::Batch;

/// Weight (readings, and one for each batch) that may wait or be under way of what nobody is owed an acknowledgement for:
/// the sick disk's share of memory. What is owed one is bounded by its source and takes none of this share, so that a broker
/// that sends again and again costs no polled reading.
pub(super) const QUEUE_READINGS: usize = 65_536;
/// The commit window: this many readings, or this long after the first, whichever comes first.
pub(super) const WINDOW_READINGS: usize = 1000;
pub(super) const WINDOW_MS: u64 = 2000;

#[derive(Debug, Default)]
pub(super) struct Queue {
    batches: VecDeque<Batch>,
    /// Of the batches that wait.
    waiting: usize,
    /// Of those the writer has taken and not brought to disk.
    under_way: usize,
    /// Of both, what is owed an acknowledgement.
    owed: Owed,
    since: Option<Mono>,
    /// Somebody is owed an acknowledgement: the window is closed.
    receipt: bool,
    closed: bool,
}

#[derive(Debug, Default)]
struct Owed {
    waiting: usize,
    under_way: usize,
}

impl Queue {
    /// Takes a batch, unless there is no room; says whether the writer has reason to wake.
    pub(super) fn push(&mut self, batch: Batch, now: Mono) -> Result<bool, Batch> {
        let weight = batch.weight();
        let total = self.len() - self.owed.waiting - self.owed.under_way;
        // A batch bigger than the whole queue passes when it is alone: refusing it for ever would help nobody. One that is
        // owed an acknowledgement always passes: its source bounds what is outstanding, and were it dropped, the receipt
        // of a later one would acknowledge it all the same.
        let bounded = batch.receipt.is_none() && total > 0;
        if self.closed || (bounded && total + weight > QUEUE_READINGS) {
            return Err(batch);
        }
        let was_due = self.receipt || self.waiting >= WINDOW_READINGS;
        let first = self.since.is_none();
        self.since.get_or_insert(now);
        self.waiting += weight;
        self.owed.waiting += if batch.receipt.is_some() { weight } else { 0 };
        self.receipt |= batch.receipt.is_some();
        if batch.learned.is_some() {
            // What is known now stands for what was known before; while the disk is sick only one of them takes memory.
            self.batches.iter_mut().for_each(|before| before.learned = None);
        }
        self.batches.push_back(batch);
        let due = self.receipt || self.waiting >= WINDOW_READINGS;
        Ok(first || (due && !was_due))
    }

    /// When the window closes; `None` while nothing waits.
    pub(super) fn due(&self) -> Option<Mono> {
        let open = !self.receipt && self.waiting < WINDOW_READINGS && !self.closed;
        self.since.map(|since| if open { since.plus(WINDOW_MS) } else { Mono(0) })
    }

    /// All that waits, for one commit, if the window is closed.
    pub(super) fn take_due(&mut self, now: Mono) -> VecDeque<Batch> {
        if self.due().is_none_or(|due| due > now) {
            return VecDeque::new();
        }
        self.under_way = std::mem::take(&mut self.waiting);
        self.owed.under_way = std::mem::take(&mut self.owed.waiting);
        self.since = None;
        self.receipt = false;
        std::mem::take(&mut self.batches)
    }

    /// What was taken is on disk.
    pub(super) fn settled(&mut self) {
        self.under_way = 0;
        self.owed.under_way = 0;
    }

    /// Nothing more comes in.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// What is not on disk yet.
    pub(super) fn len(&self) -> usize {
        self.waiting + self.under_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Receipt;
    use gengfu_core::quality::Quality;
    use gengfu_core::reading::{PointId, Reading};
    use gengfu_core::time::Wall;

    fn batch(n: usize) -> Batch {
        let reading = Reading { point: PointId(0), at: Wall(0), value: 0.0, quality: Quality::Good };
        Batch { readings: vec![reading; n], ..Batch::default() }
    }

    #[test]
    fn the_window_closes_by_count_by_time_and_by_a_debt() {
        let mut queue = Queue::default();
        assert_eq!(queue.due(), None);
        assert!(queue.push(batch(1), Mono(5)).expect("room"), "the first wakes the writer");
        assert!(!queue.push(batch(1), Mono(9)).expect("room"));
        assert_eq!(queue.due(), Some(Mono(5 + WINDOW_MS)));
        assert!(queue.push(batch(WINDOW_READINGS), Mono(10)).expect("room"));
        assert_eq!(queue.due(), Some(Mono(0)));
        assert_eq!(queue.take_due(Mono(10)).len(), 3);
        assert!(queue.take_due(Mono(10)).is_empty());
        assert_eq!(queue.due(), None);
        let receipt = Receipt { mark: std::sync::Arc::new(tokio::sync::watch::Sender::new(0)), token: 1 };
        queue.push(Batch { receipt: Some(receipt), ..batch(1) }, Mono(11)).expect("room");
        assert_eq!(queue.due(), Some(Mono(0)));
    }

    #[test]
    fn what_is_known_now_stands_for_what_was_known_before() {
        let learned = |lessons| Some(Box::new(crate::flow::Learned { at: gengfu_core::time::Now::default(), lessons }));
        let mut queue = Queue::default();
        for _ in 0..3 {
            queue.push(Batch { learned: learned(Vec::new()), ..batch(2) }, Mono(5)).expect("room");
        }
        queue.push(batch(2), Mono(5)).expect("room");
        let kept: Vec<bool> = queue.take_due(Mono(5 + WINDOW_MS)).iter().map(|batch| batch.learned.is_some()).collect();
        assert_eq!(kept, [false, false, true, false], "and no reading goes with it");
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let mut queue = Queue::default();
        queue.push(batch(QUEUE_READINGS - 1), Mono(0)).expect("room");
        assert_eq!(queue.push(batch(7), Mono(0)).expect_err("full").readings.len(), 7, "the batch comes back whole");
        queue.take_due(Mono(0));
        queue.push(batch(7), Mono(0)).expect_err("what is under way counts");
        let mark = std::sync::Arc::new(tokio::sync::watch::Sender::new(0));
        let owed = Batch { receipt: Some(Receipt { mark, token: 1 }), ..batch(7) };
        queue.push(owed, Mono(0)).expect("what is owed an acknowledgement is never dropped");
        queue.settled();
        queue.push(batch(7), Mono(0)).expect("room again");
        let receipt = Some(Receipt { mark: std::sync::Arc::new(tokio::sync::watch::Sender::new(0)), token: 2 });
        queue.push(Batch { receipt, ..batch(QUEUE_READINGS) }, Mono(0)).expect("owed");
        queue.push(batch(7), Mono(0)).expect("which takes no room from what is polled");
        queue.take_due(Mono(0));
        queue.push(batch(7), Mono(0)).expect("on its way to the disk neither");
        queue.close();
        queue.push(batch(1), Mono(0)).expect_err("closed");
    }
}
