//! Rule packs: the rules of one trade, with a clause and a mark behind every number. A pack is TOML like a site file; those of
//! the binary are `config/packs/*.toml` of this repository, which are the one place where such numbers stand.
//!
//! [`Pack`] is what a pack says, [`read`] reads it, [`lend`] gives its rules to a site, [`origin`] tells which value came from where. [`outside`] finds
//! packs that are not the binary's, which [`sign`] must vouch for.

pub mod sign;
pub mod outside;
mod read;
mod lend;
mod origin;

use std::cell::RefCell;
use std::path::PathBuf;

use serde::Serialize;
use toml::de::DeTable;

use super::MAX_FILE;
use super::book::Book;

pub use origin::{Given, Origin};
pub use read::parse;

/// Keys of a pack's rule that are not the rule's own.
const PACK_KEYS: [&str; 3] = ["id", "for", "source"];

/// A pack of the binary: its text, and the series it is tried on.
#[derive(Debug, Clone, Copy)]
pub struct Embedded {
    pub name: &'static str,
    pub text: &'static str,
    pub scenario: &'static str,
}

macro_rules! packs {
    ($($name:literal),*) => {
        [$(Embedded {
            name: $name,
            text: include_str!(concat!("../../../../config/packs/", $name, ".toml")),
            scenario: include_str!(concat!("../../../../config/packs/", $name, ".scenario.toml")),
        }),*]
    };
}

/// The packs of the binary, which are trusted as the binary is.
pub const EMBEDDED: [Embedded; 8] = packs![
    "water-supply",
    "gas-commercial",
    "electrical-fire",
    "smoke-and-panels",
    "doors-and-exits",
    "fire-lanes",
    "elevators",
    "fire-power"
];

/// Where a pack is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    Binary,
    /// A file whose signature is by a key that the site trusts.
    File(PathBuf),
    /// A file that is being written, and not signed yet.
    Draft,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Binary => f.write_str("in the binary"),
            Self::File(path) => write!(f, "{}, signed", path.display()),
            Self::Draft => f.write_str("a draft"),
        }
    }
}

/// What a pack says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pack {
    pub name: String,
    /// For people.
    pub title: String,
    pub edition: String,
    /// The day from which this edition holds, YYYY-MM-DD.
    pub effective: String,
    /// What its rules may be put on.
    pub parts: Vec<Part>,
    /// The part that is meant where a site names points alone.
    pub main: Option<String>,
    pub rules: Vec<PackRule>,
}

/// One kind of point that a pack has rules for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    pub name: String,
    pub what: String,
    /// The unit of its numbers; `None` for contacts and modes.
    pub unit: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackRule {
    pub id: String,
    #[serde(rename = "for")]
    pub part: String,
    /// The detector's word.
    pub detector: &'static str,
    /// Other parts that it looks at beside its own: without points of them it is not lent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// As it stands in the pack; that of the rule's levels is in `defaults`.
    pub basis: Option<String>,
    pub defaults: Vec<Default>,
}

impl PackRule {
    /// What it enforces: as it says, else the first clause behind its numbers.
    pub fn clause(&self) -> Option<&str> {
        let first = || self.defaults.iter().find_map(|default| default.source.clause.as_deref());
        self.basis.as_deref().or_else(first)
    }
}

/// One number or duration of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Default {
    /// `limit`, or `2.limit` for the second of two levels.
    pub key: String,
    pub value: String,
    #[serde(flatten)]
    pub source: Source,
}

/// Why a default is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The standard with its edition, and the clause.
    pub clause: Option<String>,
    pub mark: Mark,
    pub note: Option<String>,
    /// What holds under other circumstances.
    #[serde(rename = "or", skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Other>,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&cited(self.clause.as_deref(), self.mark))
    }
}

/// `GB 50974-2014 5.3.3 [V]`
pub fn cited(clause: Option<&str>, mark: Mark) -> String {
    let clause = clause.map_or(String::new(), |clause| format!("{clause} "));
    format!("{clause}[{}]", mark.0)
}

/// Another value, and where it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Other {
    pub value: String,
    pub when: String,
    pub clause: Option<String>,
    pub mark: Mark,
}

impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", cited(self.clause.as_deref(), self.mark), self.when)
    }
}

/// How well a number is known: `V` checked against a copy of the standard, `M-high`, `M-med`, `M-low` from memory, `D` our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mark(pub &'static str);

/// The text of a pack, and where it is from.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) text: String,
    pub(super) signed: Option<outside::Signed>,
}

impl Written {
    /// What its complaints are headed with.
    pub(super) fn file(&self) -> PathBuf {
        match &self.place {
            Place::Binary | Place::Draft => PathBuf::from(format!("packs/{}.toml", self.name)),
            Place::File(path) => path.clone(),
        }
    }
}

/// A pack that a site may use.
#[derive(Debug)]
struct Lendable<'a> {
    pack: Pack,
    place: Place,
    /// Its rules as they are written, by their number.
    rules: Vec<&'a DeTable<'a>>,
}

/// The packs that a file names, and what came of lending them.
#[derive(Debug, Default)]
pub(super) struct Shelf<'a> {
    packs: Vec<Lendable<'a>>,
    /// Names of packs that are there and can't be lent, and why, where that is not said in their own books.
    wrong: Vec<(String, Option<String>)>,
    told: RefCell<Vec<Origin>>,
}

impl<'a> Shelf<'a> {
    /// Reads a pack into the shelf.
    pub(super) fn add(&mut self, text: &'a Written, book: &'a Book<'a>, tree: &'a DeTable<'a>) {
        match read::pack(book, tree, &text.name) {
            Some(pack) => {
                let rules = tree.get("rule").and_then(|rules| rules.get_ref().as_array());
                let rules = rules.into_iter().flatten().filter_map(|rule| rule.get_ref().as_table()).collect();
                self.packs.push(Lendable { pack, place: text.place.clone(), rules });
            }
            None => self.wrong.push((text.name.clone(), None)),
        }
    }

    /// A pack that is not to be believed.
    pub(super) fn set_aside(&mut self, name: String, why: String) {
        self.wrong.push((name, Some(why)));
    }

    pub(super) fn origins(self) -> Vec<Origin> {
        self.told.into_inner()
    }
}

/// Names of the packs that the rules of some files use.
pub(super) fn wanted<'a>(files: [&'a DeTable<'a>; 2]) -> Vec<String> {
    let rules = files.into_iter().filter_map(|file| file.get("rule")?.get_ref().as_array()).flatten();
    let uses = rules.filter_map(|rule| rule.get_ref().as_table()?.get("use")?.get_ref().as_str());
    let mut names: Vec<String> = uses.map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A pack of the binary by its name.
pub(super) fn embedded(name: &str) -> Option<Written> {
    let found = EMBEDDED.iter().find(|pack| pack.name == name)?;
    Some(Written { name: name.to_owned(), place: Place::Binary, text: found.text.to_owned(), signed: None })
}
