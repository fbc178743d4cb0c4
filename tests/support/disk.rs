//! A small disk of its own: a tmpfs, or an ext4 in a file, whose power can be cut for real (rigs/powercut.c). Unmounted when
//! dropped, which gives the loop device back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::installed;
use crate::shim;
use crate::wait::{SOON, eventually};

/// Bytes of an ext4: room for a journal and its log, and full within a moment.
const SIZE: u64 = 96 << 20;

/// A mounted disk.
#[derive(Debug)]
pub struct Disk {
    at: PathBuf,
    /// The file an ext4 lies in; none for a tmpfs.
    image: Option<PathBuf>,
}

impl Disk {
    /// A tmpfs of 24 MiB on `at`. `Err`: why not here.
    pub fn tmpfs(at: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(at))?;
        Ok(Self { at: at.to_path_buf(), image: None })
    }

    /// An ext4 on `at`, in a file beside it. `Err`: why not here.
    pub fn ext4(at: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(at).unwrap();
        let image = at.with_extension("img");
        std::fs::File::create(&image).and_then(|file| file.set_len(SIZE)).map_err(|error| error.to_string())?;
        let mkfs = installed("mkfs.ext4").ok_or("mkfs.ext4 is not installed")?;
        run(Command::new(mkfs).args(["-q", "-F", "-m", "0"]).arg(&image))?;
        let disk = Self { at: at.to_path_buf(), image: Some(image) };
        disk.mount().map_err(|why| format!("an ext4 in a file needs the right to mount and a loop device ({why})"))?;
        Ok(disk)
    }

    /// Cuts the power: what was not synced is gone, and nothing can be read or written until it is back.
    pub fn cut(&self) -> Result<(), String> {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        let program = PROGRAM.get_or_init(|| shim::compile("powercut", &[])).as_ref().ok_or("no C compiler")?;
        run(Command::new(program).arg(&self.at))
    }

    /// The power is back: mounted anew, which plays the file system's own log. Nobody may use it meanwhile.
    pub fn back(&self) {
        eventually(Duration::from_secs(5), "nobody uses the disk", || {
            run(Command::new("umount").arg(&self.at)).is_ok()
        });
        // A program with mounts of its own (a browser's sandbox) may hold the old one still: mounted now, it would come back as it fell.
        eventually(SOON, "nobody else holds the disk", || {
            let image = self.image.as_ref().map(|image| Command::new("losetup").arg("-j").arg(image).output().unwrap());
            image.is_none_or(|held| held.stdout.is_empty())
        });
        self.mount().unwrap();
    }

    fn mount(&self) -> Result<(), String> {
        let image = self.image.as_ref().ok_or("a tmpfs forgets all when it is unmounted")?;
        run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(&self.at))
    }

    /// Mounted otherwise from now on: `ro`, `rw`. Not while somebody writes.
    pub fn remount(&self, how: &str) {
        eventually(Duration::from_secs(5), "nobody writes to the disk", || {
            run(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.at)).is_ok()
        });
    }

    /// The file system finds a fault in itself and lets nothing be written any more, whoever is writing; until it is mounted
    /// anew. `Err`: why not here.
    pub fn turns_read_only(&self) -> Result<(), String> {
        self.remount("errors=remount-ro");
        let found = Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(&self.at).output().unwrap();
        let device = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let name =
            device.strip_prefix("/dev/").filter(|name| name.starts_with("loop")).ok_or("not on a loop device")?;
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "tried").map_err(|error| error.to_string())
    }

    /// Fills it to the last block.
    pub fn fill(&self) {
        let filler = format!("of={}", self.filler().display());
        for size in ["bs=1M", "bs=4096"] {
            let dd =
                Command::new("dd").args(["if=/dev/zero", size, "oflag=append", "conv=notrunc"]).arg(&filler).output();
            assert!(!dd.unwrap().status.success(), "dd stops at the end of the disk");
        }
    }

    /// Gives back what [`Disk::fill`] took.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // a process that is just ending may still hold it: then it goes with that process
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        if let Some(image) = &self.image
            && !std::thread::panicking()
        {
            let _ = std::fs::remove_file(image);
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let out = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()) }
}
