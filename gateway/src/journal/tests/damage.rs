//! A torn journal still starts.

use std::fs;

use super::*;

/// A small generator with its seed printed, so that a failure can be had again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }
}

/// A journal with some of everything; ended as asked or killed.
async fn template(clean: bool) -> Dir {
    let dir = Dir::new();
    let run = open(&dir);
    let points = [run.point("a"), run.point("b")];
    for n in 0..30 {
        run.commit(readings(points[n as usize % 2], n * 100, 100)).await;
        run.record(alarm(&format!("r{}", n % 4), n as u32 + 1, if n % 3 == 0 { "normal" } else { "unacknowledged" }))
            .await;
    }
    run.feed(Lane::Telemetry).settle(1, 1000, Outcome::Done).await.expect("settled");
    run.feed(Lane::Alarm).settle(1, 7, Outcome::Done).await.expect("settled");
    if clean {
        run.close();
    } else {
        run.kill();
        // The last connection's end has moved the WAL into the file; a kill would not. Have one again.
        let again = open(&dir);
        again.commit(readings(points[0], 5000, 300)).await;
        again.record(alarm("late", 1, "unacknowledged")).await;
        let copy = Dir::new();
        dir.copy_to(&copy);
        again.kill();
        return copy;
    }
    dir
}

/// Opens whatever is there, writes, reads, ends, opens again.
async fn lives(dir: &Dir, what: &str) {
    let run = try_open(&config(dir), &sinks()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let cause = run.cause;
    let head = run.journal.head(Lane::Telemetry).borrow().seq;
    let point = run.point("after");
    let new = run.commit(readings(point, 9000, 10)).await;
    assert_eq!(new.seq, head + 10, "{what}");
    let kept = run.feed(Lane::Telemetry).telemetry(head + 1, new.seq, 100).await.expect("records");
    assert_eq!(kept.len(), 10, "{what}");
    assert!(kept.iter().all(|record| record.point == point), "{what}");
    let seq = run.record(alarm("after", 1, "unacknowledged")).await;
    let entries = run.journal.entries(None, 50).await.expect("entries");
    assert!(
        entries.iter().any(|(s, entry)| *s == seq && matches!(entry, Entry::Alarm(e) if e.rule == "after")),
        "{what}"
    );
    if cause == StartCause::Repair {
        let told =
            |(_, entry): &(Seq, Entry)| matches!(entry, Entry::Maintenance { what, .. } if what == "journal-repaired");
        assert!(entries.iter().any(told), "{what}: nobody was told");
    }
    for lane in [Lane::Alarm, Lane::Telemetry] {
        run.balance(STORE, lane);
        run.feed(lane).settle(1, Seq::MAX, Outcome::Done).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    run.close();
    let run = open(dir);
    assert_eq!(run.cause, StartCause::CleanStop, "{what}: once is enough after {cause:?}");
    assert_eq!(run.balance(STORE, Lane::Telemetry).pending, 0, "{what}");
    assert!(run.standing.iter().any(|event| event.rule == "after"), "{what}");
    run.kill();
}

fn damage(dir: &Dir, random: &mut Random) -> String {
    let names: Vec<_> = fs::read_dir(&dir.0).expect("the directory").flatten().map(|entry| entry.path()).collect();
    let mut names: Vec<_> = names.into_iter().filter(|path| path.to_string_lossy().contains(".db")).collect();
    names.retain(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 0));
    names.sort();
    let path = &names[random.below(names.len() as u64) as usize];
    let mut bytes = fs::read(path).expect("the file");
    let len = bytes.len() as u64;
    let done = if random.below(2) == 0 {
        let to = random.below(len);
        bytes.truncate(to as usize);
        format!("cut at {to} of {len}")
    } else {
        let flips = 1 + random.below(20);
        let page = random.below(len.div_ceil(4096)) * 4096;
        let spread = if random.below(2) == 0 { len - page } else { 4096.min(len - page) };
        for _ in 0..flips {
            bytes[(page + random.below(spread)) as usize] ^= 1 + random.below(255) as u8;
        }
        format!("{flips} bytes changed from {page} on")
    };
    fs::write(path, bytes).expect("written");
    format!("{}: {done}", path.file_name().unwrap_or_default().to_string_lossy())
}

async fn campaign(clean: bool, rounds: u64) {
    let template = template(clean).await;
    for round in 1..=rounds {
        let seed = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(clean);
        let dir = Dir::new();
        template.copy_to(&dir);
        let what = damage(&dir, &mut Random(seed));
        let what = format!("seed {seed:#x}, {what}");
        println!("{what}");
        lives(&dir, &what).await;
    }
}

#[tokio::test]
async fn a_journal_damaged_after_a_clean_stop_starts() {
    campaign(true, 60).await;
}

#[tokio::test]
async fn a_journal_damaged_after_a_kill_starts() {
    campaign(false, 60).await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside_and_told() {
    for lane in [Lane::Alarm, Lane::Telemetry] {
        let dir = template(true).await;
        let name = schema::file_name(lane);
        fs::write(dir.0.join(name), b"not a database at all").expect("written");
        lives(&dir, name).await;
        let aside = fs::read_dir(&dir.0).expect("the directory").flatten();
        assert!(
            aside.map(|entry| entry.file_name()).any(|n| n.to_string_lossy().starts_with(&format!("{name}.damaged-")))
        );
    }
}

#[tokio::test]
async fn a_missing_or_empty_file_is_a_repair_too() {
    let dir = template(true).await;
    fs::remove_file(dir.0.join("telemetry.db")).expect("gone");
    lives(&dir, "telemetry.db gone").await;
    let dir = template(true).await;
    fs::write(dir.0.join("alarm.db"), b"").expect("emptied");
    lives(&dir, "alarm.db empty").await;
}

#[tokio::test]
async fn what_can_be_read_of_a_broken_file_is_saved_and_no_number_comes_again() {
    let dir = template(true).await;
    let path = dir.0.join("telemetry.db");
    let mut bytes = fs::read(&path).expect("the file");
    // The schema's cookie page stays; a stretch in the middle goes.
    let (from, to) = (bytes.len() / 2, bytes.len() / 2 + 2 * 4096);
    bytes[from..to].fill(0xa5);
    fs::write(&path, bytes).expect("written");
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::Repair);
    let all = run.all().await;
    assert!(!all.is_empty() && all.len() < 3000, "{} saved", all.len());
    let last = all.last().expect("some").seq;
    assert!(all.iter().all(|record| (record.value * 3.0).round() as i64 * 1_000_000 == record.at_ns));
    let head = *run.journal.head(Lane::Telemetry).borrow();
    assert!(head.seq > last, "numbers that may have been used are left out");
    let balance = run.balance(STORE, Lane::Telemetry);
    let owed: Vec<Seq> = run.feed(Lane::Telemetry).owed().into_iter().flat_map(|(a, b)| a..=b).collect();
    let kept: Vec<Seq> = all.iter().map(|record| record.seq).filter(|seq| *seq > 1000).collect();
    assert_eq!(owed, kept, "of what was not delivered, what is there is owed and what is lost is expired");
    assert_eq!(balance.pending, owed.len() as u64);
    run.close();
}

/// The gaps that a start has told of a lane: from, to, at most.
pub(super) async fn gaps(run: &Run, why: &str) -> Vec<(i64, i64, u64)> {
    // what a start tells comes before what follows it
    run.record(alarm("later", 1, "unacknowledged")).await;
    let entries = run.journal.entries(None, 500).await.expect("entries");
    let gap = |(_, entry): &(Seq, Entry)| {
        let Entry::Gap { from, to, at_most, why: said } = entry else { return None };
        (said == why).then_some((*from, *to, *at_most))
    };
    entries.iter().rev().filter_map(gap).collect()
}

/// A bit of what was written, where no page says that it is wrong.
pub(super) fn change(dir: &Dir, name: &str, sql: &str) {
    let conn = rusqlite::Connection::open(dir.0.join(name)).expect("the file");
    assert_eq!(conn.execute(sql, []).expect("changed"), 1);
}

#[tokio::test]
async fn a_reading_that_is_not_what_was_written_is_told_with_its_time() {
    let dir = template(true).await;
    change(
        &dir,
        "telemetry.db",
        "UPDATE batch SET body = CAST(substr(body, 1, 40) || x'ff' || substr(body, 42) AS BLOB) \
         WHERE first_seq = 1101",
    );
    let run = open(&dir);
    assert_eq!((run.cause, run.all().await.len()), (StartCause::Repair, 2900));
    let told = gaps(&run, "telemetry was repaired").await;
    assert_eq!(told.len(), 2, "what is missing in the midst, and what may have come after the last: {told:?}");
    let (from, to, at_most) = told[0];
    assert!(from <= 1_100 && to >= 1_199 && at_most == 100, "{told:?}");
    run.close();
    let run = open(&dir);
    assert_eq!((run.cause, gaps(&run, "telemetry was repaired").await.len()), (StartCause::CleanStop, 2), "once");
    run.close();
}

/// Changed while the gateway runs, when sealing has passed it.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_to_who_is_owed_it() {
    let dir = Dir::new();
    let run = open(&dir);
    for n in 0..3 {
        run.commit(readings(run.point("a"), n * 100, 100)).await;
    }
    change(&dir, "telemetry.db", "UPDATE batch SET body = x'00' WHERE first_seq = 201");
    let feed = run.feed(Lane::Telemetry);
    assert_eq!(feed.telemetry(201, 300, 1_000).await.expect("read"), []);
    for (range, expected) in [((150, 260), vec![(201, 260)]), ((250, 999), vec![(250, 300)]), ((1, 200), vec![])] {
        assert_eq!(feed.unreadable(range.0, range.1, 64).await.expect("read"), expected, "{range:?}");
    }
    run.kill();
}

