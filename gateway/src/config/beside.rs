//! The points a rule looks at beside the one it is on, held against those that are known, for each point it is on.

use std::collections::HashSet;

use gengfu_core::detect::Params;

use super::bond::fingerprint;
use super::checked::full_name;
use super::detector::{Beside, Detector};
use super::names::{Known, Names, is_name_char};
use super::pattern;
use super::rule::exact_or_overlapping;
use super::units::{show, spelt};
use super::value::{Value, shorten};

/// The names as they are written, once they are found good; indices of the points that are meant.
pub(super) fn hold(beside: &Beside<'_>, params: &Params, homes: &[usize], names: &Names) -> (Vec<String>, Vec<usize>) {
    let mut meant = Vec::new();
    let mut complained = HashSet::new();
    for home in homes.iter().filter_map(|index| names.points.get(*index)) {
        let mut taken = vec![home.name.clone()];
        for (value, text) in &beside.points {
            if complained.contains(&value.at) || !is_name(*value, text) {
                complained.insert(value.at);
                continue;
            }
            let name = full_name(&home.name, text);
            if let Some(twice) = taken.iter().find(|other| pattern::overlap(other, &name)) {
                again(*value, &name, twice == &home.name);
                complained.insert(value.at);
                continue;
            }
            let hits = exact_or_overlapping(&name, &names.points);
            let known: Vec<&Known> = hits.iter().filter_map(|index| names.points.get(*index)).collect();
            let good = if known.is_empty() { names.doubtful || lacks(*value, &name, names) } else { true };
            if !good || !fits(*value, beside.alike, params, home, &known) {
                complained.insert(value.at);
            }
            taken.push(name);
            meant.extend(hits);
        }
    }
    (beside.points.iter().map(|(_, text)| text.clone()).collect(), meant)
}

/// Gives the rule's parameters the names: a rule with others is another rule.
pub(super) fn name(detector: &mut Detector<'_>) {
    let print = fingerprint(detector.beside.points.iter().map(|(_, text)| text.as_str()));
    match &mut detector.params {
        Params::Sibling(params) => params.points = print,
        Params::Residual(params) => params.points = print,
        Params::Ratio(params) => params.points = print,
        Params::Group(params) => params.points = print,
        Params::Limit(_)
        | Params::Digital(_)
        | Params::Trend(_)
        | Params::Absent(_)
        | Params::Vote(_)
        | Params::Band(_)
        | Params::Rate(_)
        | Params::Frozen(_)
        | Params::Count(_)
        | Params::Dwell(_)
        | Params::Accumulated(_)
        | Params::Rhythm(_)
        | Params::Drift(_)
        | Params::Habit(_) => {}
    }
}

fn is_name(value: Value<'_>, text: &str) -> bool {
    let good = |part: &str| !part.is_empty() && part.chars().all(is_name_char);
    let fine = text.split_once('/').map_or(good(text), |(device, point)| good(device) && good(point));
    if !fine {
        value.complain(
            format!("`{}` names \"{}\", which is no point", value.key, shorten(text)),
            "write \"point\" for one of the same device, or \"device/point\", without *",
        );
    }
    fine
}

fn again(value: Value<'_>, name: &str, is_home: bool) {
    let name = shorten(name);
    if is_home {
        value.complain(
            format!("`{name}` is a point that the rule is on, and is to stand beside itself"),
            "leave it out: the rule's own point is always part of it; or narrow the rule's points",
        );
    } else {
        value.complain(format!("`{name}` stands there twice"), "name each point once: one sensor is one witness");
    }
}

fn lacks(value: Value<'_>, name: &str, names: &Names) -> bool {
    let near = names.nearest_point(name);
    let mend = near.map_or("the site has no points: add one".to_owned(), |near| format!("did you mean `{near}`?"));
    value.complain(format!("there is no point `{}`", shorten(name)), mend);
    false
}

/// Whether what is compared is of one unit, and what is to speak once a step can.
fn fits(value: Value<'_>, alike: bool, params: &Params, home: &Known, known: &[&Known]) -> bool {
    let spelt = |known: &Known| known.unit.as_deref().map(spelt).map(str::to_owned);
    if let Some(other) = known.iter().find(|other| alike && spelt(other) != spelt(home)) {
        let unit =
            |known: &Known| known.unit.as_deref().map_or("has no unit".to_owned(), |unit| format!("is in {unit}"));
        value.complain(
            format!("`{}` {}, but `{}` {}: they can't be compared", home.name, unit(home), other.name, unit(other)),
            "give both the same unit, by `scale` where a device counts in another",
        );
        return false;
    }
    if let Params::Group(group) = params {
        let step = std::time::Duration::from_millis(group.step_ms);
        let slow = std::iter::once(&home).chain(known).find_map(|k| Some((k, k.every.filter(|every| *every > step)?)));
        if let Some((slow, every)) = slow {
            value.warn(
                format!(
                    "a step is {}, but `{}` is read every {}: it is missing in most of them",
                    show(step),
                    slow.name,
                    show(every)
                ),
                format!("write step = \"{}\" or more", show(every)),
            );
        }
    }
    true
}
