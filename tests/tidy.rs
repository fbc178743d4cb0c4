//! The rules of the house that a compiler does not keep. Each says file and line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use gengfu_tests::root;

/// Lines of a file, tests not counted; over `LONG` is worth a look, over `TOO_LONG` is refused.
const LONG: usize = 350;
const TOO_LONG: usize = 600;
/// Lines of a function (TigerStyle's limit).
const FUNCTION: usize = 70;
/// Entries one sees at the top.
const TOP: usize = 20;
/// What a crate may name of ours.
const ARROWS: [(&str, &[&str]); 5] = [
    ("core", &[]),
    ("gateway", &["gengfu-core"]),
    ("firmware", &["gengfu-core"]),
    ("platform", &["gengfu-core"]),
    ("tests", &["gengfu", "gengfu-core", "gengfu-node", "gengfu-platform"]),
];
/// A library and the only places that may name it.
const ONE_MODULE: [(&str, &[&str]); 4] = [
    (
        "rumqttc",
        &["gateway/src/broker.rs", "gateway/src/source/mqtt", "gateway/src/forward/uplink", "gateway/src/simulate"],
    ),
    ("tokio_modbus", &["gateway/src/source/modbus", "gateway/src/simulate"]),
    ("influxdb2", &["gateway/src/forward"]),
    ("ed25519_compact", &["gateway/src/config/pack/sign.rs"]),
];

/// A file of the repository.
struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Lines before the test module, with their numbers. An item that is there for tests alone ends nothing.
    fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let opens = |line: &str| line.trim_start().starts_with("mod ") && line.ends_with('{');
        let tests = lines.windows(2).position(|pair| pair[0].trim() == "#[cfg(test)]" && opens(pair[1]));
        let end = tests.unwrap_or(lines.len());
        lines.into_iter().take(end).enumerate().map(|(i, l)| (i + 1, l))
    }

    fn is_test(&self) -> bool {
        let path = Path::new(&self.name);
        self.name.starts_with("tests/")
            || path.file_name().is_some_and(|n| n == "tests.rs" || n == "testing.rs")
            || self.name.contains("/tests/")
    }
}

/// All files that git knows or would take.
fn tracked() -> Vec<PathBuf> {
    let out = Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root()).output().unwrap();
    assert!(out.status.success(), "git ls-files");
    String::from_utf8(out.stdout).unwrap().lines().map(PathBuf::from).filter(|p| root().join(p).is_file()).collect()
}

fn texts() -> Vec<Source> {
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(root().join(&path)).ok()?;
        Some(Source { name: path.display().to_string(), text })
    };
    tracked().into_iter().filter_map(read).collect()
}

fn rust() -> Vec<Source> {
    texts().into_iter().filter(|s| Path::new(&s.name).extension().is_some_and(|e| e == "rs")).collect()
}

fn verdict(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn files_are_short() {
    let mut faults = Vec::new();
    for source in rust().iter().filter(|s| !s.is_test()) {
        let lines = source.production().count();
        if lines > TOO_LONG {
            faults.push(format!("{}:{TOO_LONG}: {lines} lines; split it by idea", source.name));
        } else if lines > LONG {
            println!("{}: {lines} lines, over {LONG}: one idea or two?", source.name);
        }
    }
    verdict("files are short", &faults);
}

#[test]
fn functions_are_short() {
    let faults: Vec<String> =
        rust().iter().filter(|s| !s.is_test()).flat_map(|s| long_functions(&s.name, &s.text, FUNCTION)).collect();
    verdict("functions are short", &faults);
}

/// rustfmt closes a function at the indentation of its `fn`, which makes its end plain to see.
fn long_functions(name: &str, text: &str, limit: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut faults = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let words = ["pub ", "pub(crate) ", "pub(super) ", "async ", "const ", "unsafe "];
        let mut rest = body;
        while let Some(shorter) = words.iter().find_map(|w| rest.strip_prefix(w)) {
            rest = shorter;
        }
        if !rest.starts_with("fn ") || rest.ends_with(';') || rest.ends_with('}') {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - body.len()]);
        let length = lines[start..].iter().position(|l| *l == end).map_or(0, |at| at + 1);
        if length > limit {
            faults.push(format!("{name}:{}: function of {length} lines, {limit} at most", start + 1));
        }
    }
    faults
}