/// Each page may be whole, and yet one is older than the next.
#[tokio::test]
async fn batches_that_are_gone_between_others_are_told_with_their_time() {
    let dir = template(true).await;
    change(&dir, "telemetry.db", "DELETE FROM batch WHERE first_seq = 1101");
    let run = open(&dir);
    assert_eq!((run.cause, run.all().await.len()), (StartCause::Repair, 2900));
    let told = gaps(&run, "telemetry was repaired").await;
    let hole = told.iter().find(|gap| gap.2 == 100).unwrap_or_else(|| panic!("{told:?}"));
    assert!(hole.0 <= 1_100 && hole.1 >= 1_199, "{told:?}");
    assert_eq!(run.balance(STORE, Lane::Telemetry).expired, 100, "nobody is owed what is gone");
    run.close();
    assert_eq!(open(&dir).cause, StartCause::CleanStop, "once");
}

#[tokio::test]
async fn an_entry_that_is_not_what_was_written_is_told_with_its_time() {
    let dir = template(true).await;
    change(
        &dir,
        "alarm.db",
        "UPDATE entry SET body = replace(body, 'pressure is low', 'pressure is fine') WHERE seq = 9",
    );
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::Repair);
    let entries = run.journal.entries(Some(31), 100).await.expect("entries");
    assert_eq!(entries.len(), 29, "the others are there");
    let told = gaps(&run, "alarms and audit were repaired").await;
    assert!(told.len() == 2 && told[0].0 <= told[0].1 && told[0].2 == 1, "{told:?}");
    run.close();
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::CleanStop, "what was taken out is no damage the next time");
    run.close();
}

