//! Performance against the pages it is taken from, and against a plain account of the same steps.

use super::*;
use crate::time::Wall;
use proptest::prelude::*;

const START: u64 = 1 << 40;
const MINUTE: u64 = 60_000;

fn now(ms: u64) -> Now {
    Now { mono: Mono(START + ms), wall: Wall(1_700_000_400_000 + ms as i64) }
}

/// A site of 20 alarms and what it said.
#[derive(Clone, PartialEq, Debug)]
struct World {
    params: Params,
    alarms: Vec<Alarm>,
    site: Site,
    said: Vec<Notice>,
}

impl World {
    fn new() -> Self {
        Self {
            params: Params::default(),
            alarms: vec![Alarm::default(); 20],
            site: Site::new(now(0)),
            said: Vec::new(),
        }
    }

    fn run<T>(&mut self, f: impl FnOnce(&mut Performance, &mut dyn FnMut(Notice)) -> T) -> T {
        let said = &mut self.said;
        f(&mut Performance::new(&self.params, &mut self.alarms, &mut self.site), &mut |n| said.push(n))
    }

    fn step(&mut self, binding: u32, kind: Kind, ms: u64) {
        let step = Step { binding, priority: Priority::High, kind };
        self.run(|p, mut sink| p.handle(step, now(ms), &mut sink));
    }

    fn tick(&mut self, ms: u64) {
        self.run(|p, mut sink| p.tick(now(ms), &mut sink));
    }

    fn period(&mut self, ms: u64) -> Period {
        self.run(|p, _| p.period(now(ms)))
    }

    fn stale(&mut self, ms: u64) -> Vec<u32> {
        self.run(|p, _| p.stale(now(ms)).collect())
    }
}

#[test]
fn eleven_in_ten_minutes_begin_a_flood_and_fewer_than_five_end_it() {
    let mut w = World::new();
    for n in 0..10 {
        w.step(n, Kind::Raise, u64::from(n) * MINUTE / 2);
    }
    assert_eq!(w.said, []);
    w.step(10, Kind::Raise, 9 * MINUTE);
    assert_eq!(w.said, [Notice::FloodBegan { at: now(9 * MINUTE), count: 11 }]);
    w.step(11, Kind::Ring, 9 * MINUTE + 1);
    // The eighth of the twelve leaves the window ten minutes after it came, and a grain later at most: four are left.
    let due = w.run(|p, _| p.next_deadline()).expect("it will end");
    let left = due.since(now(210_000).mono);
    assert!((600_000..=610_000).contains(&left), "{left}");
    w.tick(60 * MINUTE);
    let at = now(60 * MINUTE).at(due);
    assert_eq!(w.said[1..], [Notice::FloodEnded { at, since: now(9 * MINUTE), peak: 12, count: 12 }]);
    let period = w.period(60 * MINUTE);
    assert_eq!((period.floods, period.flood_ms), (1, due.since(now(9 * MINUTE).mono)));
    assert_eq!((period.windows.above, period.windows.worst), (1, Some((now(0).wall, 12))));
    assert_eq!((period.hours.above, period.annunciated.high), (0, 12));
}

#[test]
fn a_flood_that_outlasts_the_period_belongs_to_both() {
    let mut w = World::new();
    (0..11).for_each(|n| w.step(n, Kind::Raise, 1_000));
    let first = w.run(|p, mut sink| p.close(now(2 * MINUTE), &mut sink));
    assert_eq!((first.floods, first.flood_ms, first.length_ms()), (1, 119_000, 120_000));
    w.tick(60 * MINUTE);
    let second = w.period(60 * MINUTE);
    let whole = 610_000 - START % 10_000 - 1_000;
    assert_eq!((second.floods, first.flood_ms + second.flood_ms, second.annunciated.total()), (0, whole, 0));
}

#[test]
fn hours_with_more_than_thirty_are_counted() {
    let mut w = World::new();
    (0..31).for_each(|n| w.step(n, Kind::Ring, 10 * MINUTE));
    (0..30).for_each(|n| w.step(n, Kind::Ring, 70 * MINUTE));
    let period = w.period(70 * MINUTE);
    assert_eq!((period.hours.above, period.annunciated.total()), (1, 61), "those of no slot count as well");
}

