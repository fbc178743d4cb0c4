//! Read-only connections, lent for one short read each: a long read would pin the WAL and let it grow. A read that nobody
//! waits for any more is broken off.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::Semaphore;

use super::lane::lock;
use super::schema;
use super::suspicion::Suspicion;

/// Connections kept for the next reader; more readers at once open their own.
const KEEP: usize = 4;
/// Reads for people (history, lists) at a time; further ones wait. What is pushed or forwarded waits for none of them.
const SEATS: usize = 3;

/// The pool of one file.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pub file: Suspicion,
    idle: Arc<Mutex<Vec<Connection>>>,
    seats: Arc<Semaphore>,
}

/// What whoever waits for a read shares with it.
#[derive(Default)]
struct Asked {
    gone: bool,
    /// Of the connection that reads, while it does.
    handle: Option<InterruptHandle>,
}

/// Breaks the read off when the one who asked is dropped.
struct Asker(Arc<Mutex<Asked>>);

impl Drop for Asker {
    fn drop(&mut self) {
        let mut asked = lock(&self.0);
        asked.gone = true;
        // Under the lock: the connection is not lent to the next before the handle is taken back.
        if let Some(handle) = &asked.handle {
            handle.interrupt();
        }
    }
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { file: Suspicion::new(path), idle: Arc::default(), seats: Arc::new(Semaphore::new(SEATS)) }
    }

    /// Closes the connections that are kept for the next reader.
    pub(super) fn forget(&self) {
        lock(&self.idle).clear();
    }

    /// Reads in one transaction, on this thread.
    pub(super) fn read<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        self.read_for(&Mutex::default(), f)
    }

    fn read_for<T>(
        &self,
        asked: &Mutex<Asked>,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, String> {
        let told = |error: rusqlite::Error| {
            self.file.met(&error);
            format!("{}: can't be read: {error}", self.file.path.display())
        };
        let idle = lock(&self.idle).pop();
        let mut conn = idle.map_or_else(|| schema::reader(&self.file.path), Ok).map_err(told)?;
        {
            let mut asked = lock(asked);
            if asked.gone {
                return Err("nobody waits for this read any more".to_owned());
            }
            asked.handle = Some(conn.get_interrupt_handle());
        }
        let tx = conn.transaction().map_err(told)?;
        let read = f(&tx).and_then(|out| tx.finish().map(|()| out));
        lock(asked).handle = None;
        let out = read.map_err(told)?;
        let mut idle = lock(&self.idle);
        // A file that lay still on a read-only disk may be written again by the next time.
        if idle.len() < KEEP && !schema::is_still(&conn) {
            idle.push(conn);
        }
        Ok(out)
    }

    /// Reads off the runtime. Dropped, it breaks the read off.
    pub(super) async fn spawn<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let asker = Asker(Arc::default());
        let (readers, asked) = (self.clone(), Arc::clone(&asker.0));
        let read = tokio::task::spawn_blocking(move || readers.read_for(&asked, f));
        read.await.map_err(|error| format!("reading the journal ended early: {error}"))?
    }

    /// The same for people: few at a time.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let seat = Arc::clone(&self.seats).acquire_owned().await;
        let seat = seat.map_err(|_closed| "the journal is closed".to_owned())?;
        // The seat goes with the read: one that was broken off holds it until it has ended.
        let read = move |conn: &Connection| {
            let _seat = seat;
            f(conn)
        };
        self.spawn(read).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::super::Lane;
    use super::*;
    use crate::scripted::DEADLINE;

    /// Never ends by itself; counts itself while it lasts.
    fn endless(conn: &Connection, running: &AtomicUsize) -> rusqlite::Result<i64> {
        running.fetch_add(1, Ordering::SeqCst);
        let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
        let read = conn.query_row(sql, [], |row| row.get(0));
        running.fetch_sub(1, Ordering::SeqCst);
        read
    }

    #[tokio::test]
    async fn a_read_nobody_waits_for_is_broken_off_and_few_run_at_a_time() {
        let dir = std::env::temp_dir().join(format!("gengfu-readers-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("alarm.db");
        drop(schema::create(&path, Lane::Alarm).unwrap());
        let (readers, running) = (Readers::new(path), Arc::new(AtomicUsize::new(0)));
        let mut most = 0;
        for _refreshed in 0..3 {
            let asked = (0..10).map(|_| {
                let (readers, running) = (readers.clone(), Arc::clone(&running));
                async move { readers.ask(move |conn| endless(conn, &running)).await }
            });
            let all = futures_util::future::join_all(asked);
            assert!(timeout(Duration::from_millis(200), all).await.is_err(), "it does not end");
            most = most.max(running.load(Ordering::SeqCst));
        }
        assert!(most <= SEATS, "{most} at a time");
        let one = |conn: &Connection| conn.query_row("SELECT 1", [], |row| row.get::<_, i64>(0));
        let next = timeout(DEADLINE, readers.ask(one)).await.expect("a seat is free again");
        assert_eq!(next, Ok(1));
        let ended = async {
            while running.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, ended).await.expect("all are broken off");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
