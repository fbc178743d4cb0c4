//! Commands: whatever comes is read or refused in words.

use proptest::prelude::*;

use crate::forward::uplink::command::{Command, Deed, LONGEST, MOST_RECORDS, parse};
use crate::journal::Lane;

fn refused(payload: &str) -> String {
    parse(payload.as_bytes()).expect_err(payload).why
}

#[test]
fn the_two_commands() {
    let acknowledge = br#"{"command":"acknowledge","id":"c-1","alarm":"00ABCDEF01234567","by":" Li ","note":""}"#;
    let deed = Deed::Acknowledge { alarm: "00abcdef01234567".to_owned(), by: "Li".to_owned(), note: None };
    assert_eq!(parse(acknowledge), Ok(Command { id: "c-1".to_owned(), deed }));
    let resend =
        br#"{"v":1,"command":"resend","id":"2","lane":"telemetry","epoch":"18446744073709551615","from":5,"to":9}"#;
    let deed = Deed::Resend { lane: Lane::Telemetry, epoch: u64::MAX, from: 5, to: 9 };
    assert_eq!(parse(resend), Ok(Command { id: "2".to_owned(), deed }));
}

#[test]
fn a_refusal_says_what_is_wrong_and_names_the_command() {
    let unknown = parse(br#"{"command":"new-pack","id":"c-9"}"#).expect_err("not in this version");
    assert_eq!((unknown.id.as_deref(), unknown.command.as_deref()), (Some("c-9"), Some("new-pack")));
    assert!(unknown.why.contains("`new-pack` is no command"), "{}", unknown.why);
    let ask = |rest: &str| refused(&format!("{{\"command\":\"resend\",\"id\":\"c\",{rest}}}"));
    for (payload, why) in [
        ("", "not JSON"),
        ("[]", "JSON object"),
        ("{}", "`id` is missing"),
        (r#"{"id":"a b","command":"resend"}"#, "`id` is missing or odd"),
        (r#"{"id":"c"}"#, "`command` is missing"),
        (r#"{"id":"c","command":"acknowledge","by":"x"}"#, "`alarm` is missing"),
        (r#"{"id":"c","command":"acknowledge","alarm":"7","by":"x"}"#, "16 hexadecimal"),
        (r#"{"id":"c","command":"acknowledge","alarm":"0123456789abcdef"}"#, "`by` is missing"),
        (r#"{"id":"c","command":"acknowledge","alarm":"0123456789abcdef","by":"a\nb"}"#, "control characters"),
        (r#"{"id":"c","command":"acknowledge","alarm":"0123456789abcdef","by":"a","user":"b"}"#, "`user` is not part"),
    ] {
        assert!(refused(payload).contains(why), "{payload}: {}", refused(payload));
    }
    let lane = r#""lane":"alarm","epoch":1"#;
    assert!(ask(r#""lane":"audit","epoch":1,"from":1,"to":2"#).contains("alarm or telemetry"));
    assert!(ask(&format!("{lane},\"from\":0,\"to\":2")).contains("no range"));
    assert!(ask(&format!("{lane},\"from\":3,\"to\":2")).contains("no range"));
    assert!(ask(&format!("{lane},\"from\":1.5,\"to\":2")).contains("whole number"));
    assert!(ask(&format!("{lane},\"from\":1,\"to\":{}", MOST_RECORDS + 1)).contains("too many"));
    assert!(refused(&format!("{{\"id\":\"{}\"}}", "x".repeat(LONGEST))).contains("too long"));
    let long = refused(&format!("{{\"id\":\"c\",\"command\":\"{}\"}}", "x".repeat(1_000)));
    assert!(long.len() < 200, "a stranger's words are cut: {long}");
}

proptest! {
    #[test]
    fn any_bytes_are_survived_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(parse(&bytes).is_ok() || !parse(&bytes).expect_err("one of the two").why.is_empty());
    }

    #[test]
    fn fields_of_any_kind_are_read_or_refused(
        word in prop_oneof![Just("acknowledge"), Just("resend"), Just("x")],
        fields in proptest::collection::vec((
            prop_oneof![Just("id"), Just("alarm"), Just("by"), Just("note"), Just("lane"), Just("epoch"), Just("from"), Just("to")],
            prop_oneof![
                any::<u64>().prop_map(|n| n.to_string()),
                any::<i64>().prop_map(|n| format!("\"{n}\"")),
                "\"[a-f0-9]{0,20}\"",
                Just("\"alarm\"".to_owned()), Just("null".to_owned()), Just("[1]".to_owned()), Just("1e300".to_owned()),
            ],
        ), 1..9),
    ) {
        let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let text = format!("{{\"command\":\"{word}\",{}}}", fields.join(","));
        if let Ok(Command { deed: Deed::Resend { from, to, .. }, .. }) = parse(text.as_bytes()) {
            prop_assert!(from >= 1 && from <= to && to - from < MOST_RECORDS);
        }
    }
}
