//! Which value of a rule came from where: the pack, with clause and mark, or the site.

use serde::Serialize;
use toml::de::{DeTable, DeValue};

use super::read::{Leaf, leaves};
use super::{Default, PackRule, Place, Source};
use crate::config::book::Book;
use crate::config::value::Value;

/// A rule that came from a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    pub rule: String,
    pub pack: String,
    pub edition: String,
    pub effective: String,
    pub place: Place,
    pub values: Vec<Given>,
}

/// One value of its detector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// `limit`, or `2.limit`.
    pub key: String,
    pub value: String,
    pub from: From,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    Pack(Source),
    Site {
        /// Of the file, from 1.
        line: usize,
        /// What the pack has in its place.
        pack: Option<Default>,
    },
}

impl Given {
    /// What the pack has where the site has another limit, and what the site has. Only lines that a standard draws are told of.
    pub(super) fn moved(&self) -> Option<(&Default, &str)> {
        match &self.from {
            From::Site { pack: Some(pack), .. } if pack.is_line() && !same(&pack.value, &self.value) => {
                Some((pack, &self.value))
            }
            From::Site { .. } | From::Pack(_) => None,
        }
    }

    /// Whether it is the same line, as the pack has it.
    pub(super) fn is_still(&self, line: &Default) -> bool {
        match &self.from {
            From::Pack(source) => {
                self.key.ends_with("limit") && source.clause == line.source.clause && same(&self.value, &line.value)
            }
            From::Site { .. } => false,
        }
    }
}

impl Default {
    fn is_line(&self) -> bool {
        self.key.ends_with("limit") && self.source.clause.is_some()
    }
}

impl std::fmt::Display for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, value, from } = self;
        write!(f, "{key} {value}: ")?;
        match from {
            From::Pack(source) => write!(f, "{source}"),
            From::Site { line, pack: None } => write!(f, "the site, line {line}"),
            From::Site { line, pack: Some(pack) } => {
                let other = pack.source.others.iter().find(|other| same(&other.value, value));
                let why = other.map_or(String::new(), |other| format!(" ({other})"));
                write!(f, "the site, line {line}{why}; the pack has {}, {}", pack.value, pack.source)
            }
        }
    }
}

/// Whether two values mean the same number, or are the same text.
fn same(a: &str, b: &str) -> bool {
    let numbers = a.parse::<f64>().ok().zip(b.parse::<f64>().ok());
    numbers.map_or(a == b, |(a, b)| a.total_cmp(&b).is_eq())
}

/// The values of a rule as the site has them, in the pack's order; what only the site says comes last.
pub(super) fn given(book: &Book<'_>, rule: &PackRule, tree: &DeTable<'_>, set: Option<Value<'_>>) -> Vec<Given> {
    let of_site = set.and_then(|set| set.tree.as_table()?.get(rule.detector).map(toml::Spanned::get_ref));
    let of_pack = tree.get(rule.detector).map(toml::Spanned::get_ref);
    // One level written over two is the first of them, and two written over one begin with it.
    let leveled = [of_site, of_pack].into_iter().flatten().any(DeValue::is_array);
    let key = |key: &str, own: Option<&DeValue<'_>>| {
        if leveled && own.is_some_and(DeValue::is_table) { format!("1.{key}") } else { key.to_owned() }
    };
    let mut set: Vec<Leaf> = of_site.map_or(Vec::new(), leaves);
    for leaf in &mut set {
        leaf.key = key(&leaf.key, of_site);
    }
    let site = |leaf: &Leaf, pack: Option<Default>| Given {
        key: leaf.key.clone(),
        value: leaf.value.clone(),
        from: From::Site { line: book.line(leaf.at), pack },
    };
    let mut all = Vec::new();
    for default in &rule.defaults {
        let name = key(&default.key, of_pack);
        match set.iter().position(|leaf| leaf.key == name) {
            Some(index) => all.push(site(&set.remove(index), Some(default.clone()))),
            None => {
                all.push(Given { key: name, value: default.value.clone(), from: From::Pack(default.source.clone()) });
            }
        }
    }
    all.extend(set.iter().map(|leaf| site(leaf, None)));
    all
}
