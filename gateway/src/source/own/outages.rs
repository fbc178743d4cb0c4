//! Which lines, brokers and push channels are out of reach, and for how long. Pure.

use std::collections::{BTreeMap, BTreeSet};

use gengfu_core::time::Mono;

use super::troubles::Sight;
use super::watch::LINGER_MS;
use crate::telemetry::{LinkState, LinkStatus};

/// A link that is down for less than this is reconnecting.
const LINK_MS: u64 = 30_000;
/// Pushes that reach nobody for this long are a trouble of their own.
const PUSH_MS: u64 = 120_000;
/// A push that has waited for less than this is on its way; for longer, and nobody knows yet whether it gets through.
const PUSH_DOUBT_MS: u64 = 30_000;
const _: () = assert!(PUSH_DOUBT_MS < LINGER_MS, "a start must not end a trouble before there is a doubt");

/// Lines, brokers and push channels out of reach, by name: the wall time that says which outage it is, and the counter when
/// it was first seen, since a clock that is set must neither make an outage long nor keep it short.
#[derive(Default)]
pub(crate) struct Outages {
    seen: BTreeMap<String, (i64, u64)>,
    /// Links that are up: only that ends an outage. One that is down anew, or not up yet after a start, is not well.
    up: BTreeSet<String>,
    /// Those that have lasted longer than a reconnect takes.
    long: BTreeSet<String>,
    /// What is seen of the push channels together: one that has been gone for [`PUSH_MS`] is a trouble, and so is one push
    /// that waits for so long to be accepted, whatever else gets through.
    pub(crate) push: Option<Sight>,
    /// When the first look was, or the first at these push channels.
    began: Option<u64>,
}

impl Outages {
    pub(super) fn of_link(&self, link: &str) -> Sight {
        match (self.long.contains(link), self.up.contains(link)) {
            (true, _) => Sight::Lasts,
            (false, true) => Sight::Well,
            (false, false) => Sight::Unknown,
        }
    }

    /// The push channels are not those of before: it is not known anew whether they are well, and a reload ends no trouble.
    pub(super) fn other_channels(&mut self) {
        self.began = None;
    }

