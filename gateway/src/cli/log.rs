//! Where log lines go: to stderr by a thread of its own. A terminal that is held or a log service that hangs costs log
//! lines, never a poll or an alarm.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait; more are dropped.
const LINES: usize = 1_024;

/// The way to the thread; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Log(SyncSender<Line>);

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    /// Answered once all before it is written.
    Last(SyncSender<()>),
}

impl Log {
    /// Starts the thread; without one (no threads left) the lines go nowhere.
    pub(super) fn start() -> Self {
        let (lines, waiting) = sync_channel(LINES);
        let _ = std::thread::Builder::new().name("log".to_owned()).spawn(move || pour(&waiting));
        Self(lines)
    }

    /// Waits until what was said is written, `limit` at most.
    pub(super) fn finish(&self, limit: Duration) {
        let (written, wait) = sync_channel(1);
        if self.0.try_send(Line::Last(written)).is_ok() {
            let _ = wait.recv_timeout(limit);
        }
    }
}

fn pour(waiting: &Receiver<Line>) {
    while let Ok(line) = waiting.recv() {
        let _ = match line {
            Line::Text(text) => io::stderr().write_all(&text).is_ok(),
            Line::Last(written) => written.send(()).is_ok(),
        };
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.try_send(Line::Text(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_hangs_costs_lines_and_no_time() {
        let (lines, waiting) = sync_channel(2);
        let mut log = Log(lines);
        for n in 0..5_u8 {
            assert_eq!(log.write(&[n]).expect("never fails"), 1);
        }
        drop(log);
        let kept = waiting.iter().filter(|line| matches!(line, Line::Text(text) if text.first() < Some(&2)));
        assert_eq!(kept.count(), 2, "the first are kept, the rest is dropped");
    }
}
