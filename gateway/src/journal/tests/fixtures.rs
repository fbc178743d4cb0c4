//! What was released stays readable: of every format the journal ever wrote there is a file in `fixtures/`, with what it holds
//! written down beside it. Blobs are hexadecimal, whole journals SQL.
//!
//! A new format number needs a new file: `GENGFU_FIXTURES=write` makes those of the present formats that are missing, and
//! never touches one that is there.

use std::fmt::Write as _;
use std::fs;

use gengfu_core::quality::Reason;
use rusqlite::Connection;

use super::*;
use crate::flow::Refused;
use crate::journal::codec::{self, Item};
use crate::journal::{chunk, manifest, schema, seal};

/// Every number by which the journal knows its formats, with where it is written and the names of its fixtures.
const FORMATS: [Format; 4] = [
    Format { file: "codec.rs", name: "FORMAT", newest: codec::FORMAT as u32, fixtures: &["batch"] },
    Format {
        file: "chunk.rs",
        name: "FORMAT",
        newest: chunk::FORMAT as u32,
        fixtures: &["chunk-few", "chunk-short", "chunk-long"],
    },
    Format { file: "manifest.rs", name: "FORMAT", newest: manifest::FORMAT, fixtures: &["manifest"] },
    Format {
        file: "schema.rs",
        name: "LAYOUT",
        newest: schema::LAYOUT as u32,
        fixtures: &["telemetry", "alarm", "learned"],
    },
];

struct Format {
    file: &'static str,
    name: &'static str,
    newest: u32,
    fixtures: &'static [&'static str],
}

impl Format {
    /// Names of all its fixtures, of every number up to the newest.
    fn all(&self) -> impl Iterator<Item = String> {
        (1..=self.newest).flat_map(|number| self.fixtures.iter().map(move |name| format!("{name}-{number}")))
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/journal/tests/fixtures").join(name)
}

/// The fixture's text, which is made where that was asked for.
fn text(name: &str, make: impl FnOnce() -> String) -> String {
    let path = path(name);
    if !path.exists() && std::env::var("GENGFU_FIXTURES").is_ok_and(|word| word == "write") {
        fs::write(&path, make()).expect("written");
    }
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; GENGFU_FIXTURES=write makes it", path.display()))
}

#[test]
fn every_format_has_its_fixtures() {
    let names: Vec<String> = FORMATS.iter().flat_map(Format::all).collect();
    let there = |name: &String| ["hex", "sql", "json"].iter().any(|ext| path(&format!("{name}.{ext}")).exists());
    let missing: Vec<&String> = names.iter().filter(|name| !there(name)).collect();
    assert!(missing.is_empty(), "no fixture of {missing:?}");
    // and every number is among them
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/journal")).expect("the room").flatten() {
        let Ok(source) = fs::read_to_string(entry.path()) else { continue };
        for line in source.lines().filter(|line| !line.starts_with("//")) {
            let words: Vec<&str> = line.split([' ', ':']).collect();
            let named = words.windows(2).find(|pair| pair[0] == "const").map(|pair| pair[1]);
            if let Some(name) = named.filter(|name| name.ends_with("FORMAT") || name.ends_with("LAYOUT")) {
                found.push((entry.file_name().into_string().expect("a name"), name.to_owned()));
            }
        }
    }
    found.sort();
    let mut known: Vec<_> = FORMATS.iter().map(|f| (f.file.to_owned(), f.name.to_owned())).collect();
    known.sort();
    assert_eq!(found, known, "a format that no fixture knows of");
}

/// Readings of every kind: `n` of one point, a second apart or nearly so.
fn items(n: i64) -> Vec<Item> {
    let item = |n: i64| Item {
        point: 7,
        at: 1_700_000_000_000 + n * 1_000 + n * n % 3,
        offset: if n % 17 == 5 { 250 } else { 0 },
        quality: match n % 50 {
            11 => Quality::Bad(Reason::Comm),
            12 => Quality::Uncertain(Reason::Clock),
            _ => Quality::Good,
        },
        value: match n % 50 {
            11 => 0.0,
            13 => -0.0,
            14 => f64::MAX,
            15 => f64::NAN,
            _ => (320 + n * 7_919 % 9) as f64 * 0.001,
        },
        stamp: (n % 50 == 12).then_some(86_400_000 + n),
    };
    (0..n).map(item).collect()
}

