//! The table row by row, the ladder step by step, and both against a plain account of the same facts.

use super::*;
use crate::alarm::Priority;
use crate::time::{Mono, Now, Wall};
use proptest::prelude::*;

const MINUTE: u64 = 60_000;
const GRAVE: Groups = Groups(0b100);
const ROWS: [Row<Option<WarningLevel>>; 6] = warning_rows(GRAVE);
const WARNING: Table<Option<WarningLevel>> = Table::new(&ROWS, Some(WarningLevel::Orange));
const RISK: Table<RiskLevel> = Table::new(&RISK_ROWS, RiskLevel::Orange);

const RED: Option<WarningLevel> = Some(WarningLevel::Red);
const ORANGE: Option<WarningLevel> = Some(WarningLevel::Orange);
const YELLOW: Option<WarningLevel> = Some(WarningLevel::Yellow);
const BLUE: Option<WarningLevel> = Some(WarningLevel::Blue);

fn now(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: Wall(1_000_000 + ms as i64) }
}

fn alarm(binding: u32, priority: Priority) -> Alarm {
    Alarm { binding, priority, groups: Groups(1), seen: Seen::Yes, confirmed: false }
}

fn facts(alarms: &[Alarm]) -> Facts<'_> {
    Facts { alarms, impaired: &[], life_safety: 0 }
}

/// What the facts alone justify.
fn justified<L: Scale>(table: &Table<L>, facts: &Facts, mono: Mono) -> L {
    let rungs = table.judge(facts, mono).rungs;
    L::RUNGS.iter().zip(rungs).rev().find(|(_, rung)| rung.is_some()).map_or(L::BASE, |(level, _)| *level)
}

#[test]
fn each_warning_row_holds_for_what_it_says() {
    let unseen = |ms| Alarm { seen: Seen::No { since: Mono(ms) }, ..alarm(0, Priority::High) };
    let critical = alarm(0, Priority::Critical);
    let cases = [
        (None, alarm(0, Priority::Low)),
        (BLUE, alarm(0, Priority::Medium)),
        (YELLOW, alarm(0, Priority::High)),
        (YELLOW, unseen(1)),
        (ORANGE, unseen(0)),
        (ORANGE, critical),
        (RED, Alarm { confirmed: true, ..critical }),
        (RED, Alarm { groups: Groups(0b101), ..critical }),
        (YELLOW, Alarm { groups: GRAVE, confirmed: true, ..alarm(0, Priority::High) }),
    ];
    for (level, alarm) in cases {
        assert_eq!(justified(&WARNING, &facts(&[alarm]), Mono(30 * MINUTE)), level, "{alarm:?}");
    }
    assert_eq!(justified(&WARNING, &facts(&[]), Mono(0)), None);
}

#[test]
fn risk_goes_by_the_share_of_points_that_are_not_watched() {
    let impaired: Vec<_> = (0..40).map(|binding| Impairment { binding, lack: Lack::Lost }).collect();
    let level = |points: usize, of| {
        let facts = Facts { alarms: &[], impaired: &impaired[..points], life_safety: of };
        justified(&RISK, &facts, Mono(0))
    };
    assert_eq!(
        [level(2, 100), level(3, 100), level(9, 100), level(10, 100)].map(RiskLevel::word),
        ["blue", "yellow", "yellow", "orange"]
    );
    assert_eq!(
        [level(29, 100), level(30, 100), level(1, 3), level(0, 0)].map(RiskLevel::word),
        ["orange", "red", "red", "blue"]
    );
}

#[test]
fn a_row_counts_the_reasons_it_names() {
    let impaired = [Lack::Lost, Lack::Fault, Lack::Fault, Lack::Suppressed, Lack::OutOfService]
        .map(|lack| Impairment { binding: lack as u32, lack });
    let facts = Facts { alarms: &[], impaired: &impaired, life_safety: 100 };
    let holds = |lacks: &[Lack], least| {
        let rows = [Row { level: RiskLevel::Red, when: When::Impaired { lacks: Lacks::of(lacks), least } }];
        justified(&Table::new(&rows, RiskLevel::Red), &facts, Mono(0)) == RiskLevel::Red
    };
    assert!(holds(&[Lack::Fault], Amount::Points(2)) && !holds(&[Lack::Fault], Amount::Points(3)));
    assert!(holds(&[Lack::Lost, Lack::Suppressed], Amount::Percent(2)));
    assert!(holds(&[Lack::OutOfService], Amount::Percent(0)) && !holds(&[], Amount::Points(0)), "none is never enough");
}

