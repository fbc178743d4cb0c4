//! The names of points. Rooms to the right of the source know a point as an index; here the index gets its name back.
//!
//! Append-only within a run: an index never changes its meaning, so a reader may hold a copy as long as it likes.

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

#[derive(Debug, Default)]
struct Inner {
    points: Vec<Arc<PointMeta>>,
    by_name: HashMap<String, PointId>,
}

impl Catalog {
    /// Adds a point, or gives the index it already has; its description is brought up to date.
    pub fn add(&self, meta: PointMeta) -> PointId {
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = meta.name();
        if let Some(&id) = inner.by_name.get(&name) {
            if let Some(slot) = inner.points.get_mut(id.0 as usize) {
                *slot = Arc::new(meta);
            }
            return id;
        }
        let id = PointId(inner.points.len() as u32);
        inner.points.push(Arc::new(meta));
        inner.by_name.insert(name, id);
        id
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
