use super::*;
use proptest::prelude::*;

const P: Params = Params { pace: Pace { transitions: 3, within_ms: 60_000 }, hold_ms: 600_000 };

fn step(id: u64, number: u32, kind: Kind) -> Step {
    Step { key: Key { id: AlarmId(id), number }, kind, priority: Priority::High }
}

const AGAIN: Kind = Kind::Raise { fresh: false };
const FRESH: Kind = Kind::Raise { fresh: true };

/// Steps of alarm 7, one every 5 s from number 1 on, told to a new damper; the answers.
fn chatter(damper: &mut Damper, count: u32) -> Vec<Decision> {
    let kind = |number| match number {
        1 => FRESH,
        _ if number % 2 == 0 => Kind::Return,
        _ => AGAIN,
    };
    (1..=count)
        .map(|number| {
            let answer = damper.decide(&P, &step(7, number, kind(number)), Mono(u64::from(number) * 5_000));
            assert_eq!(answer.first, None);
            answer.decision
        })
        .collect()
}

#[test]
fn chatter_is_held_and_told() {
    let mut damper = Damper::default();
    let said = chatter(&mut damper, 10);
    assert_eq!(said[..2], [Decision::Send(None), Decision::Send(None)]);
    assert_eq!(said[2], Decision::Hold(Mono(75_000)));
    assert_eq!(said[9], Decision::Hold(Mono(110_000)), "each step puts the end of the quiet off");
    assert_eq!(damper.expire(&P, Mono(109_999)), None);
    let release = damper.expire(&P, Mono(500_000)).expect("quiet for a minute");
    let held = Held { count: 7, for_ms: 95_000 };
    assert_eq!(release, Release { key: Key { id: AlarmId(7), number: 10 }, at: Mono(110_000), held });
    assert_eq!(damper.deadline(&P), None);
}

#[test]
fn what_never_rests_is_told_every_ten_minutes() {
    let mut damper = Damper::default();
    let mut told = Vec::new();
    for number in 1..400 {
        let kind = if number % 2 == 0 { Kind::Return } else { Kind::Raise { fresh: number == 1 } };
        let now = Mono(u64::from(number) * 5_000);
        let answer = damper.decide(&P, &step(7, number, kind), now);
        told.extend(answer.first.map(|release| (release.at.0, release.held.count)));
    }
    assert_eq!(told, [(615_000, 119), (1_215_000, 119), (1_815_000, 119)]);
}

#[test]
fn what_may_not_wait_is_sent_at_once_and_tells_what_was_held() {
    let told = Decision::Send(Some(Held { count: 2, for_ms: 6_000 }));
    let critical = Step { priority: Priority::Critical, ..step(7, 5, AGAIN) };
    for urgent in [step(7, 5, FRESH), step(7, 5, Kind::Escalate), step(7, 5, Kind::Other), critical] {
        let mut damper = Damper::default();
        chatter(&mut damper, 4);
        assert_eq!(damper.decide(&P, &urgent, Mono(21_000)), Answer { first: None, decision: told }, "{urgent:?}");
        assert_eq!(damper.deadline(&P), None);
    }
}

#[test]
fn the_last_word_of_an_alarm_is_said_before_the_first_of_the_next() {
    let mut damper = Damper::default();
    chatter(&mut damper, 4);
    let answer = damper.decide(&P, &step(8, 1, FRESH), Mono(23_000));
    let held = Held { count: 1, for_ms: 8_000 };
    let first = Some(Release { key: Key { id: AlarmId(7), number: 4 }, at: Mono(23_000), held });
    assert_eq!(answer, Answer { first, decision: Decision::Send(None) });
    let answer = damper.decide(&P, &step(8, 2, Kind::Return), Mono(24_000));
    assert_eq!(
        answer,
        Answer { first: None, decision: Decision::Hold(Mono(84_000)) },
        "it chatters on under its new name"
    );
}

#[test]
fn a_slow_alarm_is_never_held() {
    let mut damper = Damper::default();
    for number in 1..50 {
        let answer = damper.decide(&P, &step(7, number, AGAIN), Mono(u64::from(number) * 30_000));
        assert_eq!(answer, Answer { first: None, decision: Decision::Send(None) });
    }
}

