//! A pack out of its text. Each of its rules is read as one of a site would be, on no points; every number wants a source.

use std::borrow::Cow;
use std::path::Path;

use gengfu_core::detect::calendar::Calendar;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Default, Mark, Other, Pack, PackRule, Part, Source};
use crate::config::book::Book;
use crate::config::names::{self, Names};
use crate::config::table::Table;
use crate::config::value::{Value, shorten};
use crate::config::{Complaint, detector, rule, tree};

/// Longest text for people in a pack.
const MAX_TEXT: usize = 500;
/// Keys of a detector that say what it looks at. All others are defaults, and have a source.
const MEANINGS: [&str; 12] =
    ["side", "way", "of", "load", "with", "by", "is", "not", "priority", "latch", "shelvable", "open_hours"];
const MARKS: [(&str, Mark); 5] = [
    ("V", Mark("V")),
    ("M-high", Mark("M-high")),
    ("M-med", Mark("M-med")),
    ("M-low", Mark("M-low")),
    ("D", Mark("D")),
];

/// Reads a pack by itself. Complaints are headed by `file`.
pub fn parse(text: &str, file: &Path) -> Result<Pack, Vec<Complaint>> {
    let book = Book::new(text, file);
    let tree = tree(&book, text);
    let name = file.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    let pack = pack(&book, tree.get_ref(), &name);
    let (complaints, _) = book.close();
    pack.filter(|_| complaints.is_empty()).ok_or(complaints)
}

/// The same into a book that is there already.
pub(super) fn pack<'a>(book: &'a Book<'a>, tree: &'a DeTable<'a>, file: &str) -> Option<Pack> {
    let root = Table::root(book, tree);
    let head = root.need("pack", "{ name = \"water-supply\", … }").and_then(|v| v.table("[pack]"));
    let head = head.and_then(|table| head_of(table, file));
    let parts = parts(&root);
    let known: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let mut names = Names::of_nowhere();
    let tables = root.tables("rule", "[[rule]]");
    let asked = tables.len();
    let rules: Vec<PackRule> = tables.into_iter().filter_map(|table| pack_rule(table, &known, &mut names)).collect();
    root.finish(&[]);
    let (head, main) = head?;
    if let Some((at, main)) = main.as_ref().filter(|(_, main)| !known.contains(&main.as_str())) {
        at.complain(format!("there is no part `{}`", shorten(main)), format!("parts here: {}", known.join(", ")));
        return None;
    }
    (rules.len() == asked).then(|| Pack { parts, main: main.map(|(_, main)| main), rules, ..head })
}

type Main<'a> = Option<(Value<'a>, String)>;

fn head_of<'a>(table: Table<'a>, file: &str) -> Option<(Pack, Main<'a>)> {
    let name_at = table.need("name", "\"water-supply\"");
    let name = name_at.and_then(names::name);
    if let Some((at, name)) = name_at.zip(name.as_ref()).filter(|(_, name)| *name != file) {
        at.complain(
            format!("the pack is named `{}`, and its file `{}`", shorten(name), shorten(file)),
            "give both one name: sites use a pack by it",
        );
    }
    let text = |key, example: &str| table.need(key, example).and_then(|v| v.line(MAX_TEXT));
    let title = text("title", "\"消防给水 / fire water supply\"");
    let edition = text("edition", "\"2026.1\"");
    let effective = table.need("effective", "\"2026-12-01\"").and_then(day);
    let main = table.get("main").and_then(|v| Some((v, v.text()?.to_owned())));
    table.finish(&[]);
    let pack = Pack {
        name: name?,
        title: title?,
        edition: edition?,
        effective: effective?,
        parts: Vec::new(),
        main: None,
        rules: Vec::new(),
    };
    Some((pack, main))
}

/// A date, as text.
fn day(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    let date: Option<jiff::civil::Date> = text.parse().ok();
    if date.is_none() {
        value.complain(format!("`{}` is \"{}\", which is no day", value.key, shorten(text)), "write \"2026-12-01\"");
    }
    date.map(|date| date.to_string())
}

fn parts(root: &Table<'_>) -> Vec<Part> {
    let Some(table) =
        root.need("part", "{ hydrant = { what = \"…\", unit = \"MPa\" } }").and_then(|v| v.table("[part]"))
    else {
        return Vec::new();
    };
    let part = |(name, value): (&str, Value<'_>)| {
        let table = value.table("[part.hydrant]")?;
        let what = table.need("what", "\"…\"").and_then(|v| v.line(MAX_TEXT));
        let unit = table.get("unit").and_then(|v| v.line(16));
        table.finish(&[]);
        Some(Part { name: name.to_owned(), what: what?, unit })
    };
    table.entries().filter_map(part).collect()
}

