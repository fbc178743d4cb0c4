//! `use = "…"` in a `[[rule]]`: a pack's rules on a site's points. What the site sets lies on top of what the pack says, key by
//! key, and the reader of rules sees one table.

use toml::de::DeTable;

use super::origin::{Origin, given};
use super::{EMBEDDED, Lendable, PACK_KEYS, Pack, PackRule, Shelf};
use crate::config::names;
use crate::config::near::nearest;
use crate::config::rule::{Draft, Lent, patterns_of, points_of};
use crate::config::table::Table;
use crate::config::value::{Under, Value, shorten};

/// Keys that `set` can't say: they are the pack's, or stand in the table around it.
const NOT_SET: [&str; 7] = ["id", "for", "source", "use", "point", "points", "unit"];

/// What the site puts the rules of one part on: the part, where that is said, the patterns.
type Put<'a> = (String, Value<'a>, Vec<(Value<'a>, String)>);

/// A site's `[[rule]]` that uses a pack.
struct Use<'a> {
    /// The `use` itself.
    at: Value<'a>,
    /// What its rules are named after.
    prefix: String,
    points: Vec<Put<'a>>,
    /// Rules that are left out.
    without: Vec<String>,
    set: Vec<(String, Value<'a>)>,
    shadow: bool,
}

impl<'a> Use<'a> {
    fn put(&self, rule: &PackRule) -> Option<&Put<'a>> {
        let complete = rule.beside.iter().all(|other| self.part(other).is_some());
        self.part(&rule.part).filter(|_| complete && !self.without.contains(&rule.id))
    }

    fn part(&self, name: &str) -> Option<&Put<'a>> {
        self.points.iter().find(|(part, ..)| part == name)
    }

    /// What a rule's other parts are called here: one point for all that the rule is on, or one on the device of each.
    fn beside(&self, rule: &PackRule) -> Option<Vec<(String, String)>> {
        let one = |part: &String| {
            let (_, at, patterns) = self.part(part)?;
            let name = match patterns.as_slice() {
                [(_, name)] if !name.contains('*') => Some(name.clone()),
                patterns => on_each_device(patterns),
            };
            if name.is_none() {
                at.complain(
                    format!("`{}` looks at one `{part}` for each `{}`, and these have several names", rule.id, rule.part),
                    "name one point, or points of one name on their devices; use the pack once more for others, with an `id`",
                );
            }
            Some((part.clone(), name?))
        };
        rule.beside.iter().map(one).collect()
    }
}