#[test]
fn the_facts_are_named_by_row_and_binding() {
    let mut alarms: Vec<_> = (20..30).map(|binding| alarm(binding, Priority::High)).collect();
    alarms.push(alarm(7, Priority::Medium));
    let mut ladder = Ladder::default();
    let mut said = Vec::new();
    ladder.handle(&WARNING, &facts(&alarms), now(0), &mut |change| said.push(change));
    let Change::Rose { at, from: None, to: YELLOW, basis } = &said[0] else { panic!("{said:?}") };
    assert_eq!((*at, basis.row, basis.count), (now(0), 4, 10));
    assert_eq!(basis.bindings[..], [20, 21, 22, 23, 24, 25, 26, 27], "the first eight of ten");
}

/// A ladder, what it saw last and what it said.
#[derive(Default)]
struct World {
    ladder: Ladder<Option<WarningLevel>>,
    seen: Vec<Alarm>,
    said: Vec<String>,
}

impl World {
    fn see(&mut self, alarms: &[Alarm], ms: u64) {
        let said = &mut self.said;
        self.ladder.tick(&WARNING, &facts(&self.seen), now(ms), &mut |change| said.push(words(&change)));
        self.ladder.handle(&WARNING, &facts(alarms), now(ms), &mut |change| said.push(words(&change)));
        self.seen = alarms.to_vec();
    }

    fn release(&mut self, ms: u64) -> Result<(), Refusal> {
        let said = &mut self.said;
        self.ladder.release(&WARNING, now(ms), &mut |change| said.push(words(&change)))
    }
}

fn words(change: &Change<Option<WarningLevel>>) -> String {
    let word = |level: Option<WarningLevel>| level.map_or("none", WarningLevel::word);
    let minute = |at: Now| at.mono.0 / MINUTE;
    match *change {
        Change::Rose { at, from, to, .. } => format!("{} {} up {}", minute(at), word(from), word(to)),
        Change::Awaits { at, level } => format!("{} {} awaits", minute(at), word(level)),
        Change::Fell { at, from, to, by: Fall::Time } => format!("{} {} down {}", minute(at), word(from), word(to)),
        Change::Fell { at, from, to, by: Fall::Person } => {
            format!("{} {} released {}", minute(at), word(from), word(to))
        }
    }
}

#[test]
fn up_at_once_down_after_the_hold_to_what_still_has_something_for_it() {
    let mut w = World::default();
    w.see(&[alarm(1, Priority::Medium)], 0);
    w.see(&[alarm(1, Priority::Medium), alarm(2, Priority::High)], MINUTE);
    w.see(&[alarm(1, Priority::Medium)], 10 * MINUTE);
    w.see(&[], 25 * MINUTE);
    assert_eq!(w.ladder.next_deadline(&WARNING), Some(Mono(40 * MINUTE)));
    w.see(&[], 200 * MINUTE);
    assert_eq!(w.said, ["0 none up blue", "1 blue up yellow", "40 yellow down blue", "55 blue down none"]);
    assert_eq!(w.ladder.next_deadline(&WARNING), None);
}

#[test]
fn a_hold_that_is_broken_begins_anew() {
    let mut w = World::default();
    w.see(&[alarm(1, Priority::High)], 0);
    w.see(&[], MINUTE);
    w.see(&[alarm(9, Priority::High)], 30 * MINUTE);
    assert_eq!(w.ladder.standing().1.basis().map(|b| b.bindings[0]), Some(9), "it names what holds it up now");
    w.see(&[], 31 * MINUTE);
    w.see(&[], 61 * MINUTE - 1);
    assert_eq!(w.ladder.level(), YELLOW);
    w.see(&[], 61 * MINUTE);
    assert_eq!(w.said, ["0 none up yellow", "61 yellow down none"]);
}

