//! What one connection owes its broker. Pure. Messages carry tokens that only grow, over all connections of the link;
//! the journal says "synced up to token N", and this ledger says which packet ids that releases *on this connection*.
//! A ledger dies with its connection: packet ids start anew on the next, and an old one would acknowledge a stranger.

use std::collections::VecDeque;

/// Messages that one connection may have unacknowledged; beyond it the connection is dropped, and the broker keeps them.
pub(super) const MOST_OWED: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// (token, packet id), tokens ascending.
    owed: VecDeque<(u64, u16)>,
}

impl Ledger {
    /// Notes a message; false if there are too many.
    pub(super) fn owe(&mut self, token: u64, packet: u16) -> bool {
        if self.owed.len() >= MOST_OWED {
            return false;
        }
        self.owed.push_back((token, packet));
        true
    }

    /// The next packet id to acknowledge, given that all up to `synced` is on disk.
    pub(super) fn settle(&mut self, synced: u64) -> Option<u16> {
        let (token, packet) = *self.owed.front()?;
        (token <= synced).then(|| self.owed.pop_front())?;
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(ledger: &mut Ledger, synced: u64) -> Vec<u16> {
        std::iter::from_fn(|| ledger.settle(synced)).collect()
    }

    #[test]
    fn nothing_before_its_token_and_all_up_to_it_in_order() {
        let mut ledger = Ledger::default();
        for (token, packet) in [(5, 50), (6, 60), (9, 90)] {
            assert!(ledger.owe(token, packet));
        }
        assert!(settled(&mut ledger, 4).is_empty());
        assert_eq!(settled(&mut ledger, 6), [50, 60]);
        assert!(settled(&mut ledger, 8).is_empty());
        // The mark may go back if two batches report out of order; nothing is owed twice.
        assert!(settled(&mut ledger, 3).is_empty());
        assert_eq!(settled(&mut ledger, 100), [90]);
        assert!(settled(&mut ledger, 100).is_empty());
    }

    #[test]
    fn it_is_bounded() {
        let mut ledger = Ledger::default();
        assert!((0..MOST_OWED).all(|n| ledger.owe(n as u64, n as u16)));
        assert!(!ledger.owe(u64::MAX, 1));
    }
}