/// Not even where it still reads like an alarm: an alarm that nobody has seen does not become one that was.
#[tokio::test]
async fn a_standing_alarm_that_is_not_its_entry_is_made_anew_and_told() {
    for change in [
        "body = replace(body, 'unacknowledged', 'acknowledged')",
        "body = substr(body, 1, 40)",
        "seq = seq - 1",
        "rule = 'other'",
    ] {
        let dir = Dir::new();
        let run = open(&dir);
        run.record(alarm("fire", 1, "unacknowledged")).await;
        run.record(alarm("gas", 2, "unacknowledged")).await;
        run.close();
        self::change(&dir, "alarm.db", &format!("UPDATE standing SET {change} WHERE rule = 'gas'"));
        let run = open(&dir);
        assert_eq!(run.cause, StartCause::Repair, "{change}");
        let stand: Vec<_> = run.standing.iter().map(|event| (event.rule.as_str(), event.state.as_str())).collect();
        assert_eq!(stand, [("fire", "unacknowledged"), ("gas", "unacknowledged")], "{change}");
        run.close();
    }
}

/// It would not come again by itself: its condition may be over, and nobody has seen it.
#[tokio::test]
async fn an_alarm_whose_entry_is_lost_stands_until_its_end_is_known() {
    let dir = Dir::new();
    let run = open(&dir);
    for (rule, number, state) in [
        ("fire", 1, "unacknowledged"),
        ("gas", 1, "unacknowledged"),
        ("smoke", 1, "unacknowledged"),
        ("gas", 2, "normal"),
    ] {
        run.record(alarm(rule, number, state)).await;
    }
    run.close();
    change(&dir, "alarm.db", "UPDATE entry SET body = '{' WHERE seq = 2");
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::Repair);
    let stand = |run: &Run| run.standing.iter().map(|event| event.rule.clone()).collect::<Vec<_>>();
    assert_eq!(stand(&run), ["fire", "smoke"]);
    run.record(alarm("fire", 2, "normal")).await;
    run.close();
    assert_eq!(stand(&open(&dir)), ["smoke"]);
}

