//! What a start reads of its own files, in the state a sick disk may leave it in. `make long-fuzz` shows these more.

use std::sync::LazyLock;

use gengfu_core::detect::{Params, State};
use gengfu_core::time::{Mono, Now, Wall};
use proptest::prelude::*;
use proptest::sample::Index;
use rusqlite::{Connection, params};

use super::learned::lessons;
use super::*;
use crate::flow::{Lesson, Text};
use crate::journal::undated::{Boot, Undated};
use crate::journal::{holes, learned, mark, schema};

/// Bytes set anew at some places.
fn edits() -> impl Strategy<Value = Vec<(Index, u8)>> {
    proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4)
}

fn damaged(whole: &[u8], edits: &[(Index, u8)], cut: Option<&Index>) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (at, byte) in edits {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(whole.len())));
    bytes
}

/// One of each kind.
fn entries() -> Vec<Entry> {
    let text = || Text { zh: "压力低".to_owned(), en: "pressure is low".to_owned() };
    vec![
        alarm("low", 1, "unacknowledged"),
        Entry::Audit {
            at: 1,
            by: "值班员".to_owned(),
            action: "acknowledge".to_owned(),
            target: "a".to_owned(),
            detail: String::new(),
        },
        Entry::Start { at: 2, version: "0.1.0".to_owned(), cause: StartCause::Repair, off_ms: Some(-7) },
        Entry::Stop { at: 3 },
        Entry::Gap { from: 3, to: 4, at_most: u64::MAX, why: "kill".to_owned() },
        Entry::Mode(ModeRecord {
            at: 5,
            area: "b1".to_owned(),
            mode: "drill".to_owned(),
            change: "begun".to_owned(),
            by: "a".to_owned(),
            reason: "b".to_owned(),
            began: 5,
            until: 6,
            tripped: vec!["d0/p".to_owned()],
            untripped: Vec::new(),
        }),
        Entry::Level(LevelRecord {
            at: 7,
            scale: "warning".to_owned(),
            change: "rose".to_owned(),
            from: "none".to_owned(),
            to: "blue".to_owned(),
            base: false,
            since: 7,
            waiting: false,
            by: "facts".to_owned(),
            note: String::new(),
            row: 1,
            why: text(),
            count: 1,
            alarms: vec!["low@a/p".to_owned()],
        }),
        Entry::Maintenance { at: 8, what: "clock-step".to_owned(), detail: String::new() },
    ]
}

/// Whatever can be read is held in every way that a reader does, and written again it reads the same.
fn entry_survives(bytes: &[u8], booted: i64) -> Result<(), TestCaseError> {
    let Ok(mut entry) = serde_json::from_slice::<Entry>(bytes) else { return Ok(()) };
    let again = serde_json::to_vec(&entry).expect("text");
    prop_assert_eq!(&serde_json::from_slice::<Entry>(&again).expect("it was written"), &entry);
    entry.date(booted);
    let _ = (entry.at(), entry.clone().into_mode());
    if let Some(event) = entry.into_alarm() {
        prop_assert!(!event.key().is_empty());
    }
    Ok(())
}

/// Numbers that no detector writes, or seldom.
const EXTREMES: [&str; 8] =
    ["-1", "0", "1e308", "-1e308", "4294967295", "18446744073709551615", "-9223372036854775808", "null"];

/// Puts one of them in the place of a number.
fn with_extreme(text: &str, place: Index, extreme: &str) -> String {
    let digit = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let starts = text.char_indices().zip(text.chars().skip(1));
    let starts: Vec<usize> =
        starts.filter(|((_, a), b)| ":,[".contains(*a) && digit(*b)).map(|((n, _), _)| n + 1).collect();
    let start = starts[place.index(starts.len())];
    let end = text[start..].find(|c| !digit(c)).map_or(text.len(), |len| start + len);
    format!("{}{extreme}{}", &text[..start], &text[end..])
}

/// A state that was believed is shown readings, as it would be after a start.
fn state_survives(params: Params, state: State) {
    let at = |n: u64| (Wall(1_790_000_000_000 + n as i64 * 20_000), Mono((1 << 41) + n * 20_000));
    let mut state = state;
    for n in 0..100 {
        let (wall, mono) = at(n);
        let (value, now) = (f64::from(n as u32 % 7), Now { mono, wall });
        match (&params, &mut state) {
            (Params::Drift(params), State::Drift(state)) => state.value(params, value, wall, now),
            (Params::Rhythm(params), State::Rhythm(state)) => state.value(params, value.min(1.0), wall, now),
            (Params::Habit(params), State::Habit(state)) => state.value(params, value, wall, now),
            // Of another kind: it is not taken up.
            _ => return,
        }
    }
}

