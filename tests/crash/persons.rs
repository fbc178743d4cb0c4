//! Who works at the console through all of it: one acknowledges, one puts alarms aside and areas into modes. What was answered
//! with success is booked: it must not be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use gengfu::journal::Entry;
use gengfu_tests::http;
use gengfu_tests::random::Random;
use gengfu_tests::wait::{pause, unix_ms};
use serde_json::{Value, json};

use super::classes::transitions;
use super::flight::{AREAS, MAY_BE_OUT, PUT_ASIDE};
use super::table::{MODES, SHELVES};

/// Who acknowledges, in the journal's words.
pub(crate) const BY: &str = "值班员";
/// Who does all else.
pub(crate) const PLANNER: &str = "班长";
/// Between two looks for what waits to be acknowledged.
const LOOK: Duration = Duration::from_millis(20);
/// Between two orders of the planner.
const PACE: Duration = Duration::from_millis(40);
/// How long what the planner begins lasts, s.
const LASTS: (u64, u64) = (1, 4);

/// A person at work, until told to stop.
pub(crate) struct Person<S> {
    pub shared: Arc<S>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Default + Send + Sync + 'static> Person<S> {
    fn start(pace: Duration, mut work: impl FnMut(&S) + Send + 'static) -> Self {
        let (shared, over) = (Arc::<S>::default(), Arc::<AtomicBool>::default());
        let (inside, ended) = (shared.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                work(&inside);
                pause(pace);
            }
        });
        Self { shared, over, thread: Some(thread) }
    }
}

impl<S> Person<S> {
    pub(crate) fn stop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<S> Drop for Person<S> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the operator has done: ids of alarms whose acknowledgement was answered with success, by the fault that was on.
#[derive(Default)]
pub(crate) struct Acknowledged {
    pub number: AtomicU64,
    pub answered: Mutex<BTreeMap<u64, Vec<String>>>,
}

/// Acknowledges whatever waits for it, also at the very moment of a fault.
pub(crate) fn operator(port: u16) -> Person<Acknowledged> {
    Person::start(LOOK, move |done: &Acknowledged| {
        let Ok(page) = http::get(port, "/api/v1/alarms?limit=2000").map(|answer| answer.json()) else { return };
        for alarm in page["items"].as_array().into_iter().flatten() {
            let (Some(id), Some(state)) = (alarm["id"].as_str(), alarm["state"].as_str()) else { continue };
            if !["unacknowledged", "returned"].contains(&state) {
                continue;
            }
            let number = done.number.load(Ordering::SeqCst);
            let answer = http::post_json(port, &format!("/api/v1/alarms/{id}/acknowledge"), &json!({ "by": BY }));
            // 202: carried out, and not on disk yet; only 200 is a promise
            if answer.is_ok_and(|answer| answer.status == 200) {
                done.answered.lock().unwrap().entry(number).or_default().push(id.to_owned());
            }
        }
    })
}

/// What the planner ordered and was told to be done.
#[derive(Default)]
pub(crate) struct Planned {
    /// Nothing new is begun while it is set.
    pub resting: AtomicBool,
    pub answered: Mutex<Vec<Order>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub class: &'static str,
    /// When it was given, UTC ms.
    pub at: i64,
    /// The audit's word for it.
    action: &'static str,
    /// What was written with it; no two are alike.
    words: String,
    /// The transition or the change of mode that was answered.
    said: Value,
}

/// An order before it is given.
struct Plan {
    class: &'static str,
    path: String,
    action: &'static str,
    body: Value,
}

/// Shelves and takes back, writes notes, takes out of service, begins and ends modes: at random, also what can't be, which is
/// refused.
pub(crate) fn planner(port: u16, mut random: Random) -> Person<Planned> {
    let mut count = 0_u64;
    Person::start(PACE, move |done: &Planned| {
        if done.resting.load(Ordering::SeqCst) {
            return;
        }
        count += 1;
        let words = format!("order {count}");
        let Plan { class, path, action, body } = plan(&mut random, &words);
        let at = unix_ms();
        let Ok(answer) = http::post_json(port, &path, &body) else { return };
        if answer.status == 200 {
            let said = answer.json();
            done.answered.lock().unwrap().push(Order { class, at, action, words, said });
        }
    })
}

fn plan(random: &mut Random, words: &str) -> Plan {
    let mut one = |of: &[&'static str]| of[random.between(0, of.len() as u64) as usize];
    let (aside, out, area) = (one(&PUT_ASIDE), one(&MAY_BE_OUT), one(&AREAS));
    let mode = one(&["walk-test", "drill", "maintenance"]);
    let lasts = format!("{}s", random.between(LASTS.0, LASTS.1));
    let put = json!({ "by": PLANNER, "for": lasts, "reason": words });
    let noted = json!({ "by": PLANNER, "note": words });
    let order = |target: &str, action: &'static str, body: Value| Plan {
        class: SHELVES,
        path: format!("/api/v1/alarms/{}/{action}", target.replace('/', "%2F")),
        action,
        body,
    };
    let once = random.between(0, 2) == 0;
    match random.between(0, 12) {
        0..=2 => {
            let body = json!({ "by": PLANNER, "for": lasts, "reason": words, "one_shot": once });
            order(aside, "shelve", body)
        }
        3 => order(aside, "unshelve", noted),
        4 => order(aside, "note", noted),
        5 => order(aside, "out-of-service", put),
        6 => order(out, "out-of-service", put),
        7 => order(if once { aside } else { out }, "return-to-service", noted),
        8..=10 => {
            let body = json!({ "by": PLANNER, "for": lasts, "reason": words, "mode": mode });
            Plan { class: MODES, path: format!("/api/v1/modes/{area}/begin"), action: mode, body }
        }
        _ => {
            let body = json!({ "by": PLANNER, "reason": words });
            Plan { class: MODES, path: format!("/api/v1/modes/{area}/end"), action: "end-mode", body }
        }
    }
}

/// Of these orders, those that the lane does not have word for word and with their audit.
pub(crate) fn orders_not_in_the_lane<'a>(orders: &'a [Order], lane: &[Entry]) -> Vec<&'a Order> {
    let steps = transitions(lane).map(|alarm| serde_json::to_value(alarm).unwrap().to_string());
    let modes = lane.iter().filter_map(|entry| {
        if let Entry::Mode(record) = entry { Some(serde_json::to_value(record).unwrap().to_string()) } else { None }
    });
    let said: BTreeSet<String> = steps.chain(modes).collect();
    let audits = lane.iter().filter_map(|entry| {
        if let Entry::Audit { by, action, detail, .. } = entry { Some((by, action, detail)) } else { None }
    });
    let planned = audits.filter(|(by, ..)| *by == PLANNER);
    let audited: BTreeSet<(&str, &str)> =
        planned.map(|(_, action, detail)| (&**action, detail.rsplit("; ").next().unwrap_or_default())).collect();
    let there =
        |order: &Order| said.contains(&order.said.to_string()) && audited.contains(&(order.action, &*order.words));
    orders.iter().filter(|order| !there(order)).collect()
}