impl<'a> Shelf<'a> {
    /// The rules that come of one `use`.
    pub(in crate::config) fn lend(&self, table: Table<'a>) -> Vec<Draft<'a>> {
        let Some(at) = table.get("use") else { return Vec::new() };
        let Some(lendable) = at.text().and_then(|name| self.find(at, name)) else { return Vec::new() };
        let Some(used) = read(table, at, &lendable.pack) else { return Vec::new() };
        let rules = lendable.pack.rules.iter().zip(&lendable.rules);
        let present: Vec<String> =
            rules.clone().filter(|(rule, _)| used.put(rule).is_some()).map(|(rule, _)| rule.id.clone()).collect();
        if present.is_empty() {
            at.complain(
                format!("no rule of `{}` is left", lendable.pack.name),
                "give it points of another part, or take some out of `without`",
            );
        }
        let lent: Vec<(Draft<'a>, Origin)> =
            rules.filter_map(|(rule, tree)| draft(lendable, &used, (rule, tree), &present)).collect();
        let (drafts, origins): (Vec<_>, Vec<_>) = lent.into_iter().unzip();
        one_line(at, &origins);
        self.told.borrow_mut().extend(origins);
        drafts
    }

    fn find(&self, at: Value<'a>, name: &str) -> Option<&Lendable<'a>> {
        let found = self.packs.iter().find(|lendable| lendable.pack.name == name);
        if found.is_some() {
            return found;
        }
        let wrong = self.wrong.iter().find(|(wrong, _)| wrong == name);
        if let Some((_, why)) = wrong {
            if let Some(why) = why {
                let mend = "get the pack again from who signed it; what runs goes on with the one it has";
                at.complain(why.as_str(), mend);
            }
        } else {
            let known = || EMBEDDED.iter().map(|pack| pack.name);
            let near = nearest(name, known()).unwrap_or_default();
            at.complain(
                format!("there is no pack `{}`", shorten(name)),
                format!("did you mean `{near}`? In the binary: {}", known().collect::<Vec<_>>().join(", ")),
            );
        }
        found
    }
}

/// The name that all of them have on their devices.
fn on_each_device(patterns: &[(Value<'_>, String)]) -> Option<String> {
    let mut names = patterns.iter().filter_map(|(_, pattern)| Some(pattern.split_once('/')?.1));
    let first = names.next().filter(|name| !name.contains('*'))?;
    names.all(|name| name == first).then(|| first.to_owned())
}

/// One rule as it is lent, and where its values are from.
fn draft<'a>(
    lendable: &Lendable<'a>,
    used: &Use<'a>,
    (rule, tree): (&PackRule, &'a DeTable<'a>),
    present: &[String],
) -> Option<(Draft<'a>, Origin)> {
    let Pack { name, edition, effective, parts, .. } = &lendable.pack;
    let (_, put_at, patterns) = used.put(rule)?;
    let set = used.set.iter().find(|(id, _)| *id == rule.id).map(|(_, value)| *value);
    let table = match set {
        Some(value) => value.table("[rule.set]")?.over(Some(Under { tree, at: used.at.at }), false),
        None => Table::new(used.at.book, "[[rule]]", used.at.at, tree).over(None, true),
    };
    // They have been read with the pack.
    table.pass_over(&PACK_KEYS);
    let id = format!("{}/{}", used.prefix, rule.id);
    let origin = Origin {
        rule: id.clone(),
        pack: name.clone(),
        edition: edition.clone(),
        effective: effective.clone(),
        place: lendable.place.clone(),
        values: given(used.at.book, rule, tree, set),
    };
    let unit = parts.iter().find(|part| part.name == rule.part).and_then(|part| part.unit.clone());
    let beside = used.beside(rule)?;
    let beside_parts = parts.iter().filter(|part| rule.beside.contains(&part.name));
    let beside_units = beside_parts.filter_map(|part| Some((used.part(&part.name)?.2.clone(), part.unit.clone()?)));
    let lent = Lent {
        units: beside_units.collect(),
        prefix: used.prefix.clone(),
        present: present.to_vec(),
        beside,
        basis: rule.clause().map(str::to_owned),
        shadow: used.shadow,
    };
    let draft = Draft {
        table,
        id: Some((used.at, id)),
        patterns: patterns.clone(),
        unit: unit.map(|unit| (*put_at, unit)),
        lent: Some(lent),
    };
    Some((draft, origin))
}

/// A trend looks at the line of a limit: who moves the one and forgets the other is told.
fn one_line(at: Value<'_>, origins: &[Origin]) {
    let moved =
        origins.iter().flat_map(|origin| origin.values.iter().filter_map(move |given| Some((origin, given.moved()?))));
    for (origin, (was, is)) in moved {
        let left = origins.iter().find(|other| other.values.iter().any(|given| given.is_still(was)));
        if let Some(left) = left {
            at.warn(
                format!("`{}` is at {is} here, and `{}` still at the pack's {}", origin.rule, left.rule, was.value),
                "both look at one line of the standard: set both, or neither",
            );
        }
    }
}

fn read<'a>(table: Table<'a>, at: Value<'a>, pack: &Pack) -> Option<Use<'a>> {
    let prefix = table.or("id", pack.name.clone(), names::name);
    let shadow = table.get("shadow").and_then(Value::boolean).unwrap_or(false);
    let points = points(&table, pack);
    let left_out = table.get("without").map(Value::one_or_more).unwrap_or_default();
    let without =
        left_out.into_iter().filter_map(|v| v.text().filter(|id| has(pack, v, id)).map(str::to_owned)).collect();
    let set = table.table("set", "[rule.set]");
    let set: Vec<_> = set.iter().flat_map(Table::entries).map(|(id, value)| (id.to_owned(), value)).collect();
    table.finish(&[]);
    for (id, value) in &set {
        if has(pack, *value, id) {
            can_be_set(*value);
        }
    }
    let used = Use { at, prefix: prefix?, points: points?, without, set, shadow };
    for rule in &pack.rules {
        idle(&used, rule);
    }
    Some(used)
}

/// What a site says of a rule that it has no points for, and a rule that it may have meant to have.
fn idle(used: &Use<'_>, rule: &PackRule) {
    if used.put(rule).is_some() || used.without.contains(&rule.id) {
        return;
    }
    let lacks = std::iter::once(&rule.part).chain(&rule.beside).find(|part| used.part(part).is_none());
    let Some(lacks) = lacks else { return };
    if let Some((_, set)) = used.set.iter().find(|(id, _)| *id == rule.id) {
        set.warn(
            format!("`{}` is set and not in force: nothing here is `{lacks}`", rule.id),
            format!("say which point is `{lacks}`, or leave the table out"),
        );
    } else if used.part(&rule.part).is_some() {
        used.at.warn(
            format!("`{}` is left out: it looks at `{lacks}`, and nothing here is that", rule.id),
            format!("say which point is `{lacks}`, or write without = [\"{}\"]", rule.id),
        );
    }
}

fn has(pack: &Pack, at: Value<'_>, id: &str) -> bool {
    let ids = || pack.rules.iter().map(|rule| rule.id.as_str());
    let has = ids().any(|other| other == id);
    if !has {
        let near = nearest(id, ids()).unwrap_or_default();
        at.complain(
            format!("`{}` has no rule `{}`", pack.name, shorten(id)),
            format!("did you mean `{near}`? `gengfu packs show {}` lists them", pack.name),
        );
    }
    has
}

fn can_be_set(value: Value<'_>) {
    let Some(tree) = value.tree.as_table() else { return };
    for (key, _) in NOT_SET.into_iter().filter_map(|key| tree.get_key_value(key)) {
        let what = format!("`{}` of a pack's rule is not the site's to set", key.get_ref());
        value.book.complain(
            key.span().start,
            what,
            "set limits, delays, priority or advice; for more write a rule of your own",
        );
    }
}

/// `points = "gas-*/ch4"` is on the main part, `points = { hydrant = "…", tank = "…" }` on several.
fn points<'a>(table: &Table<'a>, pack: &Pack) -> Option<Vec<Put<'a>>> {
    let value = points_of(table)?;
    let parts = || pack.parts.iter().map(|part| part.name.as_str());
    if !value.tree.is_table() {
        let Some(main) = &pack.main else {
            let example = parts().next().unwrap_or_default();
            value.complain(
                format!("`{}` has rules for several parts: {}", pack.name, parts().collect::<Vec<_>>().join(", ")),
                format!("say which: points = {{ {example} = \"device/point\" }}"),
            );
            return None;
        };
        return Some(vec![(main.clone(), value, patterns_of(value))]);
    }
    let entries = value.table("points = { part = \"device/point\" }")?;
    let put = |(part, at): (&str, Value<'a>)| {
        if !parts().any(|known| known == part) {
            let near = nearest(part, parts()).unwrap_or_default();
            at.complain(
                format!("`{}` has no part `{}`", pack.name, shorten(part)),
                format!("did you mean `{near}`? known: {}", parts().collect::<Vec<_>>().join(", ")),
            );
            return None;
        }
        Some((part.to_owned(), at, patterns_of(at)))
    };
    Some(entries.entries().filter_map(put).collect())
}
