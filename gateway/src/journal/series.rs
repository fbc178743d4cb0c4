//! The points' names on disk. A series row's id is the point's index, in this run and in every other.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::catalog::{Catalog, PointMeta};

/// Which descriptions the disk has.
#[derive(Debug)]
pub(super) struct Series {
    catalog: Catalog,
    known: Vec<Arc<PointMeta>>,
    /// The configuration may have changed what an old point is: looked at with the first commit of readings after that.
    compared: Option<u64>,
}

/// Rows to write, and all that is known once they are.
#[derive(Debug)]
pub(super) struct News {
    rows: Vec<(usize, Arc<PointMeta>)>,
    compared: Option<u64>,
}

impl Series {
    pub(super) fn new(catalog: &Catalog) -> Self {
        Self { catalog: catalog.clone(), known: catalog.tail(0), compared: None }
    }

    /// What must be written with a commit; nothing as long as that holds no readings.
    pub(super) fn news(&self, readings: bool) -> News {
        // Before the rows are: what changes in between is looked at the next time.
        let edition = Some(self.catalog.edition());
        let compared = self.compared == edition;
        if !readings || (compared && self.catalog.len() == self.known.len()) {
            return News { rows: Vec::new(), compared: self.compared };
        }
        let from = if compared { self.known.len() } else { 0 };
        let all = self.catalog.tail(from).into_iter().enumerate().map(|(n, meta)| (from + n, meta));
        let rows = all.filter(|(n, meta)| self.known.get(*n).is_none_or(|known| !known.same(meta))).collect();
        News { rows, compared: edition }
    }

    /// The rows are on disk.
    pub(super) fn known(&mut self, news: News) {
        self.compared = news.compared;
        for (n, meta) in news.rows {
            match self.known.get_mut(n) {
                Some(known) => *known = meta,
                None => self.known.push(meta),
            }
        }
    }
}

impl News {
    pub(super) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut upsert = conn.prepare_cached("INSERT OR REPLACE INTO series VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for (n, meta) in &self.rows {
            let PointMeta { device, point, kind, area, unit, life_safety, source: _ } = meta.as_ref();
            upsert.execute(params![*n as i64, device, point, kind, area, unit, life_safety])?;
        }
        Ok(())
    }
}

/// The rows in the order of their ids.
pub(super) fn load(conn: &Connection) -> rusqlite::Result<Vec<(usize, PointMeta)>> {
    let mut rows = conn.prepare("SELECT id, device, point, kind, area, unit, life_safety FROM series ORDER BY id")?;
    let rows = rows.query_map([], |row| {
        let meta = PointMeta {
            device: row.get(1)?,
            point: row.get(2)?,
            kind: row.get(3)?,
            area: row.get(4)?,
            unit: row.get(5)?,
            life_safety: row.get(6)?,
            source: None,
        };
        Ok((row.get::<_, usize>(0)?, meta))
    })?;
    rows.collect()
}

/// Fills the catalog in the order of the indices. An index whose row is lost or says a name twice gets one that says so: the
/// indices after it must keep their meaning.
pub(super) fn fill(catalog: &Catalog, rows: Vec<(usize, PointMeta)>) {
    for (id, meta) in rows {
        if id.saturating_sub(catalog.len()) > MAX_HOLE {
            break;
        }
        while catalog.len() < id {
            catalog.add(lost(catalog.len()));
        }
        if catalog.find(&meta.name()).is_some() {
            catalog.add(lost(id));
        } else {
            catalog.add(meta);
        }
    }
}

/// Lost rows in a row that are believed; beyond, the number itself is damaged.
const MAX_HOLE: usize = 65_536;

fn lost(id: usize) -> PointMeta {
    PointMeta {
        device: "lost".to_owned(),
        point: format!("point-{id}"),
        kind: "device".to_owned(),
        area: None,
        unit: None,
        life_safety: false,
        source: None,
    }
}