#[test]
fn the_grave_levels_wait_for_a_person_who_may_not_be_early() {
    let mut w = World::default();
    assert_eq!(w.release(0), Err(Refusal::NothingStands));
    w.see(&[Alarm { confirmed: true, ..alarm(1, Priority::Critical) }], 0);
    assert_eq!(w.release(0), Err(Refusal::FactsStand));
    w.see(&[alarm(2, Priority::High)], 10 * MINUTE);
    assert_eq!(w.release(11 * MINUTE), Err(Refusal::Held { until: Mono(40 * MINUTE) }));
    w.see(&[alarm(2, Priority::High)], 50 * MINUTE);
    assert_eq!(w.ladder.level(), RED);
    assert_eq!(w.release(60 * MINUTE), Ok(()));
    assert_eq!(
        w.said,
        ["0 none up red", "40 red awaits", "60 red released yellow"],
        "with red goes the orange below it"
    );
    assert_eq!(w.ladder.standing().1.basis().map(|b| b.row), Some(4));
}

#[test]
fn a_level_that_waits_rises_from_where_it_is() {
    let mut w = World::default();
    let critical = alarm(1, Priority::Critical);
    w.see(&[critical], 0);
    w.see(&[], MINUTE);
    w.see(&[Alarm { groups: GRAVE, ..critical }], 60 * MINUTE);
    w.see(&[critical], 70 * MINUTE);
    w.see(&[critical], 100 * MINUTE);
    assert_eq!(w.release(110 * MINUTE), Ok(()));
    assert_eq!(w.release(110 * MINUTE), Err(Refusal::FactsStand));
    assert_eq!(w.ladder.standing().1.basis().map(|b| b.row), Some(2), "orange is named by its own row");
    let said =
        ["0 none up orange", "31 orange awaits", "60 orange up red", "100 red awaits", "110 red released orange"];
    assert_eq!(w.said, said);
}

#[test]
fn an_alarm_that_nobody_sees_makes_more_of_it_by_time_alone() {
    let mut w = World::default();
    let unseen = Alarm { seen: Seen::No { since: Mono(0) }, ..alarm(1, Priority::High) };
    w.see(&[unseen], 5 * MINUTE);
    assert_eq!(w.ladder.next_deadline(&WARNING), Some(Mono(30 * MINUTE)));
    w.see(&[unseen], 90 * MINUTE);
    w.see(&[alarm(1, Priority::High)], 90 * MINUTE);
    w.see(&[alarm(1, Priority::High)], 300 * MINUTE);
    assert_eq!(w.said, ["5 none up yellow", "30 yellow up orange", "120 orange awaits"]);
}

#[test]
fn who_is_late_hears_of_no_rise_before_its_facts() {
    let mut w = World::default();
    w.see(&[alarm(1, Priority::High)], 0);
    w.see(&[], MINUTE);
    let mut said = Vec::new();
    let critical = [alarm(2, Priority::Critical)];
    w.ladder.handle(&WARNING, &facts(&critical), now(60 * MINUTE), &mut |change| said.push(words(&change)));
    assert_eq!(said, ["31 yellow down none", "60 none up orange"]);
}

#[test]
fn a_restart_keeps_the_level_and_begins_the_hold_anew() {
    let mut before = World::default();
    before.see(&[alarm(3, Priority::Critical)], 0);
    let (level, rung) = before.ladder.standing();
    let basis = rung.basis().expect("it stands").clone();
    let restored =
        |waiting| World { ladder: Ladder::restored(level, now(0), &basis, waiting, &WARNING), ..World::default() };
    let mut held = restored(false);
    held.see(&[], 100 * MINUTE);
    assert_eq!(
        (held.ladder.level(), held.release(100 * MINUTE)),
        (ORANGE, Err(Refusal::Held { until: Mono(130 * MINUTE) }))
    );
    held.see(&[], 130 * MINUTE);
    assert_eq!(held.said, ["130 orange awaits"]);
    let mut waiting = restored(true);
    waiting.see(&[], 100 * MINUTE);
    assert_eq!((waiting.ladder.level(), waiting.release(100 * MINUTE)), (ORANGE, Ok(())));
    assert_eq!(waiting.said, ["100 orange released none"], "it is not told again that it waits");
}

#[test]
fn the_scales_know_nothing_of_each_other() {
    let impaired = [Impairment { binding: 4, lack: Lack::OutOfService }];
    let facts = Facts { alarms: &[], impaired: &impaired, life_safety: 2 };
    let (mut warning, mut risk) = (Ladder::default(), Ladder::default());
    warning.handle(&WARNING, &facts, now(0), &mut |_| panic!("half blind is no warning"));
    risk.handle(&RISK, &facts, now(0), &mut |_| {});
    assert_eq!((warning.level(), risk.level()), (None, RiskLevel::Red));
    assert_eq!(WarningLevel::ALL.map(WarningLevel::roman), ["IV", "III", "II", "I"]);
}