#[test]
fn three_transitions_in_a_minute_are_chattering() {
    let mut w = World::new();
    w.step(4, Kind::Raise, 0);
    w.step(4, Kind::Return { latched: false }, 20_000);
    w.step(4, Kind::Acknowledge, 30_000);
    assert_eq!(w.said, [], "a person is no chatter");
    w.step(4, Kind::Raise, 59_999);
    w.step(4, Kind::Return { latched: false }, 70_000);
    w.tick(20 * MINUTE);
    let ended = Notice::ChatterEnded { at: now(130_000), binding: 4, lasted_ms: 70_001, transitions: 4 };
    assert_eq!(w.said, [Notice::ChatterBegan { at: now(59_999), binding: 4 }, ended]);
    let period = w.period(20 * MINUTE);
    assert_eq!((period.chatters, period.fleeting), (1, 1), "the first went unseen before it was called chattering");
}

#[test]
fn what_goes_unseen_at_once_is_fleeting() {
    let mut w = World::new();
    (0..2).for_each(|binding| w.step(binding, Kind::Raise, 0));
    w.step(0, Kind::Return { latched: false }, 59_999);
    w.step(1, Kind::Return { latched: false }, 60_000);
    w.step(2, Kind::Raise, 70_000);
    w.step(2, Kind::Acknowledge, 71_000);
    w.step(2, Kind::Return { latched: false }, 72_000);
    assert_eq!(w.period(80_000).fleeting, 1);
}

#[test]
fn the_time_to_acknowledge_runs_from_the_ring_that_was_not_seen() {
    let mut w = World::new();
    w.step(0, Kind::Raise, 0);
    w.step(0, Kind::Ring, 5_000);
    w.step(0, Kind::Acknowledge, 8_000);
    w.step(0, Kind::Ring, 100_000);
    w.step(0, Kind::Return { latched: true }, 101_000);
    w.step(0, Kind::Acknowledge, 103_000);
    w.step(0, Kind::Acknowledge, 900_000);
    let waits = w.period(900_000).acknowledged.high;
    assert_eq!((waits.count, waits.sum_ms, waits.max_ms), (2, 11_000, 8_000));
    assert_eq!((waits.percentile_ms(50), waits.percentile_ms(90)), (Some(4_000), Some(8_000)));
}

#[test]
fn what_is_announced_for_a_day_is_stale_until_it_is_off_the_list() {
    let day = 24 * 60 * MINUTE;
    let mut w = World::new();
    (0..6).for_each(|binding| w.step(binding, Kind::Raise, 0));
    (0..4).for_each(|binding| w.step(binding, Kind::Acknowledge, 1_000));
    (4..6).for_each(|binding| w.step(binding, Kind::Return { latched: false }, 1_000));
    w.step(4, Kind::Acknowledge, 1_000);
    w.step(1, Kind::Return { latched: false }, 2_000);
    w.step(2, Kind::Return { latched: true }, 2_000);
    w.step(3, Kind::Hide, 2_000);
    assert_eq!(w.stale(day), []);
    assert_eq!(w.stale(day + 1), [0, 2, 5], "a latch that nobody resets is on the list, and what nobody has seen");
    w.step(2, Kind::Reset, day);
    w.step(5, Kind::Acknowledge, day);
    w.step(0, Kind::Ring, day);
    assert_eq!(w.stale(day + 1), [0], "ringing again does not make it young");
}

#[test]
fn a_shelf_is_counted_from_when_it_was_filled_whatever_hides_the_alarm_beside() {
    let mut w = World::new();
    w.step(6, Kind::Raise, 0);
    w.step(6, Kind::Shelve, 1_000);
    w.step(6, Kind::Hide, 2_000);
    w.step(7, Kind::Shelve, 3_000);
    w.step(7, Kind::Unshelve, 4_000);
    w.step(8, Kind::Shelve, 4_000);
    w.step(8, Kind::Raise, 5_000);
    let late = now(4 * 60 * MINUTE + 1_001);
    assert_eq!(w.run(|p, _| p.shelved_too_long(now(1 << 40)).collect::<Vec<_>>()), [6], "what rings is on no shelf");
    assert_eq!(w.run(|p, _| p.shelved_too_long(late).collect::<Vec<_>>()), [6]);
    assert_eq!(w.run(|p, _| p.shelved_too_long(late.at(Mono(late.mono.0 - 1))).count()), 0);
}

