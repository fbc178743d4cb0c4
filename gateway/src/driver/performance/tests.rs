//! What each step of the lane is to people; the figures themselves are core's and are tested there.

use std::path::Path;

use super::*;

const T: i64 = 1_790_000_000_000;

fn site() -> Site {
    crate::config::parse("site = { id = \"s\" }\n", Path::new("/s.toml")).expect("a good site").site
}

fn now(ms: i64) -> Now {
    Now { mono: Mono((1 << 40) + ms as u64), wall: Wall(T + ms) }
}

fn step(number: u32, event: &str, state: &str, ms: i64) -> AlarmEvent {
    let json = serde_json::json!({
        "id": "00000000000000aa", "number": number, "event": event, "state": state, "site": "s", "device": "d", "point": "p",
        "kind": "k", "rule": "r", "priority": "high", "level": 0, "value": 1.0, "quality": "good", "reason": null, "unit": null,
        "limit": null, "time_to_limit": null, "early_warning": false, "message": { "zh": "", "en": "" }, "advice": null,
        "basis": null, "onset": T, "since": T, "occurred": T + ms, "detected": T + ms, "by": null,
    });
    serde_json::from_value(json).expect("an event of a journal of before")
}

fn told(steps: &[AlarmEvent]) -> Report {
    let (mut figures, mut told) = (Figures::new(&site(), now(0)), Vec::new());
    for step in steps {
        figures.take(step, now(step.detected - T), &mut told);
    }
    figures.report(now(1_000_000))
}

#[test]
fn what_is_announced_rings_and_what_is_veiled_does_not() {
    let (raise, b) = ("raise", "unacknowledged");
    let rang = |steps: &[(&str, &str)]| {
        let steps: Vec<_> =
            steps.iter().zip(1..).map(|((event, state), n)| step(n, event, state, i64::from(n) * 100)).collect();
        told(&steps).today.annunciated
    };
    assert_eq!(rang(&[(raise, b), ("escalate", b), ("acknowledge", "acknowledged"), ("re-alarm", b)]), 3);
    assert_eq!(rang(&[(raise, b), ("note", b), ("shelve", "shelved"), ("escalate", "shelved")]), 1);
    assert_eq!(rang(&[(raise, b), ("shelve", "shelved"), ("unshelve", b)]), 2, "it rings again");
    assert_eq!(rang(&[(raise, b), ("shelve", "shelved"), ("unshelve", "normal")]), 1, "nothing is left to ring");
    assert_eq!(rang(&[(raise, "suppressed"), ("unsuppress", "latched")]), 1);
    assert_eq!(rang(&[(raise, b), ("out-of-service", "out-of-service"), ("return-to-service", b)]), 2);
    assert_eq!(rang(&[(raise, b), ("shelve", "shelved"), ("suppress", "suppressed"), ("unshelve", "suppressed")]), 1);
}

#[test]
fn a_test_is_not_counted_until_it_is_real() {
    let test = |number, event: &str, state: &str| AlarmEvent {
        test: Some("walk-test".to_owned()),
        ..step(number, event, state, i64::from(number))
    };
    let steps = [test(1, "raise", "unacknowledged"), test(2, "acknowledge", "acknowledged")];
    assert_eq!(told(&steps).today.annunciated, 0);
    let real = [steps[0].clone(), step(2, "raise", "unacknowledged", 2)];
    assert_eq!(told(&real).today.annunciated, 1);
}

#[test]
fn an_alarm_that_was_seen_before_the_figures_begin_is_measured_from_its_ring() {
    let seen = AlarmEvent { onset: T - 30_000, ..step(2, "acknowledge", "acknowledged", 0) };
    let waits = told(&[seen]).today.acknowledged[1];
    assert_eq!((waits.priority, waits.count, waits.max_ms), ("high", 1, Some(30_000)));
}

#[test]
fn what_is_no_more_in_the_configuration_is_on_no_list() {
    let day = 86_400_000;
    let buried = AlarmEvent { by: Some(BURIED.to_owned()), ..step(2, "return", "normal", 10) };
    for (last, stale) in [(buried, 0), (step(2, "return", "returned", 10), 1)] {
        let (mut figures, mut told) = (Figures::new(&site(), now(0)), Vec::new());
        figures.take(&step(1, "raise", "unacknowledged", 0), now(0), &mut told);
        figures.take(&last, now(10), &mut told);
        assert_eq!(figures.report(now(day + 100)).stale.count, stale);
    }
}

#[test]
fn a_day_by_the_sites_clock_is_closed_and_told() {
    let (mut figures, mut told) = (Figures::new(&site(), now(0)), Vec::new());
    figures.take(&step(1, "raise", "unacknowledged", 0), now(0), &mut told);
    let midnight = figures.day.end - T;
    assert_eq!(figures.next_deadline(now(0)), now(midnight).mono);
    figures.tick(now(midnight), &mut told);
    assert!(matches!(told.as_slice(), [News::Day { annunciated: 1, .. }]), "{told:?}");
    let report = figures.report(now(midnight + 1));
    assert_eq!((report.today.annunciated, report.today.since), (0, T + midnight));
    let yesterday = report.yesterday.expect("it is over");
    assert_eq!((yesterday.annunciated, yesterday.top.len(), yesterday.until), (1, 1, T + midnight));
    // 21 September 2026, 22:13 in Shanghai is the last hour but one of the day there, not in UTC.
    assert!(midnight < 8 * 3_600_000, "{midnight}");
}
