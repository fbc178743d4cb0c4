//! The names of points. Rooms to the right of the source know a point as an index; here the index gets its name back.
//!
//! Append-only within a run: an index never changes its meaning, so a reader may hold a copy as long as it likes. A reload
//! may describe a point anew; [`Catalog::edition`] tells whether a copy is still the latest.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use gengfu_core::reading::PointId;
use serde::Serialize;

/// What is known about a point apart from its value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointMeta {
    pub device: String,
    pub point: String,
    /// The device's kind; the measurement of the time series.
    pub kind: String,
    pub area: Option<String>,
    pub unit: Option<String>,
    pub life_safety: bool,
    /// Name of the line or link it comes by; `None` for a point of the journal that the configuration no longer has.
    pub source: Option<String>,
}

impl PointMeta {
    /// `device/point`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.device, self.point)
    }
}

/// All points, shared by everybody.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    inner: Arc<RwLock<Inner>>,
}

impl PointMeta {
    /// Whether the two describe a point alike, wherever it comes from.
    pub fn same(&self, other: &Self) -> bool {
        let described = |meta: &Self| (meta.kind.clone(), meta.area.clone(), meta.unit.clone(), meta.life_safety);
        described(self) == described(other)
    }
}

#[derive(Debug, Default)]
struct Inner {
    edition: u64,
    points: Vec<Arc<PointMeta>>,
    by_name: HashMap<String, PointId>,
}

impl Catalog {
    /// Adds a point, or gives the index it already has; its description is brought up to date.
    pub fn add(&self, meta: PointMeta) -> PointId {
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = meta.name();
        if let Some(&id) = inner.by_name.get(&name) {
            let mut anew = false;
            if let Some(slot) = inner.points.get_mut(id.0 as usize) {
                anew = !slot.same(&meta);
                *slot = Arc::new(meta);
            }
            inner.edition += u64::from(anew);
            return id;
        }
        let id = PointId(inner.points.len() as u32);
        inner.points.push(Arc::new(meta));
        inner.by_name.insert(name, id);
        id
    }

    /// The index of a point; one that is new belongs to no link until it is added.
    pub fn reserve(&self, meta: &PointMeta) -> PointId {
        self.find(&meta.name()).unwrap_or_else(|| self.add(PointMeta { source: None, ..meta.clone() }))
    }

    /// The configuration no longer has these points: they belong to no link any more.
    pub fn retire(&self, gone: impl Fn(PointId, &PointMeta) -> bool) {
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (index, slot) in inner.points.iter_mut().enumerate() {
            if slot.source.is_some() && gone(PointId(index as u32), slot) {
                *slot = Arc::new(PointMeta { source: None, ..slot.as_ref().clone() });
            }
        }
    }

    /// Grows when a point that was known is described anew.
    pub fn edition(&self) -> u64 {
        self.read(|inner| inner.edition)
    }

    /// The index of `device/point`.
    pub fn find(&self, name: &str) -> Option<PointId> {
        self.read(|inner| inner.by_name.get(name).copied())
    }

    /// The description of a point.
    pub fn get(&self, id: PointId) -> Option<Arc<PointMeta>> {
        self.read(|inner| inner.points.get(id.0 as usize).cloned())
    }

    /// All points from index `from` on: what a reader with a copy has not seen yet.
    pub fn tail(&self, from: usize) -> Vec<Arc<PointMeta>> {
        self.read(|inner| inner.points.get(from..).map(<[_]>::to_vec).unwrap_or_default())
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.read(|inner| inner.points.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read<T>(&self, f: impl FnOnce(&Inner) -> T) -> T {
        f(&self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
