//! A value of the tree as what it should be: every reader complains, at the value's place, where it is something else.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::book::Book;
use super::near::misspelt;
use super::table::Table;
use super::units;

/// A value, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) book: &'a Book<'a>,
    pub(super) key: &'static str,
    /// Byte of its beginning.
    pub(super) at: usize,
    pub(super) tree: &'a DeValue<'a>,
    /// What a pack says in this place, under what the site says.
    pub(super) under: Option<Under<'a, DeValue<'a>>>,
    /// It is the pack's own, and `at` is where the site uses it.
    pub(super) lent: bool,
}

/// A part of a pack, and the byte of the site file that answers for it: nobody there can mend the pack.
#[derive(Debug)]
pub(super) struct Under<'a, T> {
    pub(super) tree: &'a T,
    pub(super) at: usize,
}

impl<T> Clone for Under<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Under<'_, T> {}

impl<'a> Value<'a> {
    pub(super) fn complain(self, what: impl Into<String>, mend: impl Into<String>) {
        let (what, mend) = self.whose(what.into(), mend.into());
        self.book.complain(self.at, what, mend);
    }

    pub(super) fn warn(self, what: impl Into<String>, mend: impl Into<String>) {
        let (what, mend) = self.whose(what.into(), mend.into());
        self.book.warn(self.at, what, mend);
    }

    /// What a pack brings is mended where it is used.
    fn whose(self, what: String, mend: String) -> (String, String) {
        if self.lent {
            (format!("as the pack has it, {what}"), format!("{mend}; in `set`, for this rule"))
        } else {
            (what, mend)
        }
    }

