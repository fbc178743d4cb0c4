//! What a drift rule has learned, through the whole gateway: kept every hour, at a stop and when it is forgotten.

use std::sync::atomic::{AtomicU64, Ordering};

use gengfu_core::quality::Quality;
use gengfu_core::reading::Reading;

use super::tests::{Dir, maintenance, until};
use super::*;
use crate::config;
use crate::driver::{Belief, CommandError, DriftBelief, ForgetOrder, Held, Input};
use crate::flow::{Batch, Receipt};
use crate::scripted::DEADLINE;

const HOUR: u64 = 3_600_000;

/// One point with a drift in blocks of 8 s, on a line that nobody polls; a limit that learns nothing.
const SITE: &str = "[site]\nid = \"test\"\n[console]\nlisten = \"127.0.0.1:0\"\n\
                [[modbus]]\nname = \"line\"\nconnect = \"tcp://127.0.0.1:1\"\n\
                [[modbus.device]]\nname = \"d\"\nunit = 1\n\
                [[modbus.device.point]]\nname = \"p\"\nregister = \"holding:0\"\ntype = \"u16\"\n\
                [[rule]]\nid = \"slow\"\npoint = \"d/p\"\n\
                drift = { side = \"high\", shift = 1.0, resolution = 0.1, block = \"8s\", learn = \"96s\" }\n\
                [[rule]]\nid = \"high\"\npoint = \"d/p\"\nhigh = { limit = 90, clear = 80 }\n";

/// A commit is waited for so often, in readings: what is shown again was there when its commit was, as in life.
const TOGETHER: u64 = 8;

/// Where runs follow each other. None begins before the one before it ended, however much that one was hurried.
pub(super) struct House {
    dir: Dir,
    site: &'static str,
    hurried: AtomicU64,
}

impl House {
    fn new(name: &str) -> Self {
        Self::of(name, SITE)
    }

    pub(super) fn of(name: &str, site: &'static str) -> Self {
        Self { dir: Dir::new(name), site, hurried: AtomicU64::new(0) }
    }

    fn site(&self) -> Site {
        config::parse(self.site, &self.dir.0.join("site.toml")).unwrap().site
    }

    pub(super) fn conn(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.dir.0.join("data/telemetry.db")).unwrap()
    }
}

pub(super) struct Run<'h> {
    house: &'h House,
    pub(super) gateway: Gateway,
    pub(super) context: source::Context,
}

impl<'h> Run<'h> {
    pub(super) async fn start(house: &'h House) -> Self {
        let mut context = None;
        let sources = |given: &source::Context| {
            context = Some(given.clone());
            Vec::new()
        };
        let clock = Clock::start();
        clock.hurry(house.hurried.load(Ordering::Relaxed));
        let gateway = Gateway::start_by(clock, house.site(), sources).await.unwrap();
        Self { house, gateway, context: context.unwrap() }
    }

    pub(super) fn hurry(&self, ms: u64) {
        self.house.hurried.fetch_add(ms, Ordering::Relaxed);
        self.gateway.clock.hurry(ms);
    }

    /// A reading every second of `seconds`; returns once all are on disk.
    async fn live(&self, seconds: u64, level: f64) {
        let point = self.context.catalog.find("d/p").unwrap();
        let mark = Arc::new(watch::Sender::new(0));
        for n in 1..=seconds {
            let value = level + (n % 3) as f64 * 0.1;
            let readings = vec![Reading { point, at: self.gateway.clock.wall(), value, quality: Quality::Good }];
            let receipt = Some(Receipt { mark: Arc::clone(&mark), token: n });
            self.context.stats.read.add(1);
            let batch = Batch { readings, receipt, ..Batch::default() };
            self.context.engine.submit(Input::Batch(batch)).await.unwrap();
            if n.is_multiple_of(TOGETHER) || n == seconds {
                let mut synced = mark.subscribe();
                tokio::time::timeout(DEADLINE, synced.wait_for(|token| *token == n)).await.expect("in time").unwrap();
            }
            self.hurry(1_000);
        }
        self.gateway.engine.ping().await;
    }