#[test]
fn the_top_ten_is_the_top_and_begins_anew_with_the_period() {
    let mut w = World::new();
    for binding in 0..20 {
        (0..(binding * 7) % 20).for_each(|_| w.step(binding, Kind::Ring, 1_000));
    }
    let mut rows = [Tally::default(); 10];
    assert_eq!(w.run(|p, _| p.top(&mut rows)), 10);
    assert_eq!(rows.map(|row| row.rings), [19, 18, 17, 16, 15, 14, 13, 12, 11, 10]);
    assert!(rows.iter().all(|row| (row.binding * 7) % 20 == row.rings));
    w.run(|p, mut sink| p.close(now(2_000), &mut sink));
    w.step(9, Kind::Ring, 3_000);
    w.step(3, Kind::Ring, 3_000);
    assert_eq!(w.run(|p, _| p.top(&mut rows)), 2);
    assert_eq!(rows[..2], [Tally { binding: 3, rings: 1 }, Tally { binding: 9, rings: 1 }], "of equals the first");
}

#[test]
fn a_restart_knows_what_stood() {
    let mut w = World::new();
    w.alarms[5] = Alarm::standing(Life::Seen { since: Mono(START - 90_000_000) }, None);
    w.alarms[6] = Alarm::standing(Life::Quiet, Some(Mono(START - 90_000_000)));
    assert_eq!(w.stale(0), [5]);
    assert_eq!(w.run(|p, _| p.shelved_too_long(now(0)).collect::<Vec<_>>()), [6]);
}

#[test]
fn a_clock_that_runs_backwards_stands_still() {
    let mut w = World::new();
    w.step(0, Kind::Raise, 10_000);
    w.step(0, Kind::Acknowledge, 4_000);
    assert_eq!(w.period(0).acknowledged.high.sum_ms, 0);
    assert_eq!(w.period(0).length_ms(), 10_000);
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => Just(Kind::Raise),
        4 => any::<bool>().prop_map(|latched| Kind::Return { latched }),
        1 => Just(Kind::Ring),
        1 => Just(Kind::Acknowledge),
        1 => Just(Kind::Reset),
        1 => Just(Kind::Shelve),
        1 => Just(Kind::Unshelve),
        1 => Just(Kind::Hide),
    ]
}

/// Steps of up to 22 alarms (two have no slot), in storms and lulls.
fn steps() -> impl Strategy<Value = Vec<(u32, Kind, u64)>> {
    let gap = prop_oneof![6 => 0..5_000u64, 2 => 5_000..90_000u64, 1 => 90_000..1_500_000u64];
    let binding = prop_oneof![0..3u32, 0..22u32];
    prop::collection::vec((binding, kind(), gap), 1..200).prop_map(|steps| {
        let mut ms = 0;
        let absolute = steps.into_iter().map(|(binding, kind, gap)| {
            ms += gap;
            (binding, kind, ms)
        });
        absolute.collect()
    })
}