#[test]
fn a_long_function_is_found() {
    let long = format!("impl X {{\n    pub async fn f() {{\n{}    }}\n}}\n", "        x();\n".repeat(9));
    assert_eq!(long_functions("a.rs", &long, 10).len(), 1);
    assert_eq!(long_functions("a.rs", &long, 11).len(), 0);
}

#[test]
fn arrows_between_crates_point_one_way() {
    let mut faults = Vec::new();
    for (krate, may) in ARROWS {
        let Ok(text) = std::fs::read_to_string(root().join(krate).join("Cargo.toml")) else { continue };
        let manifest: toml::Table = text.parse().unwrap();
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(toml::Value::Table(found)) = manifest.get(table) else { continue };
            for name in found.keys().filter(|name| name.starts_with("gengfu") && !may.contains(&name.as_str())) {
                let line = text.lines().position(|l| l.starts_with(name.as_str())).map_or(0, |at| at + 1);
                faults.push(format!("{krate}/Cargo.toml:{line}: {krate} must not know {name}"));
            }
        }
    }
    verdict("arrows between crates", &faults);
}

#[test]
fn core_has_no_clock_and_no_std() {
    let banned = ["std::", "Instant", "SystemTime", "extern crate std", "extern crate alloc", "alloc::"];
    let mut faults = Vec::new();
    for source in rust().iter().filter(|s| s.name.starts_with("core/src/") && !s.is_test()) {
        for (line, text) in source.production() {
            let code = text.split("//").next().unwrap_or_default();
            if let Some(word) = banned.iter().find(|word| code.contains(**word)) {
                faults.push(format!("{}:{line}: {word}: core decides and never does", source.name));
            }
        }
    }
    verdict("no clock in core", &faults);
}

#[test]
fn what_follows_a_test_item_is_read_and_a_test_module_is_not() {
    let text = "use x;\n#[cfg(test)]\nmod tests;\nfn f() {}\n#[cfg(test)]\nfn g() {}\n#[cfg(test)]\nmod tests {\n}\n";
    let source = Source { name: "a.rs".to_owned(), text: text.to_owned() };
    assert_eq!(source.production().count(), 6);
}

#[test]
fn each_library_is_known_to_one_module() {
    let mut faults = Vec::new();
    for source in rust().iter().filter(|s| s.name.starts_with("gateway/")) {
        for (library, places) in ONE_MODULE {
            if places.iter().any(|place| source.name.starts_with(place)) {
                continue;
            }
            for (number, line) in source.text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if code.contains(&format!("{library}::")) || code.contains(&format!("use {library}")) {
                    faults.push(format!("{}:{}: {library} is known to {} alone", source.name, number + 1, places[0]));
                }
            }
        }
    }
    verdict("one module a library", &faults);
}

#[test]
fn nothing_is_left_over() {
    // written in two halves so that this file is not its own finding
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("db", "g!("),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("#[al", "low("),
        concat!("#![al", "low("),
        concat!("console", ".log("),
    ];
    let code = ["rs", "ts", "css", "toml", "sh", "py", "c"];
    let mut faults = Vec::new();
    for source in texts() {
        let ending = Path::new(&source.name).extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !code.contains(&ending) {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                faults.push(format!("{}:{}: {word}: finish it, or write an issue", source.name, number + 1));
            }
        }
    }
    verdict("nothing is left over", &faults);
}

