//! What became of every reading, and the rules they are held against.

use axum::Json;
use axum::extract::State;
use gengfu_core::detect::{
    Params, absent, accumulated, band, count, digital, dwell, frozen, group, habit, limit, rate, ratio, residual,
    rhythm, sibling, trend, vote,
};
use serde_json::{Value, json};

use super::super::App;
use super::super::view::{RunBalance, Totals, side_word};
use crate::config::checked::{LevelMeta, Rule, Scope, Unknown};

pub(super) async fn ledger(State(app): State<App>) -> Json<Value> {
    let (sinks, missing) = (app.history.ledger(), app.missing().await);
    let run = RunBalance::of(&app.stats);
    let refused: serde_json::Map<String, Value> =
        run.refused.iter().map(|(reason, n)| ((*reason).to_owned(), (*n).into())).collect();
    Json(json!({
        "run": { "read": run.read, "committed": run.committed, "refused": refused, "in_flight": run.in_flight },
        "totals": Totals::of(&sinks),
        "missing": missing,
        "items": sinks,
        "next": null,
    }))
}

/// All rules at once: their number is bounded by the configuration.
pub(super) async fn rules(State(app): State<App>) -> Json<Value> {
    let items: Vec<Value> = app.site().rules.iter().map(rule).collect();
    Json(json!({ "items": items, "next": null }))
}

fn rule(rule: &Rule) -> Value {
    let level = |level: &LevelMeta| json!({ "priority": level.priority.word(), "latch": level.latch, "shelvable": level.shelvable });
    let unknown = match rule.unknown {
        Unknown::Hold => "hold",
        Unknown::Alarm => "alarm",
        Unknown::Danger => "danger",
    };
    json!({
        "id": rule.id, "points": rule.points, "detector": detector(&rule.detector),
        "levels": rule.levels.iter().map(level).collect::<Vec<_>>(), "basis": rule.basis, "advice": rule.advice,
        "unknown": unknown, "re_alarm_ms": rule.re_alarm.map(|again| again.as_millis() as u64),
        "suppressed_by": rule.suppressed_by.as_ref().map(|by| json!({ "rule": by.rule, "same": scope(by.same) })),
        "first_out": rule.first_out,
        "voters": rule.voters.iter().map(|voter| format!("{}@{}", voter.rule, voter.point)).collect::<Vec<_>>(),
        "beside": rule.beside,
    })
}

const fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Device => "device",
        Scope::Area => "area",
        Scope::Site => "site",
    }
}

