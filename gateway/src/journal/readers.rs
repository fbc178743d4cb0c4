//! Read-only connections, lent for one short read each: a long read would pin the WAL and let it grow.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::lane::lock;
use super::schema;

/// Connections kept for the next reader; more readers at once open their own.
const KEEP: usize = 4;

/// The pool of one file.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(path), idle: Arc::default() }
    }

    /// Reads in one transaction, on this thread.
    pub(super) fn read<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        let told = |error: rusqlite::Error| format!("{}: can't be read: {error}", self.path.display());
        let idle = lock(&self.idle).pop();
        let mut conn = idle.map_or_else(|| schema::reader(&self.path), Ok).map_err(told)?;
        let tx = conn.transaction().map_err(told)?;
        let out = f(&tx).map_err(told)?;
        tx.finish().map_err(told)?;
        let mut idle = lock(&self.idle);
        if idle.len() < KEEP {
            idle.push(conn);
        }
        Ok(out)
    }

    /// Reads off the runtime.
    pub(super) async fn spawn<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let readers = self.clone();
        let read = tokio::task::spawn_blocking(move || readers.read(f));
        read.await.map_err(|error| format!("reading the journal ended early: {error}"))?
    }
}
