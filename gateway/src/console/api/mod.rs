//! `/api/v1` and the probes. Times are UTC milliseconds; collections answer `{"items", "next"}`; errors are problem
//! documents. `openapi.json` describes every route of the table below, and a test holds the two together.

use axum::routing::{MethodRouter, get, post};
use gengfu_core::engine::Command as Act;

use super::App;

mod alarms;
mod entries;
mod events;
mod foretold;
mod health;
mod learned;
mod ledger;
mod letters;
mod metrics;
mod modes;
mod openapi;
mod orders;
mod performance;
mod points;
mod process;
mod reload;
mod status;
mod warning;

pub(super) use process::written_a_day;
pub(super) use status::{Fault, failing};

/// One address.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) path: &'static str,
    /// Its only method, as OpenAPI spells it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test that compares this table with openapi.json reads it"))]
    pub(super) method: &'static str,
    pub(super) handler: MethodRouter<App>,
}

/// The whole API.
pub(super) fn routes() -> Vec<Route> {
    let reads = |path, handler| Route { path, method: "get", handler };
    let does = |path, handler| Route { path, method: "post", handler };
    vec![
        reads("/api/v1/status", get(status::status)),
        reads("/api/v1/points", get(points::points)),
        reads("/api/v1/devices", get(points::devices)),
        reads("/api/v1/points/{device}/{point}/history", get(points::history)),
        reads("/api/v1/alarms", get(alarms::list)),
        reads("/api/v1/alarms/{id}", get(alarms::one)),
        does("/api/v1/alarms/{id}/acknowledge", orders::plain(Act::Acknowledge)),
        does("/api/v1/alarms/{id}/reset", orders::plain(Act::Reset)),
        does("/api/v1/alarms/{id}/shelve", post(orders::shelve)),
        does("/api/v1/alarms/{id}/unshelve", orders::plain(Act::Unshelve)),
        does("/api/v1/alarms/{id}/out-of-service", post(orders::out_of_service)),
        does("/api/v1/alarms/{id}/return-to-service", orders::plain(Act::ReturnToService)),
        does("/api/v1/alarms/{id}/note", post(orders::note)),
        reads("/api/v1/modes", get(modes::list)),
        does("/api/v1/modes/{area}/begin", post(modes::begin)),
        does("/api/v1/modes/{area}/end", post(modes::end)),
        reads("/api/v1/entries", get(entries::list)),
        reads("/api/v1/events", get(events::events)),
        reads("/api/v1/learned", get(learned::list)),
        does("/api/v1/learned/forget", post(learned::forget)),
        reads("/api/v1/ledger", get(ledger::ledger)),
        reads("/api/v1/ledger/dead", get(letters::list)),
        does("/api/v1/ledger/redrive", post(letters::redrive)),
        reads("/api/v1/early-warnings", get(foretold::foretold)),
        reads("/api/v1/performance", get(performance::performance)),
        reads("/api/v1/rules", get(ledger::rules)),
        reads("/api/v1/warning", get(warning::warning)),
        does("/api/v1/warning/release", post(warning::release)),
        does("/api/v1/reload", post(reload::reload)),
        reads("/api/v1/openapi.json", get(openapi::openapi)),
        reads("/healthz", get(health::healthz)),
        reads("/readyz", get(health::readyz)),
        reads("/metrics", get(metrics::metrics)),
    ]
}