/// Half a minute: facts change on even ones, what nobody sees comes due on odd ones.
const TICK: u64 = MINUTE / 2;
const UNSEEN_MS: u64 = 7 * MINUTE + TICK;
const TESTED: [Row<Option<WarningLevel>>; 5] = {
    const fn row(
        level: WarningLevel,
        least: u32,
        priority: Priority,
        groups: u32,
        which: Which,
    ) -> Row<Option<WarningLevel>> {
        Row { level: Some(level), when: When::Alarms { least, priority, groups: Groups(groups), which } }
    }
    [
        row(WarningLevel::Blue, 1, Priority::Low, 0, Which::Any),
        row(WarningLevel::Yellow, 3, Priority::Medium, 0b11, Which::Any),
        row(WarningLevel::Orange, 2, Priority::Low, 0, Which::Unseen { for_ms: UNSEEN_MS }),
        row(WarningLevel::Orange, 2, Priority::High, 0b1, Which::Confirmed),
        row(WarningLevel::Red, 2, Priority::Critical, 0, Which::Any),
    ]
};
const TRIED: Table<Option<WarningLevel>> = Table::new(&TESTED, ORANGE);

/// The eight alarms of the tests below; `on` says since when each stands, `seen` whether somebody looked.
fn crowd(on: &[Option<u64>; 8], seen: u8) -> Vec<Alarm> {
    let of = |(binding, since): (u32, &Option<u64>)| {
        let since = (*since)?;
        let seen = if seen & (1 << binding) == 0 { Seen::No { since: Mono(since) } } else { Seen::Yes };
        let [low, medium, high, critical] = Priority::ALL;
        let priority = [low, medium, medium, high, high, high, critical, critical][binding as usize];
        Some(Alarm { binding, priority, groups: Groups(1 << (binding % 3)), seen, confirmed: binding % 3 == 0 })
    };
    (0..).zip(on).filter_map(of).collect()
}

/// What the five rows say of them, without the table's code.
fn by_hand(alarms: &[Alarm], ms: u64) -> usize {
    let count = |f: &dyn Fn(&&Alarm) -> bool| alarms.iter().filter(|a| f(a)).count();
    let unseen = |a: &&Alarm| matches!(a.seen, Seen::No { since } if since.0 + UNSEEN_MS <= ms);
    if count(&|a| a.priority == Priority::Critical) >= 2 {
        4
    } else if count(&unseen) >= 2 || count(&|a| a.priority >= Priority::High && a.binding % 3 == 0 && a.confirmed) >= 2
    {
        3
    } else if count(&|a| a.priority >= Priority::Medium && a.binding % 3 < 2) >= 3 {
        2
    } else {
        usize::from(!alarms.is_empty())
    }
}

/// A scene: at each time, the alarms that stand (a bit each), those seen, and whether a person tries to release.
type Scene = Vec<(u64, u8, u8, bool)>;

fn scene() -> impl Strategy<Value = Scene> {
    let gap = prop_oneof![4 => 0..6u64, 2 => 6..45u64, 1 => 45..120u64];
    let mask = prop_oneof![2 => Just(0u8), 3 => any::<u8>(), 2 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| a & b)];
    prop::collection::vec((gap, mask, any::<u8>(), prop::bool::weighted(0.3)), 1..40).prop_map(|steps| {
        let mut minute = 0;
        let absolute = steps.into_iter().map(|(gap, on, seen, release)| {
            minute += gap;
            (minute * MINUTE, on, seen, release)
        });
        absolute.collect()
    })
}

/// Plays scenes to ladders; `Crowd` knows since when each of the eight stands.
#[derive(Default)]
struct Played {
    ladder: Ladder<Option<WarningLevel>>,
    on: [Option<u64>; 8],
    alarms: Vec<Alarm>,
    said: Vec<Change<Option<WarningLevel>>>,
}

impl Played {
    fn tick(&mut self, ms: u64) {
        self.ladder.tick(&TRIED, &facts(&self.alarms), now(ms), &mut |change| self.said.push(change));
    }