    async fn held(&self) -> Held {
        let held = self.gateway.engine.learned().await.unwrap();
        let [one] = held.as_slice() else { panic!("{held:?}") };
        one.clone()
    }

    async fn forget(&self, rule: &str, point: &str) -> Result<crate::driver::Forgotten, CommandError> {
        let [rule, point, by, reason] = [rule, point, "guard", "new sensor"].map(str::to_owned);
        self.gateway.engine.forget(ForgetOrder { rule, point, by, reason }).await
    }

    async fn standing(&self) -> Vec<(String, u32)> {
        let snapshot = self.gateway.engine.snapshot().await.unwrap();
        snapshot.alarms.into_iter().filter(|a| a.rule == "slow").map(|a| (a.id, a.number)).collect()
    }

    pub(super) async fn stop(self) {
        drop(self.context);
        assert_eq!(self.gateway.run_until(async {}).await, End::Stopped { clean: true });
    }

    /// Ends with nothing said to the files, as far as the journal goes.
    pub(super) async fn kill(self) {
        let Self { gateway, context, .. } = self;
        let Gateway { writers, journal, engine, rooms, engine_task, field, .. } = gateway;
        for lane in [Lane::Alarm, Lane::Telemetry] {
            writers.end(lane);
        }
        until("the writers are gone", async || writers.gone().then_some(())).await;
        let Rooms { parts, mut sources, mut readers, .. } = rooms;
        sources.end(|_| true).await;
        readers.end(|_| true).await;
        engine_task.abort();
        let _ = engine_task.await;
        field.end();
        drop((context, writers, journal, engine, parts));
    }
}

fn usual(held: &Held) -> f64 {
    match held.belief {
        Belief::Drift(DriftBelief { usual, learned, .. }) => {
            assert!((learned - 1.0).abs() < 1e-9, "{held:?}");
            usual.expect("known")
        }
        Belief::Rhythm { .. }
        | Belief::Habit { .. }
        | Belief::Residual { .. }
        | Belief::Ratio { .. }
        | Belief::Group { .. } => panic!("{held:?}"),
    }
}

#[tokio::test]
async fn what_was_learned_goes_on_over_a_stop_a_kill_and_a_day_off() {
    let house = House::new("learned");
    let run = Run::start(&house).await;
    run.live(200, 20.0).await;
    let before = run.held().await;
    assert!((usual(&before) - 20.1).abs() < 0.1, "{before:?}");
    let counter = run.gateway.clock.mono();
    run.stop().await;

    let run = Run::start(&house).await;
    assert!(run.gateway.clock.mono() >= counter, "the counter goes on");
    assert!(run.gateway.clock.up_ms() < HOUR, "and the run is young");
    assert_eq!(run.held().await, before, "to the bit");
    run.live(80, 23.0).await;
    let standing = run.standing().await;
    let told = run.held().await;
    assert!(standing.len() == 1 && told.stands, "{standing:?}");
    run.kill().await;

    // All that came since the stop is shown again.
    let run = Run::start(&house).await;
    assert_eq!((run.standing().await, run.held().await.stands), (standing.clone(), true), "neither lost nor doubled");
    assert!((usual(&run.held().await) - usual(&told)).abs() < 0.05);
    assert_eq!(maintenance(&run.gateway.journal, "learned-unreadable").await, Vec::<String>::new());
    run.live(200, 20.0).await;
    assert_eq!(run.standing().await.len(), 1, "returned, not acknowledged");
    assert!(!run.held().await.stands);
    run.stop().await;
}

