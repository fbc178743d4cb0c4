//! The book of complaints of one file: everybody who reads a value writes into it, at the end it is put in order.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;

use super::Complaint;
use super::lines::Lines;

/// Complaints that are kept, and as many warnings; who has more mistakes has the wrong file.
const MAX_COMPLAINTS: usize = 1_000;

#[derive(Debug)]
pub(super) struct Book<'t> {
    file: String,
    lines: Lines<'t>,
    entries: RefCell<Vec<Entry>>,
    warnings: RefCell<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    /// Byte in the text.
    at: usize,
    kind: Kind,
    what: String,
    mend: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Not TOML.
    Syntax,
    /// A wrong value.
    Wrong,
    /// Something is not there; not to be trusted while a line could not be read.
    Missing,
}

impl<'t> Book<'t> {
    pub(super) fn new(text: &'t str, file: &Path) -> Self {
        Self {
            file: file.display().to_string(),
            lines: Lines::new(text),
            entries: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// Something is wrong at byte `at`.
    pub(super) fn complain(&self, at: usize, what: impl Into<String>, mend: impl Into<String>) {
        enter(&self.entries, Entry { at, kind: Kind::Wrong, what: what.into(), mend: mend.into() });
    }

    /// Something that should be in the file is not.
    pub(super) fn missing(&self, at: usize, what: impl Into<String>, mend: impl Into<String>) {
        enter(&self.entries, Entry { at, kind: Kind::Missing, what: what.into(), mend: mend.into() });
    }

    /// Something is allowed and yet probably not meant.
    pub(super) fn warn(&self, at: usize, what: impl Into<String>, mend: impl Into<String>) {
        enter(&self.warnings, Entry { at, kind: Kind::Wrong, what: what.into(), mend: mend.into() });
    }

    /// Takes in what the TOML parser says.
    pub(super) fn syntax(&self, error: &toml::de::Error) {
        let span = error.span().unwrap_or(0..0);
        let (what, mend) = reword(error.message(), self.lines.slice(span.clone()));
        enter(&self.entries, Entry { at: span.start, kind: Kind::Syntax, what, mend });
    }

    /// The line of a byte, for "the first is in line N".
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.line(at)
    }

    /// Complaints and warnings, each in the order of the file.
    pub(super) fn close(self) -> (Vec<Complaint>, Vec<Complaint>) {
        let mut entries = self.entries.take();
        let broken: HashSet<usize> =
            entries.iter().filter(|e| e.kind == Kind::Syntax).map(|e| self.line(e.at)).collect();
        // Where the text could not be read, the parser puts values of its own at byte 0.
        entries.retain(|entry| match entry.kind {
            Kind::Syntax => true,
            Kind::Missing => broken.is_empty(),
            Kind::Wrong => broken.is_empty() || (entry.at > 0 && !broken.contains(&self.line(entry.at))),
        });
        (self.sorted(entries), self.sorted(self.warnings.take()))
    }

    fn sorted(&self, mut entries: Vec<Entry>) -> Vec<Complaint> {
        entries.sort_by_key(|entry| entry.at);
        let complaint = |Entry { at, what, mend, .. }: Entry| {
            let (line, column) = self.lines.position(at);
            Complaint { file: self.file.clone(), line, column, what, mend }
        };
        let mut complaints: Vec<_> = entries.into_iter().map(complaint).collect();
        complaints.dedup();
        complaints
    }
}

fn enter(entries: &RefCell<Vec<Entry>>, entry: Entry) {
    let mut entries = entries.borrow_mut();
    if entries.len() < MAX_COMPLAINTS {
        entries.push(entry);
    }
}

/// The parser's words, where they can be said plainer, and a mend.
fn reword(message: &str, text: &str) -> (String, String) {
    let text: String = text.chars().take(40).collect();
    if message.starts_with("duplicate key") {
        return (format!("`{text}` is given twice"), "keep one of the two; several of a kind are [[name]]".to_owned());
    }
    let mend = if message.contains("string") || message.contains("boolean") {
        "put text between \" and \" on one line"
    } else if message.contains("expected `=`") {
        "write key = value"
    } else if message.contains("newline") {
        "one key = value a line"
    } else {
        "correct the TOML here"
    };
    (format!("not TOML: {message}"), mend.to_owned())
}
