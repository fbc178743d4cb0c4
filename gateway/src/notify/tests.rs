//! The loops against a receiver that answers as a script says; a list stands for the journal's tap.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::alarm::damper::{self, Pace};
use gengfu_core::time::Mono;
use proptest::prelude::*;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::order::{Attempt, FEW, Failure, IN_FLIGHT, Missing, REFUSED_ENOUGH, SCOUT_MS, STUCK_MS, WINDOW, Window};
use super::pushes::{PASSED_BY, Source};
use super::{GRACE, body, notify};
use crate::clock::Clock;
use crate::config::checked::WebhookConfig;
use crate::flow::{AlarmEvent, Text};
use crate::journal::{Found, Outcome, Seq, TapMark, Tapped};
use crate::scripted::{Reply, Request, Server, TempFile, until, within};
use crate::source::own::{Outages, Sight};
use crate::stop::{self, Stopper};
use crate::telemetry::{LinkState, SharedStats};

fn tapped(alarm: u32, number: u32, priority: &str) -> Tapped {
    let event = AlarmEvent {
        id: format!("{alarm:016x}"),
        number,
        event: "raise".to_owned(),
        state: "unacknowledged".to_owned(),
        site: "mall".to_owned(),
        device: "hydrant-main".to_owned(),
        point: "pressure".to_owned(),
        kind: "hydrant".to_owned(),
        rule: "hydrant-low".to_owned(),
        priority: priority.to_owned(),
        level: 0,
        value: Some(0.125),
        quality: "good".to_owned(),
        reason: None,
        unit: Some("MPa".to_owned()),
        limit: Some(0.15),
        time_to_limit: None,
        early_warning: false,
        message: Text { zh: "水压低".to_owned(), en: "pressure low".to_owned() },
        advice: Some("check the valve".to_owned()),
        basis: Some("GB 50974-2014".to_owned()),
        onset: 1_700_000_000_000,
        since: 1_700_000_000_000,
        occurred: 1_700_000_000_123,
        detected: 1_700_000_000_124,
        by: None,
        raised: None,
        acknowledged: None,
        life: None,
        shelved: None,
        out_of_service: None,
        suppressed: false,
        test: None,
        first: false,
        noted: None,
        shadow: false,
        note: None,
        clock: None,
        ballot: None,
    };
    let mark = TapMark::Seq(u64::from(alarm) * 1_000_000 + u64::from(number));
    Tapped { event, durable: true, committed: Some(1_700_000_000_130), passed_by: None, mark }
}

/// The tap: a channel in, a list of what was settled out, and a list of all that came as the journal.
struct FakeTap {
    rx: mpsc::Receiver<Tapped>,
    settled: Arc<Mutex<Vec<(TapMark, Outcome)>>>,
    lane: BTreeMap<Seq, Tapped>,
}

/// What a journal that can be read has of an alarm.
fn in_lane(lane: &BTreeMap<Seq, Tapped>, wanted: &Missing, owed: impl Fn(&Tapped) -> bool) -> Found {
    let Missing { id, range: (from, to), max } = wanted;
    let of_it = lane.range(from..=to).map(|(_, one)| one).filter(|one| one.event.id == *id);
    let tapped: Vec<&Tapped> = of_it.take(*max).collect();
    let next = if tapped.len() == *max { tapped.last().map_or(*to, |last| last.mark.seq()) } else { *to } + 1;
    Found { tapped: tapped.into_iter().filter(|one| owed(one)).cloned().collect(), next, whole: true }
}

impl Source for FakeTap {
    async fn next(&mut self) -> Option<Tapped> {
        let tapped = self.rx.recv().await;
        self.lane.extend(tapped.iter().map(|one| (one.mark.seq(), one.clone())));
        tapped
    }

    fn settle(&self, mark: TapMark, outcome: Outcome) {
        self.settled.lock().unwrap().push((mark, outcome));
    }

    fn look_back(
        &self,
        id: String,
        range: (Seq, Seq),
        max: usize,
    ) -> impl Future<Output = Found> + Send + use<> + 'static {
        let settled: BTreeSet<Seq> = self.settled.lock().unwrap().iter().map(|(mark, _)| mark.seq()).collect();
        let found = in_lane(&self.lane, &Missing { id, range, max }, |one| !settled.contains(&one.mark.seq()));
        std::future::ready(found)
    }
}

struct Rig {
    tap: mpsc::Sender<Tapped>,
    settled: Arc<Mutex<Vec<(TapMark, Outcome)>>>,
    stats: SharedStats,
    clock: Clock,
    stopper: Stopper,
    task: JoinHandle<()>,
}

