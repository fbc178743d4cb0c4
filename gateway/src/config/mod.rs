//! From what a person wrote to what the program needs. All mistakes are reported at once, each with file, line, column
//! and mend; nothing half-right gets in. Nothing here opens a socket or looks whether a file exists: a site is judged
//! by its text alone, so that `check` says the same on the installer's laptop as on the gateway. The one exception are the
//! packs from outside that it names, which are a part of the text.
//!
//! A text that is not even TOML is judged as far as it can be read; complaints about what is *missing* are held back
//! then, since the line that could not be read may hold it.

pub mod change;
pub mod checked;
pub mod pack;
pub mod scenario;
pub mod series;
pub mod pattern;
pub mod units;
mod address;
mod beside;
mod bond;
mod book;
mod lines;
mod names;
mod near;
mod table;
mod value;
mod performance;
mod site;
mod modbus;
mod broker;
mod calendar;
mod mqtt;
mod point;
mod labels;
mod detector;
mod rule;
mod warning;
mod uplink;
mod sink;
#[cfg(test)]
mod tests;

use std::path::Path;

use book::Book;
use checked::Site;
use lines::Lines;
use pack::outside::{self, From, Signed};
use pack::{Origin, Shelf};

/// Bytes a site file may have; a thousand devices take a tenth of it.
const MAX_FILE: usize = 4 << 20;

/// One mistake. `Display` prints `FILE:LINE:COLUMN: what; what to do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub what: String,
    pub mend: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}; {}", self.file, self.line, self.column, self.what, self.mend)
    }
}

/// A good site and what deserves a word although it is allowed (a trend that is read too seldom).
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub site: Site,
    pub warnings: Vec<Complaint>,
    /// The rules that came from packs, and which of their values came from where.
    pub origins: Vec<Origin>,
    /// The packs from outside that they came from.
    pub outside: Vec<Signed>,
}

/// Reads and checks a site file. Errors are in the order of the file.
pub fn load(file: &Path) -> Result<Loaded, Vec<Complaint>> {
    parse(&text(file)?, file)
}

/// The site with other rules: `rules` is a file of `[[rule]]` tables alone, or a whole site file. Complaints are of the file that
/// they are about.
pub fn with_rules(file: &Path, rules: &Path) -> Result<Loaded, Vec<Complaint>> {
    let other = text(rules)?;
    let (tree, _) = toml::de::DeTable::parse_recoverable(&other);
    if tree.get_ref().contains_key("site") {
        return parse(&other, rules);
    }
    let others = Others { text: &other, file: rules, besides: &[] };
    parse_with(&text(file)?, file, Some(others), From::Disk)
}

/// Reads a scenario of packs of the binary, or of one that is being written.
pub fn scenario(text: &str, file: &Path, packs: From<'_>) -> Result<scenario::Scenario, Vec<Complaint>> {
    scenario::parse(text, file, packs)
}

/// The text of a site file, unchecked.
pub fn text(file: &Path) -> Result<String, Vec<Complaint>> {
    let bytes = std::fs::read(file).map_err(|error| {
        vec![first_line(file, format!("the file cannot be read: {error}"), "check the path and the permissions")]
    })?;
    String::from_utf8(bytes).map_err(|error| vec![not_utf8(file, error.as_bytes(), error.utf8_error().valid_up_to())])
}

/// Checks a text as if it stood in `file`; relative paths are relative to the file's directory.
pub fn parse(text: &str, file: &Path) -> Result<Loaded, Vec<Complaint>> {
    parse_with(text, file, None, From::Disk)
}

/// The same with copies of the packs that it uses, in place of those that lie on the disk.
pub fn parse_kept(text: &str, file: &Path, packs: &[Signed]) -> Result<Loaded, Vec<Complaint>> {
    parse_with(text, file, None, From::Kept(packs))
}

/// Rules that stand in another text than the rest of the site.
struct Others<'t> {
    text: &'t str,
    file: &'t Path,
    /// Keys of that text that are somebody else's.
    besides: &'static [&'static str],
}

