//! The emulated board: images of firmware/ built for a Cortex-M4F and run by QEMU's mps2-an386.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{Process, installed};
use crate::root;

const TARGET: &str = "thumbv7em-none-eabihf";
const QEMU: &str = "qemu-system-arm";
/// As Cargo.toml has it.
const PROFILE: &str = "firmware";

/// An image of `firmware/src/bin/`, built.
#[derive(Debug)]
pub struct Image(PathBuf);

impl Image {
    /// Builds it; `Err` says what is not installed.
    pub fn build(name: &str) -> Result<Self, &'static str> {
        if installed(QEMU).is_none() {
            return Err("qemu-system-arm is not installed: make setup");
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let libraries = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output().unwrap();
        if !Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).is_dir() {
            return Err("Rust's target thumbv7em-none-eabihf is not installed: make setup");
        }
        // the rig itself is in <target>/<profile>/deps
        let rig = std::env::current_exe().unwrap();
        let target = rig.ancestors().nth(3).unwrap();
        let built = Command::new(cargo)
            .args(["build", "--quiet", "-p", "gengfu-node", "--features", "board", "--target", TARGET])
            .args(["--profile", PROFILE, "--bin", name, "--target-dir"])
            .arg(target)
            // an incremental image is another one: its instructions would not be the same in every run
            .env("CARGO_INCREMENTAL", "0")
            .current_dir(root())
            .status()
            .unwrap();
        assert!(built.success(), "the image {name} does not build");
        Ok(Self(target.join(TARGET).join(PROFILE).join(name)))
    }

    /// Runs it with these arguments until it exits with success, and gives what it printed. `icount`: an instruction takes
    /// `2^icount` ns of the board's time.
    pub fn run(&self, args: &[String], icount: Option<u32>, dir: &Path, limit: Duration) -> String {
        let mut command = Command::new(QEMU);
        command.args(["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"]);
        if let Some(shift) = icount {
            command.args(["-icount", &format!("shift={shift},sleep=on")]);
        }
        let name = self.0.file_name().unwrap().to_string_lossy().into_owned();
        let words: Vec<String> = std::iter::once(&name).chain(args).map(|word| format!("arg={word}")).collect();
        command.args(["-semihosting-config", &format!("enable=on,target=native,{}", words.join(","))]);
        command.arg("-kernel").arg(&self.0);
        let log = dir.join(format!("{name}.log"));
        let _ = std::fs::remove_file(&log);
        let mut board = Process::start(&name, command, dir);
        let ended = board.wait(limit).unwrap_or_else(|| panic!("{name} {args:?} runs for more than {limit:?}"));
        assert!(ended.success(), "{name} {args:?}: {ended}");
        board.output()
    }
}