/// A rule as the pack has it. It is read as one of a site would be, on no points.
fn pack_rule(table: Table<'_>, parts: &[&str], names: &mut Names) -> Option<PackRule> {
    let at = table.at;
    let table_id = table.need("id", "\"hydrant-low\"")?;
    let id = names::name(table_id);
    let part = table.need("for", "\"hydrant\"").and_then(|v| {
        let text = v.text()?;
        if !parts.contains(&text) {
            v.complain(format!("there is no part `{}`", shorten(text)), format!("parts here: {}", parts.join(", ")));
            return None;
        }
        Some(text.to_owned())
    });
    let book = table.book;
    let basis = table.get("basis").and_then(|v| v.line(MAX_TEXT));
    let sources = sources(&table);
    let (key, tree) = detector_of(&table)?;
    let leaves = leaves(tree);
    let idle = sources.iter().flat_map(|(keys, _)| keys).find(|key| leaves.iter().all(|leaf| leaf.key != **key));
    if let Some(idle) = idle {
        book.complain(at, format!("a source speaks of `{idle}`, which `{key}` does not have"), "correct its `of`");
    }
    let mut defaults = Vec::new();
    for Leaf { key, value, at } in leaves {
        match sources.iter().find(|(keys, _)| keys.contains(&key)) {
            Some((_, source)) => defaults.push(Default { key, value, source: source.clone() }),
            None => book.complain(
                at,
                format!("`{key}` has no source"),
                format!(
                    "add {{ of = \"{key}\", clause = \"…\", mark = \"V\" }} to `source`; mark = \"D\" if it is our own"
                ),
            ),
        }
    }
    if key == "vote" {
        book.complain(at, "a pack can't hold a vote: only a site knows who votes", "leave it to the site file");
    }
    let draft = rule::Draft { id: id.clone().map(|id| (table_id, id)), ..rule::Draft::bare(table) };
    let (read, _) = rule::one(draft, names, Calendar::default())?;
    if let Some(other) = read.beside.iter().find(|other| !parts.contains(&other.as_str())) {
        book.complain(
            at,
            format!("`{key}` looks at `{}`, which is no part", shorten(other)),
            format!("a pack knows no points; parts here: {}", parts.join(", ")),
        );
    }
    Some(PackRule { id: id?, part: part?, detector: key, beside: read.beside, basis, defaults })
}

/// Which detector a rule has, and how it is written. Where it has none, the reader of rules says so.
fn detector_of<'a>(table: &Table<'a>) -> Option<(&'static str, &'a DeValue<'a>)> {
    let found = detector::KINDS.into_iter().find_map(|key| table.get(key).map(|value| (key, value.tree)));
    if found.is_none() {
        table.book.missing(table.at, "the rule has no detector", format!("add one of {}", detector::KINDS.join(", ")));
    }
    found
}

/// `source = [{ of = ["clear", "for"], mark = "D" }]`
fn sources(table: &Table<'_>) -> Vec<(Vec<String>, Source)> {
    table.tables("source", "source = [{ of = …, mark = … }]").into_iter().filter_map(source).collect()
}

fn source(table: Table<'_>) -> Option<(Vec<String>, Source)> {
    let of = table.need("of", "\"limit\"");
    let of: Vec<String> =
        of.map(Value::one_or_more).unwrap_or_default().into_iter().filter_map(|v| Some(v.text()?.to_owned())).collect();
    let clause = table.get("clause").and_then(|v| v.line(MAX_TEXT));
    let mark = table.need("mark", "\"V\"").and_then(|v| v.choice(&MARKS));
    let note = table.get("note").and_then(|v| v.line(MAX_TEXT));
    let others = table.tables("or", "or = [{ value = …, when = \"…\" }]").into_iter().filter_map(other).collect();
    table.finish(&[]);
    Some((of, Source { clause, mark: mark?, note, others }))
}

fn other(table: Table<'_>) -> Option<Other> {
    let value = table.need("value", "0.10").map(|v| plain(v.tree));
    let when = table.need("when", "\"…\"").and_then(|v| v.line(MAX_TEXT));
    let clause = table.get("clause").and_then(|v| v.line(MAX_TEXT));
    let mark = table.need("mark", "\"V\"").and_then(|v| v.choice(&MARKS));
    table.finish(&[]);
    Some(Other { value: value?, when: when?, clause, mark: mark? })
}

/// A number or a duration of a detector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) at: usize,
}

/// All of a detector, in the order in which they are written.
pub(super) fn leaves(detector: &DeValue<'_>) -> Vec<Leaf> {
    let levels = detector.as_array().into_iter().flatten().enumerate();
    let levels = levels.filter_map(|(index, level)| Some((format!("{}.", index + 1), level.get_ref().as_table()?)));
    let alone = detector.as_table().map(|table| (String::new(), table));
    let tables: Vec<_> = alone.into_iter().chain(levels).collect();
    let of = |(prefix, table): &(String, &DeTable<'_>)| -> Vec<Leaf> {
        let leaf = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let default = !MEANINGS.contains(&key.get_ref().as_ref());
            let (key, value, at) = (format!("{prefix}{}", key.get_ref()), plain(value.get_ref()), value.span().start);
            default.then_some(Leaf { key, value, at })
        };
        table.iter().filter_map(leaf).collect()
    };
    tables.iter().flat_map(of).collect()
}

/// A value as it is written, without quotes.
fn plain(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
