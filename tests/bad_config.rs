//! A wrong configuration never gets in: `gengfu check` names file, line and column, and the mend.

use std::process::{Command, Stdio};

use gengfu_tests::gateway::{gengfu, run};
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;

const LINE: &str = "[[modbus]]\nname = \"l\"\nconnect = \"tcp://127.0.0.1:1502\"\n";
const DEVICE: &str = "[[modbus.device]]\nname = \"d\"\nunit = 1\nevery = \"1s\"\n";
const POINT: &str = "[[modbus.device.point]]\nname = \"p\"\nregister = \"holding:0\"\ntype = \"u16\"\n";

fn good() -> String {
    format!(
        "{LINE}{DEVICE}{POINT}[[rule]]\nid = \"r\"\npoint = \"d/p\"\nhigh = {{ limit = 5.0, clear = 4.0 }}\npriority = \"high\"\n"
    )
}

/// What `check` says of a site, line by line, and its exit code.
fn check(body: &str) -> (Option<i32>, Vec<String>) {
    let dir = Folder::new("check");
    dir.write("site.toml", &Site::new("rig").with(body).text);
    let out = run(&["check", "site.toml"], dir.path());
    let text = String::from_utf8(out.stderr).unwrap() + &String::from_utf8_lossy(&out.stdout);
    (out.status.code(), text.lines().map(str::to_owned).collect())
}

/// The site is refused; one complaint holds all `words`, points at a line that holds `line`, and says a mend.
fn refused(body: &str, line: &str, words: &[&str]) {
    let (code, said) = check(body);
    assert_eq!(code, Some(2), "{said:?}");
    let whole = Site::new("rig").with(body).text;
    let at: Vec<usize> = whole.lines().enumerate().filter(|(_, l)| l.contains(line)).map(|(i, _)| i + 1).collect();
    let fits = |text: &&String| {
        let mut parts = text.splitn(4, ':');
        let file = parts.next().is_some_and(|f| f.ends_with("site.toml"));
        let number = parts.next().and_then(|n| n.parse::<usize>().ok());
        let column = parts.next().is_some_and(|n| n.parse::<usize>().is_ok_and(|n| n > 0));
        let mend = parts.next().is_some_and(|rest| rest.contains("; "));
        file && column && mend && number.is_some_and(|n| at.contains(&n)) && words.iter().all(|w| text.contains(w))
    };
    assert!(said.iter().any(|text| fits(&text)), "no complaint at lines {at:?} with {words:?}:\n{}", said.join("\n"));
}

#[test]
fn a_good_site_is_explained() {
    let (code, said) = check(&good());
    let text = said.join("\n");
    assert_eq!(code, Some(0), "{text}");
    for word in ["l", "d", "holding", "r"] {
        assert!(text.contains(word), "{word} is not in the plan:\n{text}");
    }
}

/// `gengfu … | head`: nobody reads any more.
#[test]
fn a_reader_who_is_gone_makes_no_panic() {
    let dir = Folder::new("gone");
    dir.write("site.toml", &Site::new("rig").with(&good()).text);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(gengfu());
    command.args(["check", "site.toml", "--json"]).current_dir(dir.path()).stdin(Stdio::null()).stdout(writer);
    let out = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn broken_toml() {
    refused("[[modbus]\nname = \"l\"\n", "[[modbus]", &[]);
}

#[test]
fn unknown_key_suggests_the_nearest() {
    refused(&good().replace("every =", "evry ="), "evry", &["evry", "every"]);
}

#[test]
fn duplicate_names() {
    refused(
        &good().replace(DEVICE, &format!("{DEVICE}{POINT}{}", DEVICE.replace("unit = 1", "unit = 2"))),
        "name = \"d\"",
        &["d"],
    );
    refused(
        &good().replace(POINT, &format!("{POINT}{}", POINT.replace("holding:0", "holding:1"))),
        "name = \"p\"",
        &["p"],
    );
}

#[test]
fn rule_on_a_point_that_does_not_exist() {
    refused(&good().replace("d/p", "d/q"), "point = \"d/q\"", &["d/q"]);
}

#[test]
fn rule_on_what_can_never_be() {
    refused(
        &good().replace("point = \"d/p\"", "points = \"pomp-*/p\""),
        "pomp-*/p",
        &["nothing matches `pomp-*/p`", "d/p"],
    );
}

#[test]
fn limit_that_is_not_a_number() {
    refused(&good().replace("limit = 5.0", "limit = nan"), "limit = nan", &["limit"]);
}

#[test]
fn clear_on_the_wrong_side() {
    refused(&good().replace("clear = 4.0", "clear = 6.0"), "clear = 6.0", &["clear"]);
    refused(
        &good().replace("high = { limit = 5.0, clear = 4.0 }", "low = { limit = 5.0, clear = 4.0 }"),
        "low =",
        &["clear"],
    );
}

#[test]
fn overlapping_registers_of_different_types_are_fine() {
    let other = POINT.replace("\"p\"", "\"q\"").replace("u16", "f32");
    assert_eq!(check(&good().replace(POINT, &format!("{POINT}{other}"))).0, Some(0));
}

#[test]
fn address_beyond_the_protocol() {
    refused(&good().replace("holding:0", "holding:65536"), "holding:65536", &["65535"]);
    refused(&good().replace("holding:0", "holding:65535").replace("u16", "f32"), "holding:65535", &["65535"]);
}

#[test]
fn console_for_the_world_is_refused() {
    refused(&format!("{}[console]\nlisten = \"0.0.0.0:8420\"\n", good()), "0.0.0.0", &["listen", "127.0.0.1"]);
}

#[test]
fn all_mistakes_at_once() {
    let body = good().replace("d/p", "d/q").replace("every =", "evry =").replace("limit = 5.0", "limit = nan");
    let (code, said) = check(&body);
    let complaints = said.iter().filter(|l| l.contains("site.toml:")).count();
    assert_eq!(code, Some(2));
    assert!(complaints >= 3, "three mistakes, {complaints} complaints:\n{}", said.join("\n"));
}

#[test]
fn a_file_that_does_not_exist() {
    let dir = Folder::new("check");
    let out = run(&["check", "none.toml"], dir.path());
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("none.toml"));
    assert_eq!(run(&["no-such-command"], dir.path()).status.code(), Some(2));
}
