//! A rule pack from outside: signed it watches, tampered with it is refused and what it was goes on, over a restart too.

use std::path::Path;

use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::wait::SOON;
use serde_json::json;

/// A pack with one limit.
fn pack(limit: f64) -> String {
    format!(
        "[pack]\nname = \"ours\"\ntitle = \"ours\"\nedition = \"1\"\neffective = \"2026-12-01\"\nmain = \"counter\"\n\
         [part]\ncounter = {{ what = \"a number\" }}\n[[rule]]\nid = \"much\"\nfor = \"counter\"\n\
         high = {{ limit = {limit:.1}, clear = {:.1} }}\npriority = \"critical\"\n\
         source = [{{ of = [\"limit\", \"clear\"], mark = \"D\" }}]\n",
        limit - 1.0
    )
}

/// Runs `gengfu packs …`; what it printed.
fn packs(arguments: &[&str], dir: &Path) -> Result<String, String> {
    let arguments: Vec<&str> = std::iter::once("packs").chain(arguments.iter().copied()).collect();
    let out = run(&arguments, dir);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
}

#[test]
fn a_pack_that_was_tampered_with_is_refused_and_the_old_stays() {
    let (dir, plant) = (Folder::new("packs"), Plant::start(1));
    let folder = dir.path().join("packs");
    std::fs::create_dir_all(&folder).unwrap();
    let lay = |limit: f64| std::fs::write(folder.join("ours.toml"), pack(limit)).unwrap();
    let sign = || packs(&["sign", "packs/ours.toml", "--key", "our.key"], dir.path());
    let key = packs(&["key", "our.key"], dir.path()).unwrap();
    assert!(packs(&["key", "our.key"], dir.path()).is_err(), "a key is never written over");
    lay(500.0);
    sign().unwrap();
    packs(&["verify", "packs/ours.toml", "--trust", &key], dir.path()).unwrap();
    let rules = format!("[[rule]]\nuse = \"ours\"\npoints = \"d0/r0\"\n[packs]\ntrust = [\"{key}\"]\n");
    let site = Site::new("rig").modbus(&plant, 100, 5).with(&rules).text;
    let mut gateway = Gateway::start(&site, dir.path());

    // somebody lifts the limit out of the way
    lay(60_000.0);
    assert!(packs(&["verify", "packs/ours.toml", "--trust", &key], dir.path()).unwrap_err().contains("not signed by"));
    let (status, problem) = gateway.reload();
    assert_eq!(status, 422, "{problem}");
    let what = problem["complaints"][0]["what"].as_str().unwrap();
    assert!(what.contains("packs/ours.toml is not signed by a key of `trust`"), "{what}");
    plant.devices[0].set(600);
    let alarm = gateway.alarm("ours/much", SOON, |_| true);
    assert_eq!(alarm["limit"], json!(500.0), "the old stays");

    // a restart is on the pack that was good
    gateway.restart();
    assert_eq!(gateway.alarm("ours/much", SOON, |_| true)["limit"], json!(500.0));
    gateway.alarm("gengfu/site-file", SOON, |_| true);

    // signed, the new limit is in force
    lay(700.0);
    sign().unwrap();
    assert_eq!(gateway.reload().1["changes"], json!(["rule changed: ours/much"]));

    // and what was before comes back with its pack
    let out = run(&["rollback", "-c", gateway.site_file().to_str().unwrap()], dir.path());
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(std::fs::read_to_string(folder.join("ours.toml")).unwrap().contains("limit = 500.0"), "{said}");
    assert_eq!(gateway.alarm("ours/much", SOON, |alarm| alarm["limit"] == json!(500.0))["limit"], json!(500.0));
}