/// What a file says that holds these bytes as what one rule had learned.
fn kept(lesson: &Lesson, body: &[u8], (upto, wall, mono): (i64, i64, i64)) -> learned::Kept {
    let file = Connection::open_in_memory().expect("a file");
    file.execute_batch("CREATE TABLE batch(first_seq INTEGER, n INTEGER, stamp INTEGER)").expect("of what is asked");
    schema::complete(&file, Lane::Telemetry).expect("the rest");
    let Lesson { rule, device, point, params, .. } = lesson;
    let row = params![rule, device, point, upto, wall, mono, format!("{params:?}"), body];
    let insert = "INSERT INTO learned VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, CAST(?8 AS TEXT))";
    file.execute(insert, row).expect("a row");
    learned::read(&file).expect("a row that can't be read is no fault of the file")
}

proptest! {
    #[test]
    fn a_mutated_lesson_is_survived(
        which in 0_usize..3,
        extreme in proptest::option::of((any::<Index>(), proptest::sample::select(&EXTREMES[..]))),
        edits in edits(),
        cut in proptest::option::weighted(0.2, any::<Index>()),
        at in prop_oneof![Just((30, 1_790_000_000_000, 1 << 41)), any::<(i64, i64, i64)>()],
    ) {
        static LESSONS: LazyLock<Vec<Lesson>> = LazyLock::new(|| lessons(1_000));
        let lesson = &LESSONS[which];
        let mut body = serde_json::to_string(&lesson.state).expect("text");
        if let Some((place, extreme)) = &extreme {
            body = with_extreme(&body, *place, extreme);
        }
        // A number alone, or bytes alone: both at once are seldom JSON.
        let edits = if extreme.is_some() { &[] } else { &edits[..] };
        let kept = kept(lesson, &damaged(body.as_bytes(), edits, cut.as_ref()), at);
        prop_assert_eq!(kept.lessons.len() + kept.unreadable.len(), 1, "it is read, or told");
        for known in kept.lessons {
            prop_assert_eq!(&known.rule, &lesson.rule);
            state_survives(lesson.params, known.state);
        }
    }

    #[test]
    fn a_mutated_entry_is_survived(which in 0_usize..8, edits in edits(), cut in any::<Option<Index>>(), booted in any::<i64>()) {
        let text = serde_json::to_vec(&entries()[which]).expect("text");
        entry_survives(&damaged(&text, &edits, cut.as_ref()), booted)?;
    }

    #[test]
    fn an_entry_of_any_bytes_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), booted in any::<i64>()) {
        entry_survives(&bytes, booted)?;
    }

    #[test]
    fn undated_boots_of_any_text_are_survived(
        lines in proptest::collection::vec("([0-9]{1,20}|-[0-9]{1,19}|[a-z-]{1,5}|)( ([0-9]{1,20}|-[0-9]{1,19}|-|exact|late|\\PC{0,3})){0,7}", 0..8),
        seq in any::<Seq>(),
        end in any::<i64>(),
    ) {
        let mut undated = Undated::parse(&lines.join("\n"));
        prop_assert_eq!(&Undated::parse(&undated.text()), &undated, "it is written as it was read");
        prop_assert!(undated.first().is_none_or(|first| i64::try_from(first).is_ok()), "the file can hold its numbers");
        let _ = (undated.waiting(), undated.after(), undated.booted(seq));
        undated.over(end);
        undated.recover(seq, end);
        undated.begin(seq, "a", Some(end));
        let placed: Vec<Boot> = undated.place("a", end);
        prop_assert!(placed.iter().all(|boot| boot.placed.is_some()) && undated.waiting().is_none());
        undated.done(seq, Seq::MAX);
    }

    #[test]
    fn holes_of_any_text_are_survived(text in "([0-9-]{0,20} ?|;|\\PC){0,12}") {
        let read = holes::read(&text);
        prop_assert!(read.len() <= text.split(';').count());
        prop_assert_eq!(holes::read(&holes::write(&read)).len(), read.len());
    }

    #[test]
    fn a_mark_of_any_bytes_is_survived_and_names_no_other_site(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        (at, byte) in (any::<Index>(), any::<u8>()),
    ) {
        let _ = mark::read(&String::from_utf8_lossy(&bytes));
        let whole = mark::text("binjiang-mall-07");
        let damaged = damaged(whole.as_bytes(), &[(at, byte)], None);
        let named = std::str::from_utf8(&damaged).ok().and_then(mark::read);
        prop_assert!(named.is_none_or(|named| named == "binjiang-mall-07"));
    }
}
