//! What is written, read back by a parser that shares nothing with the encoder.

use gengfu_core::quality::Reason;
use proptest::prelude::*;

use super::*;
use crate::forward::line::{Lines, encode};
use crate::forward::memory::{LOOK_BACK, Memory};
use crate::forward::names::Names;
use crate::forward::{alarm, batch, store};

/// One line, taken apart as the specification of line protocol has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parsed {
    pub(super) measurement: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) fields: Vec<(String, Field)>,
    pub(super) at: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    Float(f64),
    Int(i64),
    Text(String),
}

/// Reads characters up to one of `ends` that is neither escaped nor quoted.
fn token(text: &mut std::iter::Peekable<std::str::Chars<'_>>, ends: &str) -> String {
    let mut out = String::new();
    while let Some(&c) = text.peek() {
        if ends.contains(c) {
            break;
        }
        text.next();
        match (c, text.peek()) {
            ('\\', Some(&special)) if ", =".contains(special) => {
                out.push(special);
                text.next();
            }
            _ => out.push(c),
        }
    }
    out
}

fn quoted(text: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    assert_eq!(text.next(), Some('"'));
    let mut out = String::new();
    loop {
        match text.next().expect("a string ends") {
            '"' => return out,
            '\\' => out.push(text.next().expect("an escape is of something")),
            c => out.push(c),
        }
    }
}

pub(super) fn parse(text: &str) -> Vec<Parsed> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line ends: {text:?}");
    text.split_terminator('\n').map(parse_line).collect()
}

fn parse_line(line: &str) -> Parsed {
    let mut text = line.chars().peekable();
    let measurement = token(&mut text, ", ");
    let mut tags = Vec::new();
    while text.next() == Some(',') {
        let key = token(&mut text, "=");
        text.next();
        tags.push((key, token(&mut text, ", ")));
    }
    let mut fields = Vec::new();
    loop {
        let key = token(&mut text, "=");
        assert_eq!(text.next(), Some('='), "in {line:?}");
        let value = if text.peek() == Some(&'"') {
            Field::Text(quoted(&mut text))
        } else {
            let word = token(&mut text, ", ");
            match word.strip_suffix('i') {
                Some(int) => Field::Int(int.parse().unwrap()),
                None => Field::Float(word.parse().unwrap()),
            }
        };
        fields.push((key, value));
        match text.next() {
            Some(',') => {}
            Some(' ') => break,
            other => panic!("{other:?} after a field in {line:?}"),
        }
    }
    let at = text.collect::<String>().parse().unwrap();
    for (key, value) in &tags {
        assert!(!key.is_empty() && !value.is_empty(), "an empty tag in {line:?}");
    }
    Parsed { measurement, tags, fields, at }
}

fn record(seq: Seq, point: u32, at_ns: i64, value: f64, quality: Quality) -> Record {
    Record { seq, point: PointId(point), at_ns, value, quality }
}

fn whole_memory() -> Memory {
    let mut memory = Memory::default();
    memory.learn(1, &[]);
    memory
}

fn all(lines: &Lines) -> String {
    String::from_utf8(lines.text(0..lines.len()).to_vec()).unwrap()
}

fn names_of(catalog: &Catalog) -> Names {
    let mut names = Names::new("mall");
    names.refresh(catalog);
    names
}

#[test]
fn every_quality_is_written_as_the_contract_says() {
    let (good, doubt, bad) = (Quality::Good, Quality::Uncertain(Reason::Clock), Quality::Bad(Reason::Timeout));
    let records = [
        record(1, 0, 10, 1.5, good),
        record(2, 1, 10, -2e300, good),
        record(3, 0, 20, 2.5, doubt),
        record(4, 0, 30, 0.0, bad),
        record(5, 0, 40, 3.5, good),
        record(6, 0, 50, 4.5, good),
        record(7, 1, 50, f64::NAN, good),
        record(8, 4, 50, f64::INFINITY, doubt),
    ];
    let lines = encode(&names_of(&catalog(8)), &mut whole_memory(), &records);
    let expected = "hydrant,site=mall,device=dev-0 p0=1.5,p1=-2e300 10\n\
                    hydrant,site=mall,device=dev-0 p0=2.5,p0_q=1i 20\n\
                    hydrant,site=mall,device=dev-0 p0_q=3i 30\n\
                    hydrant,site=mall,device=dev-0 p0=3.5,p0_q=0i 40\n\
                    hydrant,site=mall,device=dev-0 p0=4.5,p1_q=7i 50\n\
                    hydrant,site=mall,device=dev-1 p0_q=7i 50\n";
    assert_eq!(all(&lines), expected);
}