    /// `channels`: how many push channels there are. One that has had nothing to say since it began is not known to be well
    /// for as long as it takes to know that it is not. `unpushed`: since when the oldest push waits.
    pub(crate) fn look(
        &mut self,
        links: BTreeMap<String, LinkStatus>,
        channels: usize,
        unpushed: Option<Mono>,
        now_ms: u64,
    ) {
        let push = |name: &str| name.starts_with("webhook/");
        self.up = links.iter().filter(|(_, link)| link.state == LinkState::Up).map(|(name, _)| name.clone()).collect();
        let down = |link: &LinkStatus| matches!(link.state, LinkState::Down { .. });
        let links = links.into_iter().filter(|(name, link)| !name.starts_with("influxdb/") && down(link));
        let before = std::mem::take(&mut self.seen);
        let begun = |name: &str, since: i64| match before.get(name) {
            Some((outage, begun)) if *outage == since => *begun,
            Some(_) | None => now_ms,
        };
        self.seen = links.map(|(name, link)| (name.clone(), (link.since, begun(&name, link.since)))).collect();
        let lasts = |begun: u64, limit: u64| now_ms.saturating_sub(begun) >= limit;
        let long = self.seen.iter().filter(|(name, (_, begun))| !push(name) && lasts(*begun, LINK_MS));
        self.long = long.map(|(name, _)| name.clone()).collect();
        let young = !lasts(*self.began.get_or_insert(now_ms), PUSH_MS);
        let mut gone =
            self.seen.iter().filter(|(name, _)| push(name)).map(|(_, (_, begun))| lasts(*begun, PUSH_MS)).peekable();
        let waits = |limit: u64| unpushed.is_some_and(|since| lasts(since.0, limit));
        let unproven = gone.peek().is_some() || (young && self.up.iter().filter(|name| push(name)).count() < channels);
        self.push = Some(match (gone.any(|long| long) || waits(PUSH_MS), unproven || waits(PUSH_DOUBT_MS)) {
            (true, _) => Sight::Lasts,
            (false, true) => Sight::Unknown,
            (false, false) => Sight::Well,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_link_has_an_outage_of_its_own() {
        let down = |since: i64| LinkStatus { state: LinkState::Down { why: String::new() }, since };
        let mut outages = Outages::default();
        outages.look(BTreeMap::from([("lora".to_owned(), down(1))]), 0, None, 0);
        outages.look(BTreeMap::from([("lora".to_owned(), down(1)), ("pumps".to_owned(), down(2))]), 0, None, LINK_MS);
        assert_eq!(outages.long.iter().collect::<Vec<_>>(), ["lora"]);
    }

    #[test]
    fn an_outage_is_as_long_as_the_counter_says() {
        let down = |since: i64| LinkStatus { state: LinkState::Down { why: String::new() }, since };
        let links = |name: &str, since: i64| BTreeMap::from([(name.to_owned(), down(since))]);
        let mut outages = Outages::default();
        let mut look = |links, now_ms| {
            outages.look(links, 0, None, now_ms);
            !outages.long.is_empty()
        };
        // the wall clock may do what it likes: only which outage it is hangs on it
        assert!(!look(links("lora", 7_000), 1_000));
        assert!(!look(links("lora", 7_000), 30_999));
        assert!(look(links("lora", 7_000), 31_000));
        assert!(!look(links("lora", 99_000), 32_000), "up in between: another outage");
        assert!(!look(BTreeMap::new(), 33_000));
        assert!(!look(links("lora", 99_000), 62_000), "seen to be over");
        assert!(!look(links("influxdb/central", 0), 70_000) && !look(links("influxdb/central", 0), 170_000));
    }

    #[test]
    fn other_push_channels_are_not_known_to_be_well_before_they_have_pushed_and_none_are_well() {
        let down = LinkStatus { state: LinkState::Down { why: "connection refused".to_owned() }, since: 1 };
        let up = LinkStatus { state: LinkState::Up, since: 300_000 };
        let links = |status: &LinkStatus| BTreeMap::from([("webhook/duty".to_owned(), status.clone())]);
        let mut outages = Outages::default();
        let mut look = |links, channels, now_ms, other: bool| {
            if other {
                outages.other_channels();
            }
            outages.look(links, channels, None, now_ms);
            outages.push
        };
        look(links(&down), 1, 1_000, false);
        assert_eq!(look(links(&down), 1, 200_000, false), Some(Sight::Lasts));
        assert_eq!(
            look(BTreeMap::new(), 1, 201_000, true),
            Some(Sight::Unknown),
            "a reload is no proof that it is mended"
        );
        assert_eq!(look(links(&up), 1, 205_000, false), Some(Sight::Well));
        assert_eq!(look(links(&down), 1, 400_000, false), Some(Sight::Unknown));
        assert_eq!(look(links(&down), 1, 520_000, false), Some(Sight::Lasts));
        assert_eq!(look(BTreeMap::new(), 0, 521_000, true), Some(Sight::Well), "whom nobody pushes to misses nothing");
    }

    #[test]
    fn a_push_channel_that_reaches_nobody_for_two_minutes_is_a_trouble_until_it_does() {
        let link = |state, since| BTreeMap::from([("webhook/duty".to_owned(), LinkStatus { state, since })]);
        let down = || LinkState::Down { why: "connection refused".to_owned() };
        let mut outages = Outages::default();
        outages.look(link(down(), 5), 1, None, 1_000);
        outages.look(link(down(), 5), 1, None, 120_999);
        assert_eq!(outages.push, Some(Sight::Unknown));
        outages.look(link(down(), 5), 1, None, 121_000);
        assert!(outages.push == Some(Sight::Lasts) && outages.long.is_empty(), "it is no field link");
        outages.look(link(LinkState::Up, 9), 1, None, 122_000);
        assert_eq!(outages.push, Some(Sight::Well), "a push or a heartbeat was accepted");
        outages.look(link(LinkState::Up, 9), 2, None, 123_000);
        assert_eq!(outages.push, Some(Sight::Well), "the other had nothing to say, and nothing was refused");
    }

    #[test]
    fn a_push_channel_is_not_known_to_be_well_before_it_has_pushed_or_the_time_is_over() {
        let mut outages = Outages::default();
        let connecting = || {
            let status = LinkStatus { state: LinkState::Connecting, since: 1 };
            BTreeMap::from([("webhook/duty".to_owned(), status)])
        };
        outages.look(BTreeMap::new(), 1, None, 1_000);
        assert_eq!(outages.push, Some(Sight::Unknown), "its task has not begun");
        outages.look(connecting(), 1, None, 120_999);
        assert_eq!(outages.push, Some(Sight::Unknown));
        outages.look(connecting(), 1, None, 121_000);
        assert_eq!(outages.push, Some(Sight::Well), "nothing was to be pushed");
    }

    #[test]
    fn a_push_that_waits_for_two_minutes_is_a_trouble_on_a_channel_that_is_up() {
        let up = || BTreeMap::from([("webhook/duty".to_owned(), LinkStatus { state: LinkState::Up, since: 1 })]);
        let mut outages = Outages::default();
        let mut look = |unpushed: Option<u64>, now_ms| {
            outages.look(up(), 1, unpushed.map(Mono), now_ms);
            outages.push.unwrap()
        };
        assert_eq!(look(Some(1_000), 30_999), Sight::Well, "on its way");
        assert_eq!(look(Some(1_000), 31_000), Sight::Unknown, "what stood before a start stands on");
        assert_eq!(look(Some(1_000), 121_000), Sight::Lasts);
        assert_eq!(look(Some(120_000), 122_000), Sight::Well, "a newer one");
        assert_eq!(look(None, 123_000), Sight::Well);
    }
}
