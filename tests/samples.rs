//! What lies in config/ is true: every sample site passes `check`, every pack does what its scenario says.

use std::path::{Path, PathBuf};

use gengfu_tests::gateway::run;
use gengfu_tests::root;

fn sites(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sites(&path, found);
        } else if path.extension().is_some_and(|e| e == "toml")
            && std::fs::read_to_string(&path).is_ok_and(|text| text.contains("[site]"))
        {
            found.push(path);
        }
    }
}

#[test]
fn every_sample_site_passes_check() {
    let mut found = Vec::new();
    sites(&root().join("config/sites"), &mut found);
    for name in ["demo.toml", "mall.toml", "old-venue.toml"] {
        assert!(found.iter().any(|path| path.ends_with(name)), "{name} is missing in {found:?}");
    }
    for site in found {
        let out = run(&["check", &site.display().to_string()], &root());
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "{}:\n{said}", site.display());
        assert!(!said.contains("panicked"), "{}:\n{said}", site.display());
        let plan = String::from_utf8_lossy(&out.stdout);
        assert!(plan.lines().count() > 5, "{} is explained: {plan}", site.display());
    }
}

#[test]
fn every_pack_does_what_its_scenario_says() {
    let packs = root().join("config/packs");
    let names = std::fs::read_dir(&packs).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| !name.ends_with(".scenario.toml")).collect();
    let asked: Vec<&str> = ["packs", "check"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let out = run(&asked, &packs);
    let (said, wrong) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{wrong}");
    assert_eq!(said.lines().filter(|line| line.ends_with("all as expected")).count(), names.len(), "{said}");
    let listed = run(&["packs"], &packs);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for name in names.iter().filter_map(|name| name.strip_suffix(".toml")) {
        assert!(listed.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name} is not in the binary");
    }
}
