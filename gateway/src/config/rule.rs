//! `[[rule]]`: which detector on which points, how urgent, and what to do about it.

use gengfu_core::alarm::Priority;
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::{Params, limit};

use super::beside;
use super::bond::{self, Bonds};
use super::checked::{LevelMeta, MAX_RULES_A_POINT, Rule, Unknown};
use super::detector::{self, Detector, PRIORITIES};
use super::names::{self, Known, Names, Thing};
use super::pack::Shelf;
use super::pattern;
use super::site::{DAY, SECOND};
use super::table::Table;
use super::units::{self, show};
use super::value::{Value, shorten};

/// Blocks of a window; each wants a reading of its own.
const BLOCKS: u32 = 16;
const MAX_ADVICE: usize = 1_000;

pub(super) fn read<'a>(file: &Table<'a>, names: &mut Names, calendar: Calendar, shelf: &Shelf<'a>) -> Vec<Rule> {
    let mut drafts = Vec::new();
    for table in file.tables("rule", "[[rule]]") {
        if table.place("use").is_some() {
            drafts.extend(shelf.lend(table));
        } else if let Some(draft) = written(table) {
            drafts.push(draft);
        }
    }
    let drafts = drafts.into_iter().filter_map(|draft| one(draft, names, calendar)).collect();
    bond::tie(drafts, names)
}