#[tokio::test]
async fn of_a_big_file_the_newest_is_saved_and_the_rest_is_told() {
    let dir = Dir::new();
    let run = open(&dir);
    let (point, begin) = (run.point("a"), Clock::start().wall().0);
    // no two alike, so that they take their room
    let value = |n: i64| ((n + 1) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / 3.0;
    for from in (0..2_400_000).step_by(50_000) {
        run.commit((from..from + 50_000).map(|n| reading(point, begin, value(n))).collect()).await;
    }
    run.close();
    change(&dir, "telemetry.db", "UPDATE batch SET body = x'00' WHERE first_seq = (SELECT max(first_seq) FROM batch)");
    fs::write(suspicion::suspect_path(&dir.0.join("telemetry.db")), "").expect("marked");
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::Repair);
    let kept = run.all().await;
    let (first, last) = (kept[0], kept[kept.len() - 1]);
    assert!((1_000_000..2_300_000).contains(&kept.len()), "{}", kept.len());
    assert_eq!(last.seq - first.seq + 1, kept.len() as u64, "nothing between is missing");
    assert!(last.seq > 2_390_000, "{} is not the newest that was whole", last.seq);
    let told = gaps(&run, "telemetry was repaired").await;
    let older = told.iter().find(|gap| gap.2 == first.seq - 1).unwrap_or_else(|| panic!("{told:?}"));
    assert!(older.0 <= begin && older.1 * 1_000_000 >= first.at_ns - 1_000_000, "{told:?}");
    let balance = run.balance(STORE, Lane::Telemetry);
    assert_eq!(balance.pending, kept.len() as u64, "what is only in the old file is not owed");
    run.close();
}

#[tokio::test]
async fn where_nothing_could_be_saved_all_since_the_beginning_may_be_missing() {
    let dir = template(true).await;
    fs::write(dir.0.join("telemetry.db"), b"not a database at all").expect("written");
    let run = open(&dir);
    let told = gaps(&run, "telemetry was repaired").await;
    let began = rusqlite::Connection::open(dir.0.join("alarm.db")).expect("the file");
    let began: i64 = began.query_row("SELECT min(started) FROM epoch", [], |row| row.get(0)).expect("an epoch");
    assert!(matches!(told[..], [(from, to, _)] if from <= began && to >= from), "{told:?}, began {began}");
    run.close();
}

#[tokio::test]
async fn a_reading_whose_point_lost_its_name_is_not_given_to_another() {
    let dir = template(true).await;
    // a page says nothing of it, and a repair for another reason comes across it
    change(&dir, "telemetry.db", "DELETE FROM series WHERE id = (SELECT max(id) FROM series)");
    change(&dir, "telemetry.db", "UPDATE batch SET body = x'00' WHERE first_seq = 1");
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::Repair);
    let all = run.all().await;
    let other = run.point("other");
    assert!(!all.is_empty() && all.iter().all(|record| record.point != other), "{} saved", all.len());
    assert!(gaps(&run, "telemetry was repaired").await.len() > 2, "each is told");
    run.close();
}

