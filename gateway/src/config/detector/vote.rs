//! `vote`: so many of several rules.

use std::time::Duration;

use gengfu_core::detect::{Params, vote};

use super::{Detector, ms};
use crate::config::bond::DEGRADED_AFTER;
use crate::config::checked::LevelMeta;
use crate::config::site::DAY;
use crate::config::value::Value;

pub(super) fn read(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table =
        value.table("vote = { of = [\"smoke@hall/smoke\", \"heat@hall/heat\"], need = 2, within = \"30s\" }")?;
    let of = table.need("of", "[\"smoke@hall/smoke\", \"heat@hall/heat\"]");
    let voters: Vec<_> = of
        .map(Value::one_or_more)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|v| Some((v, v.text()?.to_owned())))
        .collect();
    let need = table.need("need", "2").and_then(|v| Some((v, v.whole(1..=vote::VOTERS as i64)?)));
    let within = table.or("within", Duration::ZERO, |v| v.duration(Duration::ZERO..=DAY));
    let modes = [("hold", vote::Degraded::Hold), ("fewer", vote::Degraded::Fewer), ("trip", vote::Degraded::Trip)];
    let degraded = table.or("degraded", vote::Degraded::Hold, |v| v.choice(&modes));
    table.finish(&[]);
    if let (Some(of), true) = (of, voters.is_empty()) {
        of.complain(
            "the vote has no voters",
            "name at least two rules: of = [\"smoke@hall/smoke\", \"heat@hall/heat\"]",
        );
    }
    let (_, need) = need?;
    let params = vote::Params {
        need: need as u8,
        of: 0,
        within_ms: ms(within?),
        degraded: degraded?,
        watch: vote::Watch::Danger,
        unheard_ms: ms(DEGRADED_AFTER),
        voters: 0,
    };
    Some(Detector { voters, ..Detector::plain(Params::Vote(params), base) })
}
