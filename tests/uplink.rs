//! The uplink, by a real broker to a centre that keeps books: what it has taken is what the journal holds, whatever
//! happened in between, and it is never told that something is missing which is still to come.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use gengfu_tests::broker::Broker;
use gengfu_tests::centre::{Centre, Message};
use gengfu_tests::counting::{self, committed};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, always, eventually, now, quiet, say, until};
use rusqlite::Connection;
use serde_json::json;

/// Long enough for more readings to pile up than the live end takes along.
const OUTAGE: Duration = Duration::from_secs(4);

/// Four devices of 59 points: 7,800 readings a second.
fn busy(plant: &Plant, broker: &Broker, drain: &str) -> String {
    let uplink = format!(
        "[[forward.mqtt]]\nname = \"centre\"\nconnect = \"mqtt://127.0.0.1:{}\"\ndrain = {drain}\n",
        broker.port
    );
    Site::new("rig").modbus(plant, 30, 60).flips(0, 4).with(&uplink).text
}

/// What the centre has taken is what the journal holds; only what the last stop wrote may not have gone up.
fn equal_sets(gateway: &Gateway, centre: &Centre) {
    for (lane, file, sql) in [
        ("alarm", "alarm.db", "SELECT seq, 1 FROM entry"),
        ("telemetry", "telemetry.db", "SELECT first_seq, n FROM batch"),
    ] {
        let conn = Connection::open(gateway.data().join(file)).unwrap();
        let epoch: i64 = conn.query_row("SELECT id FROM epoch", [], |row| row.get(0)).expect("one epoch");
        let mut rows = conn.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?))).unwrap();
        let held: BTreeSet<u64> = rows.flat_map(|row| row.map(|(first, n)| first..first + n).unwrap()).collect();
        let book = centre.book();
        let epochs = &book.taken[lane];
        assert_eq!(epochs.keys().collect::<Vec<_>>(), [&(epoch as u64).to_string()], "{lane}");
        let taken = epochs.values().next().unwrap();
        assert_eq!(taken.difference(&held).count(), 0, "{lane}: nothing that the journal does not hold");
        let last = *taken.last().unwrap();
        let lacking: Vec<u64> = held.difference(taken).copied().collect();
        assert!(lacking.iter().all(|seq| *seq > last) && lacking.len() < 10, "{lane} up to {last} lacks {lacking:?}");
        assert_eq!(book.called_missing, [] as [String; 0]);
        say(&format!("uplink: {} records of the {lane} lane, equal sets, {} twice", taken.len(), book.twice));
    }
    // and each line says what was committed
    let (mut expected, samples) = (committed(&gateway.data()), centre.book().samples.clone());
    let lacking = expected.must.iter().filter(|sample| !samples.contains(sample)).count();
    assert!(lacking < 10, "{lacking} samples are missing");
    expected.must.retain(|sample| samples.contains(sample));
    let readings = samples.into_iter().filter(|sample| !sample.series.starts_with("alarm")).collect();
    expected.compare(&readings).unwrap();
}

fn messages(centre: &Centre, fits: impl Fn(&Message) -> bool) -> Vec<Message> {
    centre.book().messages.iter().filter(|message| fits(message)).cloned().collect()
}

#[test]
fn a_centre_gets_everything_and_may_ask_again_and_acknowledge() {
    let (dir, plant, broker) = (Folder::new("uplink"), Plant::start(4), Broker::start());
    let centre = Centre::connect(broker.port, "rig", "centre");
    let mut gateway = Gateway::start(&busy(&plant, &broker, "\"max\""), dir.path());
    eventually(SOON, "readings arrive", || centre.count("telemetry") > 3_000);
    assert_eq!(centre.status()["online"], true);

    plant.devices[0].set(900);
    let id = until(SOON, "the alarm arrives", || {
        let book = centre.book();
        let raise = book.entries.iter().find(|e| e["rule"] == "flip-d0" && e["event"] == "raise")?;
        Some(raise["id"].as_str().unwrap().to_owned())
    });
    acknowledge(&gateway, &centre, &id);
    resend(&centre);
    odd_commands(&centre);
    forgotten(&mut gateway, &centre);

    gateway.kill9();
    let told = eventually(SOON, "the last will is told", || centre.status()["online"] == false);
    assert_eq!(centre.status()["why"], "connection lost");
    let late = Centre::connect(broker.port, "rig", "late");
    eventually(SOON, "who comes later is told too", || late.status()["online"] == false);
    say(&format!("uplink: offline {told:?} after a kill"));
    gateway.restart();
    eventually(SOON, "it is back", || centre.status()["online"] == true);
    gateway.term();
    assert_eq!((&centre.status()["online"], &centre.status()["why"]), (&json!(false), &json!("stopped")));
}

