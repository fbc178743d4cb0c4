//! No vital part fails quietly: what happens when one ends that should not.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gengfu_core::time::Wall;

use super::*;
use crate::config;
use crate::driver::{Input, refusals};
use crate::flow::{AlarmEvent, Batch, Receipt, Refused};
use crate::scripted::DEADLINE;
use crate::telemetry::RefusedReason;

/// A directory of its own that goes with the test.
pub(super) struct Dir(pub(super) PathBuf);

impl Dir {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gengfu-app-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A site without sources, on a port that the system gives.
    fn site(&self) -> Site {
        let text = "[site]\nid = \"test\"\nname = \"Test\"\ntimezone = \"Asia/Shanghai\"\n[journal]\npath = \"data\"\n\
                    [console]\nlisten = \"127.0.0.1:0\"\n";
        config::parse(text, &self.0.join("site.toml")).unwrap().site
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

async fn alarm(engine: &EngineHandle, rule: &str) -> AlarmEvent {
    let look = async || engine.snapshot().await?.alarms.into_iter().find(|alarm| alarm.rule == rule);
    until(rule, look).await
}

/// The details of all maintenance entries of this kind.
pub(super) async fn maintenance(journal: &Journal, kind: &str) -> Vec<String> {
    let entries = journal.entries(None, 1_000).await.unwrap();
    let mut details = Vec::new();
    for (_, entry) in entries {
        if let Entry::Maintenance { what, detail, .. } = entry
            && what == kind
        {
            details.push(detail);
        }
    }
    details
}

#[tokio::test]
async fn a_source_that_panics_is_started_again_with_an_alarm() {
    let dir = Dir::new("source");
    let starts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&starts);
    let sources = move |_: &source::Context| {
        let start = move |stop: Stop| {
            let (mut stop, first) = (stop, counted.fetch_add(1, Ordering::SeqCst) == 0);
            Box::pin(async move {
                assert!(!first, "a frame nobody thought of");
                stop.wait().await;
            }) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
        };
        vec![SourceTask { name: "pump-room".to_owned(), start: Box::new(start) }]
    };
    let gateway = Gateway::start_with(dir.site(), sources).await.unwrap();
    let raised = alarm(&gateway.engine, "gengfu/source-restarted").await;
    assert_eq!((raised.device.as_str(), raised.event.as_str()), (own::DEVICE, "raise"));
    until("started again", async || (starts.load(Ordering::SeqCst) == 2).then_some(())).await;
    let journal = gateway.journal.clone();
    until("on disk", async || (maintenance(&journal, "source-restarted").await.len() == 1).then_some(())).await;
    assert!(maintenance(&journal, "source-restarted").await[0].starts_with("pump-room: "));
    assert_eq!(gateway.run_until(async {}).await, End::Stopped { clean: true });
}

#[tokio::test]
async fn a_flood_of_nonsense_is_kept_in_part_counted_and_acknowledged() {
    let dir = Dir::new("flood");
    let mut context = None;
    let sources = |given: &source::Context| {
        context = Some(given.clone());
        Vec::new()
    };
    let gateway = Gateway::start_with(dir.site(), sources).await.unwrap();
    let source::Context { engine, stats, .. } = context.unwrap();
    let mark = Arc::new(tokio::sync::watch::Sender::new(0));
    let mut synced = mark.subscribe();
    for token in 1..=300 {
        let (source, topic, reason) = ("lora".to_owned(), "t".to_owned(), "not JSON".to_owned());
        let refused = vec![Refused { source, topic, head: Vec::new(), reason, at: Wall(1) }];
        let receipt = Some(Receipt { mark: Arc::clone(&mark), token });
        stats.read.add(1);
        engine.submit(Input::Batch(Batch { refused, receipt, ..Batch::default() })).await.unwrap();
    }
    tokio::time::timeout(DEADLINE, synced.wait_for(|token| *token == 300)).await.expect("in time").unwrap();
    assert_eq!(gateway.journal.refused(1_000).await.unwrap().len() as u64, refusals::FULL);
    assert_eq!(stats.refused(RefusedReason::Undecodable), 300 - refusals::FULL);
    let balanced = async || (stats.read.get() == stats.committed.get() + stats.refused_all()).then_some(());
    until("read = committed + refused", balanced).await;
    drop(engine);
    assert_eq!(gateway.run_until(async {}).await, End::Stopped { clean: true });
}

#[tokio::test]
async fn a_reader_that_ends_unasked_is_started_again_and_goes_with_its_keeper() {
    let dir = Dir::new("reader");
    let gateway = Gateway::start(dir.site()).await.unwrap();
    let (stopper, stop) = stop::channel();
    let stats = SharedStats::default();
    let (clock, journal) = (gateway.clock.clone(), gateway.journal.clone());
    let keeper = Keeper { side: Side::Reader, clock, stats: Arc::clone(&stats), journal, stop };
    let alive = Arc::new(());
    let (starts, held) = (Arc::new(AtomicU32::new(0)), Arc::clone(&alive));
    let counted = Arc::clone(&starts);
    let start = move || {
        let (first, held) = (counted.fetch_add(1, Ordering::SeqCst) == 0, Arc::clone(&held));
        async move {
            if !first {
                std::future::pending::<()>().await;
            }
            drop(held);
        }
    };
    let kept = tokio::spawn(keeper.keep("webhook/duty-room".to_owned(), start));
    until("started again", async || (starts.load(Ordering::SeqCst) == 2).then_some(())).await;
    assert_eq!(stats.reader_restarts.get(), 1);
    kept.abort();
    until("nothing of it is left", async || (Arc::strong_count(&alive) == 1).then_some(())).await;
    stopper.stop();
    assert_eq!(gateway.run_until(async {}).await, End::Stopped { clean: true });
}

#[tokio::test]
async fn an_engine_that_panics_ends_the_run() {
    let dir = Dir::new("engine");
    let mut gateway = Gateway::start(dir.site()).await.unwrap();
    gateway.engine_task.abort();
    gateway.engine_task = tokio::spawn(async { panic!("a detector nobody thought of") });
    let end = tokio::time::timeout(DEADLINE, gateway.run_until(std::future::pending())).await;
    assert_eq!(end.unwrap(), End::Broken("the engine ended"));
}

#[tokio::test]
async fn a_journal_writer_that_ends_ends_the_run() {
    for lane in [Lane::Alarm, Lane::Telemetry] {
        let dir = Dir::new(&format!("writer-{lane:?}"));
        let gateway = Gateway::start(dir.site()).await.unwrap();
        gateway.writers.end(lane);
        let end = tokio::time::timeout(DEADLINE, gateway.run_until(std::future::pending())).await;
        assert_eq!(end.unwrap(), End::Broken("a journal writer ended"));
    }
}