    fn play(&mut self, (ms, mask, seen, release): (u64, u8, u8, bool)) -> Option<Result<(), Refusal>> {
        self.tick(ms);
        for (bit, on) in self.on.iter_mut().enumerate() {
            *on = if mask & (1 << bit) == 0 { None } else { on.or(Some(ms)) };
        }
        self.alarms = crowd(&self.on, seen);
        self.ladder.handle(&TRIED, &facts(&self.alarms), now(ms), &mut |change| self.said.push(change));
        release.then(|| self.ladder.release(&TRIED, now(ms), &mut |change| self.said.push(change)))
    }

    fn rung(&self) -> usize {
        self.ladder.level().map_or(0, |level| level as usize)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The level is at each half minute what the facts and their history say, no more and no less: by a plain account of
    /// when each rung was last justified. And a timer that wakes each half minute says what one that never does says.
    #[test]
    fn the_level_is_what_facts_and_history_justify(scene in scene()) {
        let (mut punctual, mut lazy) = (Played::default(), Played::default());
        let down = Table::<RiskLevel>::DOWN_MS;
        let mut last = [None; 5];
        let mut kept = [false; 5];
        let end = scene.last().map_or(0, |s| s.0) + 100 * MINUTE;
        let mut steps = scene.iter().peekable();
        for ms in (0..=end).step_by(TICK as usize) {
            punctual.tick(ms);
            let mut refused = Vec::new();
            let mut account = |alarms: &[Alarm], release: Option<bool>| {
                for rung in 1..=by_hand(alarms, ms) {
                    (last[rung], kept[rung]) = (Some(ms), rung >= 3);
                }
                // Justified half a minute ago, it may have been so until now.
                let held = |rung: usize, until: u64| last[rung].is_some_and(|last: u64| ms < last + until);
                let justified = by_hand(alarms, ms);
                let top = (1..5).rev().find(|rung| *rung <= justified || held(*rung, down) || kept[*rung]).unwrap_or(0);
                if release == Some(true) && top > justified && !held(top, down) {
                    (1..5).filter(|rung| !held(*rung, down)).for_each(|rung| kept[rung] = false);
                    return (1..5).rev().find(|rung| *rung <= justified || held(*rung, down)).unwrap_or(0);
                }
                top
            };
            let mut expected = account(&punctual.alarms, None);
            while let Some(step) = steps.next_if(|step| step.0 == ms) {
                refused.push((punctual.play(*step), lazy.play(*step)));
                expected = account(&punctual.alarms, Some(step.3));
            }
            prop_assert_eq!(punctual.rung(), expected, "at {} half minutes", ms / TICK);
            prop_assert!(refused.iter().all(|(a, b)| a == b));
        }
        lazy.tick(end);
        prop_assert_eq!(&punctual.said, &lazy.said);
        prop_assert_eq!(&punctual.ladder, &lazy.ladder);
    }

    /// More alarms, and the same ones seen by fewer, never give a lower level, now or later.
    #[test]
    fn more_alarms_never_give_a_lower_level(scene in scene(), fewer in prop::collection::vec(any::<(u8, u8)>(), 40)) {
        let (mut more, mut less) = (Played::default(), Played::default());
        for ((ms, on, seen, release), (drop, look)) in scene.into_iter().zip(fewer) {
            more.play((ms, on, seen & look, release));
            less.play((ms, on & drop, seen, release));
            prop_assert!(more.ladder.level() >= less.ladder.level(), "at minute {}", ms / MINUTE);
        }
    }

    /// No level falls by itself within the hold of a moment at which it stood by facts, and none of the grave by itself.
    #[test]
    fn no_level_falls_before_its_time(scene in scene()) {
        let mut played = Played::default();
        for step in scene {
            played.play(step);
        }
        let mut rose = Vec::new();
        for change in &played.said {
            match change {
                Change::Rose { at, to, basis, .. } => {
                    prop_assert!(basis.count > 0 && !basis.bindings.is_empty());
                    prop_assert!(TESTED[basis.row as usize].level >= *to);
                    rose.push(at.mono);
                }
                Change::Awaits { at, level } => {
                    prop_assert!(*level >= ORANGE && at.mono.since(rose[rose.len() - 1]) >= TRIED.down_ms);
                }
                Change::Fell { at, from, to, by } => {
                    prop_assert!(to < from && at.mono.since(rose[rose.len() - 1]) >= TRIED.down_ms);
                    prop_assert!(*from < ORANGE || *by == Fall::Person);
                }
            }
        }
    }
}