fn acknowledge(gateway: &Gateway, centre: &Centre, id: &str) {
    let reply = centre.command("c-1", "acknowledge", &json!({ "alarm": id, "by": "周敏", "note": "已派人" }));
    assert_eq!((&reply["ok"], &reply["durable"]), (&json!(true), &json!(true)), "{reply}");
    let alarm = gateway.alarm("flip-d0", SOON, |alarm| alarm["state"] == "acknowledged");
    assert_eq!(alarm["acknowledged"]["by"], "周敏", "{alarm}");
    assert_eq!(alarm["acknowledged"]["note"], "已派人", "{alarm}");
    eventually(SOON, "the audit and the transition go up", || {
        let book = centre.book();
        let audit = |action: &str| book.entries.iter().any(|e| e["action"] == action && e["by"] == "周敏");
        let step = book.entries.iter().any(|e| e["id"] == id && e["event"] == "acknowledge" && e["by"] == "周敏");
        audit("acknowledge-asked") && audit("acknowledge") && step
    });
    let entries = gateway.journal(counting::entries);
    let audited = entries.iter().filter(|e| matches!(e, gengfu::journal::Entry::Audit { by, .. } if by == "周敏"));
    assert_eq!(audited.count(), 2, "where it came from, and that it was done");
    let again = centre.command("c-2", "acknowledge", &json!({ "alarm": id, "by": "周敏" }));
    assert!(again["ok"] == false && again["why"].as_str().unwrap().contains("acknowledged already"), "{again}");
}

fn resend(centre: &Centre) {
    let epoch = messages(centre, |m| m.lane == "telemetry")[0].epoch.clone();
    let ask = |id: &str, lane: &str, epoch: &str, from: u64, to: u64| {
        centre.command(id, "resend", &json!({ "lane": lane, "epoch": epoch, "from": from, "to": to }))
    };
    let reply = ask("r-1", "telemetry", &epoch, 7, 2_906);
    assert_eq!((&reply["ok"], &reply["sent"], &reply["gone"]), (&json!(true), &json!(2_900), &json!([])), "{reply}");
    assert_eq!(centre.book().resent("r-1"), (7..=2_906).collect(), "exactly the range");
    assert!(messages(centre, |m| m.resend.is_some()).iter().all(|m| m.order == "backlog"));
    let alarms = messages(centre, |m| m.lane == "alarm")[0].epoch.clone();
    assert_eq!(ask("r-2", "alarm", &alarms, 1, 2)["sent"], 2);
    assert_eq!(centre.book().resent("r-2"), [1, 2].into());
    for (id, epoch, to, why) in [("r-3", "5", 9, "no epoch 5"), ("r-4", &*epoch, 90_000, "goes from 1 to")] {
        let reply = ask(id, "telemetry", epoch, 7, to);
        assert!(reply["ok"] == false && reply["why"].as_str().unwrap().contains(why), "{reply}");
    }
}

fn odd_commands(centre: &Centre) {
    let reply = centre.command("c-3", "new-pack", &json!({}));
    assert!(reply["ok"] == false && reply["why"].as_str().unwrap().contains("no command of this version"), "{reply}");
    centre.say(b"\xff{");
    eventually(SOON, "what is no JSON is refused too", || {
        centre.reply(|reply| reply["why"].as_str().is_some_and(|why| why.contains("not JSON"))).is_some()
    });
}

