//! Child processes and folders that do not outlive their test.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::wait::{eventually, now, pause};

/// Lines of a log that are shown when a test fails.
const TAIL: usize = 60;

/// A child process with its output in a file; killed by its pid when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    over: Option<ExitStatus>,
}

impl Process {
    /// Starts it; stdout and stderr are appended to `<dir>/<name>.log`.
    pub fn start(name: &str, mut command: Command, dir: &Path) -> Self {
        let log = dir.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start ({e}); `make setup` installs what the tests need"));
        Self { name: name.to_owned(), child, log, over: None }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed.
    pub fn output(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    pub fn alive(&mut self) -> bool {
        self.ended().is_none()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.over.is_none() {
            self.over = self.child.try_wait().unwrap();
        }
        self.over
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = now() + limit;
        while self.ended().is_none() && now() < end {
            pause(Duration::from_millis(2));
        }
        self.over
    }

    /// `TERM`, `STOP`, `CONT`, `USR1`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success(), "kill -{name} {}", self.name);
    }

    /// Stops every thread of it until the guard is dropped: its files then are what a crash would leave.
    pub fn hold(&self) -> Held<'_> {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.pid());
        // each thread by itself: one that is in the midst of a sync ends that first
        let still = |task: PathBuf| std::fs::read_to_string(task.join("stat")).is_ok_and(|text| text.contains(") T "));
        let stopped = || std::fs::read_dir(&tasks).is_ok_and(|all| all.flatten().all(|task| still(task.path())));
        eventually(Duration::from_secs(5), "process stands still", stopped);
        Held(self)
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill9(&mut self) {
        if self.over.is_none() {
            let _ = self.child.kill();
            self.over = self.child.wait().ok();
        }
    }

    /// CPU seconds, user and system, of the process so far.
    pub fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // after the command's closing bracket: state is field 3, utime 14, stime 15 (proc(5)); 100 ticks a second
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        ticks as f64 / 100.0
    }

    /// Open file handles now.
    pub fn handles(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// Resident MiB now.
    pub fn resident(&self) -> f64 {
        resident_of(&self.pid().to_string())
    }
}

/// Resident MiB of the process that asks.
pub fn resident() -> f64 {
    resident_of("self")
}

fn resident_of(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let text = self.output();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("--- last lines of {} ---", self.name);
            for line in &lines[lines.len().saturating_sub(TAIL)..] {
                eprintln!("{line}");
            }
        }
    }
}

/// See [`Process::hold`].
#[derive(Debug)]
pub struct Held<'a>(&'a Process);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.signal("CONT");
    }
}

/// A folder of its own; removed at the end unless the test fails.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("gengfu-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path inside.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file inside and gives its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- kept for a look: {} ---", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Ports below those a system gives to connections on their way out (from 32,768 on Linux), and above what services use.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A free port for programs that cannot bind port 0 themselves. It is one no outgoing connection is given, so that it is
/// still free when the program asks for it or asks again after a restart, and none that this process gave before.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // processes that run side by side begin apart
    let begin = std::process::id().wrapping_mul(7_919);
    for _ in PORTS {
        let nth = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + nth as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}

/// Where a program is, if it is installed.
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    std::env::split_paths(&path).chain(extra).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Bytes of all files below a folder.
pub fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
