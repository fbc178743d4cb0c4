//! Messages out of a lane: they say the same as the lines for a store, and hold nothing they do not name.

use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::PointId;

use crate::forward::tests::{FakeLane, catalog, meta};
use crate::forward::uplink::load::{Cursor, LOST, Loader, hole};
use crate::journal::Outcome;

fn lane(records: u64) -> FakeLane {
    let lane = FakeLane::new();
    let record = |n: u64| {
        let quality = if n % 7 == 3 { Quality::Bad(Reason::Comm) } else { Quality::Good };
        (PointId((n % 4) as u32), n as i64 * 1_000_000, n as f64, quality)
    };
    lane.commit((1..=records).map(record));
    lane
}

#[tokio::test]
async fn a_message_holds_the_records_it_names() {
    let mut loader = Loader::new(catalog(4), "s").unwrap();
    let lane = lane(100);
    let load = loader.read(Cursor::Live, &lane, (11, 100), 40).await.unwrap().unwrap();
    assert_eq!((load.first, load.last), (11, 50));
    assert_eq!(load.fates, [(11, 50, Outcome::Done)]);
    let text = String::from_utf8(load.lines.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 40);
    let packed = loader.pack("# head\n", text.as_bytes()).unwrap();
    assert!(packed.len() < text.len() / 3, "{} of {}", packed.len(), text.len());
    let plain = zstd::decode_all(packed.as_slice()).unwrap();
    assert_eq!(plain, format!("# head\n{text}").into_bytes());
    // Whoever reads it again, from anywhere, writes the very same.
    let again = loader.read(Cursor::Resend, &lane, (31, 50), 40).await.unwrap().unwrap();
    assert!(text.ends_with(std::str::from_utf8(&again.lines).unwrap()));
    assert_eq!(lane.shown(), [(11, 100), (31, 50)], "the journal knows what a centre may have");
}

#[tokio::test]
async fn what_is_missing_parts_two_messages() {
    let mut loader = Loader::new(catalog(4), "s").unwrap();
    let lane = lane(20);
    lane.expire(5);
    let load = loader.read(Cursor::Backlog, &lane, (1, 20), 100).await.unwrap().unwrap();
    assert_eq!((load.first, load.last), (6, 20));
    assert_eq!(hole(1, load.first), Some((1, 5, Outcome::Dead(LOST.to_owned()))));
    assert_eq!(hole(6, 6), None);
    assert!(loader.read(Cursor::Backlog, &lane, (1, 5), 100).await.unwrap().is_none());
}

#[tokio::test]
async fn what_line_protocol_cannot_carry_is_a_dead_letter() {
    let catalog = catalog(3);
    catalog.add(meta("dev-9", "time", "hydrant"));
    let mut loader = Loader::new(catalog, "s").unwrap();
    let lane = lane(7);
    let load = loader.read(Cursor::Live, &lane, (1, 7), 100).await.unwrap().unwrap();
    let dead: Vec<_> =
        load.fates.iter().filter(|(_, _, fate)| *fate != Outcome::Done).map(|(from, to, _)| (*from, *to)).collect();
    assert_eq!((load.first, load.last, dead), (1, 7, vec![(3, 3), (7, 7)]));
    assert_eq!(String::from_utf8(load.lines.to_vec()).unwrap().lines().count(), 5);
}
