//! The book against a broker that acknowledges in any order, loses connections, and a map that settles late.

use std::collections::{BTreeSet, VecDeque};

use gengfu_core::time::Mono;
use proptest::prelude::*;

use crate::forward::uplink::book::{Book, Cargo, Class, Parcel, Range};
use crate::journal::{IN_FLIGHT, Lane, Outcome, Seq};

const HEAD: Seq = 60;
const WINDOW: usize = 8;

fn owed(settled: &BTreeSet<Seq>) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for seq in (1..=HEAD).filter(|seq| !settled.contains(seq)) {
        match ranges.last_mut() {
            Some((_, to)) if *to + 1 == seq => *to = seq,
            _ => ranges.push((seq, seq)),
        }
    }
    ranges
}

fn parcel(class: Class, range: Range) -> Parcel {
    let fates = vec![(range.0, range.1, Outcome::Done)];
    Parcel { class, cargo: Cargo::Owed { lane: Lane::Telemetry, range, fates }, bytes: 100 }
}

/// What a connection's broker has of it: packet ids with their ranges, and what was settled of the acknowledged.
#[derive(Default)]
struct Wire {
    book: Option<Book>,
    handed: VecDeque<Range>,
    flying: Vec<(u16, Range)>,
    acked: Vec<Range>,
    packet: u16,
}

impl Wire {
    fn new() -> Self {
        Self { book: Some(Book::new(WINDOW)), ..Self::default() }
    }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Hand(usize, usize),
    Send,
    Ack(usize),
    Settle(usize),
    Lose,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (any::<usize>(), 1_usize..6).prop_map(|(at, n)| Act::Hand(at, n)),
        4 => Just(Act::Send),
        3 => any::<usize>().prop_map(Act::Ack),
        3 => any::<usize>().prop_map(Act::Settle),
        1 => Just(Act::Lose),
    ]
}

proptest! {
    #[test]
    fn a_record_is_delivered_on_its_own_acknowledgement_alone(acts in proptest::collection::vec(act(), 0..200)) {
        let mut settled: BTreeSet<Seq> = BTreeSet::new();
        let mut wire = Wire::new();
        for act in acts {
            step(act, &mut wire, &mut settled)?;
            let book = wire.book.as_ref().expect("always one");
            let under_way = wire.handed.iter().chain(wire.flying.iter().map(|(_, range)| range)).chain(&wire.acked);
            let busy: BTreeSet<Seq> = under_way.flat_map(|range| range.0..=range.1).collect();
            let free: BTreeSet<Seq> =
                book.free(Lane::Telemetry, &owed(&settled)).into_iter().flat_map(|(a, b)| a..=b).collect();
            let expected: BTreeSet<Seq> =
                (1..=HEAD).filter(|seq| !busy.contains(seq) && !settled.contains(seq)).collect();
            prop_assert_eq!(free, expected, "free is what is owed and not under way");
            prop_assert!(book.load() <= WINDOW);
            prop_assert_eq!(book.load(), wire.handed.len() + wire.flying.len() + wire.acked.len());
            prop_assert_eq!(book.is_quiet(), wire.handed.is_empty() && wire.flying.is_empty());
        }
        // A new connection, a broker in order: all that was never acknowledged goes again, and then nothing is owed.
        wire = Wire::new();
        for _ in 0..HEAD {
            for act in [Act::Hand(0, 5), Act::Send, Act::Ack(0), Act::Settle(0)] {
                step(act, &mut wire, &mut settled)?;
            }
        }
        prop_assert_eq!(owed(&settled), Vec::<Range>::new());
    }
}

fn step(act: Act, wire: &mut Wire, settled: &mut BTreeSet<Seq>) -> Result<(), TestCaseError> {
    let book = wire.book.as_mut().expect("always one");
    match act {
        Act::Hand(at, n) => {
            let free = book.free(Lane::Telemetry, &owed(settled));
            if book.room(Class::Alarm) == 0 || free.is_empty() {
                return Ok(());
            }
            let (from, to) = free[at % free.len()];
            let range = (from, to.min(from + n as Seq - 1));
            book.hand(parcel(Class::Alarm, range), Mono(1));
            wire.handed.push_back(range);
        }
        Act::Send => {
            let Some(range) = wire.handed.pop_front() else {
                prop_assert!(!book.sent(wire.packet + 1), "nothing was handed over");
                return Ok(());
            };
            wire.packet += 1;
            prop_assert!(book.sent(wire.packet));
            wire.flying.push((wire.packet, range));
        }
        Act::Ack(_) if wire.flying.is_empty() => prop_assert_eq!(book.acked(wire.packet + 1), None),
        Act::Ack(at) => {
            let (packet, range) = wire.flying.swap_remove(at % wire.flying.len());
            let found = book.acked(packet).map(|parcel| parcel.cargo);
            prop_assert_eq!(found, Some(parcel(Class::Alarm, range).cargo), "its own records and no others");
            prop_assert_eq!(book.acked(packet), None, "once");
            wire.acked.push(range);
        }
        Act::Settle(_) if wire.acked.is_empty() => {}
        Act::Settle(at) => {
            let range = wire.acked.swap_remove(at % wire.acked.len());
            settled.extend(range.0..=range.1);
            book.settled(Lane::Telemetry, range);
        }
        // What was acknowledged and not recorded, and what was under way, is owed.
        Act::Lose => *wire = Wire::new(),
    }
    Ok(())
}

#[test]
fn the_window_keeps_room_for_what_matters_more() {
    let mut book = Book::new(WINDOW);
    let mut seq = 0;
    let mut fill = |book: &mut Book, class| {
        let mut count = 0;
        while book.room(class) > 0 {
            seq += 1;
            book.hand(parcel(class, (seq, seq)), Mono(seq));
            count += 1;
        }
        count
    };
    assert_eq!(fill(&mut book, Class::Backlog), 4);
    assert_eq!(fill(&mut book, Class::Live), 2);
    assert_eq!(fill(&mut book, Class::Alarm), 2);
    book.hand(Parcel { class: Class::Word, cargo: Cargo::Word, bytes: 9 }, Mono(0));
    assert_eq!((book.load(), book.words()), (WINDOW, 1), "words are beside the window");
    assert_eq!(book.waiting_since(), Some(Mono(1)));
}

/// What a crash leaves under way must lie within what the journal spares.
#[test]
fn few_records_of_backlog_are_under_way() {
    let mut book = Book::new(64);
    let mut seq = 1;
    while book.room(Class::Backlog) > 0 {
        book.hand(parcel(Class::Backlog, (seq, seq + 4_999)), Mono(1));
        seq += 5_000;
    }
    assert!((50_000..=IN_FLIGHT).contains(&(seq - 1)), "{seq}");
    assert!(book.room(Class::Live) > 0);
    assert!(book.sent(1) && book.acked(1).is_some());
    assert!(book.room(Class::Backlog) > 0);
}

#[test]
fn few_bytes_of_backlog_are_under_way() {
    let mut book = Book::new(64);
    let heavy = Parcel { bytes: 200 << 10, ..parcel(Class::Backlog, (1, 1)) };
    book.hand(heavy.clone(), Mono(1));
    assert!(book.room(Class::Backlog) > 0);
    book.hand(heavy, Mono(1));
    assert_eq!(book.room(Class::Backlog), 0);
    assert!(book.room(Class::Live) > 0);
    assert!(book.sent(1) && book.acked(1).is_some());
    assert!(book.room(Class::Backlog) > 0);
}
