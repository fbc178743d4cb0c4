//! What the disk has room for. The file system is asked, nothing else: whoever fills it beside the journal takes from its room.

use std::path::Path;

use crate::config::checked::JournalConfig;

/// Kept free for the alarm lane, both logs (16 MiB each after a checkpoint) and a transaction under way, bytes.
const RESERVE: u64 = 64 << 20;
/// Never is telemetry held to less, bytes: a disk that somebody else has filled takes no more of it than a `max_size` may.
const LEAST: u64 = 16 << 20;

/// Bytes that are free where this lies, or will lie once its folders are made; `None`: the file system does not say.
fn free(path: &Path) -> Option<u64> {
    // The last of a relative path's is empty, and means here.
    let place = |path: &Path| if path.as_os_str().is_empty() { Path::new(".").to_owned() } else { path.to_owned() };
    let about = path.ancestors().find_map(|path| rustix::fs::statvfs(place(path)).ok())?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

/// The bytes that a lane of `held` bytes may have, where so many are wanted and so many are free beside it.
pub(super) fn fits(wanted: u64, held: u64, free: u64) -> u64 {
    wanted.min(held.saturating_add(free).saturating_sub(RESERVE).max(LEAST))
}

/// The limit that holds on a lane of `held` bytes at this path: `wanted`, or less where the disk ends before.
pub(super) fn limit(path: &Path, wanted: u64, held: u64) -> u64 {
    free(path).map_or(wanted, |free| fits(wanted, held, free))
}

/// What is wrong with `max_size` on the disk it is to lie on, in words.
pub fn too_small(config: &JournalConfig) -> Option<String> {
    let path = &config.path;
    let held =
        std::fs::metadata(path.join(super::schema::file_name(super::Lane::Telemetry))).map_or(0, |file| file.len());
    let room = limit(path, config.max_size, held);
    (room < config.max_size).then(|| short(path, config.max_size, room))
}

/// The same once it is known.
pub(super) fn short(path: &Path, wanted: u64, room: u64) -> String {
    let [wanted, room] = [wanted, room].map(|bytes| bytes >> 20);
    let path = path.display();
    format!(
        "{path}: max_size is {wanted} MiB and the disk has room for {room}; make room, or set [journal] max_size to less"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_bounds_what_is_wanted_and_leaves_the_rest_its_room() {
        const GIB: u64 = 1 << 30;
        assert_eq!(fits(4 * GIB, GIB, 10 * GIB), 4 * GIB);
        assert_eq!(fits(4 * GIB, GIB, GIB), 2 * GIB - RESERVE);
        assert_eq!(fits(4 * GIB, GIB, 0), GIB - RESERVE, "it gives way until the reserve is free again");
        assert_eq!(fits(4 * GIB, LEAST / 2, 0), LEAST, "others have filled it");
        assert_eq!(fits(LEAST, u64::MAX, u64::MAX), LEAST);
    }

    #[test]
    fn a_disk_that_max_size_does_not_fit_on_is_told_of() {
        let dir = std::env::temp_dir().join("not-there-yet");
        let config = |max_size| JournalConfig {
            path: dir.clone(),
            keep: std::time::Duration::from_hours(1),
            keep_life_safety: std::time::Duration::from_hours(1),
            max_size,
        };
        assert_eq!(too_small(&config(LEAST)), None);
        let why = too_small(&config(u64::MAX)).expect("no disk is so large");
        assert!(why.contains("not-there-yet") && why.contains("max_size"), "{why}");
    }
}
