//! What a centre reads: heads, entries, statuses, and the rate of a drain.

use gengfu_core::time::Mono;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::config::checked::Drain;
use crate::forward::bucket::Bucket;
use crate::forward::tests::event;
use crate::forward::uplink::command::Deed;
use crate::forward::uplink::framing::{Frame, Order, Topics};
use crate::forward::uplink::load::epoch_of;
use crate::forward::uplink::status::{Gone, GoneBook, LaneState, Status, offline, tail, unheld};
use crate::journal::{Entry, Lane, Stretch};

fn head(resend: Option<&str>) -> Frame<'_> {
    Frame { site: "s-1", epoch: u64::MAX, first: 5, last: 9, order: Order::Live, head: 12, tail: 5, resend }
}

#[test]
fn heads_are_the_contract() {
    let line = "# gengfu site=s-1 lane=telemetry epoch=18446744073709551615 seq=5..9 order=live head=12 tail=5";
    assert_eq!(head(None).line(), format!("{line}\n"));
    let again = Frame { order: Order::Backlog, ..head(Some("c-1")) };
    assert_eq!(again.line(), format!("{} resend=c-1\n", line.replace("live", "backlog")));
    assert_eq!(Topics::of("s-1").telemetry, "gengfu/v1/s-1/telemetry");
}

#[test]
fn an_entry_says_what_it_is_and_where_it_stands() {
    let body = head(None).entry(&Entry::Alarm(event("00000000000000aa", 3, "低 / low")));
    let entry: Value = serde_json::from_slice(&body).unwrap();
    for (key, value) in [
        ("v", json!(1)),
        ("type", json!("alarm")),
        ("lane", json!("alarm")),
        ("epoch", json!("18446744073709551615")),
        ("seq", json!(5)),
        ("id", json!("00000000000000aa")),
        ("number", json!(3)),
        ("order", json!("live")),
        ("tail", json!(5)),
        ("site", json!("s-1")),
    ] {
        assert_eq!(entry[key], value, "{key} of {entry}");
    }
    let trial = crate::flow::AlarmEvent { shadow: true, ..event("00000000000000ab", 1, "低 / low") };
    let trial: Value = serde_json::from_slice(&head(None).entry(&Entry::Alarm(trial))).unwrap();
    assert_eq!((&trial["type"], &trial["shadow"]), (&json!("shadow"), &json!(true)));
    let stop: Value = serde_json::from_slice(&head(Some("c")).entry(&Entry::Stop { at: 7 })).unwrap();
    assert_eq!(
        (&stop["type"], &stop["at"], &stop["resend"], &stop["id"]),
        (&json!("stop"), &json!(7), &json!("c"), &Value::Null)
    );
}

fn epochs() -> Vec<Stretch> {
    let stretch = |epoch, first, last| Stretch { epoch, first, last, started: 1 };
    vec![stretch(7, 1, Some(20)), stretch(8, 31, Some(30)), stretch(9, 31, Some(40)), stretch(u64::MAX, 1_041, None)]
}

#[test]
fn a_message_never_spans_two_epochs() {
    assert_eq!(epoch_of(&epochs(), 1), (7, 30));
    assert_eq!(epoch_of(&epochs(), 20), (7, 30));
    assert_eq!(epoch_of(&epochs(), 31), (9, 1_040), "an epoch without a record covers none");
    assert_eq!(epoch_of(&epochs(), 2_000), (u64::MAX, u64::MAX));
    assert_eq!(epoch_of(&[], 5), (0, u64::MAX));
}

#[test]
fn a_range_is_asked_of_the_epoch_that_has_it() {
    let why = |epoch, from, to| unheld(&Deed::Resend { lane: Lane::Telemetry, epoch, from, to }, &epochs(), 1_050);
    assert_eq!((why(7, 1, 20), why(u64::MAX, 1_041, 1_050)), (None, None));
    assert!(why(7, 1, 21).unwrap().contains("from 1 to 20"));
    assert!(why(u64::MAX, 1_041, 1_051).unwrap().contains("to 1050"));
    assert!(why(6, 1, 2).unwrap().contains("no epoch 6"));
}

#[test]
fn a_status_tells_how_far_each_lane_is() {
    let lane = |owed| LaneState { epochs: epochs(), head: 1_050, owed };
    let mut gone = GoneBook::default();
    for n in 0..50 {
        gone.note(Gone { lane: Lane::Alarm, epoch: 7, range: (n, n) });
    }
    let (alarm, telemetry) = (lane(Vec::new()), lane(vec![(40, 40), (1_041, 1_050)]));
    let troubles = ["journal: full".to_owned()];
    let status = Status { site: "s", at: 5, alarm: &alarm, telemetry: &telemetry, troubles: &troubles, gone: &gone };
    let status: Value = serde_json::from_slice(&status.json()).unwrap();
    assert_eq!(
        (&status["online"], &status["site"], &status["health"]["ok"]),
        (&json!(true), &json!("s"), &json!(false))
    );
    assert_eq!(status["gone"].as_array().map(Vec::len), Some(32), "the newest");
    let lanes = &status["lanes"];
    assert_eq!((&lanes["alarm"]["tail"], &lanes["alarm"]["pending"]), (&json!(1_051), &json!(0)));
    assert_eq!((&lanes["telemetry"]["tail"], &lanes["telemetry"]["pending"]), (&json!(40), &json!(11)));
    assert_eq!(
        lanes["alarm"]["epochs"][3],
        json!({ "epoch": u64::MAX.to_string(), "first": 1_041, "last": 1_050, "started": 1 })
    );
    assert_eq!(tail(&[], 0), 1);
    let gone: Value = serde_json::from_slice(&offline("s", "stopped")).unwrap();
    assert_eq!((&gone["online"], &gone["why"]), (&json!(false), &json!("stopped")));
}

proptest! {
    #[test]
    fn a_drain_keeps_its_rate(rate in 1_u64..20_000, steps in proptest::collection::vec(0_u64..2_000, 1..60)) {
        let mut now = Mono(1_000);
        let mut bucket = Bucket::new(Drain::Rate(rate), now);
        let (start, mut sent) = (now, 0_u64);
        for step in steps {
            now = now.plus(step);
            let records = bucket.allowance(now, 5_000);
            if records == 0 {
                let ready = bucket.ready(5_000);
                prop_assert!(ready > now, "ready at {ready:?}, now {now:?}");
                prop_assert!(bucket.allowance(ready, 5_000) > 0, "nothing at the time that was named");
                now = ready;
                continue;
            }
            bucket.spend(records as u64);
            sent += records as u64;
            prop_assert!(sent * 1_000 <= rate * now.since(start) , "{sent} in {} ms at {rate}/s", now.since(start));
        }
        prop_assert_eq!(Bucket::new(Drain::Max, now).allowance(now, 5_000), 5_000);
    }
}

#[test]
fn the_contract_names_every_type_of_entry() {
    let contract = include_str!("../../../../../docs/uplink.md");
    let described: serde_json::Value =
        serde_json::from_str(include_str!("../../../console/api/openapi.json")).expect("the API's own description");
    let types = described.pointer("/components/schemas/Entry/properties/type/enum").and_then(|types| types.as_array());
    for word in types.expect("named there").iter().filter_map(|word| word.as_str()).chain(["shadow"]) {
        assert!(contract.contains(&format!("`{word}`")), "docs/uplink.md does not say what `{word}` is");
    }
}