fn detector(params: &Params) -> Value {
    match *params {
        Params::Limit(limit::Params { side, first, second }) => {
            let level =
                |l: limit::Level| json!({ "limit": l.limit, "clear": l.clear, "on_ms": l.on_ms, "off_ms": l.off_ms });
            let levels: Vec<Value> = std::iter::once(level(first)).chain(second.map(level)).collect();
            json!({ "kind": side_word(side), "levels": levels })
        }
        Params::Digital(digital::Params { is, negate, on_ms, off_ms }) => {
            json!({ "kind": "state", "is": is, "negate": negate, "on_ms": on_ms, "off_ms": off_ms })
        }
        Params::Trend(trend::Params { limit, side, within_ms, window_ms }) => {
            json!({ "kind": "trend", "limit": limit, "side": side_word(side), "within_ms": within_ms, "window_ms": window_ms })
        }
        Params::Vote(p) => vote(p),
        Params::Band(band::Params { low, high }) => {
            let side = |p: limit::Params| json!({ "limit": p.first.limit, "clear": p.first.clear });
            let (on_ms, off_ms) = (low.first.on_ms, low.first.off_ms);
            json!({ "kind": "band", "low": side(low), "high": side(high), "on_ms": on_ms, "off_ms": off_ms })
        }
        Params::Rate(rate::Params { way, per_hour, window_ms }) => {
            let way = match way {
                rate::Way::Up => "up",
                rate::Way::Down => "down",
                rate::Way::Any => "any",
            };
            json!({ "kind": "rate", "way": way, "per_hour": per_hour, "window_ms": window_ms })
        }
        Params::Frozen(frozen::Params { within, for_ms }) => {
            json!({ "kind": "frozen", "within": within, "for_ms": for_ms })
        }
        Params::Count(count::Params { what, window_ms, limit, clear }) => {
            let of = match what {
                count::What::Starts => "starts",
                count::What::Changes => "changes",
                count::What::Growth => "growth",
            };
            json!({ "kind": "count", "of": of, "window_ms": window_ms, "limit": limit, "clear": clear })
        }
        Params::Dwell(dwell::Params { is, hold_ms, forgive_ms, open_hours }) => {
            let open_hours = open_hours.is_some();
            json!({ "kind": "dwell", "is": is, "hold_ms": hold_ms, "forgive_ms": forgive_ms, "open_hours": open_hours })
        }
        Params::Accumulated(accumulated::Params { from, window_ms, limit, clear, gap_ms }) => {
            json!({ "kind": "total", "from": from, "window_ms": window_ms, "limit": limit, "clear": clear, "gap_ms": gap_ms })
        }
        Params::Rhythm(rhythm::Params { early, late }) => json!({ "kind": "rhythm", "early": early, "late": late }),
        Params::Drift(p) => {
            json!({
                "kind": "drift", "side": side_word(p.side), "shift": p.shift, "block_ms": p.block_ms,
                "learn_ms": p.learn_ms, "resolution": p.usual.floor, "roam": p.usual.roam,
            })
        }
        Params::Habit(habit::Params { threshold, block_ms, .. }) => {
            json!({ "kind": "habit", "threshold": threshold, "block_ms": block_ms })
        }
        Params::Sibling(p) => sibling(p),
        Params::Residual(p) => residual(p),
        Params::Ratio(p) => ratio(p),
        Params::Group(group::Params { channels, step_ms, raise, settle, .. }) => {
            json!({ "kind": "group", "channels": channels, "step_ms": step_ms, "raise": raise, "settle": settle })
        }
        Params::Absent(absent::Params { bad_ms, silent_ms }) => {
            json!({ "kind": "absent", "bad_ms": bad_ms, "silent_ms": silent_ms })
        }
    }
}

fn sibling(p: sibling::Params) -> Value {
    let side = match p.way {
        sibling::Way::Any => "any",
        sibling::Way::Above => "above",
        sibling::Way::Below => "below",
    };
    json!({
        "kind": "sibling", "side": side, "apart": p.limit, "clear": p.clear, "fresh_ms": p.channel.fresh_ms,
        "on_ms": p.on_ms, "off_ms": p.off_ms,
    })
}

fn residual(residual::Params { explained, drift, .. }: residual::Params) -> Value {
    json!({
        "kind": "residual", "side": side_word(drift.side), "shift": drift.shift, "rated": explained.rated,
        "tau_ms": explained.tau_ms, "load_learn_ms": explained.learn_ms, "block_ms": drift.block_ms,
        "learn_ms": drift.learn_ms, "resolution": drift.usual.floor, "roam": drift.usual.roam,
    })
}

fn ratio(ratio::Params { channel, drift, .. }: ratio::Params) -> Value {
    json!({
        "kind": "ratio", "side": side_word(drift.side), "shift": drift.shift, "enough": channel.enough,
        "block_ms": drift.block_ms, "learn_ms": drift.learn_ms, "resolution": drift.usual.floor, "roam": drift.usual.roam,
    })
}

fn vote(p: vote::Params) -> Value {
    let vote::Params { need, of, within_ms, degraded, watch, .. } = p;
    let (kind, after_ms) = match watch {
        vote::Watch::Danger => ("vote", None),
        vote::Watch::Health { after_ms } => ("vote-health", Some(after_ms)),
    };
    let degraded = match degraded {
        vote::Degraded::Hold => "hold",
        vote::Degraded::Fewer => "fewer",
        vote::Degraded::Trip => "trip",
    };
    json!({
        "kind": kind, "need": need, "of": of, "within_ms": within_ms, "degraded": degraded,
        "after_ms": after_ms,
    })
}