/// When each alarm would chatter, told from all its transitions at once: the third within a minute begins it, a minute
/// without one ends it.
fn chatter_by_hand(steps: &[(u32, Kind, u64)], end: u64) -> Vec<(u64, u32, bool)> {
    let mut said = Vec::new();
    for binding in 0..20 {
        let alternates = |kind: Kind| matches!(kind, Kind::Raise | Kind::Return { .. });
        let times: Vec<u64> = steps.iter().filter(|s| s.0 == binding && alternates(s.1)).map(|s| s.2).collect();
        let mut run: Vec<u64> = Vec::new();
        let mut chatters = false;
        for ms in times.into_iter().chain([u64::MAX]) {
            if let Some(last) = run.last().copied().filter(|last| chatters && ms - last >= MINUTE) {
                chatters = false;
                run.clear();
                if last + MINUTE <= end {
                    said.push((last + MINUTE, binding, false));
                }
            }
            run.push(ms);
            if !chatters && ms < u64::MAX && run.len() >= 3 && ms - run[run.len() - 3] < MINUTE {
                chatters = true;
                said.push((ms, binding, true));
            }
        }
    }
    said.sort_unstable();
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// However often and however late the timer wakes, the notices and figures are the same to the bit, and in order.
    #[test]
    fn the_steps_alone_determine_the_notices(steps in steps(), wakes in prop::collection::vec(0..8_000_000u64, 0..40)) {
        let (mut lazy, mut punctual) = (World::new(), World::new());
        let mut wakes = wakes;
        wakes.sort_unstable();
        let mut wakes = wakes.into_iter().peekable();
        let end = steps.last().map_or(0, |s| s.2) + 3_600_000;
        for (binding, kind, ms) in steps {
            lazy.step(binding, kind, ms);
            while let Some(due) = punctual.run(|p, _| p.next_deadline()).filter(|due| due.0 - START <= ms) {
                punctual.tick(due.0 - START);
            }
            while let Some(wake) = wakes.next_if(|wake| *wake <= ms) {
                punctual.tick(wake);
            }
            punctual.step(binding, kind, ms);
        }
        lazy.tick(end);
        punctual.tick(end);
        prop_assert_eq!(&lazy, &punctual);
        prop_assert_eq!(lazy.run(|p, _| p.next_deadline()), None, "after an hour of nothing all is over");
        prop_assert!(lazy.said.is_sorted_by_key(|notice| notice.at().mono));
    }

    /// The queue of those that chatter says what a look at all transitions says.
    #[test]
    fn chatter_is_what_the_page_calls_it(steps in steps()) {
        let mut w = World::new();
        let end = steps.last().map_or(0, |s| s.2) + 30_000;
        for (binding, kind, ms) in &steps {
            w.step(*binding, *kind, *ms);
        }
        w.tick(end);
        let told = w.said.iter().filter_map(|notice| match *notice {
            Notice::ChatterBegan { at, binding } => Some((at.mono.0 - START, binding, true)),
            Notice::ChatterEnded { at, binding, .. } => Some((at.mono.0 - START, binding, false)),
            Notice::FloodBegan { .. } | Notice::FloodEnded { .. } => None,
        });
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        let by_hand = chatter_by_hand(&steps, end);
        let open = by_hand.iter().map(|said| if said.2 { 1 } else { -1 }).sum::<i32>();
        prop_assert_eq!(told, by_hand);
        prop_assert_eq!(w.run(|p, _| p.chattering()) as i32, open);
    }

    /// What is counted in parts is what was rung, floods begin and end by turns, and a period closed anywhere loses nothing.
    #[test]
    fn the_figures_add_up(steps in steps(), cut in 0..200usize) {
        let mut w = World::new();
        let mut whole = w.clone();
        let mut first = Period::default();
        for (index, (binding, kind, ms)) in steps.iter().enumerate() {
            w.step(*binding, *kind, *ms);
            whole.step(*binding, *kind, *ms);
            if index == cut.min(steps.len() - 1) {
                first = w.run(|p, mut sink| p.close(now(*ms), &mut sink));
            }
        }
        let end = steps.last().map_or(0, |s| s.2) + 100_000;
        let (second, all) = (w.period(end), whole.period(end));
        prop_assert_eq!(&w.said, &whole.said, "a period that is closed changes no notice");
        let rings = steps.iter().filter(|s| matches!(s.1, Kind::Raise | Kind::Ring)).count();
        prop_assert_eq!(all.annunciated.total() as usize, rings);
        prop_assert_eq!(first.annunciated.total() + second.annunciated.total(), all.annunciated.total());
        prop_assert_eq!(first.flood_ms + second.flood_ms, all.flood_ms);
        prop_assert_eq!(first.fleeting + second.fleeting, all.fleeting);
        prop_assert_eq!(first.acknowledged.high.count + second.acknowledged.high.count, all.acknowledged.high.count);
        prop_assert_eq!(all.acknowledged.high.histogram.iter().sum::<u32>(), all.acknowledged.high.count);
        let floods: Vec<bool> = w.said.iter().filter_map(|notice| match notice {
            Notice::FloodBegan { .. } => Some(true),
            Notice::FloodEnded { .. } => Some(false),
            Notice::ChatterBegan { .. } | Notice::ChatterEnded { .. } => None,
        }).collect();
        prop_assert!(floods.iter().enumerate().all(|(index, begins)| *begins == (index % 2 == 0)));
    }
}
