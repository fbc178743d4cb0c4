//! A file in use that turns out to be broken, whoever met the page: it is marked, so that the next start checks all of it and
//! repairs it; it is said; and the writer's progress no longer counts, so that the watchdog brings that start about.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::lane::lock;
use super::schema;

/// What is known against one file.
#[derive(Debug, Clone)]
pub(super) struct Suspicion {
    pub path: Arc<PathBuf>,
    broken: Arc<Mutex<Option<String>>>,
}

impl Suspicion {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(path), broken: Arc::default() }
    }

    /// Takes note of an error that will not pass; others are none of our business.
    pub(super) fn met(&self, error: &rusqlite::Error) {
        if !schema::is_corrupt(error) {
            return;
        }
        let words = format!("{}: {error}; the next start checks the whole file and repairs it", self.path.display());
        let mut broken = lock(&self.broken);
        if broken.is_none() {
            tracing::error!(words, "journal file is broken");
            let _ = std::fs::write(suspect_path(&self.path), "the next start checks the whole file\n");
            *broken = Some(words);
        }
    }

    /// What is wrong with the file, in words.
    pub(super) fn broken(&self) -> Option<String> {
        lock(&self.broken).clone()
    }
}

/// Its presence makes the next start check every page.
pub(super) fn suspect_path(path: &Path) -> PathBuf {
    path.with_extension("suspect")
}
