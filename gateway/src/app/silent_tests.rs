//! Points that speak seldom, through the whole gateway: however long ago they spoke, a start knows what they said.

use gengfu_core::engine::Command;
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::Reading;

use super::learned_tests::{House, Run};
use super::tests::until;
use super::*;
use crate::driver::{Input, NO_DATA_RULE, Order};
use crate::flow::{Batch, Receipt};
use crate::scripted::DEADLINE;

const MINUTE: u64 = 60_000;

/// Two heads that vote, and take a bad one for one that shouts; a loop whose break is the danger; and a meter that talks.
const SITE: &str = r#"
site = { id = "test" }
[console]
listen = "127.0.0.1:0"
[[modbus]]
name = "line"
connect = "tcp://127.0.0.1:1"
[[modbus.device]]
name = "d"
unit = 1
[[modbus.device.point]]
name = "a"
register = "holding:0"
type = "u16"
[[modbus.device.point]]
name = "b"
register = "holding:1"
type = "u16"
[[modbus.device.point]]
name = "loop"
register = "holding:2"
type = "u16"
[[modbus.device.point]]
name = "meter"
register = "holding:3"
type = "u16"
[[rule]]
id = "smoke"
points = ["d/a", "d/b"]
state = { is = 1 }
[[rule]]
id = "both"
point = "d/a"
vote = { of = ["smoke@d/a", "smoke@d/b"], need = 2, degraded = "trip" }
[[rule]]
id = "broken"
point = "d/loop"
state = { is = 1 }
unknown = "danger"
"#;

/// The value of each, as good, in one batch; returns once it is on disk.
async fn say(run: &Run<'_>, words: &[(&str, f64)]) {
    tell(run, words, Quality::Good).await;
}

async fn tell(run: &Run<'_>, words: &[(&str, f64)], quality: Quality) {
    let at = run.gateway.clock.wall();
    let reading = |(name, value): &(&str, f64)| {
        let point = run.context.catalog.find(&format!("d/{name}")).unwrap();
        Reading { point, at, value: *value, quality }
    };
    let mark = Arc::new(watch::Sender::new(0));
    let mut synced = mark.subscribe();
    let receipt = Some(Receipt { mark, token: 1 });
    run.context.stats.read.add(words.len() as u64);
    let batch = Batch { readings: words.iter().map(reading).collect(), receipt, ..Batch::default() };
    run.context.engine.submit(Input::Batch(batch)).await.unwrap();
    tokio::time::timeout(DEADLINE, synced.wait_for(|token| *token == 1)).await.expect("in time").unwrap();
}

/// What is known of each point, as its value and when it said so, and the rules whose alarms stand.
async fn present(run: &Run<'_>) -> (Vec<Option<Reading>>, Vec<String>) {
    let snapshot = run.gateway.engine.snapshot().await.unwrap();
    let last = |name: &str| {
        let id = run.context.catalog.find(&format!("d/{name}")).unwrap();
        snapshot.points.iter().find(|(point, _)| *point == id).and_then(|(_, last)| *last)
    };
    let alarms = snapshot.alarms.iter().map(|alarm| alarm.rule.clone());
    (["a", "b", "loop"].map(last).to_vec(), alarms.filter(|rule| !rule.starts_with("gengfu/")).collect())
}