#[test]
fn a_field_never_stands_in_a_line_twice() {
    let good = Quality::Good;
    let records = [record(1, 1, 10, 1.0, good), record(2, 1, 10, 2.0, good), record(3, 0, 10, 3.0, good)];
    let lines = encode(&names_of(&catalog(4)), &mut whole_memory(), &records);
    assert_eq!(parse(&all(&lines)).iter().map(|line| line.fields.len()).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn names_that_no_store_would_read_back_are_refused_with_the_mend() {
    let catalog = catalog(1);
    for (device, point, kind) in [
        ("a\\", "p", "k"),
        ("a", "p\nq", "k"),
        ("", "p", "k"),
        ("a", "", "k"),
        ("a", "time", "k"),
        ("a", "p2", "#k"),
        ("a", "p3", ""),
    ] {
        catalog.add(meta(device, point, kind));
    }
    let records: Vec<_> = (0..9).map(|n| record(u64::from(n) + 1, n, 10, 1.0, Quality::Good)).collect();
    let lines = encode(&names_of(&catalog), &mut whole_memory(), &records);
    assert_eq!(all(&lines), "hydrant,site=mall,device=dev-0 p0=1 10\n");
    let mut job = batch::Job::new(1, lines, None);
    assert!(job.next().is_some());
    job.answer(store::Answer::Accepted, 0).unwrap();
    let settled = job.settlements();
    assert_eq!(settled[0], (1, 1, Outcome::Done));
    for (n, (from, to, outcome)) in settled[1..].iter().enumerate() {
        assert_eq!((*from, *to), (n as u64 + 2, n as u64 + 2));
        assert!(matches!(outcome, Outcome::Dead(why) if why.contains("name")), "{outcome:?}");
    }
}

#[test]
fn alarm_events_keep_their_text_and_never_overwrite_each_other() {
    let message = "压力 \"低\"\\\n= 0.1, MPa\\";
    let mut odd = event("00ff", 3, message);
    odd.value = Some(f64::NAN);
    (odd.life, odd.test) = (Some("returned".to_owned()), Some("drill".to_owned()));
    odd.rule = "gas, commercial/co=1".to_owned();
    let entries = [
        (7, Entry::Alarm(event("00fe", 1, message))),
        (8, Entry::Stop { at: 1 }),
        (9, Entry::Alarm(odd)),
        (10, Entry::Alarm(event("00fd", 1, ""))),
    ];
    let parsed = parse(&all(&alarm::encode(&entries)));
    assert_eq!(parsed.len(), 3);
    let text = |s: &str| Field::Text(s.to_owned());
    let field = |line: &Parsed, key: &str| line.fields.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    assert_eq!(parsed[0].measurement, "alarm");
    let tag = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    assert_eq!(parsed[0].tags, [tag("site", "mall"), tag("device", "dev-0"), tag("rule", "low")]);
    assert_eq!(field(&parsed[0], "message"), Some(text("压力 \"低\"\\ = 0.1, MPa\\")));
    assert_eq!(field(&parsed[0], "state_n"), Some(Field::Int(1)));
    assert_eq!(field(&parsed[0], "priority_n"), Some(Field::Int(4)));
    assert_eq!(field(&parsed[0], "value"), Some(Field::Float(0.1)));
    assert_eq!(field(&parsed[1], "value"), None);
    assert_eq!([field(&parsed[1], "life"), field(&parsed[1], "test")], [Some(text("returned")), Some(text("drill"))]);
    assert_eq!([field(&parsed[0], "life"), field(&parsed[0], "test")], [None, None], "only where it is set");
    assert_eq!(parsed[1].tags[2].1, "gas, commercial/co=1");
    assert_eq!(parsed.iter().map(|line| line.at % 1_000_000).collect::<Vec<_>>(), [7, 9, 10]);
    assert!(parsed.iter().all(|line| line.at / 1_000_000 == 1_700_000_000_123));
}

fn name() -> impl Strategy<Value = String> {
    // printable characters of any script, but the backslash that is refused
    "[ -\\[\\]-~中文é]{1,8}".prop_filter("refused elsewhere", |n| n != "time" && !n.starts_with('#'))
}

fn quality() -> impl Strategy<Value = Quality> {
    prop_oneof![
        4 => Just(Quality::Good),
        1 => proptest::sample::select(&Reason::ALL[..]).prop_map(Quality::Uncertain),
        1 => proptest::sample::select(&Reason::ALL[..]).prop_map(Quality::Bad),
    ]
}

fn records(points: u32) -> impl Strategy<Value = Vec<Record>> {
    let one = (0..points, 0..6_i64, any::<f64>(), quality());
    proptest::collection::vec(one, 1..60).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        numbered.map(|(n, (point, at, value, q))| record(n as u64 + 1, point, at, value, q)).collect()
    })
}

