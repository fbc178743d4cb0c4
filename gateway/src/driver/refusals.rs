//! How many messages that can't be understood become records. Pure.
//!
//! A device that sends nonsense a thousand times a second must neither wear the disk out nor push what others said out of
//! the few records that are kept. Of each source the first [`FULL`] in a minute are kept, the rest is counted, and one more
//! record says how many they were once the minute is over.

use std::collections::BTreeMap;

use gengfu_core::time::Mono;

use crate::flow::Refused;

/// Refused messages of one source that are kept in one minute.
pub(crate) const FULL: u64 = 60;
const MINUTE: u64 = 60_000;

/// What each source sent in its minute; as many as the site has links.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<String, Minute>);

#[derive(Debug)]
struct Minute {
    since: Mono,
    kept: u64,
    dropped: u64,
    /// Of those dropped.
    newest: Option<Refused>,
}

impl Refusals {
    /// Leaves in `refused` what is to be kept; says how many were taken out.
    pub(super) fn thin(&mut self, refused: &mut Vec<Refused>, now: Mono) -> u64 {
        let mut dropped = 0;
        refused.retain_mut(|one| {
            let fresh = || Minute { since: now, kept: 0, dropped: 0, newest: None };
            let minute = self.0.entry(one.source.clone()).or_insert_with(fresh);
            if minute.kept < FULL {
                minute.kept += 1;
                return true;
            }
            minute.dropped += 1;
            dropped += 1;
            minute.newest = Some(one.clone());
            false
        });
        dropped
    }

    /// Ends the minutes that are over: a record for each that had more than was kept.
    pub(super) fn over(&mut self, now: Mono) -> Vec<Refused> {
        let ended = self.0.extract_if(.., |_, minute| now.since(minute.since) >= MINUTE);
        ended.filter_map(|(_, minute)| minute.told()).collect()
    }
}

impl Minute {
    fn told(self) -> Option<Refused> {
        let newest = self.newest?;
        let reason = format!("{} more in this minute were not kept; the last: {}", self.dropped, newest.reason);
        Some(Refused { reason, ..newest })
    }
}

#[cfg(test)]
mod tests {
    use gengfu_core::time::Wall;

    use super::*;

    fn refused(source: &str, at: i64) -> Refused {
        let (topic, reason) = ("t".to_owned(), "not JSON".to_owned());
        Refused { source: source.to_owned(), topic, head: vec![1], reason, at: Wall(at) }
    }

    #[test]
    fn a_flood_is_kept_in_part_and_told_in_one_record_a_minute() {
        let mut refusals = Refusals::default();
        let (mut kept, mut dropped, mut told) = (0, 0, Vec::new());
        for ms in 0..120_000_u64 {
            told.extend(refusals.over(Mono(ms)));
            let mut batch = vec![refused("lora", ms as i64)];
            dropped += refusals.thin(&mut batch, Mono(ms));
            kept += batch.len() as u64;
        }
        told.extend(refusals.over(Mono(120_000)));
        assert_eq!((kept, dropped), (2 * FULL, 120_000 - 2 * FULL), "nothing uncounted");
        let reasons: Vec<_> = told.iter().map(|one| (one.at.0, one.reason.as_str())).collect();
        let reason = "59940 more in this minute were not kept; the last: not JSON";
        assert_eq!(reasons, [(59_999, reason), (119_999, reason)]);
        assert!(refusals.over(Mono(u64::MAX)).is_empty(), "a minute is told once, and a source forgotten");
    }

    #[test]
    fn each_source_has_its_own_and_few_are_all_kept() {
        let mut refusals = Refusals::default();
        let mut flood: Vec<_> = (0..1_000).map(|at| refused("lora", at)).collect();
        assert_eq!(refusals.thin(&mut flood, Mono(0)), 1_000 - FULL);
        let mut other = vec![refused("pumps", 1)];
        assert_eq!((refusals.thin(&mut other, Mono(0)), other.len()), (0, 1));
        assert_eq!(refusals.over(Mono(MINUTE)).len(), 1, "nothing is to be said of the other");
    }
}