    /// Text of any kind.
    pub(super) fn text(self) -> Option<&'a str> {
        let text = self.tree.as_str();
        text.or_else(|| self.wrong("text", &format!("write {} = \"…\"", self.key)))
    }

    /// Text with something in it and nothing odd, `max` characters at most.
    pub(super) fn line(self, max: usize) -> Option<String> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.complain(format!("`{}` is empty", self.key), "say something, or leave the key out");
        } else if text.chars().any(char::is_control) {
            self.complain(format!("`{}` holds control characters", self.key), "write it on one line, without tabs");
        } else if text.chars().count() > max {
            self.complain(format!("`{}` is longer than {max} characters", self.key), "make it shorter");
        } else {
            return Some(text.to_owned());
        }
        None
    }

    pub(super) fn boolean(self) -> Option<bool> {
        let truth = self.tree.as_bool();
        truth.or_else(|| self.wrong("true or false", &format!("write {} = true, without quotes", self.key)))
    }

    /// A finite number.
    pub(super) fn number(self) -> Option<f64> {
        let number = if self.tree.is_integer() {
            self.integer()? as f64
        } else if let Some(float) = self.tree.as_float() {
            float.as_str().parse().unwrap_or(f64::NAN)
        } else {
            return self.wrong("a number", &format!("write {} = 1.5, without quotes", self.key));
        };
        if !number.is_finite() {
            self.complain(
                format!("`{}` is {}, which nothing can be held against", self.key, self.shown()),
                "write a finite number",
            );
            return None;
        }
        Some(number)
    }

    /// A whole number within a range.
    pub(super) fn whole(self, range: RangeInclusive<i64>) -> Option<i64> {
        let DeValue::Integer(_) = self.tree else {
            return self.wrong("a whole number", &format!("write {} = {}", self.key, range.start()));
        };
        let number = self.integer()?;
        if !range.contains(&number) {
            self.complain(
                format!("`{}` is {number}", self.key),
                format!("it goes from {} to {}", range.start(), range.end()),
            );
            return None;
        }
        Some(number)
    }

    /// A duration within a range.
    pub(super) fn duration(self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let DeValue::String(text) = self.tree else {
            return self.wrong("a duration", &format!("write it as text with its unit: {} = \"10s\"", self.key));
        };
        if units::is_too_long(text) {
            let (least, most) = (units::show(*range.start()), units::show(*range.end()));
            self.complain(
                format!("`{}` is {}, which is too long", self.key, self.shown()),
                format!("it goes from {least} to {most}"),
            );
            return None;
        }
        let Some(duration) = units::duration(text) else {
            let what = format!("`{}` is {}, which is no duration", self.key, self.shown());
            self.complain(what, "write a whole number and ms, s, m, h or d: \"500ms\", \"10s\", \"90d\"");
            return None;
        };
        if !range.contains(&duration) {
            let (least, most) = (units::show(*range.start()), units::show(*range.end()));
            self.complain(
                format!("`{}` is {}", self.key, units::show(duration)),
                format!("it goes from {least} to {most}"),
            );
            return None;
        }
        Some(duration)
    }

    /// A size in bytes.
    pub(super) fn size(self, range: RangeInclusive<u64>) -> Option<u64> {
        let size = self.tree.as_str().and_then(units::size);
        if size.is_none_or(|size| !range.contains(&size)) {
            let what = format!("`{}` is {}, which is no size that can be used", self.key, self.shown());
            self.complain(what, format!("write \"512MiB\" or \"4GiB\", at least {} MiB", range.start() >> 20));
            return None;
        }
        size
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let all = words.iter().map(|(word, _)| *word);
            let near = misspelt(text, all.clone()).map_or(String::new(), |near| format!("did you mean \"{near}\"? "));
            let what = format!("`{}` cannot be {}", self.key, self.shown());
            self.complain(what, format!("{near}known: {}", all.collect::<Vec<_>>().join(", ")));
        }
        found
    }

    /// The values of a list.
    pub(super) fn list(self) -> Option<Vec<Value<'a>>> {
        self.list_or_none().or_else(|| self.wrong("a list", &format!("write {} = [ … ]", self.key)))
    }

    /// The values, if it is a list; no complaint.
    pub(super) fn list_or_none(self) -> Option<Vec<Value<'a>>> {
        let own = |item: &'a toml::Spanned<DeValue<'a>>| Value {
            at: if self.lent { self.at } else { item.span().start },
            tree: item.get_ref(),
            under: None,
            ..self
        };
        let items = self.tree.as_array().map(|items| items.iter().map(own).collect::<Vec<_>>());
        // Tables lie on a pack's one by one: the first level on its first, and one that the site leaves out is the pack's.
        let below = self.under.and_then(|under| Some((under.tree.as_array()?, under.at)));
        let Some((below, at)) = below else { return items };
        let mut merged = items.unwrap_or_else(|| vec![Value { under: None, ..self }]);
        if merged.iter().any(|item| !item.tree.is_table()) {
            return self.tree.is_array().then_some(merged);
        }
        for (index, item) in below.iter().enumerate() {
            match merged.get_mut(index) {
                Some(own) => own.under = Some(Under { tree: item.get_ref(), at }),
                None => merged.push(Value { at, tree: item.get_ref(), under: None, lent: true, ..self }),
            }
        }
        Some(merged)
    }

    /// The values of a list, or the one value that stands alone.
    pub(super) fn one_or_more(self) -> Vec<Value<'a>> {
        self.list_or_none().unwrap_or_else(|| vec![self])
    }

    pub(super) fn table(self, name: &'static str) -> Option<Table<'a>> {
        let Some(tree) = self.tree.as_table() else { return self.wrong("a table", &format!("write {name}")) };
        let under = self.under.and_then(|under| Some(Under { tree: under.tree.as_table()?, at: under.at }));
        Some(Table::new(self.book, name, self.at, tree).over(under, self.lent))
    }

    pub(super) fn is_text(self) -> bool {
        self.tree.is_str()
    }

    pub(super) fn is_boolean(self) -> bool {
        self.tree.is_bool()
    }

    /// Complains of the wrong type.
    fn wrong<T>(self, wanted: &str, mend: &str) -> Option<T> {
        self.complain(format!("`{}` must be {wanted}, not {}", self.key, self.shown()), mend);
        None
    }

    fn integer(self) -> Option<i64> {
        let DeValue::Integer(integer) = self.tree else { return None };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if number.is_none() {
            self.complain(format!("`{}` is too large a number", self.key), "write a smaller one");
        }
        number
    }

    /// The value as it may be shown in a complaint.
    fn shown(self) -> String {
        match self.tree {
            DeValue::String(text) => format!("\"{}\"", shorten(text)),
            DeValue::Integer(integer) => shorten(&integer.to_string()),
            DeValue::Float(float) => shorten(float.as_str()),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }
}

/// A text that fits into a sentence, without what would break a terminal.
pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = text.chars().take(MOST).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}
