//! What the kernel says of this process, out of /proc; nothing where there is none.

use std::fs;

/// The kernel reports times to programs in hundredths of a second on every architecture (`USER_HZ`, proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory in bytes.
pub(super) fn resident_bytes() -> Option<u64> {
    resident(&fs::read_to_string("/proc/self/status").ok()?)
}

/// CPU time used, user and system.
pub(super) fn cpu_seconds() -> Option<f64> {
    cpu(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Bytes this process had written to disks.
pub(super) fn written() -> Option<u64> {
    written_bytes(&fs::read_to_string("/proc/self/io").ok()?)
}

/// How many a day that makes over the `up_ms` it has run: the wear of a flash. A start is not like what comes after it, so
/// nothing is said in the first hour.
pub(in super::super) fn written_a_day(up_ms: u64) -> Option<u64> {
    (up_ms >= HOUR).then(written)?.map(|bytes| (bytes as f64 * DAY / up_ms as f64) as u64)
}

const HOUR: u64 = 3_600_000;
const DAY: f64 = 86_400_000.0;

/// What went to the block layer; pages that were truncated before they got there are counted too (proc(5)).
fn written_bytes(io: &str) -> Option<u64> {
    io.lines().find_map(|line| line.strip_prefix("write_bytes:"))?.trim().parse().ok()
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Fields 14 and 15; the name in field 2 may hold spaces and brackets, so counting begins after the last bracket.
fn cpu(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_read_as_proc_5_says() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   1234 kB\n"), Some(1234 * 1024));
        assert_eq!(resident("Name:\tx\n"), None);
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 4 0 100 1 1";
        assert_eq!(cpu(stat), Some(1.75));
        assert_eq!(cpu("7 (x"), None);
        assert_eq!(written_bytes("wchar: 9\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n"), Some(4096));
        assert_eq!(written_bytes("wchar: 9\n"), None);
    }
}
