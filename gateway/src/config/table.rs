//! A TOML table as something to be asked: every reader says what it wants, complains where it does not find it,
//! and at the end [`Table::finish`] complains of what nobody asked for.

use std::cell::RefCell;

use toml::de::DeTable;

use super::book::Book;
use super::near::misspelt;
use super::value::{Under, Value, shorten};

#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) book: &'a Book<'a>,
    /// As it is written: `[site]`, `[[modbus.device]]`.
    pub(super) name: &'static str,
    /// Byte of its header.
    pub(super) at: usize,
    tree: &'a DeTable<'a>,
    /// What a pack says where this table says nothing.
    under: Option<Under<'a, DeTable<'a>>>,
    /// It is the pack's own.
    lent: bool,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(super) fn root(book: &'a Book<'a>, tree: &'a DeTable<'a>) -> Self {
        Self::new(book, "the file", 0, tree)
    }

    pub(super) fn new(book: &'a Book<'a>, name: &'static str, at: usize, tree: &'a DeTable<'a>) -> Self {
        Self { book, name, at, tree, under: None, lent: false, known: RefCell::default() }
    }

    /// The table on top of a pack's; `lent`: it is itself the pack's, and stands where the site uses it.
    pub(super) fn over(self, under: Option<Under<'a, DeTable<'a>>>, lent: bool) -> Self {
        Self { under, lent, ..self }
    }

    /// The value of a key, where there is one.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        let below = self.under.and_then(|under| Some(Under { tree: under.tree.get(key)?.get_ref(), at: under.at }));
        let Some(value) = self.tree.get(key) else {
            let Under { tree, at } = below?;
            return Some(Value { book: self.book, key, at, tree, under: None, lent: true });
        };
        let at = if self.lent { self.at } else { value.span().start };
        Some(Value { book: self.book, key, at, tree: value.get_ref(), under: below, lent: self.lent })
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

    /// Keys that are somebody else's to read.
    pub(super) fn pass_over(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    /// Every key with its value, where the keys are names the site chose.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let value = |tree: &'a toml::Spanned<toml::de::DeValue<'a>>| Value {
            book: self.book,
            key: "label",
            at: tree.span().start,
            tree: tree.get_ref(),
            under: None,
            lent: false,
        };
        self.tree.iter().map(move |(key, tree)| (key.get_ref().as_ref(), value(tree)))
    }

    /// Whether a key is there, and where.
    pub(super) fn place(&self, key: &str) -> Option<usize> {
        let own = self.tree.get_key_value(key).map(|(key, _)| if self.lent { self.at } else { key.span().start });
        own.or_else(|| self.under.filter(|under| under.tree.contains_key(key)).map(|under| under.at))
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
        let below = self.under.into_iter().flat_map(|under| under.tree.iter().map(move |(key, _)| (key, under.at)));
        let own = self.tree.iter().map(|(key, _)| (key, if self.lent { self.at } else { key.span().start }));
        for (key, at) in own.chain(below) {
            let word: &str = key.get_ref();
            if known.contains(&word) || later.contains(&word) {
                continue;
            }
            let what = format!("unknown key `{}` in {}", shorten(word), self.name);
            let mend = match misspelt(word, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.book.complain(at, what, mend);
        }
    }
}
