//! How many messages that can't be understood become records. Pure.
//!
//! A device that sends nonsense a thousand times a second must neither wear the disk out nor push what others said out of
//! the few records that are kept. Of each topic the first [`FULL`] in a minute are kept, of a source at most [`SOURCE`] and
//! the first of each topic that has a place in its table. The rest is counted, and one more record says how many they were,
//! and on which topics, once the minute is over.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use gengfu_core::time::Mono;

use crate::flow::Refused;

/// Refused messages of one topic that are kept in one minute.
pub(crate) const FULL: u64 = 60;
/// Those of one source, all topics together.
const SOURCE: u64 = 1_000;
/// Topics of one source that are told apart; the others share one place.
const TOPICS: usize = 256;
/// A longer topic, in bytes, has no place of its own.
const LONGEST_TOPIC: usize = 512;
/// Topics that the record of the dropped ones names.
const NAMED: usize = 4;
const MINUTE: u64 = 60_000;

/// What each source sent in its minute; as many as the site has links.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<String, Minute>);

#[derive(Debug)]
struct Minute {
    since: Mono,
    kept: u64,
    topics: HashMap<String, Count>,
    /// Of the topics without a place of their own.
    others: Count,
    /// Of those dropped.
    newest: Option<Refused>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    kept: u64,
    dropped: u64,
}

impl Refusals {
    /// Leaves in `refused` what is to be kept; says how many were taken out.
    pub(super) fn thin(&mut self, refused: &mut Vec<Refused>, now: Mono) -> u64 {
        let before = refused.len();
        refused.retain(|one| match self.0.get_mut(&one.source) {
            Some(minute) => minute.keeps(one),
            None => self.0.entry(one.source.clone()).or_insert(Minute::new(now)).keeps(one),
        });
        (before - refused.len()) as u64
    }

    /// Ends the minutes that are over: a record for each that had more than was kept.
    pub(super) fn over(&mut self, now: Mono) -> Vec<Refused> {
        let ended = self.0.extract_if(.., |_, minute| now.since(minute.since) >= MINUTE);
        ended.filter_map(|(_, minute)| minute.told()).collect()
    }
}

impl Minute {
    fn new(since: Mono) -> Self {
        Self { since, kept: 0, topics: HashMap::new(), others: Count::default(), newest: None }
    }

    fn keeps(&mut self, one: &Refused) -> bool {
        let place = self.topics.len() < TOPICS && one.topic.len() <= LONGEST_TOPIC;
        if place && !self.topics.contains_key(&one.topic) {
            self.topics.insert(one.topic.clone(), Count::default());
        }
        let own = self.topics.get_mut(&one.topic);
        // One that babbles must not hide that another has something to say at all.
        let first = own.as_ref().is_some_and(|count| count.kept == 0);
        let count = own.unwrap_or(&mut self.others);
        if count.kept < FULL && (first || self.kept < SOURCE) {
            count.kept += 1;
            self.kept += 1;
            return true;
        }
        count.dropped += 1;
        self.newest = Some(one.clone());
        false
    }

    fn told(self) -> Option<Refused> {
        let newest = self.newest?;
        let mut most: Vec<_> = self.topics.iter().filter(|(_, count)| count.dropped > 0).collect();
        most.sort_unstable_by(|(a, x), (b, y)| y.dropped.cmp(&x.dropped).then_with(|| a.cmp(b)));
        let unnamed = most.iter().skip(NAMED).map(|(_, count)| count.dropped).sum::<u64>() + self.others.dropped;
        let dropped = unnamed + most.iter().take(NAMED).map(|(_, count)| count.dropped).sum::<u64>();
        let mut reason = format!("{dropped} more in this minute were not kept:");
        for (topic, count) in most.iter().take(NAMED) {
            let _ = write!(reason, " {} of {topic},", count.dropped);
        }
        if unnamed > 0 {
            let _ = write!(reason, " {unnamed} of other topics,");
        }
        let reason = format!("{}; the last: {}", reason.trim_end_matches(','), newest.reason);
        Some(Refused { reason, ..newest })
    }
}

#[cfg(test)]
mod tests {
    use gengfu_core::time::Wall;

    use super::*;

    fn refused(source: &str, at: i64) -> Refused {
        on("t", source, at)
    }

    fn on(topic: &str, source: &str, at: i64) -> Refused {
        let (topic, reason) = (topic.to_owned(), "not JSON".to_owned());
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
        let reason = "59940 more in this minute were not kept: 59940 of t; the last: not JSON";
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

    #[test]
    fn a_topic_that_babbles_hides_no_other_and_is_named() {
        let mut refusals = Refusals::default();
        let mut flood: Vec<_> = (0..5_000).map(|at| on(&format!("b/{}", at % 50), "lora", at)).collect();
        refusals.thin(&mut flood, Mono(0));
        assert_eq!(flood.len() as u64, SOURCE, "a source is bounded");
        let mut other = vec![on("s/quiet", "lora", 1), on("s/quiet", "lora", 2), on("b/0", "lora", 3)];
        assert_eq!((refusals.thin(&mut other, Mono(1)), other.len()), (2, 1), "the first of a topic is kept");
        assert_eq!(other[0].topic, "s/quiet");
        let told = refusals.over(Mono(MINUTE));
        let reason = "4002 more in this minute were not kept: 81 of b/0, 80 of b/1, 80 of b/10, 80 of b/11, \
                      3681 of other topics; the last: not JSON";
        assert_eq!(told.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), [reason]);
    }

    #[test]
    fn endless_topics_share_one_place() {
        let mut refusals = Refusals::default();
        let mut flood: Vec<_> = (0..100_000).map(|at| on(&format!("x/{at}"), "lora", at)).collect();
        flood.push(on(&"y".repeat(LONGEST_TOPIC + 1), "lora", 0));
        let dropped = refusals.thin(&mut flood, Mono(0));
        assert_eq!((flood.len() as u64, dropped), (TOPICS as u64 + FULL, 100_001 - TOPICS as u64 - FULL));
        assert_eq!(refusals.0["lora"].topics.len(), TOPICS);
    }
}