#[tokio::test]
async fn an_interrupted_repair_is_taken_up() {
    let dir = template(true).await;
    let (path, ready) = (dir.0.join("telemetry.db"), dir.0.join("telemetry.ready"));
    fs::rename(&path, &ready).expect("as a crash between the two renames leaves it");
    let run = open(&dir);
    assert_eq!(run.all().await.len(), 3000);
    run.close();
    fs::write(dir.0.join("telemetry.filling"), b"half").expect("written");
    fs::copy(&path, &ready).expect("as a crash before the first rename leaves it");
    let run = open(&dir);
    assert_eq!((run.cause, run.all().await.len()), (StartCause::CleanStop, 3000));
    run.close();
}

#[tokio::test]
async fn a_marked_file_is_checked_whole_whatever_its_size_and_the_mark_goes() {
    let dir = template(true).await;
    let mark = suspicion::suspect_path(&dir.0.join("telemetry.db"));
    fs::write(&mark, "").expect("marked");
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::CleanStop);
    assert!(!mark.exists());
    run.close();
}

#[tokio::test]
async fn few_damaged_files_are_kept_and_few_bytes_of_them() {
    let dir = template(true).await;
    for round in 0..5 {
        fs::write(dir.0.join("telemetry.db"), format!("no database {round}")).expect("written");
        let run = open(&dir);
        assert_eq!(run.cause, StartCause::Repair);
        run.close();
        // Names carry milliseconds.
        let clock = Clock::start();
        until("the next millisecond", || clock.mono().0 > 2).await;
    }
    let kept = || {
        let names = fs::read_dir(&dir.0).expect("the directory").flatten().map(|entry| entry.path());
        let mut kept: Vec<PathBuf> = names.filter(|path| path.to_string_lossy().contains(".damaged-")).collect();
        kept.sort();
        kept
    };
    assert_eq!(kept().len(), 3);
    let big = fs::File::options().write(true).open(kept().pop().expect("the newest")).expect("the file");
    big.set_len(300 << 20).expect("a hole");
    fs::write(dir.0.join("telemetry.db"), "no database").expect("written");
    let run = open(&dir);
    assert_eq!(kept().len(), 1, "the newest stays whatever its size");
    run.journal.inner.core(Lane::Telemetry).faults.pages.store(1, Ordering::Relaxed);
    run.journal.push(Batch { readings: readings(run.point("a"), 0, 20_000), ..Batch::default() }).expect("room");
    until("it gives way to what is to be written", || kept().is_empty()).await;
    run.journal.inner.core(Lane::Telemetry).faults.pages.store(0, Ordering::Relaxed);
    run.close();
}

/// Where a table begins in its file, bytes.
pub(super) fn root_of(path: &Path, table: &str) -> u64 {
    let conn = rusqlite::Connection::open(path).expect("the file");
    let root = "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = ?1";
    conn.query_row(root, [table], |row| row.get(0)).expect("the table")
}

#[tokio::test]
async fn where_the_damage_took_the_maps_what_is_left_is_owed() {
    use std::os::unix::fs::FileExt;
    let dir = Dir::new();
    let run = open(&dir);
    run.commit(readings(run.point("a"), 0, 300)).await;
    for (rule, state) in [("gone", "unacknowledged"), ("gone", "normal"), ("stands", "unacknowledged")] {
        run.record(alarm(rule, 1, state)).await;
    }
    run.close();
    for name in ["telemetry.db", "alarm.db"] {
        let path = dir.0.join(name);
        let root = root_of(&path, "sink");
        let file = fs::File::options().write(true).open(&path).expect("the file");
        file.write_all_at(&[0xff; 4096], root).expect("written");
    }
    let run = open(&dir);
    assert_eq!((run.cause, run.all().await.len()), (StartCause::Repair, 300));
    let balance = run.balance(STORE, Lane::Telemetry);
    assert_eq!((balance.pending, balance.delivered), (300, 0), "nothing was ever sent");
    assert!(run.balance(STORE, Lane::Alarm).pending >= 3);
    // People are told of what stands, and not of the past.
    let mut tap = run.journal.tap(DUTY).expect("declared");
    let first = tokio::time::timeout(DEADLINE, tap.next()).await.expect("in time").expect("open");
    assert_eq!(first.event.rule, "stands");
    run.close();
}