impl Rig {
    fn start(url: String, tweak: impl FnOnce(&mut WebhookConfig)) -> Self {
        let mut config = WebhookConfig {
            name: "duty-room".to_owned(),
            url,
            priorities: Vec::new(),
            tests: false,
            secret_file: None,
            heartbeat: None,
            timeout: Duration::from_millis(500),
            damp: None,
        };
        tweak(&mut config);
        let (tap, rx) = mpsc::channel(4096);
        let settled = Arc::<Mutex<Vec<_>>>::default();
        let fake = FakeTap { rx, settled: settled.clone(), lane: BTreeMap::new() };
        let (stopper, stop) = stop::channel();
        let (stats, clock) = (SharedStats::default(), Clock::start());
        let (stats2, clock2) = (stats.clone(), clock.clone());
        let task = tokio::spawn(async move {
            notify(config, "mall", clock2, stats2, fake, stop, "127.0.0.1:8420".to_owned()).await;
        });
        Self { tap, settled, stats, clock, stopper, task }
    }

    fn raise(&self, alarm: u32, number: u32) {
        self.tap.try_send(tapped(alarm, number, "critical")).unwrap();
    }

    fn settled(&self) -> Vec<(TapMark, Outcome)> {
        self.settled.lock().unwrap().clone()
    }

    async fn all_settled(&self, count: usize) {
        until("all settled", || self.settled().len() >= count).await;
        assert!(self.settled().iter().all(|(_, outcome)| matches!(outcome, Outcome::Done | Outcome::NotForIt)));
    }

    async fn stop(self) {
        assert!(!self.task.is_finished(), "it never returns on its own");
        self.stopper.stop();
        within("the end", self.task).await.unwrap();
    }
}

fn keys(requests: &[Request]) -> Vec<String> {
    requests.iter().filter_map(|request| request.header(body::KEY).map(str::to_owned)).collect()
}