#[test]
fn nothing_names_a_machine() {
    let home = concat!("/ho", "me/");
    let words = [
        home,
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("localhost", ":4873"),
        concat!("127.0.0.1", ":4873"),
    ];
    let locks = ["package-lock.json", "Cargo.lock"];
    let mut faults = Vec::new();
    for source in texts() {
        let lock = locks.iter().any(|name| source.name.ends_with(name));
        for (number, line) in source.text.lines().enumerate() {
            let place = format!("{}:{}", source.name, number + 1);
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                faults.push(format!("{place}: {word}: a path or host of one machine"));
            }
            let usual = ["https://registry.npmjs.org/", "registry+https://github.com/rust-lang/crates.io-index"];
            let resolved = lock && (line.contains("\"resolved\":") || line.starts_with("source = "));
            if resolved && !usual.iter().any(|host| line.contains(host)) {
                faults.push(format!("{place}: a registry that is not the public one"));
            }
        }
    }
    verdict("nothing names a machine", &faults);
}

#[test]
fn manifests_carry_the_house_licence_and_lints() {
    let mut faults = Vec::new();
    for source in texts().iter().filter(|s| s.name.ends_with("Cargo.toml")) {
        let manifest: toml::Table = source.text.parse().unwrap();
        let whole = if source.name == "Cargo.toml" {
            manifest["workspace"]["package"]["license"].as_str() == Some("Apache-2.0")
        } else {
            source.text.contains("license.workspace = true") && source.text.contains("[lints]\nworkspace = true")
        };
        if !whole {
            faults.push(format!("{}:1: wants licence and lints of the workspace", source.name));
        }
    }
    verdict("manifests", &faults);
}

#[test]
fn every_dependency_has_a_reason() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|l| *l == "[workspace.dependencies]").unwrap();
    let mut explained = false;
    let mut faults = Vec::new();
    for (number, line) in lines.iter().enumerate().skip(start + 1).take_while(|(_, l)| !l.starts_with('[')) {
        // a comment speaks for the lines below it up to an empty one
        explained = if line.is_empty() { false } else { explained || line.starts_with('#') };
        if line.contains(" = ") && !explained && !line.starts_with("gengfu") {
            faults.push(format!("Cargo.toml:{}: no reason above it: {line}", number + 1));
        }
    }
    verdict("every dependency has a reason", &faults);
}

#[test]
fn what_the_pages_promise_exists() {
    let make = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> = make
        .lines()
        .filter(|l| !l.starts_with(['\t', '#', '.', ' ']))
        .filter_map(|l| Some(l.split_once(':')?.0))
        .flat_map(str::split_whitespace)
        .collect();
    let mut faults = Vec::new();
    let pages = ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "docs/benchmarks.md", ".ci/run"];
    for source in texts().iter().filter(|s| pages.contains(&s.name.as_str())) {
        for (number, line) in source.text.lines().enumerate() {
            for part in line.split("make ").skip(1) {
                let target: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
                let quoted = line.contains(&format!("`make {target}")) || line.trim_start().starts_with("make ");
                if quoted && !target.is_empty() && !targets.contains(target.as_str()) {
                    faults.push(format!("{}:{}: make {target} does not exist", source.name, number + 1));
                }
            }
            for target in line.split("](").skip(1).filter_map(|p| p.split([')', '#']).next()) {
                let page = root().join(&source.name);
                if !target.is_empty() && !target.contains("://") && !page.parent().unwrap().join(target).exists() {
                    faults.push(format!("{}:{}: no such file: {target}", source.name, number + 1));
                }
            }
        }
    }
    verdict("pages", &faults);
}

#[test]
fn the_top_is_clear() {
    let top: BTreeSet<String> = tracked()
        .iter()
        .filter_map(|p| Some(p.components().next()?.as_os_str().to_string_lossy().into_owned()))
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert!(top.len() <= TOP, "{} entries at the top, {TOP} at most: {top:?}", top.len());
}

#[test]
fn waiting_is_never_sleeping() {
    let mut faults = Vec::new();
    for source in rust().iter().filter(|s| s.name.starts_with("tests/") && !s.name.starts_with("tests/support/")) {
        for (number, line) in source.text.lines().enumerate() {
            if line.contains(concat!("thread::", "sleep")) || line.contains(concat!("time::", "sleep(")) {
                faults.push(format!("{}:{}: wait for a condition", source.name, number + 1));
            }
        }
    }
    verdict("waiting is never sleeping", &faults);
}
