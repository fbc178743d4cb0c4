//! The loops against a store that answers as a script says.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::Clock;
use crate::config::checked::{Compression, Drain, InfluxConfig};
use crate::forward::delivery::LIVE_BATCH;
use crate::forward::store::Influx;
use crate::forward::{GRACE, forward};
use crate::scripted::{Reply, Request, Server, TempFile, until, within};
use crate::stop::{self, Stopper};
use crate::telemetry::{LinkState, SharedStats};

pub(super) const POINTS: u32 = 16;
/// Records an outage leaves: fifteen backlog requests.
const OWED: u64 = 300_000;

/// A running forwarder with its lanes.
pub(super) struct Rig {
    pub(super) alarm: FakeLane,
    pub(super) telemetry: FakeLane,
    pub(super) stats: SharedStats,
    pub(super) clock: Clock,
    token: TempFile,
    stopper: Stopper,
    task: JoinHandle<()>,
}

impl Rig {
    pub(super) fn start(url: &str) -> Self {
        Self::with(url, |_| {}, [FakeLane::new(), FakeLane::new()], |_| {})
    }

    /// On these lanes, of alarms and of telemetry.
    fn with(
        url: &str,
        set: impl FnOnce(&mut InfluxConfig),
        [alarm, telemetry]: [FakeLane; 2],
        tweak: impl FnOnce(&TempFile),
    ) -> Self {
        let token = TempFile::new("first\n");
        tweak(&token);
        let mut config = InfluxConfig {
            name: "central".to_owned(),
            url: url.to_owned(),
            org: "district".to_owned(),
            bucket: "telemetry".to_owned(),
            token_file: token.0.clone(),
            compression: Compression::Auto,
            drain: Drain::Max,
            timeout: Duration::from_millis(500),
        };
        set(&mut config);
        let (stopper, stop) = stop::channel();
        let (stats, clock) = (SharedStats::default(), Clock::start());
        let lanes = (alarm.clone(), telemetry.clone());
        let (clock2, stats2) = (clock.clone(), stats.clone());
        let task = tokio::spawn(async move {
            let store = Influx::new(&config);
            forward(("central", config.drain), "mall", clock2, catalog(POINTS), stats2, lanes, store, stop).await;
        });
        Self { alarm, telemetry, stats, clock, token, stopper, task }
    }

    /// Commits `count` records whose value is their number, one every millisecond.
    pub(super) fn commit(&self, count: u64) {
        let head = Lane::head(&self.telemetry);
        self.telemetry.commit((head + 1..=head + count).map(|n| {
            let at = (1_700_000_000_000 + n as i64) * 1_000_000;
            (PointId(n as u32 % POINTS), at, n as f64, Quality::Good)
        }));
    }

    fn link(&self) -> Option<LinkState> {
        self.stats.links().get("influxdb/central").map(|link| link.state.clone())
    }

    fn down_because(&self, words: &str) -> bool {
        matches!(self.link(), Some(LinkState::Down { why }) if why.contains(words))
    }

    async fn delivered(&self) {
        until("all settled", || self.telemetry.all_settled() && self.alarm.all_settled()).await;
    }

    pub(super) async fn stop(self) {
        assert!(!self.task.is_finished(), "it never returns on its own");
        self.stopper.stop();
        within("the end", self.task).await.unwrap();
    }
}

/// Values of telemetry that a request carries.
fn values(request: &Request) -> Vec<u64> {
    let fields = super::lines::parse(&request.text()).into_iter().flat_map(|line| line.fields);
    let number = |(key, value): (String, _)| match value {
        super::lines::Field::Float(value) if !key.ends_with("value") => Some(value as u64),
        super::lines::Field::Float(_) | super::lines::Field::Int(_) | super::lines::Field::Text(_) => None,
    };
    fields.filter_map(number).collect()
}