#[tokio::test]
async fn it_is_kept_every_hour_by_the_engines_counter() {
    let house = House::new("learned-hour");
    let run = Run::start(&house).await;
    run.live(200, 20.0).await;
    let kept = || {
        house
            .conn()
            .query_row("SELECT count(*), max(upto) FROM learned", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
            })
            .unwrap()
    };
    assert_eq!(kept(), (0, None), "not before");
    run.hurry(HOUR);
    // What comes in wakes the engine; of itself it would by the clock that nobody hurries.
    run.live(1, 20.0).await;
    run.gateway.engine.ping().await;
    until("kept", async || (kept().0 == 1).then_some(())).await;
    assert!(kept().1.is_some_and(|upto| upto >= 200), "{:?}", kept());
    run.stop().await;
}

#[tokio::test]
async fn what_a_person_has_it_forget_no_crash_brings_back() {
    let house = House::new("learned-forget");
    let run = Run::start(&house).await;
    run.live(200, 20.0).await;
    run.stop().await;
    let run = Run::start(&house).await;
    run.live(80, 23.0).await;
    let standing = run.standing().await;
    assert_eq!(standing.len(), 1);
    for (rule, point, why) in [
        ("slow", "d/q", "no rule `slow` looks at `d/q`"),
        ("none", "d/p", "no rule `none` looks at `d/p`"),
        ("high", "d/p", "the rule `high` learns nothing"),
    ] {
        let refused = run.forget(rule, point).await;
        assert!(matches!(&refused, Err(CommandError::Wrong(said)) if said.starts_with(why)), "{refused:?}");
    }
    let forgotten = run.forget("slow", "d/p").await.unwrap();
    assert!(
        matches!(forgotten.believed, Belief::Drift(DriftBelief { usual: Some(usual), .. }) if (usual - 20.1).abs() < 0.2)
    );
    let anew = run.held().await;
    assert!(
        matches!(anew.belief, Belief::Drift(DriftBelief { usual: None, learned, .. }) if learned < 0.01),
        "{anew:?}"
    );
    assert!(anew.stands && run.standing().await == standing, "what stands goes on standing");
    run.kill().await;

    let run = Run::start(&house).await;
    assert_eq!((run.held().await, run.standing().await), (anew, standing));
    run.live(200, 23.0).await;
    let held = run.held().await;
    assert!((usual(&held) - 23.1).abs() < 0.2 && !held.stands, "23 is what the new sensor reads: {held:?}");
    let entries = run.gateway.journal.entries(None, 1_000).await.unwrap();
    let audits: Vec<(String, String, String)> = entries
        .into_iter()
        .filter_map(|(_, entry)| match entry {
            Entry::Audit { by, action, target, detail, .. } => Some((format!("{action} by {by}"), target, detail)),
            Entry::Alarm(_)
            | Entry::Start { .. }
            | Entry::Stop { .. }
            | Entry::Gap { .. }
            | Entry::Mode(_)
            | Entry::Level(_)
            | Entry::Maintenance { .. } => None,
        })
        .collect();
    let [again, refused] = audits.as_slice() else { panic!("{audits:?}") };
    assert_eq!((again.0.as_str(), again.1.as_str()), ("learn-again by guard", "slow@d/p"));
    assert!(again.2.starts_with("new sensor; until now it believed: usual 20."), "{again:?}");
    assert_eq!(refused.0, "learn-again-refused by guard");
    run.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_once_and_learned_anew() {
    let house = House::new("learned-damaged");
    let run = Run::start(&house).await;
    run.live(200, 20.0).await;
    run.stop().await;
    house.conn().execute("UPDATE learned SET body = 'nonsense'", []).unwrap();
    for _ in 0..2 {
        let run = Run::start(&house).await;
        assert!((usual(&run.held().await) - 20.1).abs() < 0.1, "the journal still has what it was learned from");
        let journal = run.gateway.journal.clone();
        let told = async || Some(maintenance(&journal, "learned-unreadable").await).filter(|told| !told.is_empty());
        let told = until("told", told).await;
        assert!(told.len() == 1 && told[0].contains("slow d/p: expected"), "{told:?}");
        run.stop().await;
    }
}
