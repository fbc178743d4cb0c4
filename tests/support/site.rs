//! Site files for the loads: written by the contract of design.md section 6, piece by piece.

use std::fmt::Write as _;

use crate::plant::Plant;

/// A site file in the making; `text` goes to [`crate::gateway::Gateway::start`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Site {
    pub text: String,
}

impl Site {
    pub fn new(id: &str) -> Self {
        let text = format!(
            "[site]\nid = \"{id}\"\nname = \"rig\"\ntimezone = \"Asia/Shanghai\"\n\n[journal]\npath = \"data\"\n"
        );
        Self { text }
    }

    /// Any TOML.
    pub fn with(mut self, toml: &str) -> Self {
        let _ = writeln!(self.text, "\n{toml}");
        self
    }

    /// Every device of the plant on a line of its own, `d0`…, unit 1: `r0` (set by the test), `n` (its poll counter,
    /// u32 in registers 1 and 2), and `r3`… up to `registers`.
    pub fn modbus(self, plant: &Plant, every_ms: u64, registers: u16) -> Self {
        self.modbus_at(plant.ports(), every_ms, registers)
    }

    /// The same for devices of another process.
    pub fn modbus_at(mut self, ports: &[u16], every_ms: u64, registers: u16) -> Self {
        for (index, port) in ports.iter().enumerate() {
            let _ = write!(
                self.text,
                "\n[[modbus]]\nname = \"l{index}\"\nconnect = \"tcp://127.0.0.1:{port}\"\ntimeout = \"200ms\"\n\
                 [[modbus.device]]\nname = \"d{index}\"\nunit = 1\nevery = \"{every_ms}ms\"\n"
            );
            self.point("r0", "holding:0", "u16");
            self.point("n", "holding:1", "u32");
            for register in 3..registers {
                self.point(&format!("r{register}"), &format!("holding:{register}"), "u16");
            }
        }
        self
    }

    /// The devices of [`Plant::line`]: one line, units `d<first>` (unit 1), `d<first + 1>`… with `r0` and `n`.
    pub fn modbus_line(mut self, plant: &Plant, first: usize, every_ms: u64) -> Self {
        let port = plant.ports().first().copied().unwrap_or_default();
        let _ = write!(
            self.text,
            "\n[[modbus]]\nname = \"line{first}\"\nconnect = \"tcp://127.0.0.1:{port}\"\ntimeout = \"200ms\"\n"
        );
        for index in 0..plant.devices.len() {
            let (unit, number) = (index + 1, first + index);
            let _ =
                writeln!(self.text, "[[modbus.device]]\nname = \"d{number}\"\nunit = {unit}\nevery = \"{every_ms}ms\"");
            self.point("r0", "holding:0", "u16");
            self.point("n", "holding:1", "u32");
        }
        self
    }

    /// A device that is named already stands in this area.
    pub fn stands(mut self, device: &str, area: &str) -> Self {
        let name = format!("name = \"{device}\"\n");
        self.text = self.text.replacen(&name, &format!("{name}area = \"{area}\"\n"), 1);
        self
    }

    fn point(&mut self, name: &str, register: &str, ty: &str) {
        let _ = writeln!(
            self.text,
            "[[modbus.device.point]]\nname = \"{name}\"\nregister = \"{register}\"\ntype = \"{ty}\""
        );
    }

    /// With so long a timeout on its lines that a machine which stands still for a moment costs no poll: where each counts.
    pub fn patient(mut self) -> Self {
        self.text = self.text.replace("timeout = \"200ms\"", "timeout = \"2s\"");
        self
    }

    /// A rule on `r0` of devices `from..to`: above 500 is critical.
    pub fn flips(mut self, from: usize, to: usize) -> Self {
        for index in from..to {
            let _ = writeln!(
                self.text,
                "\n[[rule]]\nid = \"flip-d{index}\"\npoint = \"d{index}/r0\"\nhigh = {{ limit = 500.0, clear = 400.0 }}\n\
                 priority = \"critical\""
            );
        }
        self
    }

    /// Topics `rig/<device>/v` with `{"v": …, "ts": …}`, QoS 1: point `<device>/v`.
    pub fn mqtt(self, port: u16) -> Self {
        let site = self.with(&format!(
            "[[mqtt]]\nname = \"broker\"\nconnect = \"mqtt://127.0.0.1:{port}\"\nclient_id = \"gengfu-rig\"\n\
             [[mqtt.subscribe]]\ntopic = \"rig/+/v\"\ndevice = \"{{1}}\"\nmax_devices = 500"
        ));
        site.with("[[mqtt.subscribe.point]]\nname = \"v\"\nvalue = \"/v\"\ntime = \"/ts\"")
    }

    pub fn influx(self, name: &str, port: u16) -> Self {
        self.with(&format!(
            "[[forward.influxdb]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}\"\norg = \"rig\"\n\
             bucket = \"rig\"\ntoken_file = \"influx.token\""
        ))
    }

    pub fn webhook(self, name: &str, port: u16) -> Self {
        self.with(&format!("[[notify.webhook]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/alarm\""))
    }
}
