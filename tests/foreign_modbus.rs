//! Against a Modbus server that is not our own code.

use std::time::Duration;

use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::Folder;
use gengfu_tests::pymodbus::PyModbus;
use gengfu_tests::site::Site;
use gengfu_tests::wait::not_run;

#[test]
fn all_tables_types_and_orders_of_a_foreign_server() {
    let Some(server) = PyModbus::start() else { return not_run("pymodbus is not installed: make setup") };
    let points = [
        ("f", "holding:0", "f32", "abcd", 1.5),
        ("f_swapped", "holding:2", "f32", "cdab", 1.5),
        ("u", "holding:4", "u16", "abcd", 4242.0),
        ("long", "holding:10", "u32", "abcd", 305_419_896.0),
        ("double", "holding:12", "f64", "abcd", -2.25),
        ("bit", "holding:20", "bit:3", "abcd", 1.0),
        ("bit_off", "holding:20", "bit:2", "abcd", 0.0),
        ("level", "input:0", "i16", "abcd", -7.0),
        ("valve", "coil:2", "bool", "abcd", 1.0),
        ("valve_off", "coil:1", "bool", "abcd", 0.0),
        ("door", "discrete:1", "bool", "abcd", 1.0),
    ];
    let mut text = format!(
        "[[modbus]]\nname = \"l\"\nconnect = \"tcp://127.0.0.1:{}\"\n[[modbus.device]]\nname = \"x\"\nunit = 1\nevery = \"200ms\"\n",
        server.port
    );
    for (name, register, ty, order, _) in points {
        let order =
            if ty.ends_with("32") || ty.ends_with("64") { format!("order = \"{order}\"\n") } else { String::new() };
        text +=
            &format!("[[modbus.device.point]]\nname = \"{name}\"\nregister = \"{register}\"\ntype = \"{ty}\"\n{order}");
    }
    text += "[[modbus.device]]\nname = \"y\"\nunit = 1\nevery = \"200ms\"\n\
             [[modbus.device.point]]\nname = \"gone\"\nregister = \"holding:200\"\ntype = \"u16\"\n";
    let dir = Folder::new("foreign");
    let mut gateway = Gateway::start(&Site::new("rig").with(&text).text, dir.path());
    for (name, _, _, _, value) in points {
        gateway.value(&format!("x/{name}"), Duration::from_secs(10), |v| v == Some(value));
    }
    gateway.quality("y/gone", Duration::from_secs(10), "bad", Some("device-fault"));
    gateway.term();
}
