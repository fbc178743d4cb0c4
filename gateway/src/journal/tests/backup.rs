//! A backup is what the journal was at one moment; what is restored goes on where it ends.

use super::*;
use crate::journal::deliveries::Known;
use crate::journal::file::beside;
use crate::journal::{owed, schema, seal, thin};

fn take(dir: &Dir, to: &Path) -> Result<Manifest, String> {
    backup(&dir.0, to, "mall", || 1_790_000_000_000, &mut |_| ()).map_err(|error| error.0)
}

fn put_back(from: &Path, dir: &Dir) -> Result<Manifest, String> {
    restore(from, &dir.0, "mall").map_err(|error| error.0)
}

fn standing(run: &Run) -> Vec<(String, u32)> {
    run.standing.iter().map(|event| (event.rule.clone(), event.number)).collect()
}

#[tokio::test]
async fn what_is_restored_goes_on_in_a_new_epoch_with_what_was_owed() {
    let (dir, place, new) = (Dir::new(), Dir::new(), Dir::new());
    let to = place.0.join("copy");
    let run = open(&dir);
    let point = run.point("a");
    run.commit(readings(point, 0, 5_000)).await;
    run.record(alarm("low", 1, "unacknowledged")).await;
    run.record(alarm("high", 1, "unacknowledged")).await;
    run.record(alarm("high", 2, "normal")).await;
    run.feed(Lane::Telemetry).settle(1, 3_000, Outcome::Done).await.expect("settled");
    run.feed(Lane::Telemetry).settle(3_001, 3_010, Outcome::Dead("400".to_owned())).await.expect("settled");
    let before = run.all().await;
    let manifest = take(&dir, &to).expect("a copy while it runs");
    assert_eq!(manifest.copy_of(Lane::Telemetry).map(|copy| copy.last_seq), Some(5_000));
    // What comes after the copy is not in it.
    run.feed(Lane::Telemetry).settle(3_011, 5_000, Outcome::Done).await.expect("settled");
    run.commit(readings(point, 9_000, 100)).await;
    run.record(alarm("low", 2, "acknowledged")).await;
    let lanes = [Lane::Alarm, Lane::Telemetry];
    let heads = lanes.map(|lane| *run.journal.head(lane).borrow());
    run.close();

    put_back(&to, &new).expect("restored");
    let run = open(&new);
    assert_eq!((run.cause, standing(&run)), (StartCause::Restored, vec![("low".to_owned(), 1)]));
    for (lane, old) in lanes.into_iter().zip(heads) {
        let new = *run.journal.head(lane).borrow();
        assert!(new.epoch != old.epoch && new.seq > old.seq + (1 << 45), "{lane:?}: {new:?} after {old:?}");
    }
    assert_eq!(run.all().await, before);
    let balance = run.balance(STORE, Lane::Telemetry);
    assert_eq!((balance.delivered, balance.dead, balance.pending), (3_000, 10, 1_990), "owed as when it was copied");
    assert_eq!(run.feed(Lane::Telemetry).owed(), [(3_011, 5_000)], "numbers left out are owed to nobody");
    let next = run.commit(readings(point, 9_500, 1)).await;
    assert_eq!(next.seq, 5_001 + restore::SKIP);
    until("the tales are written", || run.journal.health().ring == 0).await;
    let told = run.journal.entries(None, 10).await.expect("entries");
    let restored = |entry: &Entry| {
        matches!(entry, Entry::Maintenance { what, detail, .. }
        if what == "journal-restored" && detail.contains("2026-09-21T"))
    };
    assert_eq!(told.iter().filter(|(_, entry)| restored(entry)).count(), 2, "{told:?}");
    let gap = told.iter().any(|(_, entry)| matches!(entry, Entry::Gap { at_most, .. } if *at_most == restore::SKIP));
    assert!(gap, "{told:?}");
    assert_eq!(run.journal.verify_chain().await.expect("a walk").broken_at, None);
    run.close();
    let run = open(&new);
    assert_eq!(run.cause, StartCause::CleanStop, "said once");
    assert_eq!(run.feed(Lane::Telemetry).owed(), [(3_011, 5_000), (5_001 + restore::SKIP, 5_001 + restore::SKIP)]);
    run.close();
}

#[tokio::test]
async fn a_copy_of_what_is_being_sealed_and_trimmed_is_what_is_left() {
    let (dir, place, new) = (Dir::new(), Dir::new(), Dir::new());
    let run = open(&dir);
    let point = run.point("a");
    for n in 0..30 {
        run.commit(readings(point, n * 1_000, 1_000)).await;
    }
    let trend = run.journal.history(point, 0, 30_000, 500).await.expect("history");
    run.close();
    let conn = schema::writer(&dir.0.join("telemetry.db")).expect("the file");
    let mut slices = 0;
    // Between two slices the journal seals, drops what it sealed, and grows.
    let mut meanwhile = |_| {
        slices += 1;
        if slices <= 2 {
            seal::all(&conn, 12_000 * slices);
            conn.execute("DELETE FROM batch WHERE first_seq <= ?1", [12_000 * slices]).expect("dropped");
        }
    };
    let to = place.0.join("copy");
    backup(&dir.0, &to, "mall", || 1, &mut meanwhile).expect("a copy");
    put_back(&to, &new).expect("restored");
    let run = open(&new);
    let restored = run.journal.history(point, 0, 30_000, 500).await.expect("history");
    assert!(super::sealed::alike(&restored, &trend), "{restored:?}");
    run.close();
}