/// A log of one binding: alarms one after the other, each numbered from 1, in bursts and lulls.
fn log() -> impl Strategy<Value = Vec<(Step, Mono)>> {
    let kind = prop_oneof![
        6 => Just(AGAIN),
        6 => Just(Kind::Return),
        1 => Just(FRESH),
        1 => Just(Kind::Escalate),
        1 => Just(Kind::Other)
    ];
    let priority = prop_oneof![12 => Just(Priority::High), 1 => Just(Priority::Critical), 3 => Just(Priority::Low)];
    let gap = prop_oneof![8 => 0..8_000u64, 1 => 8_000..90_000u64, 1 => 90_000..900_000u64];
    let next = prop::bool::weighted(0.1);
    prop::collection::vec((kind, priority, gap, next), 1..300).prop_map(|steps| {
        let (mut id, mut number, mut ms) = (0, 0, 0);
        let numbered = steps.into_iter().map(|(kind, priority, gap, next)| {
            ms += gap;
            (id, number) = if next { (id + 1, 1) } else { (id, number + 1) };
            (Step { key: Key { id: AlarmId(id), number }, kind, priority }, Mono(ms))
        });
        numbered.collect()
    })
}

/// What a channel would send: which step, when, and what it tells.
type Sent = Vec<(Key, Mono, Option<Held>)>;

fn send(damper: &mut Damper, log: &[(Step, Mono)], mut wake: impl FnMut(&mut Damper, Mono) -> Vec<Release>) -> Sent {
    let mut sent = Vec::new();
    let released = |release: Release| (release.key, release.at, Some(release.held));
    for (step, now) in log {
        sent.extend(wake(damper, *now).into_iter().map(released));
        let answer = damper.decide(&P, step, *now);
        sent.extend(answer.first.map(released));
        match answer.decision {
            Decision::Send(held) => sent.push((step.key, *now, held)),
            Decision::Hold(until) => assert_eq!(Some(until), damper.deadline(&P)),
        }
    }
    sent.extend(damper.expire(&P, Mono(u64::MAX)).map(released));
    sent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Each step is sent or told as held by a later one, in order; the last of each alarm, the urgent ones and everything
    /// after ten minutes is sent.
    #[test]
    fn nothing_is_lost_and_the_order_is_kept(log in log()) {
        let sent = send(&mut Damper::default(), &log, |_, _| Vec::new());
        let place = |key: &Key| log.iter().position(|(step, _)| step.key == *key).expect("only what came is sent");
        let mut next = 0;
        for (key, at, held) in &sent {
            let index = place(key);
            let told = held.map_or(0, |held| held.count as usize);
            prop_assert_eq!(index, next + told, "in order, and what was skipped is counted");
            if let Some(held) = held {
                let (_, first) = log[next];
                prop_assert_eq!(held.for_ms, at.since(first));
                prop_assert!(held.for_ms <= P.hold_ms, "held for too long");
            }
            next = index + 1;
        }
        prop_assert_eq!(next, log.len(), "the latest always gets out");
        for (index, (step, at)) in log.iter().enumerate() {
            let at_once = sent.iter().any(|(key, sent, _)| *key == step.key && sent == at);
            let steady = matches!(step.kind, Kind::Return | Kind::Raise { fresh: false }) && step.key.number > 1;
            let may_wait = steady && step.priority != Priority::Critical;
            prop_assert!(may_wait || at_once, "{step:?} waited");
            let last = log.get(index + 1).is_none_or(|(next, _)| next.key.id != step.key.id);
            prop_assert!(!last || sent.iter().any(|(key, _, _)| *key == step.key), "the last word of {step:?}");
        }
    }

    /// A timer that wakes at the deadline and one that never does send the same.
    #[test]
    fn a_late_timer_changes_nothing(log in log()) {
        let lazy = send(&mut Damper::default(), &log, |_, _| Vec::new());
        let punctual = send(&mut Damper::default(), &log, |damper, now| {
            let due = damper.deadline(&P).filter(|due| *due <= now);
            due.and_then(|due| damper.expire(&P, due)).into_iter().collect()
        });
        prop_assert_eq!(lazy, punctual);
    }

    /// What is not rapid passes as it came.
    #[test]
    fn the_calm_are_left_alone(gaps in prop::collection::vec(30_000..90_000u64, 1..50)) {
        let mut damper = Damper::default();
        let mut ms = 0;
        for (number, gap) in (1..).zip(gaps) {
            ms += gap;
            let answer = damper.decide(&P, &step(7, number, AGAIN), Mono(ms));
            prop_assert_eq!(answer, Answer { first: None, decision: Decision::Send(None) });
        }
    }
}