/// What the records mean, as (series, field, time, value) in order; told by the definition, not by the encoder.
fn meant(catalog: &Catalog, records: &[Record]) -> Vec<(String, String, i64, Field)> {
    let mut out = Vec::new();
    for (n, r) in records.iter().enumerate() {
        let meta = catalog.get(r.point).unwrap();
        let has_value = r.quality.has_value() && r.value.is_finite();
        let is_good = |r: &Record| r.quality == Quality::Good && r.value.is_finite();
        let was_good = records[..n].iter().rev().find(|before| before.point == r.point).is_none_or(is_good);
        let code = match r.quality {
            Quality::Bad(reason) => Some(reason as i64),
            _ if !has_value => Some(Reason::NotANumber as i64),
            Quality::Uncertain(_) => Some(1),
            Quality::Good => (!was_good).then_some(0),
        };
        let series = format!("{}|{}", meta.kind, meta.device);
        if has_value {
            out.push((series.clone(), meta.point.clone(), r.at_ns, Field::Float(r.value)));
        }
        if let Some(code) = code {
            out.push((series, format!("{}_q", meta.point), r.at_ns, Field::Int(code)));
        }
    }
    out
}

fn said(text: &str) -> Vec<(String, String, i64, Field)> {
    let mut out = Vec::new();
    for line in parse(text) {
        assert_eq!(line.tags[0], ("site".to_owned(), "mall".to_owned()));
        let series = format!("{}|{}", line.measurement, line.tags[1].1);
        out.extend(line.fields.into_iter().map(|(key, value)| (series.clone(), key, line.at, value)));
    }
    out
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_meant(
        metas in proptest::collection::vec((name(), name(), name()), 1..6),
        records in records(6),
    ) {
        let catalog = Catalog::default();
        for (device, point, kind) in &metas {
            catalog.add(meta(device, point, kind));
        }
        let records: Vec<_> = records.into_iter().filter(|r| (r.point.0 as usize) < catalog.len()).collect();
        let lines = encode(&names_of(&catalog), &mut whole_memory(), &records);
        prop_assert_eq!(said(&all(&lines)), meant(&catalog, &records));
    }

    #[test]
    fn any_part_of_a_batch_says_the_same_as_in_the_whole(records in records(8), cuts in proptest::collection::vec(0..60_usize, 0..5)) {
        let lines = encode(&names_of(&catalog(8)), &mut whole_memory(), &records);
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut <= lines.len()).chain([0, lines.len()]).collect();
        cuts.sort_unstable();
        let parts: String =
            cuts.windows(2).map(|w| String::from_utf8(lines.text(w[0]..w[1]).to_vec()).unwrap()).collect();
        prop_assert_eq!(said(&parts), said(&all(&lines)));
    }

    #[test]
    fn a_restart_anywhere_writes_the_very_same_points(records in records(5), start in 0..60_usize) {
        let names = names_of(&catalog(8));
        let start = start.min(records.len() - 1);
        let first = encode(&names, &mut whole_memory(), &records);
        let mut memory = Memory::default();
        let (from, to) = memory.gap(start as u64 + 1).unwrap();
        prop_assert!(LOOK_BACK >= 60 && from == 1 && to == start as u64);
        memory.learn(start as u64 + 1, &records[..start]);
        let again = encode(&names, &mut memory, &records[start..]);
        let tail = String::from_utf8(first.text(start..first.len()).to_vec()).unwrap();
        prop_assert_eq!(said(&all(&again)), said(&tail));
    }

    #[test]
    fn a_string_survives_whatever_it_holds(message in any::<String>()) {
        let text = all(&alarm::encode(&[(1, Entry::Alarm(event("00fe", 1, &message)))]));
        let clean: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let parsed = parse(&text);
        prop_assert_eq!(parsed.len(), 1);
        prop_assert_eq!(&parsed[0].fields.last().unwrap().1, &Field::Text(clean));
    }
}

#[test]
fn a_return_to_good_is_said_in_doubt_but_not_for_a_new_point() {
    let mut memory = Memory::default();
    let before = [record(501, 0, 0, 1.0, Quality::Good), record(502, 1, 0, 0.0, Quality::Bad(Reason::Comm))];
    memory.learn(503, &before);
    assert!(!memory.note(PointId(0), Quality::Good), "it was good");
    assert!(memory.note(PointId(1), Quality::Good), "it was bad");
    assert!(memory.note(PointId(2), Quality::Good), "nobody knows what it was");
    assert!(!memory.note(PointId(2), Quality::Good), "said once");
    memory.learn(3, &[record(1, 0, 0, 1.0, Quality::Good)]);
    assert!(!memory.note(PointId(2), Quality::Good), "all before is known, so it is new");
    memory.advance(9);
    assert_eq!(memory.gap(10), None);
    assert_eq!(memory.gap(LOOK_BACK as u64 + 11), Some((11, LOOK_BACK as u64 + 10)));
}