/// What the journal does not have any more by number is said to be gone.
fn forgotten(gateway: &mut Gateway, centre: &Centre) {
    gateway.term();
    let conn = Connection::open(gateway.data().join("telemetry.db")).unwrap();
    let first: u64 = conn
        .query_row("SELECT first_seq FROM batch WHERE first_seq > 1000 ORDER BY first_seq LIMIT 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    conn.execute("DELETE FROM batch WHERE first_seq < ?1", [first]).unwrap();
    drop(conn);
    gateway.restart();
    let epoch = messages(centre, |m| m.lane == "telemetry")[0].epoch.clone();
    let ask = json!({ "lane": "telemetry", "epoch": epoch, "from": 11, "to": first + 9 });
    let reply = centre.command("r-5", "resend", &ask);
    assert_eq!((&reply["sent"], &reply["gone"]), (&json!(10), &json!([[11, first - 1]])), "{reply}");
    assert_eq!(centre.book().resent("r-5"), (first..first + 10).collect());
    eventually(SOON, "the status tells of it", || centre.status()["gone"][0]["to"] == json!(first - 1));
}

#[test]
fn after_an_outage_alarms_come_first_and_nothing_is_called_missing() {
    let _quiet = quiet();
    let (dir, plant, mut broker) = (Folder::new("uplink-outage"), Plant::start(4), Broker::start());
    let centre = Centre::connect(broker.port, "rig", "centre");
    let mut gateway = Gateway::start(&busy(&plant, &broker, "\"max\""), dir.path());
    eventually(SOON, "readings arrive", || centre.count("telemetry") > 1_000);
    broker.stop();
    plant.devices[1].set(900);
    gateway.alarm("flip-d1", SOON, |_| true);
    always(OUTAGE, "sampling goes on", || true);
    let (gone, back) = (centre.book().messages.len(), now());
    broker.start_again(false);
    eventually(SOON, "the alarm arrives", || centre.book().entries.iter().any(|e| e["rule"] == "flip-d1"));
    eventually(SOON, "the backlog arrives", || {
        let books = gateway.items("ledger");
        assert!(books.len() == 2 && books.iter().all(|book| book["sink"] == "mqtt/centre"), "{books:?}");
        books.iter().all(|book| book["pending"].as_u64().unwrap() < 5_000)
    });
    gateway.settle(SOON);
    let after: Vec<Message> = centre.book().messages[gone..].to_vec();
    let first = after[0].at - back;
    let late = after.iter().find(|m| m.lane == "telemetry").unwrap();
    let alarms = after.iter().take_while(|m| m.lane == "alarm").count();
    assert!(alarms > 0, "alarms first, not {late:?}");
    assert!(late.head - late.last < 5_000 && late.order == "live", "then what is newest: {late:?}");
    let backlog = after.iter().filter(|m| m.order == "backlog" && m.lane == "telemetry").count();
    assert!(backlog > 0, "and then the rest");
    let bytes = centre.book().bytes();
    say(&format!("uplink: first record {first:?} after the broker's return, {backlog} messages of backlog"));
    say(&format!("uplink: {:.1} bytes a reading", bytes as f64 / centre.count("telemetry") as f64));
    equal_sets(&gateway, &centre);
}

#[test]
fn a_kill_in_the_middle_of_a_drain_loses_nothing() {
    let _quiet = quiet();
    let (dir, plant, mut broker) = (Folder::new("uplink-kill"), Plant::start(4), Broker::start());
    let centre = Centre::connect(broker.port, "rig", "centre");
    let mut gateway = Gateway::start(&busy(&plant, &broker, "4000"), dir.path());
    eventually(SOON, "readings arrive", || centre.count("telemetry") > 1_000);
    broker.stop();
    always(OUTAGE, "sampling goes on", || true);
    broker.start_again(false);
    let drained = || messages(&centre, |m| m.order == "backlog" && m.lane == "telemetry");
    eventually(SOON, "the drain is under way", || drained().len() > 5);
    gateway.kill9();
    let sent = drained();
    let (from, to) = (sent.first().unwrap(), sent.last().unwrap());
    // the first may be a whole second's worth: that much had gathered
    let after: u64 = sent.iter().skip(1).map(|m| m.last - m.first + 1).sum();
    let rate = after as f64 / (to.at - from.at).as_secs_f64();
    say(&format!("uplink: killed after {} messages of backlog, {rate:.0} a second of 4000", sent.len()));
    assert!(rate < 6_000.0, "the drain keeps its rate: {rate:.0}");
    assert!(to.tail < to.head - 1_000, "in the middle of it: {to:?}");
    unlimited(dir.path());
    gateway.restart();
    gateway.settle(SOON);
    equal_sets(&gateway, &centre);
}

/// The rest may go as fast as it likes.
fn unlimited(dir: &Path) {
    let file = dir.join("site.toml");
    let site = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, site.replace("drain = 4000", "drain = \"max\"")).unwrap();
}
