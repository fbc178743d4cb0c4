//! The names of line protocol, escaped once: a record then costs a copy, not a look at the catalog.
//!
//! A name that the stores would not read back alike is refused here, with its reason, rather than bent: control
//! characters end a line, and a backslash is one character to InfluxDB and an escape to VictoriaMetrics (at the end of a
//! tag it swallows the separator).

use std::collections::HashMap;

use gengfu_core::reading::PointId;

use crate::catalog::{Catalog, PointMeta};

/// What may not stand bare in a measurement.
pub(super) const MEASUREMENT: &[u8] = b", ";
/// What may not stand bare in a tag value or a field key.
pub(super) const KEY: &[u8] = b",= ";

/// One point, ready to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    /// `kind,site=…,device=… `, with the space.
    pub(super) head: &'a [u8],
    /// Equal where two points have the same head.
    pub(super) series: u32,
    /// The escaped field key.
    pub(super) key: &'a [u8],
}

/// All points seen so far.
#[derive(Debug)]
pub(super) struct Names {
    site: String,
    /// Bytes of all heads and keys.
    arena: Vec<u8>,
    heads: Vec<Span>,
    by_head: HashMap<Vec<u8>, u32>,
    points: Vec<Result<Entry, String>>,
    /// Of the catalog, when the names were made.
    edition: u64,
}

#[derive(Debug, Clone, Copy)]
struct Span(u32, u32);

#[derive(Debug, Clone, Copy)]
struct Entry {
    series: u32,
    head: Span,
    key: Span,
}

impl Names {
    pub(super) fn new(site: &str) -> Self {
        Self {
            site: site.to_owned(),
            arena: Vec::new(),
            heads: Vec::new(),
            by_head: HashMap::new(),
            points: Vec::new(),
            edition: 0,
        }
    }

    /// Takes in the points the catalog has got since; all of them, where it describes one anew.
    pub(super) fn refresh(&mut self, catalog: &Catalog) {
        let edition = catalog.edition();
        if edition != self.edition {
            *self = Self { edition, ..Self::new(&self.site) };
        }
        for meta in catalog.tail(self.points.len()) {
            let entry = self.entry(&meta);
            self.points.push(entry);
        }
    }

    /// The names of a point, or why it can't be written.
    pub(super) fn get(&self, point: PointId) -> Result<Name<'_>, String> {
        match self.points.get(point.0 as usize) {
            Some(Ok(entry)) => {
                Ok(Name { head: self.bytes(entry.head), series: entry.series, key: self.bytes(entry.key) })
            }
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("point {} has no name in the catalog", point.0)),
        }
    }

    fn entry(&mut self, meta: &PointMeta) -> Result<Entry, String> {
        let mut head = Vec::with_capacity(64);
        series_head(&mut head, &meta.kind, &[("site", &self.site), ("device", &meta.device)])?;
        let mut key = Vec::with_capacity(meta.point.len());
        escape(&mut key, "point", &meta.point, KEY)?;
        if key == b"time" {
            return Err("point name time is reserved by the store; rename it".to_owned());
        }
        let series = match self.by_head.get(&head) {
            Some(&series) => series,
            None => self.add_head(head),
        };
        let head = self.heads.get(series as usize).copied().unwrap_or(Span(0, 0));
        let key = self.store(&key);
        Ok(Entry { series, head, key })
    }

    fn add_head(&mut self, head: Vec<u8>) -> u32 {
        let series = self.heads.len() as u32;
        let span = self.store(&head);
        self.heads.push(span);
        self.by_head.insert(head, series);
        series
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(bytes);
        Span(start, self.arena.len() as u32)
    }

    fn bytes(&self, span: Span) -> &[u8] {
        self.arena.get(span.0 as usize..span.1 as usize).unwrap_or_default()
    }
}

/// Writes `measurement,tag=value,… ` with the space that parts it from the fields.
pub(super) fn series_head(out: &mut Vec<u8>, measurement: &str, tags: &[(&str, &str)]) -> Result<(), String> {
    if measurement.starts_with('#') {
        return Err(format!("kind {measurement:?} would begin a comment; rename it"));
    }
    escape(out, "kind", measurement, MEASUREMENT)?;
    for (tag, value) in tags {
        out.push(b',');
        out.extend_from_slice(tag.as_bytes());
        out.push(b'=');
        escape(out, tag, value, KEY)?;
    }
    out.push(b' ');
    Ok(())
}

/// Appends `name` with a backslash before each of `special`; `what` names it in the refusal.
pub(super) fn escape(out: &mut Vec<u8>, what: &str, name: &str, special: &[u8]) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("{what} name is empty; name it"));
    }
    if name.chars().any(|c| c.is_control() || c == '\\') {
        return Err(format!("{what} name {name:?} holds a backslash or control character; rename it"));
    }
    for byte in name.bytes() {
        if special.contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
    Ok(())
}
