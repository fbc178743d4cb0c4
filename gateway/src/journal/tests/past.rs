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