fn json(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_says_all_that_the_contract_names() {
    let server = Server::start(|_| Reply::Status(200, "")).await;
    let rig = Rig::start(server.url(), |_| {});
    rig.raise(0xfe, 1);
    rig.all_settled(1).await;
    let request = &server.seen()[0];
    assert_eq!(request.header("idempotency-key"), Some("00000000000000fe.1"));
    assert_eq!(request.header("gengfu-event"), Some("alarm"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("gengfu-signature"), None);
    let said = json(request);
    let sent = said["times"]["sent_ms"].as_i64().unwrap();
    assert!((rig.clock.wall().0 - sent).abs() < 20_000);
    assert!(said["times"]["sent"].as_str().unwrap().ends_with('Z'));
    for (pointer, value) in [
        ("/key", "00000000000000fe.1"),
        ("/alarm_id", "00000000000000fe"),
        ("/event", "raise"),
        ("/state", "unacknowledged"),
        ("/site", "mall"),
        ("/device", "hydrant-main"),
        ("/point", "pressure"),
        ("/rule", "hydrant-low"),
        ("/priority", "critical"),
        ("/unit", "MPa"),
        ("/message/zh", "水压低"),
        ("/message/en", "pressure low"),
        ("/advice", "check the valve"),
        ("/basis", "GB 50974-2014"),
        ("/times/occurred", "2023-11-14T22:13:20.123Z"),
        ("/times/detected", "2023-11-14T22:13:20.124Z"),
        ("/times/committed", "2023-11-14T22:13:20.130Z"),
        ("/link", "http://127.0.0.1:8420/?alarm=00000000000000fe"),
    ] {
        assert_eq!(said.pointer(pointer).and_then(|v| v.as_str()), Some(value), "{pointer}");
    }
    assert_eq!((said["value"].as_f64(), said["limit"].as_f64()), (Some(0.125), Some(0.15)));
    let plain = serde_json::json!(["unacknowledged", null, null, false, null, false, null]);
    let fields = ["life", "shelved", "out_of_service", "suppressed", "test", "first", "note"];
    assert_eq!(serde_json::Value::from_iter(fields.map(|field| said[field].clone())), plain);
    assert_eq!((said["durable"].as_bool(), said["number"].as_u64()), (Some(true), Some(1)));
    assert_eq!(said["times"]["occurred_ms"].as_i64(), Some(1_700_000_000_123));
    rig.stop().await;
}

/// A step of one alarm as it comes now.
fn now_and(rig: &Rig, number: u32, event: &str, priority: &str) -> Tapped {
    let mut step = tapped(1, number, priority);
    step.event.event = event.to_owned();
    step.event.detected = rig.clock.wall().0;
    step
}

/// Three within a minute are too many, and what is held is said after 300 ms of quiet.
fn damped(config: &mut WebhookConfig) {
    let pace = Pace { transitions: 3, within_ms: 300 };
    config.damp = Some(damper::Params { pace, hold_ms: 60_000 });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_is_held_and_told_with_its_last_step() {
    let server = Server::start(|_| Reply::Status(200, "")).await;
    let rig = Rig::start(server.url(), damped);
    for number in 1..=9 {
        let event = if number % 2 == 1 { "raise" } else { "return" };
        rig.tap.try_send(now_and(&rig, number, event, "high")).unwrap();
    }
    until("the first two", || server.seen().len() >= 2).await;
    rig.all_settled(9).await;
    let seen = server.seen();
    let id = "0000000000000001";
    assert_eq!(keys(&seen), [format!("{id}.1"), format!("{id}.2"), format!("{id}.9")]);
    assert_eq!((json(&seen[0]).get("damped"), json(&seen[1]).get("damped")), (None, None));
    let told = &json(&seen[2])["damped"];
    assert_eq!(told["held"], 6, "{told}");
    assert!(told["for_ms"].as_u64().is_some_and(|ms| ms > 0), "{told}");
    let mut marks: Vec<Seq> = rig.settled().iter().map(|(mark, _)| mark.seq() - 1_000_000).collect();
    marks.sort_unstable();
    assert_eq!(marks, [1, 2, 3, 4, 5, 6, 7, 8, 9], "each once");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn held_steps_are_owed_until_the_one_that_tells_of_them_is_accepted() {
    let server = Server::start(|request: &Request| match request.header(body::KEY) {
        Some(key) if key.ends_with(".5") => Reply::Status(503, "not now"),
        _ => Reply::Status(200, ""),
    })
    .await;
    let rig = Rig::start(server.url(), damped);
    for (number, event) in [(1, "raise"), (2, "return"), (3, "raise"), (4, "return"), (5, "escalate")] {
        rig.tap.try_send(now_and(&rig, number, event, "high")).unwrap();
    }
    let tried = |server: &Server| keys(&server.seen()).iter().any(|key| key.ends_with(".5"));
    until("the escalation is tried at once", || tried(&server)).await;
    assert_eq!(rig.settled().len(), 2, "3 and 4 would be read from the journal again");
    server.script(|_| Reply::Status(200, ""));
    rig.all_settled(5).await;
    let last = server.seen().last().map(json).unwrap();
    assert_eq!((last["number"].as_u64(), last["damped"]["held"].as_u64()), (Some(5), Some(2)));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_critical_and_no_first_raise_is_ever_held() {
    let server = Server::start(|_| Reply::Status(200, "")).await;
    let rig = Rig::start(server.url(), damped);
    for number in 1..=6 {
        let event = if number % 2 == 1 { "raise" } else { "return" };
        rig.tap.try_send(now_and(&rig, number, event, "critical")).unwrap();
    }
    rig.all_settled(6).await;
    assert_eq!(server.seen().len(), 6);
    // Acknowledged each time: every raise is that of a new alarm.
    for alarm in 10..=14 {
        let mut raise = tapped(alarm, 1, "low");
        (raise.event.point, raise.event.detected) = ("other".to_owned(), rig.clock.wall().0);
        rig.tap.try_send(raise).unwrap();
    }
    rig.all_settled(11).await;
    assert_eq!(server.seen().len(), 11);
    assert!(server.seen().iter().all(|request| json(request).get("damped").is_none()));
    rig.stop().await;
}

#[test]
fn the_signature_is_the_one_others_compute() {
    // RFC 4231, test case 2
    let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(body::signature(b"Jefe", b"what do ya want for nothing?"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_is_taken_up_and_a_missing_one_silences_nobody() {
    let secret = TempFile::new("first\n");
    let server = Server::start(|_| Reply::Status(200, "")).await;
    let rig = Rig::start(server.url(), |config| config.secret_file = Some(secret.0.clone()));
    let signed = |n: usize, key: &[u8]| {
        let request = &server.seen()[n];
        request.header(body::SIGNATURE) == Some(&body::signature(key, &request.body))
    };
    rig.raise(1, 1);
    rig.all_settled(1).await;
    assert!(signed(0, b"first"));
    secret.write("the second");
    rig.raise(2, 1);
    rig.all_settled(2).await;
    assert!(signed(1, b"the second"));
    rig.stop().await;

    let rig = Rig::start(server.url(), |config| config.secret_file = Some(secret.0.with_file_name("missing")));
    rig.raise(3, 1);
    rig.all_settled(1).await;
    assert_eq!(server.seen()[2].header(body::SIGNATURE), None);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_is_kept_per_alarm_and_others_pass_a_failing_one() {
    let server = Server::start(|request: &Request| match request.header(body::KEY) {
        Some(key) if key.starts_with("0000000000000001.") => Reply::Status(500, "oh"),
        _ => Reply::Status(204, ""),
    })
    .await;
    let rig = Rig::start(server.url(), |_| {});
    for number in 1..=3 {
        for alarm in 1..=5 {
            rig.raise(alarm, number);
        }
    }
    rig.all_settled(12).await;
    until("retries of the failing one", || server.seen().len() >= 14).await;
    assert!(rig.stats.notify_failures.get() >= 2);
    server.script(|_| Reply::Status(409, "have it"));
    rig.all_settled(15).await;
    let mut last: HashMap<String, u32> = HashMap::new();
    for key in keys(&server.seen()) {
        let (alarm, number) = key.split_once('.').unwrap();
        let number: u32 = number.parse().unwrap();
        let before = last.insert(alarm.to_owned(), number).unwrap_or(0);
        assert!(number == before + 1 || (alarm.ends_with('1') && number == before), "{key} after {before}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_is_retried_until_accepted_with_the_same_key() {
    for reply in [Reply::Drop, Reply::Hang, Reply::Status(503, "later"), Reply::Status(429, ""), Reply::Status(408, "")]
    {
        let sick = reply.clone();
        let server = Server::start(move |_| sick.clone()).await;
        let rig = Rig::start(server.url(), |_| {});
        rig.raise(1, 1);
        until("a second try", || server.seen().len() >= 2).await;
        assert!(rig.settled().is_empty());
        assert!(matches!(rig.stats.links()["webhook/duty-room"].state, LinkState::Down { .. }));
        server.script(|_| Reply::Status(202, ""));
        rig.all_settled(1).await;
        assert_eq!(keys(&server.seen()).into_iter().collect::<BTreeSet<_>>().len(), 1);
        assert_eq!(rig.stats.links()["webhook/duty-room"].state, LinkState::Up);
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_says_no_or_points_elsewhere_is_asked_again_and_named() {
    for (reply, words) in
        [(Reply::Status(404, "no such hook"), "404 no such hook"), (Reply::Status(302, ""), "redirects")]
    {
        let sick = reply.clone();
        let server = Server::start(move |_| sick.clone()).await;
        let rig = Rig::start(server.url(), |_| {});
        rig.raise(1, 1);
        let down =
            || matches!(&rig.stats.links()["webhook/duty-room"].state, LinkState::Down { why } if why.contains(words));
        until("the reason", || !server.seen().is_empty() && down()).await;
        assert!(rig.settled().is_empty(), "kept");
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_holds_up_its_own_alarm_alone() {
    let server = Server::start(|request: &Request| match request.header(body::KEY) {
        Some(key) if key.starts_with("0000000000000001.") => Reply::Hang,
        _ => Reply::Status(204, ""),
    })
    .await;
    let rig = Rig::start(server.url(), |_| {});
    rig.raise(1, 1);
    until("the hang", || server.seen().len() == 1).await;
    let start = rig.clock.mono();
    rig.raise(2, 1);
    rig.all_settled(1).await;
    let took = rig.clock.mono().since(start);
    assert!(took < 400, "{took} ms, and the hang lasts 500");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_comes_back_gets_all_at_the_next_sign_of_life() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let rig = Rig::start(format!("http://{address}"), |_| {});
    for alarm in 1..=20 {
        rig.raise(alarm, 1);
    }
    // by now the next tries are about a second apart and more
    until("failures", || rig.stats.notify_failures.get() >= 60).await;
    let server = Server::on(TcpListener::bind(address).await.unwrap(), |_| Reply::Status(204, ""));
    let start = rig.clock.mono();
    rig.raise(21, 1);
    rig.all_settled(21).await;
    let took = rig.clock.mono().since(start);
    assert!(took < 500, "{took} ms");
    assert_eq!(keys(&server.seen()).len(), 21, "each once");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_call_nobody_but_by_a_drill_or_where_they_are_wanted() {
    for (wanted, expected) in [(false, vec!["drill"]), (true, vec!["walk-test", "maintenance", "drill"])] {
        let server = Server::start(|_| Reply::Status(200, "")).await;
        let rig = Rig::start(server.url(), |config| config.tests = wanted);
        for (alarm, mode) in (1..).zip(["walk-test", "maintenance", "drill"]) {
            let mut test = tapped(alarm, 1, "critical");
            test.event.test = Some(mode.to_owned());
            rig.tap.try_send(test).unwrap();
        }
        rig.all_settled(3).await;
        let pushed: BTreeSet<_> =
            server.seen().iter().map(|push| json(push)["test"].as_str().unwrap().to_owned()).collect();
        assert_eq!(pushed, expected.into_iter().map(str::to_owned).collect());
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_priorities_are_settled_without_a_push_and_the_undurable_counted() {
    let server = Server::start(|_| Reply::Status(204, "")).await;
    let rig = Rig::start(server.url(), |config| config.priorities = vec![Priority::Critical, Priority::High]);
    rig.tap.try_send(tapped(1, 1, "low")).unwrap();
    let mut undurable = tapped(2, 1, "high");
    (undurable.durable, undurable.committed) = (false, None);
    rig.tap.try_send(undurable).unwrap();
    rig.all_settled(2).await;
    assert_eq!(rig.settled()[0].1, Outcome::NotForIt, "nothing was sent of it");
    assert_eq!(keys(&server.seen()), ["0000000000000002.1"]);
    let said = json(&server.seen()[0]);
    assert_eq!(said["durable"].as_bool(), Some(false));
    assert!(said["times"]["committed"].is_null());
    assert_eq!(rig.stats.notify_not_durable.get(), 1);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heart_beats_while_pushes_fail() {
    let server = Server::start(|request: &Request| match request.header(body::KIND) {
        Some("heartbeat") => Reply::Status(204, ""),
        _ => Reply::Hang,
    })
    .await;
    let rig = Rig::start(server.url(), |config| config.heartbeat = Some(Duration::from_millis(50)));
    rig.raise(1, 1);
    until("beats", || server.accepted().len() >= 3).await;
    let beats = server.accepted();
    let said = json(beats.last().unwrap());
    assert_eq!((said["event"].as_str(), said["site"].as_str()), (Some("heartbeat"), Some("mall")));
    assert_eq!((said["pushed"].as_u64(), said["waiting"].as_u64()), (Some(0), Some(1)));
    assert!(said["time"].as_str().unwrap().ends_with('Z'));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_push_that_hangs() {
    let server = Server::start(|_| Reply::Hang).await;
    let rig = Rig::start(server.url(), |config| config.timeout = Duration::from_mins(1));
    rig.raise(1, 1);
    until("the push", || !server.seen().is_empty()).await;
    let (clock, start) = (rig.clock.clone(), rig.clock.mono());
    rig.stop().await;
    let took = clock.mono().since(start);
    assert!(took <= GRACE.as_millis() as u64 + 500, "{took} ms");
}

/// A transition that the journal could read only after `newer` had been handed out.
fn late(alarm: u32, number: u32, newer: u32) -> Tapped {
    Tapped { passed_by: Some(newer), ..tapped(alarm, number, "critical") }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_a_newer_one_has_passed_is_pushed_once_and_says_so() {
    let server = Server::start(|_| Reply::Status(204, "")).await;
    let rig = Rig::start(server.url(), |_| {});
    rig.raise(1, 3);
    rig.all_settled(1).await;
    rig.tap.try_send(late(1, 2, 3)).unwrap();
    rig.all_settled(2).await;
    let seen = server.seen();
    assert_eq!(keys(&seen), ["0000000000000001.3", "0000000000000001.2"]);
    assert_eq!([seen[0].header(PASSED_BY), seen[1].header(PASSED_BY)], [None, Some("3")]);
    assert_eq!(json(&seen[1])["number"].as_u64(), Some(2));
    rig.stop().await;
}

#[test]
fn an_older_one_that_comes_late_goes_first_unless_the_newer_was_tried() {
    let pushed = |window: &mut Window| {
        let mut all = Vec::new();
        while let Some(Attempt { tapped, .. }) = window.next(Mono(9)) {
            all.push((tapped.event.number, tapped.passed_by));
            window.accepted(&tapped.event.id, Mono(9));
        }
        all
    };
    let mut window = Window::default();
    for one in [tapped(1, 3, "high"), tapped(1, 4, "high"), late(1, 1, 3), late(1, 2, 3)] {
        window.take(one, Mono(0));
    }
    assert_eq!(pushed(&mut window), [(1, None), (2, None), (3, None), (4, None)], "nothing of it was tried");

    window.take(tapped(1, 3, "high"), Mono(0));
    window.take(tapped(1, 4, "high"), Mono(0));
    let id = window.next(Mono(0)).expect("the third").tapped.event.id;
    window.take(late(1, 1, 3), Mono(0));
    window.take(late(1, 2, 3), Mono(0));
    window.failed(&id, Failure::Away, Mono(0), 1);
    assert_eq!(pushed(&mut window), [(3, None), (1, Some(3)), (2, Some(3)), (4, None)], "the third may have arrived");
}

#[test]
fn what_was_never_tried_goes_first_then_the_urgent() {
    let mut window = Window::default();
    window.take(tapped(1, 1, "critical"), Mono(0));
    assert_eq!(window.next(Mono(0)).unwrap().tapped.event.key(), tapped(1, 1, "").event.key());
    window.failed(&tapped(1, 1, "").event.id, Failure::Busy, Mono(0), 5);
    window.take(tapped(2, 1, "low"), Mono(6));
    window.take(tapped(3, 1, "critical"), Mono(6));
    let order: Vec<_> =
        std::iter::from_fn(|| window.next(Mono(10))).map(|a| (a.tapped.event.key(), a.number)).collect();
    assert_eq!(order, [(3, 1), (2, 1), (1, 2)].map(|(alarm, attempt)| (tapped(alarm, 1, "").event.key(), attempt)));
}

#[test]
fn a_window_full_of_refused_ones_makes_room_and_one_of_waiting_ones_does_not() {
    for failure in [Failure::Refused, Failure::Away] {
        let mut window = Window::default();
        for alarm in 0..WINDOW as u32 {
            window.take(tapped(alarm, 1, "low"), Mono(0));
        }
        assert!(!window.has_room());
        for _ in 0..REFUSED_ENOUGH {
            let attempt = window.next(Mono(0)).unwrap();
            let id = attempt.tapped.event.id.clone();
            assert!(window.give_up(Mono(0)).is_none(), "not yet");
            window.failed(&id, failure, Mono(0), 0);
            // the same one again: all others are out of reach
            while let Some(other) = window.next(Mono(0)) {
                if other.tapped.event.id == id {
                    window.failed(&id, failure, Mono(0), 0);
                    break;
                }
                window.failed(&other.tapped.event.id, failure, Mono(0), 1_000_000);
            }
        }
        assert!(window.give_up(Mono(STUCK_MS - 1)).is_none(), "it may move yet");
        assert_eq!(window.give_up(Mono(STUCK_MS)).is_some(), failure == Failure::Refused);
        assert_eq!(window.has_room(), failure == Failure::Refused);
    }
}

/// The one that fails is the first alarm.
fn first_fails(reply: Reply) -> impl FnMut(&Request) -> Reply + Send + 'static {
    move |request: &Request| match request.header(body::KEY) {
        Some(key) if key.starts_with("0000000000000001.") => reply.clone(),
        _ => Reply::Status(204, ""),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_is_refused_a_thousand_times_over_keeps_no_other_waiting() {
    const FLAPS: u32 = 3 * WINDOW as u32;
    for reply in [Reply::Status(500, "oh"), Reply::Status(422, "no"), Reply::Hang] {
        let server = Server::start(first_fails(reply)).await;
        let rig = Rig::start(server.url(), |config| config.timeout = Duration::from_millis(50));
        for number in 1..=FLAPS {
            rig.raise(1, number);
        }
        until("its first failure", || rig.stats.notify_failures.get() >= 1).await;
        rig.raise(2, 1);
        rig.all_settled(1).await;
        assert_eq!(rig.settled()[0].0, tapped(2, 1, "").mark);
        // and all of the first are still owed, and come in order once they are taken
        server.script(|_| Reply::Status(204, ""));
        rig.raise(3, 1);
        until("all of them", || rig.settled().len() as u32 == FLAPS + 2).await;
        let of_it: Vec<Seq> = rig.settled().iter().map(|(mark, _)| mark.seq()).filter(|seq| *seq < 2_000_000).collect();
        assert!(
            of_it.into_iter().eq((1..=FLAPS).map(|number| tapped(1, number, "").mark.seq())),
            "in order, each once"
        );
        rig.stop().await;
    }
}

/// A day of an alarm that flaps once a second and is refused, on a clock of the test's: hourly another one is raised.
#[test]
fn a_day_of_one_refused_alarm_costs_the_others_nothing_and_nothing_is_lost() {
    const DAY: u32 = 24 * 3_600;
    let (mut window, mut lane) = (Window::default(), BTreeMap::new());
    let stuck = tapped(1, 1, "").event.id;
    let mut tries = 0;
    let mut hourly = 0;
    for second in 0..DAY {
        let now = Mono(u64::from(second) * 1_000);
        for one in std::iter::once(tapped(1, second + 1, "high"))
            .chain((second % 3_600 == 0).then(|| tapped(9 + second, 1, "low")))
        {
            assert!(window.has_room(), "the tap is asked on");
            lane.insert(one.mark.seq(), one.clone());
            window.take(one, now);
        }
        assert!(window.missing(now).is_none(), "nothing is read for one that is stuck");
        while let Some(Attempt { tapped, number }) = window.next(now) {
            if tapped.event.id == stuck {
                assert_eq!((tapped.event.number, number), (1, tries + 1));
                tries = number;
                window.failed(&stuck, Failure::Busy, now, 30_000);
            } else {
                hourly += 1;
                window.accepted(&tapped.event.id, now);
            }
        }
        assert_eq!(window.oldest(), Some(Mono(0)), "it is known how long it waits");
    }
    assert_eq!((hourly, window.len()), (24, DAY as usize));
    assert!((DAY / 30..DAY / 30 + 30).contains(&tries), "asked again at the slow end: {tries}");
    let (now, mut accepted) = (Mono(u64::from(DAY) * 1_000), 0);
    while window.len() > 0 {
        while let Some(wanted) = window.missing(now) {
            assert!(wanted.max <= FEW);
            let found = in_lane(&lane, &wanted, |one| one.event.number > accepted);
            window.found(&wanted.id, wanted.range.0, found, now);
        }
        let attempt = window.next(now.plus(30_000)).unwrap();
        assert_eq!(attempt.tapped.event.number, accepted + 1);
        accepted += 1;
        window.accepted(&stuck, now);
    }
    assert_eq!((accepted, window.oldest()), (DAY, None));
}

#[test]
fn what_the_disk_does_not_give_lets_what_memory_holds_pass_and_comes_later() {
    let (mut window, mut lane) = (Window::default(), BTreeMap::new());
    for number in 1..=9 {
        let one = tapped(1, number, "high");
        lane.insert(one.mark.seq(), one.clone());
        window.take(one, Mono(0));
    }
    let mut seen = Vec::new();
    let mut push = |window: &mut Window, now| {
        while let Some(Attempt { tapped, .. }) = window.next(now) {
            seen.push((tapped.event.number, tapped.passed_by));
            window.accepted(&tapped.event.id, now);
        }
        seen.clone()
    };
    assert_eq!(push(&mut window, Mono(0)).len(), FEW);
    let wanted = window.missing(Mono(0)).unwrap();
    let found = Found { tapped: vec![lane[&tapped(1, 8, "").mark.seq()].clone()], next: wanted.range.0, whole: false };
    window.found(&wanted.id, wanted.range.0, found, Mono(0));
    assert_eq!(push(&mut window, Mono(0)).last(), Some(&(8, None)));
    assert!(window.missing(Mono(0)).is_none(), "not at once again");
    while let Some(wanted) = window.missing(Mono(1_000)) {
        let found = in_lane(&lane, &wanted, |one| one.event.number != 8);
        window.found(&wanted.id, wanted.range.0, found, Mono(1_000));
        push(&mut window, Mono(1_000));
    }
    assert_eq!(seen[FEW..], [(8, None), (5, Some(8)), (6, Some(8)), (7, Some(8)), (9, None)]);
    assert_eq!(window.len(), 0);
}

#[test]
fn only_an_alarm_that_fails_while_others_pass_waits_alone() {
    let mut window = Window::default();
    let id = |alarm: u32| tapped(alarm, 1, "").event.id;
    let tries = |window: &mut Window, now| {
        std::iter::from_fn(|| window.next(Mono(now)).map(|a| a.tapped.event.id)).collect::<Vec<_>>()
    };
    for alarm in 1..=3 {
        window.take(tapped(alarm, 1, "high"), Mono(0));
    }
    for now in 0..20 {
        for failed in tries(&mut window, now * 30_000) {
            window.failed(&failed, Failure::Busy, Mono(now * 30_000), 30_000);
        }
    }
    let back = 20 * 30_000;
    assert_eq!(tries(&mut window, back), [id(1), id(2), id(3)]);
    window.failed(&id(1), Failure::Busy, Mono(back), 30_000);
    window.failed(&id(2), Failure::Busy, Mono(back), 30_000);
    window.accepted(&id(3), Mono(back));
    assert_eq!(tries(&mut window, back), [id(1), id(2)], "it takes again: nobody waits for his turn");
    window.accepted(&id(1), Mono(back));
    for alarm in 4..9 {
        window.failed(&id(2), Failure::Busy, Mono(back), 30_000);
        window.take(tapped(alarm, 1, "high"), Mono(back));
        assert_eq!(tries(&mut window, back), [id(alarm)]);
        window.accepted(&id(alarm), Mono(back));
        if alarm == 4 {
            assert_eq!(tries(&mut window, back), [id(2)], "once may be chance");
        } else {
            assert!(tries(&mut window, back + 29_999).is_empty(), "then it is its own trouble");
            assert_eq!(tries(&mut window, back + 30_000), [id(2)]);
        }
    }
}

#[test]
fn one_asks_for_a_receiver_that_is_away_and_the_others_wait_longer() {
    let mut window = Window::default();
    for alarm in 1..=3 {
        window.take(tapped(alarm, 1, "high"), Mono(0));
    }
    let mut tries = 0;
    for now in (0..60_000).step_by(100).map(Mono) {
        while let Some(attempt) = window.next(now) {
            tries += 1;
            window.failed(&attempt.tapped.event.id, Failure::Away, now, 30_000);
        }
        assert!(window.next_at(true).is_some_and(|at| at.since(now) <= SCOUT_MS), "back for all within a second");
    }
    assert!(tries < 3 * 2 + 60_000 / SCOUT_MS as u32 + 1, "{tries}");
}

/// What the gateway says of itself, on a clock that is two minutes ahead.
#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_and_other_alarms_hide_no_push_that_is_refused() {
    const LONG_MS: u64 = 121_000;
    let server = Server::start(|request: &Request| match request.header(body::KEY) {
        Some(key) if key.starts_with("0000000000000001.") => Reply::Status(500, "oh"),
        _ => Reply::Status(204, ""),
    })
    .await;
    let rig = Rig::start(server.url(), |config| config.heartbeat = Some(Duration::from_millis(10)));
    let mut outages = Outages::default();
    let mut look = |ahead: u64| {
        outages.look(rig.stats.links(), 1, rig.stats.oldest_unpushed(), rig.clock.mono().0 + ahead);
        outages.push
    };
    until("a beat", || !server.accepted().is_empty() && look(0) == Some(Sight::Well)).await;
    rig.raise(1, 1);
    until("a failure", || rig.stats.notify_failures.get() >= 1).await;
    assert_ne!(look(0), Some(Sight::Lasts), "not yet");
    for (alarm, ahead) in [(2, LONG_MS / 3), (3, LONG_MS * 2 / 3)] {
        let (beats, failures) = (server.accepted().len(), rig.stats.notify_failures.get());
        rig.raise(alarm, 1);
        until("beats, acceptances and failures by turns", || {
            server.accepted().len() > beats + 2 && rig.stats.notify_failures.get() > failures
        })
        .await;
        assert_eq!(look(ahead), Some(Sight::Unknown), "there is a doubt");
    }
    until("up", || rig.stats.links()["webhook/duty-room"].state == LinkState::Up).await;
    assert_eq!(look(LONG_MS), Some(Sight::Lasts));
    server.script(|_| Reply::Status(204, ""));
    rig.all_settled(3).await;
    until("over", || look(LONG_MS) == Some(Sight::Well)).await;
    rig.stop().await;
}

proptest! {
    /// Whatever fails, each alarm's transitions come in order, never two at once, at most [`IN_FLIGHT`] in all, and all come.
    #[test]
    fn the_order_holds(
        alarms in proptest::collection::vec(0..6_u32, 1..80),
        ends in proptest::collection::vec((0..4_u8, 0..16_usize), 1..400),
    ) {
        let (mut window, mut lane) = (Window::default(), BTreeMap::new());
        let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
        for alarm in &alarms {
            let number = numbers.entry(*alarm).or_default();
            *number += 1;
            let one = tapped(*alarm, *number, "high");
            lane.insert(one.mark.seq(), one.clone());
            window.take(one, Mono(0));
        }
        let mut now = 0;
        let mut flying: Vec<Tapped> = Vec::new();
        let mut accepted: BTreeMap<String, u32> = BTreeMap::new();
        let mut ends = ends.into_iter().chain(std::iter::repeat((0, 0)));
        while window.len() > 0 {
            while let Some(attempt) = window.next(Mono(now)) {
                let event = &attempt.tapped.event;
                prop_assert!(flying.iter().all(|other| other.event.id != event.id));
                prop_assert_eq!(event.number, accepted.get(&event.id).copied().unwrap_or(0) + 1);
                flying.push(attempt.tapped);
            }
            prop_assert!(flying.len() <= IN_FLIGHT);
            if flying.is_empty() {
                now = window.next_at(true).unwrap().0.max(now);
                while let Some(wanted) = window.missing(Mono(now)) {
                    let found = in_lane(&lane, &wanted, |one| {
                        one.event.number > accepted.get(&one.event.id).copied().unwrap_or(0)
                    });
                    window.found(&wanted.id, wanted.range.0, found, Mono(now));
                }
                continue;
            }
            let (end, which) = ends.next().unwrap();
            let done = flying.remove(which % flying.len()).event;
            match end {
                0 => {
                    accepted.insert(done.id.clone(), done.number);
                    window.accepted(&done.id, Mono(now));
                }
                1 => window.failed(&done.id, Failure::Away, Mono(now), 7),
                2 => window.failed(&done.id, Failure::Busy, Mono(now), 3),
                _ => window.failed(&done.id, Failure::Refused, Mono(now), 100),
            }
        }
        let expected: BTreeMap<_, _> = numbers.iter().map(|(alarm, n)| (format!("{alarm:016x}"), *n)).collect();
        prop_assert_eq!(accepted, expected);
    }
}
