//! The alarms and the site as a whole, through the whole gateway: told live, kept, and the same after a restart.

use std::fmt::Write as _;

use gengfu_core::engine::Command;
use gengfu_core::quality::Quality;
use gengfu_core::reading::Reading;
use gengfu_core::time::Wall;

use super::tests::{Dir, until};
use super::*;
use crate::config;
use crate::driver::{CommandError, Input, Order, Snapshot};
use crate::flow::Batch;
use crate::journal::LevelRecord;
use crate::scripted::DEADLINE;

/// Six points with a rule, on a line that nobody polls.
fn site(dir: &Dir) -> Site {
    let mut text = "[site]\nid = \"test\"\n[console]\nlisten = \"127.0.0.1:0\"\n\
                    [alarms.performance]\nflood_above = 3\nflood_below = 2\n\
                    [warning]\ndown_after = \"1s\"\n\
                    [[modbus]]\nname = \"line\"\nconnect = \"tcp://127.0.0.1:1\"\n\
                    [[modbus.device]]\nname = \"d\"\nunit = 1\n"
        .to_owned();
    for n in 0..6 {
        let _ = write!(text, "[[modbus.device.point]]\nname = \"p{n}\"\nregister = \"holding:{n}\"\ntype = \"u16\"\n");
    }
    text += "[[rule]]\nid = \"hot\"\npoints = \"d/*\"\npriority = \"critical\"\nhigh = { limit = 50, clear = 40 }\n";
    config::parse(&text, &dir.0.join("site.toml")).unwrap().site
}

struct Run {
    gateway: Gateway,
    context: source::Context,
}

impl Run {
    async fn start(dir: &Dir) -> Self {
        let mut context = None;
        let sources = |given: &source::Context| {
            context = Some(given.clone());
            Vec::new()
        };
        let gateway = Gateway::start_with(site(dir), sources).await.unwrap();
        Self { gateway, context: context.unwrap() }
    }

    async fn say(&self, point: usize, value: f64) {
        let point = self.context.catalog.find(&format!("d/p{point}")).unwrap();
        let at = Wall(self.gateway.clock.wall().0);
        let readings = vec![Reading { point, at, value, quality: Quality::Good }];
        self.context.stats.read.add(1);
        self.context.engine.submit(Input::Batch(Batch { readings, ..Batch::default() })).await.unwrap();
    }

    async fn until(&self, what: &str, look: impl Fn(&Snapshot) -> bool) -> Snapshot {
        until(what, async || self.gateway.engine.snapshot().await.filter(|snapshot| look(snapshot))).await
    }

    async fn stop(self) {
        drop(self.context);
        assert_eq!(self.gateway.run_until(async {}).await, End::Stopped { clean: true });
    }
}

async fn levels(journal: &Journal) -> Vec<LevelRecord> {
    let entries = journal.entries(None, 1_000).await.unwrap();
    let record = |entry| match entry {
        Entry::Level(record) => Some(record),
        Entry::Alarm(_)
        | Entry::Audit { .. }
        | Entry::Start { .. }
        | Entry::Stop { .. }
        | Entry::Gap { .. }
        | Entry::Mode(_)
        | Entry::Maintenance { .. } => None,
    };
    let mut records: Vec<_> = entries.into_iter().filter_map(|(_, entry)| record(entry)).collect();
    records.reverse();
    records
}

/// The step and the audit are two entries of the lane: what is answered once the first is on disk could lose the second.
#[tokio::test]
async fn an_answer_waits_for_the_audit_too() {
    let dir = Dir::new("audit-ticket");
    let run = Run::start(&dir).await;
    run.say(0, 60.0).await;
    let raised = run.until("an alarm", |snapshot| !snapshot.alarms.is_empty()).await;
    let target = raised.alarms[0].id.clone();
    let order = Order { target, command: Command::Acknowledge, by: "guard".to_owned(), note: None };
    let done = run.gateway.engine.ordered(order).await.unwrap();
    assert!(run.gateway.journal.committed(done.ticket, DEADLINE).await);
    let entries = run.gateway.journal.entries(None, 1_000).await.unwrap();
    let waited_for = entries.into_iter().find(|(seq, _)| *seq == done.ticket.0).map(|(_, entry)| entry);
    assert!(matches!(waited_for, Some(Entry::Audit { .. })), "{waited_for:?}");
    run.stop().await;
}