/// `point time offset quality value stamp`, a line each; the value by its bits.
fn written_down(items: &[Item]) -> String {
    let mut out = String::new();
    for Item { point, at, offset, quality, value, stamp } in items {
        let stamp = stamp.map_or_else(|| "-".to_owned(), |stamp| stamp.to_string());
        let _ = writeln!(out, "{point} {at} {offset} {} {:016x} {stamp}", quality.code(), value.to_bits());
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| bytes.iter().fold(String::new(), |line, byte| line + &format!("{byte:02x}")) + "\n";
    bytes.chunks(60).map(line).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("a byte");
    digits.chunks(2).map(byte).collect()
}

#[test]
fn every_batch_ever_released_is_read() {
    for name in FORMATS[0].all() {
        let items = items(60);
        let made = || {
            let mut blob = Vec::new();
            codec::encode(1_001, &items, &mut blob);
            hex(&blob)
        };
        let blob = unhex(&text(&format!("{name}.hex"), made));
        let mut found = Vec::new();
        let extent = codec::decode(&blob, |seq, item| found.push((seq, *item))).expect("read");
        assert_eq!((extent.first, extent.n), (1_001, 60), "{name}");
        assert!(found.iter().zip(1_001..).all(|((seq, _), n)| *seq == n), "{name}");
        let found: Vec<Item> = found.into_iter().map(|(_, item)| item).collect();
        assert_eq!(written_down(&found), text(&format!("{name}.txt"), || written_down(&items)), "{name}");
    }
}

#[test]
fn every_chunk_ever_released_is_read() {
    for name in FORMATS[1].all() {
        let items = items(if name.contains("few") {
            20
        } else if name.contains("short") {
            300
        } else {
            700
        });
        let blob = unhex(&text(&format!("{name}.hex"), || hex(&chunk::encode(&items))));
        let found = chunk::decode(&blob, 7).expect("read");
        assert_eq!(written_down(&found), text(&format!("{name}.txt"), || written_down(&items)), "{name}");
    }
}

#[test]
fn every_manifest_ever_released_is_read() {
    for name in FORMATS[2].all() {
        let dir = Dir::new();
        let text = text(&format!("{name}.json"), || {
            let (from, to) = (Dir::new(), Dir::new());
            open(&from).close();
            backup(&from.0, &to.0.join("copy"), "mall", || 1_700_000_000_000, &mut |_| ()).expect("a copy");
            fs::read_to_string(to.0.join("copy/manifest.json")).expect("its manifest")
        });
        fs::write(dir.0.join("manifest.json"), text).expect("written");
        let manifest = Manifest::read(&dir.0).expect("read");
        assert_eq!((manifest.site.as_str(), manifest.at), ("mall", 1_700_000_000_000), "{name}");
        let lanes: Vec<Lane> = manifest.lanes.iter().map(|lane| lane.lane).collect();
        assert_eq!(lanes, [Lane::Telemetry, Lane::Alarm], "{name}");
    }
}

/// A journal of every kind of thing: sealed and fresh, settled, dead and owed, standing and gone, stopped in good order.
async fn lived(dir: &Dir) {
    let run = open(dir);
    let points = [run.point("a"), run.point("b")];
    for (round, point) in points.into_iter().enumerate() {
        let readings = items(100).into_iter().map(|item| Reading {
            point,
            at: Wall(item.at + round as i64),
            value: item.value,
            quality: item.quality,
        });
        run.commit(readings.collect()).await;
    }
    let feed = run.feed(Lane::Telemetry);
    feed.settle(1, 20, Outcome::Done).await.expect("settled");
    feed.settle(21, 22, Outcome::Dead("400: no such field".to_owned())).await.expect("settled");
    let refused = Refused {
        source: "lora".to_owned(),
        topic: "t".to_owned(),
        head: b"{\"v\":".to_vec(),
        reason: "not JSON".to_owned(),
        at: Wall(9),
    };
    run.journal.push(Batch { refused: vec![refused], ..Batch::default() }).expect("room");
    run.record(alarm("low", 1, "unacknowledged")).await;
    run.record(Entry::Audit {
        at: 2,
        by: "值班员".to_owned(),
        action: "acknowledge".to_owned(),
        target: "low".to_owned(),
        detail: "seen".to_owned(),
    })
    .await;
    run.record(alarm("low", 2, "acknowledged")).await;
    run.record(alarm("high", 1, "unacknowledged")).await;
    run.record(alarm("high", 2, "normal")).await;
    run.record(Entry::Gap { from: 3, to: 4, at_most: 5, why: "polled".to_owned() }).await;
    run.record(Entry::Maintenance { at: 6, what: "clock-step".to_owned(), detail: "90 s".to_owned() }).await;
    run.close();
    let conn = schema::writer(&dir.0.join("telemetry.db")).expect("the file");
    seal::all(&conn, 100);
}

/// A file as SQL, in no need of anything but an empty one.
fn dump(path: &Path) -> String {
    let conn = Connection::open(path).expect("the file");
    // of the machine that made it nothing is told
    conn.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot'", []).expect("told");
    let number =
        |pragma: &str| conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0)).expect(pragma);
    let mut out = format!(
        "PRAGMA auto_vacuum = INCREMENTAL;\nPRAGMA application_id = {};\nPRAGMA user_version = {};\n",
        number("application_id"),
        number("user_version")
    );
    let mut tables =
        conn.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").expect("tables");
    let tables = tables.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).expect("tables");
    for (name, sql) in tables.map(|table| table.expect("a table")) {
        let _ = writeln!(out, "{sql};");
        let columns = conn
            .prepare(&format!("SELECT * FROM {name}"))
            .expect("a table")
            .column_names()
            .collect::<Vec<_>>()
            .join("),quote(");
        let row = format!("SELECT concat_ws(',',quote({columns})) FROM {name}");
        let mut rows = conn.prepare(&row).expect("rows");
        for row in rows.query_map([], |row| row.get::<_, String>(0)).expect("rows") {
            let _ = writeln!(out, "INSERT INTO {name} VALUES({});", row.expect("a row"));
        }
    }
    out
}