#[tokio::test]
async fn a_copy_of_what_is_being_thinned_lacks_nothing_that_is_owed() {
    let (dir, place) = (Dir::new(), Dir::new());
    let run = open(&dir);
    let point = run.point("a");
    for n in 0..300 {
        let at = |n: i64| reading(point, n * 100, (n * 7_919 % 1_009) as f64);
        run.commit((n * 1_000..(n + 1) * 1_000).map(at).collect()).await;
    }
    run.close();
    let conn = schema::writer(&dir.0.join("telemetry.db")).expect("the file");
    seal::all(&conn, 300_000);
    let (mut slices, mut groups) = (0, 0);
    // Whatever has been copied by then: rows get other numbers, and others stay under theirs and get another body.
    let mut meanwhile = |_| {
        slices += 1;
        if slices > 6 {
            // The last look at this lane is over.
            return;
        }
        conn.execute("UPDATE chunk SET thinned = thinned + 1 WHERE id = ?1", [slices]).expect("as retention does");
        if let Some(group) = owed::next(&conn, (i64::MAX, i64::MAX), &[]).expect("a look").filter(|_| slices > 2) {
            let fewer = owed::fewer(&conn, group, &thin::Kept::default(), Known::ToNone).expect("read");
            fewer.expect("worth it").write(&conn).expect("written");
            owed::passed(&conn, group.last).expect("written");
            groups += 1;
        }
    };
    let to = place.0.join("copy");
    backup(&dir.0, &to, "mall", || 1, &mut meanwhile).expect("a copy");
    assert!(groups > 1, "{groups} groups");
    let all = |dir: &Path| {
        let conn = schema::reader(&dir.join("telemetry.db")).expect("the file");
        let rows = "SELECT group_concat(first_seq || ' ' || n || ' ' || tier) FROM batch ORDER BY first_seq";
        let chunks =
            "SELECT group_concat(c.id || ' ' || c.thinned || ' ' || s.n) FROM chunk c JOIN span s ON s.chunk = c.id";
        [rows, chunks].map(|sql| conn.query_row(sql, [], |row| row.get::<_, String>(0)).expect("rows"))
    };
    assert_eq!(all(&to), all(&dir.0), "the copy is what the journal was at one moment");
}

#[tokio::test]
async fn a_backup_is_made_whole_and_taken_whole_or_not_at_all() {
    let (dir, place, new) = (Dir::new(), Dir::new(), Dir::new());
    let to = place.0.join("copy");
    let run = open(&dir);
    run.commit(readings(run.point("a"), 0, 500)).await;
    run.record(alarm("low", 1, "unacknowledged")).await;
    run.close();
    let refused = |result: Result<Manifest, String>, words: &str| {
        let why = result.expect_err(words);
        assert!(why.contains(words) && why.contains(';'), "{why}");
    };
    refused(take(&dir, &dir.0), "own directory");
    refused(take(&place, &to), "is not there");
    std::fs::create_dir_all(beside(&to, ".partial")).expect("what a crash left");
    std::fs::write(beside(&to, ".partial").join("telemetry.db"), "half").expect("a file");
    take(&dir, &to).expect("a copy");
    assert!(!beside(&to, ".partial").exists());
    refused(take(&dir, &to), "holds a backup already");
    refused(put_back(&dir.0, &new), "no manifest");
    refused(put_back(&to, &dir), "part of a journal");
    refused(restore(&to, &new.0, "other").map_err(|error| error.0), "is a backup of the site `mall`");
    // A byte changed anywhere in either file is noticed before anything is put in place.
    for name in ["alarm.db", "telemetry.db"] {
        let path = to.join(name);
        let whole = std::fs::read(&path).expect("the file");
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        std::fs::write(&path, changed).expect("changed");
        refused(put_back(&to, &new), "checksum");
        std::fs::write(&path, whole).expect("put right");
    }
    assert!(!new.0.join("alarm.db").exists() && !new.0.join("restoring").exists());
    // Half a restore is no journal; another one goes on with it.
    std::fs::write(new.0.join("restoring"), "").expect("the marker");
    std::fs::copy(to.join("telemetry.db"), new.0.join("telemetry.db")).expect("half of it");
    let why = try_open(&config(&new), &sinks()).map(|_| ()).expect_err("half a restore").0;
    assert!(why.contains("gengfu restore"), "{why}");
    put_back(&to, &new).expect("restored");
    let run = open(&new);
    assert_eq!((run.cause, run.all().await.len()), (StartCause::Restored, 500));
    run.close();
}