#[tokio::test]
async fn a_flood_is_told_kept_and_goes_on_after_a_restart() {
    let dir = Dir::new("figures-flood");
    let run = Run::start(&dir).await;
    let mut news = run.gateway.engine.news();
    for point in 0..4 {
        run.say(point, 60.0).await;
    }
    let flood = async {
        loop {
            if let crate::driver::News::FloodBegan { count, above, .. } = news.recv().await.unwrap() {
                return (count, above);
            }
        }
    };
    assert_eq!(tokio::time::timeout(DEADLINE, flood).await.unwrap(), (4, 3));
    let id = run.gateway.engine.snapshot().await.unwrap().alarms[0].id.clone();
    run.gateway.engine.acknowledge(id, "guard".to_owned(), None).await.unwrap();
    let before = run.gateway.engine.performance().await.unwrap();
    assert_eq!((before.rate, before.today.annunciated, before.flood.map(|flood| flood.count)), (4, 4, Some(4)));
    assert_eq!(before.today.top.len(), 4);
    assert_eq!(before.today.acknowledged[0].count, 1, "critical comes first");
    run.stop().await;

    let run = Run::start(&dir).await;
    let after = run.gateway.engine.performance().await.unwrap();
    assert_eq!((after.rate, after.today.annunciated, after.flood), (4, 4, before.flood));
    assert_eq!((after.today.top, after.today.since), (before.today.top, before.today.since));
    // The counter and the wall clock, which the lane keeps, turn their milliseconds at different moments.
    for (after, before) in after.today.acknowledged.iter().zip(&before.today.acknowledged) {
        assert_eq!((after.priority, after.count), (before.priority, before.count));
        assert!(after.max_ms.unwrap_or(0).abs_diff(before.max_ms.unwrap_or(0)) <= 1, "{after:?} {before:?}");
    }
    let journal = &run.gateway.journal;
    assert_eq!(
        super::tests::maintenance(journal, "alarm-flood-began").await.len(),
        1,
        "what was told is not told again"
    );
    run.stop().await;
}

#[tokio::test]
async fn a_level_rises_is_kept_over_a_restart_and_falls_by_a_person() {
    let dir = Dir::new("figures-level");
    let run = Run::start(&dir).await;
    run.say(0, 60.0).await;
    let orange = |snapshot: &Snapshot| snapshot.levels.warning.level == "orange";
    let seen = run.until("orange", orange).await.levels;
    assert_eq!((seen.warning.roman, seen.warning.state, seen.risk.level), (Some("II"), "reached", "blue"));
    let reason = seen.warning.reason.unwrap();
    assert_eq!((reason.row, reason.alarms), (3, vec!["hot@d/p0".to_owned()]));
    let early = run.gateway.engine.release("guard".to_owned(), "early".to_owned()).await;
    assert!(matches!(early, Err(CommandError::NotNow(_))), "{early:?}");
    run.stop().await;

    let run = Run::start(&dir).await;
    let kept = run.gateway.engine.snapshot().await.unwrap().levels.warning;
    assert_eq!((kept.level, kept.since), ("orange", seen.warning.since), "it has not fallen in between");
    run.say(0, 10.0).await;
    let waiting = run.until("the hold", |snapshot| snapshot.levels.warning.state == "awaits-release").await;
    assert!(orange(&waiting));
    let released = run.gateway.engine.release("guard".to_owned(), "checked".to_owned()).await.unwrap();
    assert_eq!((released.to.as_str(), released.by.as_str(), released.note.as_str()), ("none", "guard", "checked"));
    assert_eq!(run.gateway.engine.snapshot().await.unwrap().levels.warning.level, "none");
    let told: Vec<String> = levels(&run.gateway.journal).await.into_iter().map(|record| record.change).collect();
    assert_eq!(told, ["rose", "awaits", "released"]);
    run.stop().await;

    let run = Run::start(&dir).await;
    assert_eq!(run.gateway.engine.snapshot().await.unwrap().levels.warning.level, "none");
    run.stop().await;
}
