//! What the centre has got by the uplink, held against the journal and the ledger at the end: by the counting rule, as of the stores. A
//! record may have come twice; none may lack.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use gengfu::journal::Entry;
use gengfu_tests::centre::{Book, Centre};
use gengfu_tests::counting::{Expected, Sample, Set, contains, of, to_ms};
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, say};
use serde_json::Value;

use super::rig::Rig;

/// What the ledger calls it.
const SINK: &str = "mqtt/centre";
const LANES: [&str; 2] = ["alarm", "telemetry"];

/// Its part of the site file.
pub(super) fn site(site: Site, port: u16) -> Site {
    site.with(&format!("[[forward.mqtt]]\nname = \"centre\"\nconnect = \"mqtt://127.0.0.1:{port}\""))
}

/// An entry of the lane and what a centre was told of it are the same text.
pub(super) fn text(entry: &Entry) -> String {
    serde_json::to_value(entry).unwrap().to_string()
}

fn told(book: &Book) -> HashSet<String> {
    book.entries.iter().map(|entry| without_frame(entry).to_string()).collect()
}

/// The entry's own fields: a transition has its site in itself.
fn without_frame(entry: &Value) -> Value {
    let mut fields = entry.as_object().unwrap().clone();
    let transition = fields["type"] == "alarm";
    let frame = ["v", "lane", "epoch", "seq", "order", "head", "tail", "resend"];
    fields.retain(|name, _| !frame.contains(&name.as_str()) && (transition || name != "site"));
    Value::Object(fields)
}

/// The gateway has ended and `ledger` is the last it said: what the centre has is what was committed, word for word, in as many
/// places as the ledger calls delivered. What the last run added to the alarm lane may not have gone up: it is pending.
pub(super) fn equals(rig: &Rig, ledger: &Value, committed: &Expected, lane: &[Entry]) {
    all_handed_over(&rig.centre, ledger);
    let book = rig.centre.book();
    committed.compare(&book.samples).expect("the centre has what was committed");
    let last_run = lane_of_the_last_run(lane);
    let told = told(&book);
    let all: HashSet<String> = lane.iter().map(text).collect();
    let lacking: Vec<String> = lane[..last_run].iter().map(text).filter(|text| !told.contains(text)).collect();
    let extra: Vec<&String> = told.difference(&all).collect();
    assert!(lacking.is_empty(), "the centre lacks {} entries of the alarm lane: {lacking:?}", lacking.len());
    assert!(extra.is_empty(), "the centre was told of entries that the lane does not hold: {extra:?}");
    assert!(book.called_missing.is_empty(), "called missing and still to come: {:?}", book.called_missing);
    say(&format!(
        "the centre: {} samples and {} entries, equal sets; {} records came twice",
        book.samples.len(),
        told.len(),
        book.twice
    ));
}

/// The broker hands over what it has for the centre after the gateway has ended.
fn all_handed_over(centre: &Centre, ledger: &Value) {
    let delivered: BTreeMap<&str, u64> = ledger["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|book| book["sink"] == SINK)
        .map(|book| (book["lane"].as_str().unwrap(), book["delivered"].as_u64().unwrap()))
        .collect();
    assert_eq!(delivered.keys().copied().collect::<Vec<_>>(), LANES, "{ledger}");
    for (lane, records) in delivered {
        eventually(SOON, &format!("the centre has {records} records of the {lane} lane"), || {
            centre.count(lane) as u64 >= records
        });
    }
}

/// Where the last run's own entries begin; a copy that is opened has begun one more.
fn lane_of_the_last_run(lane: &[Entry]) -> usize {
    let stop = lane.iter().rposition(|entry| matches!(entry, Entry::Stop { .. })).unwrap_or(0);
    lane[..stop].iter().rposition(|entry| matches!(entry, Entry::Start { .. })).unwrap_or(0)
}

/// What the centre is owed where files are damaged: whatever a journal held, unless it was destroyed before it had gone up.
#[derive(Debug, Default)]
pub(super) struct Owed {
    excused: Set,
    entries: BTreeSet<String>,
}

impl Owed {
    /// Of what the journal held, this is left.
    pub(super) fn damaged(&mut self, centre: &Centre, before: (&Set, &[String]), after: (&Set, &[String])) {
        let book = centre.book();
        self.excused.extend(before.0.difference(after.0).filter(|sample| !book.samples.contains(*sample)).cloned());
        let (left, told): (HashSet<&String>, _) = (after.1.iter().collect(), told(&book));
        self.entries.extend(before.1.iter().filter(|text| left.contains(text)).cloned());
        self.entries.retain(|text| left.contains(text) || told.contains(text));
    }

    /// After a repair all that is left goes up: readings under the names they had, and entries.
    pub(super) fn goes_up(&self, centre: &Centre, before: &Set, after: &Set) {
        let left: Vec<&Sample> = before.intersection(after).collect();
        eventually(SOON, "after a repair the centre gets all that is left", || {
            let book = centre.book();
            left.iter().all(|sample| book.samples.contains(*sample)) && {
                let told = told(&book);
                self.entries.iter().all(|text| told.contains(text))
            }
        });
    }

    /// A message is at the centre as it was sent, unless it is excused; an entry word for word. `renamed`: a name in the journal was
    /// damaged, and who it was nobody knows.
    pub(super) fn holds(&self, rig: &Rig, ledger: &Value, acked: &Set, renamed: bool) {
        all_handed_over(&rig.centre, ledger);
        let book = rig.centre.book();
        let owed: Set = acked.difference(&to_ms(&self.excused)).cloned().collect();
        let got = to_ms(&of(&book.samples, "device_v,"));
        contains(&got, &owed).expect("the centre has the messages it is owed");
        let extra = got.difference(acked).count();
        assert!(extra == 0 || renamed, "the centre has {extra} messages that nobody sent");
        let told = told(&book);
        let lacking: Vec<&String> = self.entries.iter().filter(|text| !told.contains(*text)).collect();
        assert!(lacking.is_empty(), "the centre lacks entries of the alarm lane: {lacking:?}");
        say(&format!(
            "the centre: {} of {} messages owed, all there; {} entries owed, all there",
            owed.len(),
            acked.len(),
            self.entries.len()
        ));
    }
}