/// The same with the rules of another text in place of its own, and with packs of elsewhere.
fn parse_with(text: &str, file: &Path, others: Option<Others<'_>>, from: From<'_>) -> Result<Loaded, Vec<Complaint>> {
    let rules = others.as_ref().map_or(("", file), |others| (others.text, others.file));
    for (text, file) in [(text, file), rules] {
        if text.len() > MAX_FILE {
            let what = format!("the file has {} bytes, {MAX_FILE} are allowed", text.len());
            return Err(vec![first_line(file, what, "split the site, or remove what does not belong here")]);
        }
    }
    let books = (Book::new(text, file), Book::new(rules.0, rules.1));
    let trees = (tree(&books.0, text), tree(&books.1, rules.0));
    let root = table::Table::root(&books.0, trees.0.get_ref());
    let outside = outside::read(root.table("packs", "[packs]"), &directory(file));
    let (mut packs, mut refused) = (Vec::new(), Vec::new());
    for name in pack::wanted([trees.0.get_ref(), trees.1.get_ref()]) {
        match outside::find(&name, outside.as_ref(), from) {
            Ok(found) => packs.extend(found),
            Err(why) => refused.push((name, why)),
        }
    }
    let pack_books: Vec<Book<'_>> = packs.iter().map(|pack| Book::new(&pack.text, &pack.file())).collect();
    let pack_trees: Vec<_> = packs.iter().zip(&pack_books).map(|(pack, book)| tree(book, &pack.text)).collect();
    let mut shelf = Shelf::default();
    for ((text, book), tree) in packs.iter().zip(&pack_books).zip(&pack_trees) {
        shelf.add(text, book, tree.get_ref());
    }
    for (name, why) in refused {
        shelf.set_aside(name, why);
    }
    let others = others.map(|others| {
        let table = table::Table::root(&books.1, trees.1.get_ref());
        table.pass_over(others.besides);
        table
    });
    let site = site::read(&books.0, trees.0.get_ref(), others, &directory(file), &shelf);
    let origins = shelf.origins();
    let (mut complaints, mut warnings) = (Vec::new(), Vec::new());
    for book in [books.0, books.1] {
        let (wrong, doubts) = book.close();
        complaints.extend(wrong);
        warnings.extend(doubts);
    }
    // A doubt about a pack by itself is none of the site's; where it matters it has been told at its use.
    complaints.extend(pack_books.into_iter().flat_map(|book| book.close().0));
    match site {
        Some(site) if complaints.is_empty() => {
            let outside = packs.into_iter().filter_map(|pack| pack.signed).collect();
            Ok(Loaded { site, warnings, origins, outside })
        }
        Some(_) | None => Err(complaints),
    }
}

fn tree<'t>(book: &Book<'_>, text: &'t str) -> toml::Spanned<toml::de::DeTable<'t>> {
    let (tree, errors) = toml::de::DeTable::parse_recoverable(text);
    for error in &errors {
        book.syntax(error);
    }
    tree
}

/// Line and column of a key, as far as it is written: of `[site] id`, else of `[site]`, else of the beginning.
fn place(text: &str, table: &str, key: &str) -> (usize, usize) {
    let (tree, _) = toml::de::DeTable::parse_recoverable(text);
    let found = tree.get_ref().get(table).map(|value| {
        let key = value.get_ref().as_table().and_then(|table| table.get(key));
        key.map_or(value.span().start, |key| key.span().start)
    });
    Lines::new(text).position(found.unwrap_or(0))
}

/// Where the journal of a site file is, however wrong the rest of it may be.
pub fn journal_directory(text: &str, file: &Path) -> std::path::PathBuf {
    let (tree, _) = toml::de::DeTable::parse_recoverable(text);
    let journal = tree.get_ref().get("journal").and_then(|journal| journal.get_ref().as_table());
    let path = journal.and_then(|journal| journal.get("path")).and_then(|path| path.get_ref().as_str());
    directory(file).join(path.unwrap_or(site::DEFAULT_JOURNAL))
}

/// Where the packs of a site file lie that are not of the binary, however wrong the rest of it may be.
pub fn packs_directory(text: &str, file: &Path) -> std::path::PathBuf {
    let (tree, _) = toml::de::DeTable::parse_recoverable(text);
    outside::directory(tree.get_ref(), &directory(file))
}

/// The file's directory, absolute.
fn directory(file: &Path) -> std::path::PathBuf {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
    absolute.parent().map(Path::to_path_buf).unwrap_or_default()
}

fn first_line(file: &Path, what: String, mend: &str) -> Complaint {
    Complaint { file: file.display().to_string(), line: 1, column: 1, what, mend: mend.to_owned() }
}

fn not_utf8(file: &Path, bytes: &[u8], at: usize) -> Complaint {
    let head = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default());
    let (line, column) = Lines::new(&head).position(at);
    let what = "this is not UTF-8 text".to_owned();
    let mend = "save the file as UTF-8 (not GBK)".to_owned();
    Complaint { file: file.display().to_string(), line, column, what, mend }
}
