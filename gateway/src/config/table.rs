//! A TOML table as something to be asked: every reader says what it wants, complains where it does not find it,
//! and at the end [`Table::finish`] complains of what nobody asked for.

use std::cell::RefCell;

use toml::de::DeTable;

use super::book::Book;
use super::near::misspelt;
use super::value::{Value, shorten};

#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) book: &'a Book<'a>,
    /// As it is written: `[site]`, `[[modbus.device]]`.
    pub(super) name: &'static str,
    /// Byte of its header.
    pub(super) at: usize,
    tree: &'a DeTable<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(super) fn root(book: &'a Book<'a>, tree: &'a DeTable<'a>) -> Self {
        Self::new(book, "the file", 0, tree)
    }

    pub(super) fn new(book: &'a Book<'a>, name: &'static str, at: usize, tree: &'a DeTable<'a>) -> Self {
        Self { book, name, at, tree, known: RefCell::default() }
    }

    /// The value of a key, where there is one.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        let value = self.tree.get(key)?;
        Some(Value { book: self.book, key, at: value.span().start, tree: value.get_ref() })
    }

    /// The value of a key that must be there; `example` is how one would write it.
    pub(super) fn need(&self, key: &'static str, example: &str) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            self.book.missing(
                self.at,
                format!("`{key}` is missing in {}", self.name),
                format!("add {key} = {example}"),
            );
        }
        value
    }

    /// An optional value: absent is `default`, wrong is complained of.
    pub(super) fn or<T>(&self, key: &'static str, default: T, read: impl FnOnce(Value<'a>) -> Option<T>) -> Option<T> {
        match self.get(key) {
            Some(value) => read(value),
            None => Some(default),
        }
    }

    /// Every key with its value, where the keys are names the site chose.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let value = |tree: &'a toml::Spanned<toml::de::DeValue<'a>>| Value {
            book: self.book,
            key: "label",
            at: tree.span().start,
            tree: tree.get_ref(),
        };
        self.tree.iter().map(move |(key, tree)| (key.get_ref().as_ref(), value(tree)))
    }

    /// Whether a key is there, and where.
    pub(super) fn place(&self, key: &str) -> Option<usize> {
        self.tree.get_key_value(key).map(|(key, _)| key.span().start)
    }

    /// Complains of keys that are part of the language, but not of this version. True if there was one.
    pub(super) fn later(&self, keys: &[&str], mend: &str) -> bool {
        let found = keys.iter().filter_map(|key| Some((*key, self.place(key)?)));
        found.inspect(|(key, at)| self.book.complain(*at, format!("`{key}` is not in this version"), mend)).count() > 0
    }

    /// The table behind a key, written `name`.
    pub(super) fn table(&self, key: &'static str, name: &'static str) -> Option<Table<'a>> {
        self.get(key)?.table(name)
    }

    /// The tables behind a key, written `name` each; none where the key is not there.
    pub(super) fn tables(&self, key: &'static str, name: &'static str) -> Vec<Table<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(items) = value.list_or_none() else {
            // Not to be trusted where a header could not be read: `[[modbus]` makes a table of its children.
            let what = format!("`{key}` must be a list of tables");
            self.book.missing(value.at, what, format!("write {name}, with two brackets"));
            return Vec::new();
        };
        items.into_iter().filter_map(|item| item.table(name)).collect()
    }

    /// Complains of every key that nobody asked for, except the `later` ones, which have had their word.
    pub(super) fn finish(self, later: &[&str]) {
        let known = self.known.into_inner();
        for (key, _) in self.tree {
            let word: &str = key.get_ref();
            if known.contains(&word) || later.contains(&word) {
                continue;
            }
            let what = format!("unknown key `{}` in {}", shorten(word), self.name);
            let mend = match misspelt(word, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.book.complain(key.span().start, what, mend);
        }
    }
}