/// What a journal holds, as it is written down beside its fixture.
async fn told(run: &Run) -> String {
    let mut out = String::new();
    for record in run.all().await {
        let Record { seq, point, at_ns, value, quality } = record;
        let _ = writeln!(out, "record {seq} {} {at_ns} {} {:016x}", point.0, quality.code(), value.to_bits());
    }
    for point in ["a/value", "b/value"] {
        let id = run.catalog.find(point).expect("its points");
        for bucket in run.journal.history(id, i64::MIN, i64::MAX, 3_600_000).await.expect("history") {
            let _ = writeln!(out, "history {point} {bucket:?}");
        }
    }
    for refused in run.journal.refused(10).await.expect("refused") {
        let _ = writeln!(out, "refused {refused:?}");
    }
    for event in &run.standing {
        let _ = writeln!(out, "stands {} {} {}", event.rule, event.number, event.state);
    }
    // not what this run has said of itself
    for (seq, entry) in run.journal.entries(Some(10), 100).await.expect("entries").into_iter().rev() {
        let _ = match entry {
            // an event may say more one day, and must not say less
            Entry::Alarm(AlarmEvent { id, number, event, state, rule, device, point, value, detected, .. }) => {
                writeln!(
                    out,
                    "entry {seq} alarm {id} {number} {event} {state} {rule} {device}/{point} {value:?} {detected}"
                )
            }
            other @ (Entry::Audit { .. }
            | Entry::Mode(_)
            | Entry::Level(_)
            | Entry::Start { .. }
            | Entry::Stop { .. }
            | Entry::Gap { .. }
            | Entry::Maintenance { .. }) => writeln!(out, "entry {seq} {other:?}"),
        };
    }
    let owed = [Lane::Telemetry, Lane::Alarm].map(|lane| (lane, run.feed(lane).owed().first().copied()));
    let _ = writeln!(out, "owed {owed:?}");
    let _ = writeln!(out, "telemetry {:?}", SinkBalance { pending: 0, ..run.balance(STORE, Lane::Telemetry) });
    out
}

#[tokio::test]
async fn every_journal_ever_released_is_taken_up() {
    for number in 1..=schema::LAYOUT {
        let dir = Dir::new();
        for lane in ["alarm", "telemetry"] {
            let name = format!("{lane}-{number}.sql");
            let made = if path(&name).exists() { String::new() } else { lane_made(lane).await };
            let sql = text(&name, || made);
            let conn = Connection::open(dir.0.join(format!("{lane}.db"))).expect("a file");
            conn.execute_batch(&sql).expect("its own SQL");
        }
        let run = open(&dir);
        assert_eq!(run.cause, StartCause::CleanStop, "layout {number}");
        // Of two zeros the least is whichever the compiler likes.
        let told = told(&run).await.replace("Some(-0.0)", "Some(0.0)");
        let known = text(&format!("journal-{number}.txt"), || told.clone()).replace("Some(-0.0)", "Some(0.0)");
        assert_eq!(told, known, "layout {number}");
        assert_eq!(run.journal.verify_chain().await.expect("a walk").broken_at, None, "layout {number}");
        // and goes on
        let head = *run.journal.head(Lane::Telemetry).borrow();
        let point = run.catalog.find("a/value").expect("its points");
        assert_eq!(run.commit(vec![reading(point, 1, 1.0)]).await, Head { seq: head.seq + 1, ..head });
        run.close();
    }
}

/// States of detectors are kept as they are: what one of them lacked in the past must have a default.
#[test]
fn whatever_was_learned_under_any_release_is_known() {
    for number in 1..=schema::LAYOUT {
        let dir = Dir::new();
        let name = format!("learned-{number}.sql");
        let made = if path(&name).exists() { String::new() } else { knowing() };
        let conn = Connection::open(dir.0.join("telemetry.db")).expect("a file");
        conn.execute_batch(&text(&name, || made)).expect("its own SQL");
        drop(conn);
        let run = open(&dir);
        learned::same(&run.learned, &learned::lessons(1_000));
        assert_eq!(run.learned.upto, 0);
        run.close();
    }
}

fn knowing() -> String {
    let dir = Dir::new();
    let run = open(&dir);
    let at = gengfu_core::time::Now { mono: crate::clock::ORIGIN, wall: Wall(1_700_000_000_000) };
    let learned = Some(Box::new(crate::flow::Learned { at, lessons: learned::lessons(1_000) }));
    run.journal.push(Batch { learned, ..Batch::default() }).expect("room");
    run.close();
    dump(&dir.0.join("telemetry.db"))
}

async fn lane_made(lane: &str) -> String {
    let dir = Dir::new();
    lived(&dir).await;
    dump(&dir.0.join(format!("{lane}.db")))
}