#[tokio::test]
async fn a_start_knows_what_was_said_before_all_that_detectors_remember() {
    let house = House::of("silent", SITE);
    let run = Run::start(&house).await;
    say(&run, &[("a", 0.0), ("b", 1.0), ("loop", 0.0)]).await;
    say(&run, &[("b", 0.0)]).await;
    let said = present(&run).await;
    assert!(said.0.iter().all(|last| last.is_some_and(|last| last.value.abs() < 0.5)), "{said:?}");
    let until_then = said.1.clone();
    run.hurry(10 * MINUTE);
    say(&run, &[("meter", 1.0)]).await;
    run.kill().await;

    let run = Run::start(&house).await;
    assert_eq!(present(&run).await, said, "not sealed yet");
    // The hour is over, and sealed.
    run.hurry(120 * MINUTE);
    say(&run, &[("meter", 2.0)]).await;
    let chunks =
        "SELECT count(*) FROM span JOIN series ON series.id = span.point WHERE device = 'd' AND series.point = 'a'";
    let sealed = || house.conn().query_row(chunks, [], |row| row.get::<_, i64>(0)).unwrap();
    until("sealed", async || {
        run.hurry(MINUTE);
        (sealed() == 1).then_some(())
    })
    .await;
    run.stop().await;

    let run = Run::start(&house).await;
    run.hurry(2 * MINUTE);
    // As when the line tells nothing new: the votes wait for nobody.
    say(&run, &[("meter", 3.0)]).await;
    let (points, alarms) = present(&run).await;
    assert_eq!((&points, &alarms), (&said.0, &until_then), "nothing is forgotten, and nothing rings");
    // And one that shouts is one.
    say(&run, &[("a", 1.0)]).await;
    assert!(!present(&run).await.1.contains(&"both".to_owned()));
    say(&run, &[("b", 1.0)]).await;
    assert!(present(&run).await.1.contains(&"both".to_owned()));
    run.stop().await;
}

/// One head that must not be lost, and a meter that talks.
const WATCHED: &str = r#"
site = { id = "test" }
[console]
listen = "127.0.0.1:0"
[[modbus]]
name = "line"
connect = "tcp://127.0.0.1:1"
[[modbus.device]]
name = "d"
unit = 1
[[modbus.device.point]]
name = "head"
register = "holding:0"
type = "u16"
life_safety = true
[[modbus.device.point]]
name = "meter"
register = "holding:1"
type = "u16"
"#;

/// Entries of a storm: more than a start reads back at once.
const STORM: usize = 2_500;

async fn storm(run: &Run<'_>) {
    let entry = |n: usize| Entry::Audit {
        at: run.gateway.clock.wall().0,
        by: "guard".to_owned(),
        action: "note".to_owned(),
        target: n.to_string(),
        detail: String::new(),
    };
    let tickets: Vec<_> = (0..STORM).map(|n| run.gateway.journal.append(entry(n))).collect();
    let last = *tickets.last().unwrap();
    assert!(run.gateway.journal.committed(last, DEADLINE).await);
}

/// The steps of the lost head's alarm, oldest first.
async fn steps(run: &Run<'_>) -> Vec<String> {
    let entries = run.gateway.journal.entries(None, usize::from(u16::MAX)).await.unwrap();
    let steps = entries.into_iter().rev().filter_map(|(_, entry)| entry.into_alarm());
    steps.filter(|event| event.point == "head").map(|event| event.event).collect()
}

#[tokio::test]
async fn a_sensor_that_was_lost_before_a_storm_is_lost_after_a_restart() {
    let house = House::of("lost-before", WATCHED);
    let run = Run::start(&house).await;
    say(&run, &[("head", 1.0)]).await;
    run.hurry(MINUTE);
    tell(&run, &[("head", 0.0)], Quality::Bad(Reason::Timeout)).await;
    run.hurry(MINUTE);
    say(&run, &[("meter", 1.0)]).await;
    let lost = until("no data", async || {
        let snapshot = run.gateway.engine.snapshot().await?;
        snapshot.alarms.into_iter().find(|alarm| alarm.rule == NO_DATA_RULE && alarm.point == "head")
    })
    .await;
    let order = Order { target: lost.id, command: Command::Acknowledge, by: "guard".to_owned(), note: None };
    run.gateway.engine.order(order).await.unwrap();
    storm(&run).await;
    run.stop().await;

    let run = Run::start(&house).await;
    assert_eq!(steps(&run).await, ["raise", "acknowledge"], "the lane is read back further than that");
    // Beyond all that is read back: what stands tells of itself.
    run.hurry(26 * 60 * MINUTE);
    storm(&run).await;
    storm(&run).await;
    run.stop().await;
    let run = Run::start(&house).await;
    assert_eq!(steps(&run).await, ["raise", "acknowledge"], "its last good word is no news");
    say(&run, &[("head", 1.0)]).await;
    until("it is back", async || (steps(&run).await.last()? == "return").then_some(())).await;
    run.stop().await;
}
