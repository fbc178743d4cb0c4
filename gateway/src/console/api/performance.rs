//! How well the alarms serve people: `/api/v1/performance`, and its part of `/metrics`.

use axum::Json;
use axum::extract::State;

use super::super::App;
use super::super::problem::Problem;
use super::metrics::Exposition;
use crate::driver::Report;

pub(super) async fn performance(State(app): State<App>) -> Result<Json<Report>, Problem> {
    app.performance().await.map(Json).ok_or_else(Problem::engine_silent)
}

/// Of today only what a scraper can't add up itself.
pub(super) fn metrics(out: &mut Exposition, report: &Report) {
    let gauges = [
        ("gengfu_alarm_rate_10min", "Alarms that rang within the flood's window, 10 min by default", report.rate),
        ("gengfu_alarm_flood", "Whether the operator is flooded", u32::from(report.flood.is_some())),
        ("gengfu_alarms_chattering", "Alarms that come and go too often", count(report.chattering.count)),
        ("gengfu_alarms_stale", "Alarms announced for too long", count(report.stale.count)),
        ("gengfu_alarms_shelved_too_long", "Alarms on the shelf for too long", count(report.shelved_too_long.count)),
        ("gengfu_alarms_fleeting_today", "Alarms of today that went before anybody could act", report.today.fleeting),
        ("gengfu_alarm_hours_above_today", "Hours of today with too many alarms", report.today.hours.above),
    ];
    for (name, help, value) in gauges {
        out.gauge(name, help, value);
    }
    let help = "Time from the ring to the acknowledgement today, an upper bound within a factor of two";
    let mut family = out.family("gengfu_alarm_acknowledge_seconds_today", "gauge", help);
    for wait in &report.today.acknowledged {
        for (quantile, ms) in [("0.5", wait.p50_ms), ("0.9", wait.p90_ms)] {
            if let Some(ms) = ms {
                family.sample(&[("priority", wait.priority), ("quantile", quantile)], ms as f64 / 1000.0);
            }
        }
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
