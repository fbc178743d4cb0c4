//! Read from outside, the past is what was committed: each reading once, in order of time, wherever it lies.

use proptest::prelude::*;

use super::*;
use crate::journal::chunk::HOUR;
use crate::journal::{schema, seal};

/// What is handed out of all points, as (point, time, bits, quality).
fn read(past: &mut Past, points: &[u32], range: (i64, i64)) -> Vec<(u32, i64, u64, u8)> {
    let mut all = Vec::new();
    let visited = past.readings(points, range.0, range.1, &mut |records| {
        all.extend(records.iter().map(|r| (r.point.0, r.at_ns, r.value.to_bits(), r.quality.code())));
        Ok(())
    });
    visited.expect("read");
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn each_reading_comes_once_in_order_fresh_half_way_and_sealed(
        past in super::sealed::past(),
        cut in 0..4 * HOUR,
        half in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (dir, place) = (Dir::new(), Dir::new());
            let run = open(&dir);
            for name in ["a", "b", "c", "d"] {
                run.point(name);
            }
            let mut ends = Vec::new();
            for readings in past {
                ends.push(run.commit(readings).await.seq);
            }
            let mut expected: Vec<_> =
                run.all().await.iter().map(|r| (r.point.0, r.at_ns, r.value.to_bits(), r.quality.code())).collect();
            expected.sort_unstable();
            let everywhere = (i64::MIN, i64::MAX);
            for upto in [0, *half.get(&ends), *ends.last().expect("some")] {
                // Beside the gateway that has it open.
                let conn = schema::writer(&dir.0.join("telemetry.db")).expect("the file");
                if upto > 0 {
                    seal::all(&conn, upto);
                }
                let mut past = Past::open(&dir.0).expect("to be read");
                assert_eq!(past.catalog().expect("names").len(), 4);
                let all = read(&mut past, &[3, 1, 0, 2], everywhere);
                assert!(all.is_sorted_by_key(|(point, at, ..)| (*point, *at)), "{all:?}");
                let mut sorted = all.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, expected);
                let mut sweep = Vec::new();
                let whole = past.sweep(i64::MIN, i64::MAX).expect("what there is");
                assert_eq!(whole.len(), expected.len() as u64);
                whole.run(&past, &mut |part| {
                    sweep.extend(part.arrivals);
                    Ok(())
                }).expect("swept");
                assert!(sweep.is_sorted_by_key(|arrival| arrival.came), "in the order in which it came");
                let of = |a: &crate::journal::Arrival| {
                    (a.reading.point.0, a.reading.at.0, a.reading.value.to_bits(), a.reading.quality.code())
                };
                let mut swept: Vec<_> = sweep.iter().map(of).collect();
                swept.sort_unstable();
                let mut by_ms: Vec<_> =
                    expected.iter().map(|(point, at, bits, quality)| (*point, at.div_euclid(1_000_000), *bits, *quality)).collect();
                by_ms.sort_unstable();
                assert_eq!(swept, by_ms);
                let halves = [(i64::MIN, cut), (cut, i64::MAX)].map(|range| read(&mut past, &[2], range));
                let whole: Vec<_> = all.iter().copied().filter(|(point, ..)| *point == 2).collect();
                assert_eq!(halves.concat(), whole, "nothing falls between two ranges");
            }
            run.close();
            // A backup is read in the same way, from a directory that can't be written too.
            let to = place.0.join("copy");
            backup(&dir.0, &to, "mall", || 1, &mut |_| ()).expect("a copy");
            assert_eq!(read(&mut Past::open(&to).expect("a backup"), &[0, 1, 2, 3], everywhere).len(), expected.len());
        });
    }
}

#[test]
fn a_sweep_tells_what_was_given_up_and_what_is_damaged() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let dir = Dir::new();
        let run = open(&dir);
        run.point("a");
        let mut end = 0;
        for hour in 0..3 {
            end =
                run.commit((0..40).map(|n| reading(PointId(0), hour * HOUR + n * 1_000, n as f64)).collect()).await.seq;
        }
        let conn = schema::writer(&dir.0.join("telemetry.db")).expect("the file");
        seal::all(&conn, end);
        conn.execute("UPDATE chunk SET thinned = 7 WHERE id = 2", []).expect("thinned");
        conn.execute("UPDATE chunk SET body = x'00' WHERE id = 3", []).expect("damaged");
        let mut past = Past::open(&dir.0).expect("to be read");
        let sweep = past.sweep(i64::MIN, 3 * HOUR).expect("what there is");
        assert_eq!(sweep.extent(), Some((0, 2 * HOUR + 39_001)), "from the first reading to just after the last");
        let mut parts = Vec::new();
        sweep
            .run(&past, &mut |part| {
                parts.push((part.arrivals.len(), part.thinned, part.lost));
                Ok(())
            })
            .expect("swept");
        assert_eq!(parts, [(40, 0, 0), (40, 7, 0), (0, 0, 1)]);
        run.close();
    });
}