/// A rule that is about to be read.
pub(super) struct Draft<'a> {
    pub(super) table: Table<'a>,
    /// Its name, and where that stands.
    pub(super) id: Option<(Value<'a>, String)>,
    pub(super) patterns: Vec<(Value<'a>, String)>,
    /// That of its limits.
    pub(super) unit: Option<(Value<'a>, String)>,
    pub(super) lent: Option<Lent<'a>>,
}

/// What a rule has by coming from a pack.
pub(super) struct Lent<'a> {
    pub(super) prefix: String,
    /// Rules that came with it.
    pub(super) present: Vec<String>,
    /// Parts that it looks at beside its own, and their names here.
    pub(super) beside: Vec<(String, String)>,
    /// Points that are those, and the unit that they must be in.
    pub(super) units: Vec<(Vec<(Value<'a>, String)>, String)>,
    /// The clause, where neither says another.
    pub(super) basis: Option<String>,
    pub(super) shadow: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn bare(table: Table<'a>) -> Self {
        Self { table, id: None, patterns: Vec::new(), unit: None, lent: None }
    }
}

/// A rule that the site wrote out.
fn written(table: Table<'_>) -> Option<Draft<'_>> {
    if table.later(&["profile"], "profiles come later: write the points out") {
        return None;
    }
    let id_value = table.need("id", "\"hydrant-low\"");
    let id = id_value.and_then(|value| Some((value, names::name(value)?)));
    let patterns = points_of(&table).map_or(Vec::new(), patterns_of);
    let unit = table.get("unit").and_then(|v| Some((v, v.line(16)?)));
    Some(Draft { id, patterns, unit, ..Draft::bare(table) })
}

/// Reads one rule; it is tied to the others later.
pub(super) fn one<'a>(draft: Draft<'a>, names: &mut Names, calendar: Calendar) -> Option<(Rule, Bonds<'a>)> {
    let Draft { table, id, patterns, unit, lent } = draft;
    if let Some((value, id)) = &id {
        names.claim(Thing::Rule, id, *value);
    }
    let base = LevelMeta {
        priority: table.get("priority").and_then(|v| v.choice(&PRIORITIES)).unwrap_or(Priority::Medium),
        latch: table.get("latch").and_then(Value::boolean).unwrap_or(false),
        shelvable: true,
    };
    let shelvable = table.get("shelvable").and_then(|v| Some((v, v.boolean()?)));
    let base = LevelMeta {
        shelvable: shelvable.map_or(detector::is_shelvable(base.priority, base.latch), |(_, shelvable)| shelvable),
        ..base
    };
    let detector = detector::read(&table, base, calendar);
    if let (Some((at, true)), Some(detector)) = (shelvable, &detector)
        && detector.levels.iter().any(|level| !detector::is_shelvable(level.priority, level.latch))
    {
        detector::refuse_shelf(at);
    }
    if let (Some(detector), None) = (&detector, shelvable) {
        unlatched(&table, detector);
    }
    let basis = table.get("basis").and_then(|v| v.line(MAX_ADVICE));
    let advice = table.get("advice").and_then(|v| v.line(MAX_ADVICE));
    let meanings = [("hold", Unknown::Hold), ("alarm", Unknown::Alarm), ("danger", Unknown::Danger)];
    let unknown = table.or("unknown", Unknown::Hold, |v| v.choice(&meanings));
    if let (Some(at), Some(unknown), Some(detector)) = (table.get("unknown"), unknown, &detector) {
        means(at, unknown, detector);
    }
    let re_alarm = table.get("re_alarm").and_then(|v| v.duration(SECOND * 10..=DAY * 7));
    let first_out = table.get("first_out").and_then(names::name);
    let shadow = table.get("shadow").and_then(Value::boolean).unwrap_or(false);
    let mut bonds = Bonds::read(&table);
    if let Some(lent) = &lent {
        bonds.within(&lent.prefix, &lent.present);
    }
    table.finish(&[]);
    let mut detector = detector;
    if let Some((detector, lent)) = detector.as_mut().zip(lent.as_ref()) {
        detector.beside.here(&lent.beside);
    }
    if let Some(lent) = &lent {
        in_its_unit(lent, names);
    }
    let beside = bind(&patterns, unit.as_ref().map(|unit| (unit, lent.is_some())), detector.as_mut(), names);
    let Detector { params, levels, voters, .. } = detector?;
    let points = patterns.into_iter().map(|(_, pattern)| pattern).collect();
    bonds.voters = voters;
    let rule = Rule {
        id: id?.1,
        points,
        detector: params,
        levels,
        basis: basis.or_else(|| lent.as_ref()?.basis.clone()),
        advice,
        unknown: unknown?,
        re_alarm,
        suppressed_by: None,
        first_out,
        voters: Vec::new(),
        beside,
        shadow: shadow || lent.is_some_and(|lent| lent.shadow),
    };
    Some((rule, bonds))
}

/// A fire or a call for help that is over in a moment is gone before anybody saw it, and can be shelved; a pressure that is back again
/// ends its alarm as it should.
fn unlatched(table: &Table<'_>, detector: &Detector<'_>) {
    let Detector { params: Params::Digital(_) | Params::Dwell(_) | Params::Vote(_), levels, .. } = detector else {
        return;
    };
    let critical = levels.iter().any(|level| level.priority == Priority::Critical && !level.latch);
    if !critical || table.get("latch").is_some() {
        return;
    }
    table.book.warn(
        table.place("priority").unwrap_or(table.at),
        "a critical alarm without `latch` may be shelved, and ends by itself once it is over",
        "add latch = true, so that a person resets it and nobody shelves it; or latch = false where that is meant",
    );
}

/// Complains where the lack of a value can't mean to a detector what the rule says.
fn means(at: Value<'_>, unknown: Unknown, detector: &Detector<'_>) {
    let (has_danger, looks) = match detector.params {
        Params::Limit(_) | Params::Digital(_) => (true, true),
        Params::Vote(_) => (false, false),
        Params::Trend(_)
        | Params::Absent(_)
        | Params::Band(_)
        | Params::Rate(_)
        | Params::Frozen(_)
        | Params::Count(_)
        | Params::Dwell(_)
        | Params::Accumulated(_)
        | Params::Rhythm(_)
        | Params::Drift(_)
        | Params::Habit(_)
        | Params::Sibling(_)
        | Params::Residual(_)
        | Params::Ratio(_)
        | Params::Group(_) => (false, true),
    };
    match unknown {
        Unknown::Danger if !has_danger => at.complain(
            "`unknown` is \"danger\", which means something to `high`, `low` and `state` alone: nothing else can tell danger from \
             the lack of a value",
            "write unknown = \"alarm\" for an alarm of its own, or make a rule with `state` of it",
        ),
        Unknown::Alarm if !looks => at.complain(
            "`unknown` is \"alarm\" on a vote, which looks at no value of its point",
            "write it in the rules that vote; the vote tells of bad voters by itself",
        ),
        Unknown::Hold | Unknown::Alarm | Unknown::Danger => {}
    }
}

/// `point` or `points`, whichever is there.
pub(super) fn points_of<'a>(table: &Table<'a>) -> Option<Value<'a>> {
    match (table.get("point"), table.get("points")) {
        (Some(value), None) | (None, Some(value)) => Some(value),
        (None, None) => {
            table.book.missing(
                table.at,
                format!("`point` is missing in {}", table.name),
                "add point = \"device/point\"",
            );
            None
        }
        (Some(_), Some(second)) => {
            second.complain("the rule has both `point` and `points`", "keep one of them; both take a list");
            None
        }
    }
}

/// A name or a list of names.
pub(super) fn patterns_of(value: Value<'_>) -> Vec<(Value<'_>, String)> {
    let values = value.one_or_more();
    if values.is_empty() {
        value.complain(format!("`{}` is empty", value.key), "name at least one device/point");
    }
    values.into_iter().filter_map(|v| Some((v, pattern(v)?))).collect()
}

fn pattern(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    let good = |part: &str| !part.is_empty() && part.chars().all(|c| names::is_name_char(c) || c == '*');
    let fine = text.split_once('/').is_some_and(|(device, point)| good(device) && good(point));
    if !fine {
        value.complain(
            format!("`{}` is \"{}\", which is no device/point", value.key, shorten(text)),
            "write \"device/point\"; * stands for any run of characters but /",
        );
        return None;
    }
    Some(text.to_owned())
}

/// Holds the rule against the points that are known: do they exist, can the limit be reached, is the unit the same? Gives those
/// it looks at beside them.
fn bind(
    patterns: &[(Value<'_>, String)],
    unit: Option<(&(Value<'_>, String), bool)>,
    detector: Option<&mut Detector<'_>>,
    names: &mut Names,
) -> Vec<String> {
    let mut bound = Vec::new();
    for (value, pattern) in patterns {
        bound.extend(known(*value, pattern, names));
    }
    bound.sort_unstable();
    bound.dedup();
    let known: Vec<&Known> = bound.iter().filter_map(|index| names.points.get(*index)).collect();
    if let Some(((value, unit), lent)) = unit {
        same_unit(*value, unit, &known, lent);
    }
    let mut written = Vec::new();
    if let Some(detector) = detector {
        reachable(detector, &known);
        enough_readings(detector, &known);
        if let Some((at, _)) = patterns.first() {
            confirmed(*at, &detector.params, &known);
        }
        beside::name(detector);
        let (names, others) = beside::hold(&detector.beside, &detector.params, &bound, names);
        written = names;
        bound.extend(others);
        bound.sort_unstable();
        bound.dedup();
    }
    if let Some((value, _)) = patterns.first() {
        count_rules(*value, &bound, names);
    }
    written
}

/// The points of this name. Who names none that is there or can come is refused, who names one that may come is warned.
pub(super) fn known(value: Value<'_>, pattern: &str, names: &Names) -> Vec<usize> {
    let hits: Vec<usize> = exact_or_overlapping(pattern, &names.points);
    if hits.is_empty() && !names.doubtful {
        nothing(value, pattern, names);
    }
    let mut known = hits.iter().filter_map(|index| names.points.get(*index));
    if !pattern.contains('*') && !hits.is_empty() && known.all(Known::is_pattern) {
        value.warn(
            format!("`{}` exists only once it is heard", shorten(pattern)),
            "add its device to `expect`, so that its silence is noticed; or is it misspelt?",
        );
    }
    hits
}

/// Counts the rules of each point, and complains once where they become too many.
fn count_rules(value: Value<'_>, bound: &[usize], names: &mut Names) {
    let mut crowded = None;
    for index in bound {
        if let Some(known) = names.points.get_mut(*index) {
            known.rules += 1;
            if known.rules == MAX_RULES_A_POINT + 1 {
                crowded.get_or_insert(known.name.clone());
            }
        }
    }
    if let Some(name) = crowded {
        value.complain(
            format!("`{name}` has more than {MAX_RULES_A_POINT} rules"),
            "merge rules: a limit takes two levels; or narrow the globs",
        );
    }
}

/// Which points a pattern is on. A plain name is on its point alone where that exists.
pub(super) fn exact_or_overlapping(pattern: &str, points: &[Known]) -> Vec<usize> {
    let numbered = || points.iter().enumerate();
    if !pattern.contains('*') {
        let exact: Vec<usize> = numbered().filter(|(_, known)| known.name == pattern).map(|(index, _)| index).collect();
        if !exact.is_empty() {
            return exact;
        }
    }
    let hit = |known: &Known| {
        let name = &known.name;
        if known.is_pattern() { pattern::overlap(pattern, name) } else { pattern::matches(pattern, name) }
    };
    numbered().filter(|(_, known)| hit(known)).map(|(index, _)| index).collect()
}

/// Nothing is of this name, and no topic can bring it: a rule that looks at nothing is a danger nobody watches for.
fn nothing(value: Value<'_>, pattern: &str, names: &Names) {
    let near = names.nearest_point(pattern);
    let (what, mend) = if pattern.contains('*') {
        let near = near.map(|near| format!("; the nearest point is `{near}`")).unwrap_or_default();
        (
            format!("nothing matches `{}`, and no device that may come could", shorten(pattern)),
            format!("correct it, or leave it out{near}"),
        )
    } else {
        (
            format!("there is no point `{}`", shorten(pattern)),
            near.map_or("the site has no points: add one".to_owned(), |near| format!("did you mean `{near}`?")),
        )
    };
    value.book.missing(value.at, what, mend);
}

/// Parts that a pack's rule looks at beside its own have their units too.
fn in_its_unit(lent: &Lent<'_>, names: &Names) {
    for (patterns, unit) in &lent.units {
        for (at, pattern) in patterns {
            let hits = exact_or_overlapping(pattern, &names.points);
            let known: Vec<&Known> = hits.iter().filter_map(|index| names.points.get(*index)).collect();
            same_unit(*at, unit, &known, true);
        }
    }
}

/// The unit of a rule's numbers is that of its points; `lent`: the numbers are a pack's.
fn same_unit(value: Value<'_>, unit: &str, known: &[&Known], lent: bool) {
    let same = |theirs: &String| units::spelt(theirs) == units::spelt(unit);
    let Some(other) = known.iter().find(|known| !known.unit.as_ref().is_some_and(same)) else { return };
    let (what, mend) = match &other.unit {
        Some(theirs) => (
            format!("the rule is in {unit}, but `{}` is in {theirs}", other.name),
            if lent {
                format!(
                    "bring the point to {unit} by its `scale`, and write unit = \"{unit}\" there; a pack converts nothing"
                )
            } else {
                format!("convert the limits and write unit = \"{theirs}\"")
            },
        ),
        None => (
            format!("the rule is in {unit}, but `{}` has no unit", other.name),
            format!("add unit = \"{unit}\" to the point, if that is its unit"),
        ),
    };
    value.complain(what, mend);
}

/// A delay that is over before the point is read again is none: one reading decides.
fn confirmed(at: Value<'_>, params: &Params, known: &[&Known]) {
    let delay = if let Params::Limit(p) = params {
        p.first.on_ms
    } else if let Params::Band(p) = params {
        p.low.first.on_ms
    } else if let Params::Digital(p) = params {
        p.on_ms
    } else if let Params::Sibling(p) = params {
        p.on_ms
    } else {
        return;
    };
    let delay = std::time::Duration::from_millis(delay);
    let slow = known.iter().find_map(|k| k.every.filter(|every| !delay.is_zero() && *every >= delay).map(|e| (k, e)));
    if let Some((known, every)) = slow {
        at.warn(
            format!(
                "the rule waits {}, and `{}` is read every {}: one reading decides",
                show(delay),
                known.name,
                show(every)
            ),
            format!("write for = \"{}\" or more, or read the point more often", show(every * 2)),
        );
    }
}

/// A value outside its range is bad, not high: a limit out there would never be crossed, an alarm never end.
fn reachable(detector: &Detector<'_>, known: &[&Known]) {
    for (value, line, side) in &detector.lines {
        inside(*value, *line, known, *side == limit::Side::High);
    }
}

/// Complains of a number that no value of a point can reach, from below where `upwards`.
fn inside(value: Value<'_>, number: f64, known: &[&Known], upwards: bool) {
    let ranges = known.iter().filter_map(|known| Some((known, known.range?)));
    let mut out_of_reach = ranges.filter(|(_, (low, high))| if upwards { number > *high } else { number < *low });
    if let Some((known, (low, high))) = out_of_reach.next() {
        value.complain(
            format!(
                "`{}` is {number}, outside the range {low} to {high} of `{}`: it could never be reached",
                value.key, known.name
            ),
            format!("correct `{}`, or the point's range", value.key),
        );
    }
}

fn enough_readings(detector: &Detector<'_>, known: &[&Known]) {
    let Some((value, window_ms)) = detector.pace else { return };
    let window = std::time::Duration::from_millis(window_ms);
    let scarce = known.iter().find_map(|k| k.every.filter(|every| *every * BLOCKS > window).map(|every| (k, every)));
    if let Some((known, every)) = scarce {
        value.warn(
            format!("the rule looks at {}, in which `{}` is read fewer than {BLOCKS} times", show(window), known.name),
            format!("make the window at least {}", show(every * BLOCKS)),
        );
    }
}