fn accepted_values(server: &Server) -> BTreeSet<u64> {
    server.accepted().iter().flat_map(values).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_lanes_arrive_whole_and_as_the_api_wants_them() {
    let server = Server::start(|_| Reply::Status(204, "")).await;
    let rig = Rig::start(&server.url());
    rig.commit(100);
    rig.alarm.append(Entry::Stop { at: 1 });
    rig.alarm.append(Entry::Alarm(event("00fe", 1, "低")));
    rig.alarm.append(Entry::Stop { at: 2 });
    rig.delivered().await;
    assert_eq!(accepted_values(&server), (1..=100).collect());
    let mut others = rig.alarm.not_for_it();
    others.sort_unstable();
    assert_eq!(others, [1, 3], "the store is told of alarms alone, and only these are counted");
    let first = &server.seen()[0];
    assert_eq!(first.path, "/api/v2/write?bucket=telemetry&org=district&precision=ns");
    assert_eq!(first.header("authorization"), Some("Token first"));
    assert_eq!(first.header("content-encoding"), None, "not worth it on this machine");
    assert_eq!(rig.link(), Some(LinkState::Up));
    assert_eq!(rig.stats.forward_batches.get(), server.seen().len() as u64);
    rig.stop().await;
}

/// Its body is damaged, so that the lane leaves it out: before the first, between two, as the last, and alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_cannot_be_read_is_dead_and_not_delivered() {
    let server = Server::start(|_| Reply::Status(204, "")).await;
    let lane = FakeLane::new();
    for n in 1..=5 {
        lane.append(Entry::Alarm(event(&format!("a{n}"), 1, "low")));
    }
    for seq in [1, 3, 5] {
        lane.forget(seq);
    }
    let rig = Rig::with(&server.url(), |_| {}, [lane, FakeLane::new()], |_| {});
    rig.delivered().await;
    let dead = |rig: &Rig| rig.alarm.dead().into_iter().map(|(seq, _)| seq).collect::<BTreeSet<_>>();
    assert_eq!(dead(&rig), BTreeSet::from([1, 3, 5]));
    let lines: Vec<String> =
        server.accepted().iter().flat_map(|r| super::lines::parse(&r.text())).map(|l| l.measurement).collect();
    assert_eq!(lines, ["alarm", "alarm"]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_is_under_way_100_ms_after_its_commit() {
    let server = Server::start(|_| Reply::Status(204, "")).await;
    let rig = Rig::start(&server.url());
    let mut waits = Vec::new();
    for n in 1..=10 {
        let start = rig.clock.mono();
        rig.commit(1);
        until("the reading", || accepted_values(&server).contains(&n)).await;
        waits.push(rig.clock.mono().since(start));
    }
    waits.sort_unstable();
    assert!(waits[5] <= 100, "median of {waits:?} ms");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_carries_the_same_lines() {
    let server = Server::start(|_| Reply::Status(204, "")).await;
    let rig = Rig::with(
        &server.url(),
        |config| config.compression = Compression::Gzip,
        [FakeLane::new(), FakeLane::new()],
        |_| {},
    );
    rig.commit(3);
    rig.delivered().await;
    let request = &server.seen()[0];
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(super::lines::parse(&text).len(), 3);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_dead_with_the_words_of_the_store_and_the_others_arrive() {
    for status in [400, 422] {
        let server = Server::start(move |request: &Request| {
            let bad = values(request).iter().any(|n| [17, 63].contains(n));
            if bad { Reply::Status(status, "field type conflict") } else { Reply::Status(204, "") }
        })
        .await;
        let rig = Rig::start(&server.url());
        rig.commit(100);
        rig.delivered().await;
        let dead = rig.telemetry.dead();
        assert_eq!(dead.iter().map(|d| d.0).collect::<Vec<_>>(), [17, 63]);
        assert!(dead[0].1.contains("field type conflict") && dead[0].1.contains(&status.to_string()), "{dead:?}");
        assert_eq!(accepted_values(&server), (1..=100).filter(|n| ![17, 63].contains(n)).collect());
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_wants_less_at_once_gets_less() {
    let server = Server::start(|request: &Request| {
        if values(request).len() > 10 { Reply::Status(413, "too large") } else { Reply::Status(204, "") }
    })
    .await;
    let rig = Rig::start(&server.url());
    rig.commit(100);
    rig.delivered().await;
    let before = server.seen().len();
    rig.commit(100);
    rig.delivered().await;
    assert_eq!(accepted_values(&server), (1..=200).collect());
    assert!(rig.telemetry.dead().is_empty());
    assert!(server.seen()[before..].iter().all(|request| values(request).len() <= 10), "it learned the size");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_too_large_is_dead() {
    let server = Server::start(|request: &Request| {
        if values(request).contains(&2) { Reply::Status(413, "too large") } else { Reply::Status(204, "") }
    })
    .await;
    let rig = Rig::start(&server.url());
    rig.commit(3);
    rig.delivered().await;
    assert_eq!(rig.telemetry.dead().len(), 1);
    assert_eq!(accepted_values(&server), [1, 3].into());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_dead_while_a_store_is_away_busy_or_locked() {
    let replies = [
        (Reply::Status(401, "unauthorized"), "token_file"),
        (Reply::Status(403, "forbidden"), "token_file"),
        (Reply::Status(404, "no such bucket"), "bucket"),
        (Reply::Status(429, "slow down"), "429"),
        (Reply::Status(500, "oh"), "500"),
        (Reply::Status(503, ""), "503"),
        (Reply::Status(302, ""), "check url"),
        (Reply::Status(200, "<html>please log in</html>"), "web page"),
        (Reply::Status(200, "{\"status\":\"ok\"}"), "not a store"),
        (Reply::Status(202, ""), "not a store"),
        (Reply::Status(400, "<html>plain HTTP to an HTTPS port</html>"), "web page"),
        (Reply::Hang, "no answer in time"),
        (Reply::Drop, ""),
    ];
    for (reply, words) in replies {
        let sick = reply.clone();
        let server = Server::start(move |_| sick.clone()).await;
        let rig = Rig::start(&server.url());
        rig.commit(50);
        rig.alarm.append(Entry::Alarm(event("00fe", 1, "低")));
        until("a second try", || server.seen().len() >= 3).await;
        until("the reason on the page", || rig.down_because(words)).await;
        assert!(rig.telemetry.settled().is_empty() && rig.alarm.settled().is_empty(), "after {reply:?}");
        assert!(rig.stats.forward_failures.get() >= 2);
        server.script(|_| Reply::Status(204, ""));
        let start = rig.clock.mono();
        let healed = server.seen().len();
        rig.delivered().await;
        let took = rig.clock.mono().since(start);
        // a request that hangs already has its own timeout before it
        let limit = if matches!(reply, Reply::Hang) { 3_000 } else { 2_500 };
        assert!(took <= limit, "{took} ms after {reply:?}");
        let fresh: BTreeSet<_> = server.seen()[healed..].iter().flat_map(values).collect();
        assert_eq!(fresh, (1..=50).collect(), "after {reply:?}");
        assert!(rig.telemetry.dead().is_empty() && rig.alarm.dead().is_empty());
        assert_eq!(rig.link(), Some(LinkState::Up));
        rig.stop().await;
    }
}

/// Nothing readable comes behind it in what is owed, so no batch settles it on its way.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_readings_owed_are_dead_where_they_cannot_be_read() {
    let server = Server::start(|_| Reply::Status(204, "")).await;
    let lane = FakeLane::new();
    lane.commit((1..=30).map(|n| (PointId(0), n * 1_000_000, n as f64, Quality::Good)));
    lane.damage(21, 30);
    let rig = Rig::with(&server.url(), |_| {}, [FakeLane::new(), lane], |_| {});
    rig.delivered().await;
    assert_eq!(rig.telemetry.dead().iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (21..=30).collect::<Vec<_>>());
    assert_eq!(accepted_values(&server), (1..=20).collect());
    rig.stop().await;
}

/// Of a store that is not known to be well; read to its end, it would be an answer that never came.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_read_as_far_as_it_is_kept() {
    for (status, words) in [(400, "400: field type conflict "), (503, "503: field type conflict ")] {
        let server = Server::start(move |_| Reply::Endless(status, "field type conflict ")).await;
        let rig = Rig::start(&server.url());
        rig.commit(3);
        until("its words", || rig.down_because(words)).await;
        assert!(matches!(rig.link(), Some(LinkState::Down { why }) if why.len() < 400));
        server.script(|_| Reply::Status(204, ""));
        rig.delivered().await;
        assert!(rig.telemetry.dead().is_empty());
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_is_taken_up_and_a_missing_one_waited_for() {
    let server = Server::start(|request: &Request| {
        let good = request.header("authorization") == Some("Token second");
        if good { Reply::Status(204, "") } else { Reply::Status(401, "unauthorized") }
    })
    .await;
    let rig = Rig::with(
        &server.url(),
        |_| {},
        [FakeLane::new(), FakeLane::new()],
        |token| {
            std::fs::remove_file(&token.0).unwrap();
        },
    );
    rig.commit(5);
    until("the missing file named", || rig.down_because("put the token there")).await;
    assert!(server.seen().is_empty());
    rig.token.write("first");
    until("the refusal", || rig.down_because("401")).await;
    rig.token.write("second");
    rig.delivered().await;
    assert_eq!(accepted_values(&server), (1..=5).collect());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_the_first_record_comes_within_a_second_and_live_ones_pass_the_backlog() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let rig = Rig::start(&format!("http://{address}"));
    rig.commit(OWED);
    until("several failures", || rig.stats.forward_failures.get() >= 6).await;
    let back = rig.clock.mono();
    let server = Server::on(TcpListener::bind(address).await.unwrap(), |_| Reply::Slow(Duration::from_millis(40)));
    until("the first record", || !server.seen().is_empty()).await;
    let took = rig.clock.mono().since(back);
    assert!(took <= 1_000, "{took} ms");
    rig.commit(1);
    rig.delivered().await;
    let requests: Vec<_> = server.seen().iter().map(values).collect();
    let live = requests.iter().position(|values| values.contains(&(OWED + 1))).unwrap();
    assert!(live < requests.len() / 2, "live came {live} of {}", requests.len());
    let all: Vec<_> = requests.concat();
    assert_eq!(all.len() as u64, OWED + 1, "each once");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), (1..=OWED + 1).collect());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_goes_no_faster_than_it_may_and_live_ones_do_not_wait_for_it() {
    const RATE: u64 = 50_000;
    let server = Server::start(|_| Reply::Status(204, "")).await;
    let lane = FakeLane::new();
    let rig =
        Rig::with(&server.url(), |config| config.drain = Drain::Rate(RATE), [FakeLane::new(), lane.clone()], |_| {});
    rig.commit(RATE + LIVE_BATCH as u64);
    until("the live end", || accepted_values(&server).contains(&(RATE + LIVE_BATCH as u64))).await;
    rig.commit(1);
    until("the next", || accepted_values(&server).contains(&(RATE + LIVE_BATCH as u64 + 1))).await;
    let there = accepted_values(&server);
    let behind = (1..=RATE).filter(|n| !there.contains(n)).count();
    rig.delivered().await;
    // the bucket has filled since the forwarder began, and that was after its clock
    assert!(rig.clock.up_ms() >= 1_000, "{RATE} of them in {} ms", rig.clock.up_ms());
    assert!(behind > 0, "live ones waited for the backlog");
    let all: Vec<_> = server.seen().iter().flat_map(values).collect();
    assert_eq!(all.len() as u64, RATE + LIVE_BATCH as u64 + 1, "each once");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_is_only_what_was_accepted_and_only_once() {
    let mut count = 0;
    let server = Server::start(move |_| {
        count += 1;
        [Reply::Status(204, ""), Reply::Drop, Reply::Status(500, "")][count % 3].clone()
    })
    .await;
    let rig = Rig::start(&server.url());
    for _ in 0..20 {
        rig.commit(37);
        until("some progress", || rig.telemetry.settled().len() >= 2 || rig.telemetry.all_settled()).await;
    }
    rig.delivered().await;
    assert_eq!(accepted_values(&server), (1..=740).collect());
    let all: Vec<_> = server.accepted().iter().flat_map(values).collect();
    assert_eq!(all.len(), 740, "an accepted batch is never sent again");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_is_left_to_the_journal() {
    let server = Server::start(|_| Reply::Status(204, "")).await;
    let lane = FakeLane::new();
    lane.commit((1..=50_u64).map(|n| (PointId(0), n as i64 * 1_000_000, n as f64, Quality::Good)));
    lane.expire(50);
    let rig = Rig::with(&server.url(), |_| {}, [FakeLane::new(), lane], |_| {});
    rig.commit(5);
    until("the rest", || accepted_values(&server) == (51..=55).collect()).await;
    until("its settling", || !rig.telemetry.settled().is_empty()).await;
    rig.commit(1);
    until("the next", || accepted_values(&server).contains(&56)).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_does_not_make_it_spin() {
    let server = Server::start(|_| Reply::Hang).await;
    let rig = Rig::start(&server.url());
    rig.commit(OWED);
    until("two failures", || rig.stats.forward_failures.get() >= 2).await;
    rig.commit(OWED);
    until("four failures", || rig.stats.forward_failures.get() >= 4).await;
    rig.commit(1);
    assert!(rig.telemetry.waits() < 100, "{} rounds", rig.telemetry.waits());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_store_that_hangs() {
    let server = Server::start(|_| Reply::Hang).await;
    let rig = Rig::start(&server.url());
    rig.commit(5);
    until("the request", || !server.seen().is_empty()).await;
    let (clock, start) = (rig.clock.clone(), rig.clock.mono());
    rig.stop().await;
    let took = clock.mono().since(start);
    assert!(took <= GRACE.as_millis() as u64 + 500, "{took} ms");
}
