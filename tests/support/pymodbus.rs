//! A Modbus server that is none of our code: pymodbus from PyPI, in a virtual environment under target/.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::process::{Folder, Process, free_port};
use crate::wait::eventually;

/// The server; ends when dropped. What its tables hold is written down in rigs/pymodbus_server.py.
#[derive(Debug)]
pub struct PyModbus {
    pub port: u16,
    _process: Process,
    _dir: Folder,
}

impl PyModbus {
    /// `None` where `make setup` has not installed it.
    pub fn start() -> Option<Self> {
        let python = python();
        if !python.is_file() {
            return None;
        }
        let dir = Folder::new("pymodbus");
        let port = free_port();
        let mut command = Command::new(python);
        command.arg(crate::root().join("tests/rigs/pymodbus_server.py")).arg(port.to_string());
        let process = Process::start("pymodbus", command, dir.path());
        eventually(Duration::from_secs(20), "pymodbus listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self { port, _process: process, _dir: dir })
    }
}

fn python() -> PathBuf {
    std::env::var_os("GENGFU_VENV").map_or_else(|| crate::root().join("target/venv"), PathBuf::from).join("bin/python")
}
