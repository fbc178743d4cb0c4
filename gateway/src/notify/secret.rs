//! The secret a push is signed with, from its file. Read anew after any push that was not accepted, so that a rotated secret
//! works; never waited for longer than [`PATIENCE`], since the disk may be the thing that is sick.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// How long a push waits for the file.
const PATIENCE: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Secret {
    path: Option<PathBuf>,
    cached: Arc<Mutex<Cached>>,
    /// One reader at a time: a hung disk must not collect threads.
    reading: Arc<AtomicBool>,
}

/// When a file was changed, and its size.
type Stamp = (SystemTime, u64);

#[derive(Debug, Default)]
struct Cached {
    secret: Option<Arc<[u8]>>,
    /// The file as it was when read.
    stamp: Option<Stamp>,
    complained: Option<String>,
}

impl Secret {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, cached: Arc::default(), reading: Arc::default() }
    }

    /// The secret as the file has it, or as it was last known. `None`: none is configured, or it can't be read; then the
    /// push goes unsigned, since an alarm that is doubted is better than one that is not sent.
    pub(super) async fn current(&self) -> Option<Arc<[u8]>> {
        let path = self.path.clone()?;
        if !self.reading.swap(true, Ordering::AcqRel) {
            let (cached, reading) = (self.cached.clone(), self.reading.clone());
            let refresh = tokio::task::spawn_blocking(move || {
                refresh(&path, &cached);
                reading.store(false, Ordering::Release);
            });
            let _ = tokio::time::timeout(PATIENCE, refresh).await;
        }
        lock(&self.cached).secret.clone()
    }

    /// The receiver was not content: read the file again even if it looks the same.
    pub(super) fn doubt(&self) {
        lock(&self.cached).stamp = None;
    }
}

fn refresh(path: &Path, cached: &Mutex<Cached>) {
    let read = || -> Result<Option<(Stamp, Vec<u8>)>, String> {
        let unusable = |error: std::io::Error| format!("{}: {error}; put the secret there", path.display());
        let meta = std::fs::metadata(path).map_err(unusable)?;
        let stamp = (meta.modified().map_err(unusable)?, meta.len());
        if lock(cached).stamp == Some(stamp) {
            return Ok(None);
        }
        let secret = crate::secret::read(path, "secret")?;
        if secret.is_empty() {
            return Err(format!("{}: is empty; put the secret there", path.display()));
        }
        Ok(Some((stamp, secret)))
    };
    let result = read();
    let mut cached = lock(cached);
    match result {
        Ok(None) => cached.complained = None,
        Ok(Some((stamp, secret))) => {
            *cached = Cached { secret: Some(secret.into()), stamp: Some(stamp), complained: None };
        }
        Err(why) => {
            if cached.complained.as_ref() != Some(&why) {
                tracing::error!(why, "secret_file not usable, pushes go unsigned or with the last secret known");
                cached.complained = Some(why);
            }
        }
    }
}

fn lock(cached: &Mutex<Cached>) -> std::sync::MutexGuard<'_, Cached> {
    cached.lock().unwrap_or_else(PoisonError::into_inner)
}
