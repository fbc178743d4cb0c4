//! One commit's readings as bytes. Sans I/O; the decoder takes any bytes and never panics: the disk is not to be trusted.
//!
//! Format 1, all integers LEB128 varints, signed ones zigzag:
//! ```text
//! 0x01, first seq, n, groups…, CRC-32 (little endian) of all before
//! group: (len - 1) << 3 | flags      readings of consecutive points at one time
//!        point - (last point + 1)    signed; the last point is -1 at the start
//!        time - last time            signed, ms; the last time is 0 at the start
//!        a nibble a reading, low one first: how many bytes its value has (0 to 8)
//!        a reading: [quality byte] [offset, ns] [0: no stamp, else 1 + zigzag(stamp - time)] value
//! ```
//! The bracketed parts are there where the group's flag (1, 2, 4) says so. A value is the big-endian f64 without its
//! trailing zero bytes: a register's integer takes 2 to 4 bytes, and every value comes back bit for bit.

use std::ops::RangeInclusive;

use gengfu_core::quality::Quality;
use gengfu_core::reading::PointId;

use super::bytes::{Damage, Input, checked, put_checksum, put_varint, unzigzag, value_len, zigzag};
use super::{Record, Seq};

/// The `format` of a batch row.
pub(super) const FORMAT: u8 = 1;
/// Readings of one blob; a bigger commit makes several rows, so that a reader holds little at a time.
pub(super) const MAX_READINGS: usize = 4096;

const WITH_QUALITY: u64 = 1;
const WITH_OFFSET: u64 = 2;
const WITH_STAMP: u64 = 4;

/// A reading as the blob holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Item {
    pub point: u32,
    /// UTC ms.
    pub at: i64,
    /// Nanoseconds after `at`, below a million.
    pub offset: u32,
    pub quality: Quality,
    pub value: f64,
    /// The source's own stamp where it was not believed.
    pub stamp: Option<i64>,
}

impl Item {
    /// UTC ns.
    pub(super) fn at_ns(&self) -> i64 {
        self.at.saturating_mul(1_000_000).saturating_add(i64::from(self.offset))
    }

    pub(super) fn record(&self, seq: Seq) -> Record {
        Record { seq, point: PointId(self.point), at_ns: self.at_ns(), value: self.value, quality: self.quality }
    }
}

/// What a blob says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub first: Seq,
    pub n: u64,
}

/// Appends the blob of `items` (at most [`MAX_READINGS`]) to `out`.
pub(super) fn encode(first: Seq, items: &[Item], out: &mut Vec<u8>) {
    let start = out.len();
    out.push(FORMAT);
    put_varint(out, first);
    put_varint(out, items.len() as u64);
    let (mut point, mut at) = (-1_i64, 0_i64);
    for group in items.chunk_by(|a, b| a.at == b.at && a.point.checked_add(1) == Some(b.point)) {
        let Some((head, last)) = group.first().zip(group.last()) else { continue };
        let flags = flags(group);
        put_varint(out, (group.len() as u64 - 1) << 3 | flags);
        put_varint(out, zigzag(i64::from(head.point) - (point + 1)));
        put_varint(out, zigzag(head.at.wrapping_sub(at)));
        (point, at) = (i64::from(last.point), last.at);
        for pair in group.chunks(2) {
            let nibble = |n: usize| pair.get(n).map_or(0, |item| value_len(item.value) as u8);
            out.push(nibble(0) | nibble(1) << 4);
        }
        for item in group {
            put_item(out, item, flags);
        }
    }
    put_checksum(out, start);
}

fn flags(group: &[Item]) -> u64 {
    group.iter().fold(0, |flags, item| {
        let quality = if item.quality == Quality::Good { 0 } else { WITH_QUALITY };
        let offset = if item.offset == 0 { 0 } else { WITH_OFFSET };
        let stamp = if item.stamp.is_none() { 0 } else { WITH_STAMP };
        flags | quality | offset | stamp
    })
}

fn put_item(out: &mut Vec<u8>, item: &Item, flags: u64) {
    if flags & WITH_QUALITY != 0 {
        out.push(item.quality.code());
    }
    if flags & WITH_OFFSET != 0 {
        put_varint(out, u64::from(item.offset));
    }
    if flags & WITH_STAMP != 0 {
        // The one distance that would not fit beside the "no stamp" is 2^64 - 1 apart; it loses a millisecond.
        let coded = |stamp: i64| zigzag(stamp.wrapping_sub(item.at)).saturating_add(1);
        put_varint(out, item.stamp.map_or(0, coded));
    }
    out.extend_from_slice(item.value.to_bits().to_be_bytes().split_at(value_len(item.value)).0);
}

/// Checks the whole blob and hands out its readings in order.
pub(super) fn decode(blob: &[u8], visit: impl FnMut(Seq, &Item)) -> Result<Extent, Damage> {
    decode_points(blob, 0..=u32::MAX, visit)
}

/// Hands out at least the readings of `points`; most others are passed over without being taken apart.
pub(super) fn decode_points(
    blob: &[u8],
    points: RangeInclusive<u32>,
    mut visit: impl FnMut(Seq, &Item),
) -> Result<Extent, Damage> {
    decode_body(checked(blob)?, &points, &mut visit)
}

fn decode_body(
    body: &[u8],
    points: &RangeInclusive<u32>,
    visit: &mut impl FnMut(Seq, &Item),
) -> Result<Extent, Damage> {
    let mut input = Input(body);
    if input.byte()? != FORMAT {
        return Err(Damage("format is unknown"));
    }
    let first = input.varint()?;
    let n = input.varint()?;
    if n > MAX_READINGS as u64 || first.checked_add(n).is_none_or(|end| end > i64::MAX as u64) {
        return Err(Damage("more readings than a batch can have"));
    }
    let mut place = Place { seq: first, left: n, point: -1, at: 0 };
    while place.left > 0 {
        group(&mut input, &mut place, points, visit)?;
    }
    if input.0.is_empty() { Ok(Extent { first, n }) } else { Err(Damage("bytes after the last reading")) }
}

struct Place {
    seq: Seq,
    left: u64,
    point: i64,
    at: i64,
}

fn group(
    input: &mut Input<'_>,
    place: &mut Place,
    points: &RangeInclusive<u32>,
    visit: &mut impl FnMut(Seq, &Item),
) -> Result<(), Damage> {
    let head = input.varint()?;
    let (len, flags) = ((head >> 3) + 1, head & 7);
    if len > place.left {
        return Err(Damage("a group longer than its batch"));
    }
    let start = (place.point + 1).checked_add(unzigzag(input.varint()?)).ok_or(Damage("a point that can't be"))?;
    let end = start.checked_add(len as i64 - 1).ok_or(Damage("a point that can't be"))?;
    if start < 0 || end > i64::from(u32::MAX) {
        return Err(Damage("a point that can't be"));
    }
    place.at = place.at.wrapping_add(unzigzag(input.varint()?));
    let nibbles = input.take(len.div_ceil(2) as usize)?;
    // Without more than values in it, what is not wanted is passed over by its length.
    let all = 0..len as usize;
    let part = |point: i64| usize::try_from(point - start).unwrap_or(0).min(all.end);
    let wanted = part(i64::from(*points.start()))..part(i64::from(*points.end()) + 1);
    let wanted = if flags == 0 { wanted } else { all.clone() };
    input.take(bytes_upto(nibbles, wanted.start))?;
    let lens = nibbles.iter().flat_map(|byte| [byte & 15, byte >> 4]);
    for (place_in, len) in all.zip(lens).take(wanted.end).skip(wanted.start) {
        let item = item(input, start as u32 + place_in as u32, place.at, flags, len)?;
        visit(place.seq + place_in as Seq, &item);
    }
    let rest = bytes_upto(nibbles, len as usize).saturating_sub(bytes_upto(nibbles, wanted.end.max(wanted.start)));
    if flags == 0 {
        input.take(rest)?;
    }
    place.seq += len;
    place.left -= len;
    place.point = end;
    Ok(())
}

/// Bytes of the first `n` values.
fn bytes_upto(nibbles: &[u8], n: usize) -> usize {
    let whole: usize = nibbles.iter().take(n / 2).map(|byte| usize::from(byte & 15) + usize::from(byte >> 4)).sum();
    whole + if n % 2 == 1 { nibbles.get(n / 2).map_or(0, |byte| usize::from(byte & 15)) } else { 0 }
}

fn item(input: &mut Input<'_>, point: u32, at: i64, flags: u64, len: u8) -> Result<Item, Damage> {
    let mut item = Item { point, at, offset: 0, quality: Quality::Good, value: 0.0, stamp: None };
    if flags & WITH_QUALITY != 0 {
        item.quality = Quality::from_code(input.byte()?).ok_or(Damage("a quality that can't be"))?;
    }
    if flags & WITH_OFFSET != 0 {
        let offset = input.varint()?;
        item.offset = u32::try_from(offset).ok().filter(|n| *n < 1_000_000).ok_or(Damage("an offset above 1 ms"))?;
    }
    if flags & WITH_STAMP != 0 {
        item.stamp = input.varint()?.checked_sub(1).map(|n| at.wrapping_add(unzigzag(n)));
    }
    item.value = input.value(len as usize)?;
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(blob: &[u8]) -> Result<(Extent, Vec<(Seq, Item)>), Damage> {
        let mut items = Vec::new();
        let extent = decode(blob, |seq, item| items.push((seq, *item)))?;
        Ok((extent, items))
    }

    fn quality() -> impl Strategy<Value = Quality> {
        let codes: Vec<Quality> = (0..=u8::MAX).filter_map(Quality::from_code).collect();
        proptest::sample::select(codes)
    }

    fn items() -> impl Strategy<Value = Vec<Item>> {
        let block = (any::<u32>(), any::<i64>(), 1_u32..20, any::<bool>());
        let value = prop_oneof![any::<u64>().prop_map(f64::from_bits), (-40_000_i32..40_000).prop_map(f64::from)];
        let one = (
            value,
            prop_oneof![3 => Just(Quality::Good), 1 => quality()],
            0_u32..3,
            proptest::option::of(any::<i32>()),
        );
        proptest::collection::vec((block, proptest::collection::vec(one, 20)), 0..12).prop_map(|blocks| {
            let mut items = Vec::new();
            for ((point, at, len, plain), ones) in blocks {
                for (n, (value, quality, offset, stamp)) in (0..len).zip(ones) {
                    let stamp = stamp.filter(|_| !plain).map(|d| at.wrapping_add(i64::from(d)));
                    let offset = if plain { 0 } else { offset * 499_999 };
                    items.push(Item { point: point.wrapping_add(n), at, offset, quality, value, stamp });
                }
            }
            items
        })
    }

    fn same(a: &Item, b: &Item) -> bool {
        a.value.to_bits() == b.value.to_bits() && Item { value: 0.0, ..*a } == Item { value: 0.0, ..*b }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(first in 1_u64..1 << 60, items in items()) {
            let mut blob = Vec::new();
            encode(first, &items, &mut blob);
            let (extent, out) = all(&blob).expect("our own bytes");
            prop_assert_eq!(extent, Extent { first, n: items.len() as u64 });
            prop_assert_eq!(out.len(), items.len());
            for (n, ((seq, a), b)) in out.iter().zip(&items).enumerate() {
                prop_assert_eq!(*seq, first + n as u64);
                prop_assert!(same(a, b), "{:?} became {:?}", b, a);
            }
        }

        #[test]
        fn a_part_of_the_points_is_what_the_whole_says_of_them(items in items(), a in any::<u32>(), b in any::<u32>()) {
            let (mut blob, range) = (Vec::new(), a.min(b)..=a.max(b));
            encode(5, &items, &mut blob);
            let mut part = Vec::new();
            let extent = decode_points(&blob, range.clone(), |seq, item| part.push((seq, *item)));
            let (whole, mut all) = all(&blob).expect("our own bytes");
            prop_assert_eq!(extent, Ok(whole));
            part.retain(|(_, item)| range.contains(&item.point));
            all.retain(|(_, item)| range.contains(&item.point));
            prop_assert_eq!(part.len(), all.len());
            prop_assert!(part.iter().zip(&all).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1)));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = all(&bytes);
            let mut with_head = vec![FORMAT];
            with_head.extend_from_slice(&bytes);
            let _ = decode_body(&with_head, &(0..=u32::MAX), &mut |_, _| ());
            let _ = decode_body(&with_head, &(3..=9), &mut |_, _| ());
        }

        // A right sum proves no writer: what lies behind it may be of another program, or of a bug of our own.
        #[test]
        fn a_body_that_was_changed_and_summed_anew_is_survived(
            items in items(),
            edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<Option<proptest::sample::Index>>(),
            (from, to) in any::<(u32, u32)>(),
        ) {
            let mut blob = Vec::new();
            encode(9, &items, &mut blob);
            blob.truncate(blob.len() - 4);
            for (at, byte) in edits {
                let at = at.index(blob.len());
                blob[at] = byte;
            }
            blob.truncate(cut.map_or(blob.len(), |cut| cut.index(blob.len() + 1)));
            put_checksum(&mut blob, 0);
            prop_assert!(checked(&blob).is_ok(), "the decoder behind the sum is reached");
            let whole = all(&blob);
            let part = decode_points(&blob, from..=to, |_, _| ());
            if let Ok((extent, out)) = whole {
                prop_assert!(extent.n <= MAX_READINGS as u64 && out.len() as u64 == extent.n);
                prop_assert!(out.iter().zip(extent.first..).all(|((seq, _), counted)| *seq == counted));
                prop_assert_eq!(part, Ok(extent));
            }
        }

        #[test]
        fn a_changed_byte_is_noticed_and_never_panics(items in items(), at in any::<proptest::sample::Index>(), flip in 1_u8..) {
            let mut blob = Vec::new();
            encode(9, &items, &mut blob);
            let at = at.index(blob.len());
            blob[at] ^= flip;
            prop_assert!(all(&blob).is_err());
            let body = &blob[..blob.len() - 4];
            let _ = decode_body(body, &(0..=u32::MAX), &mut |_, _| ());
            let _ = decode_body(&body[..at.min(body.len())], &(7..=99), &mut |_, _| ());
        }
    }

    #[test]
    fn a_poll_of_registers_takes_few_bytes() {
        let item = |n: u32| Item {
            point: n,
            at: 1_700_000_000_000,
            offset: 0,
            quality: Quality::Good,
            value: f64::from(n * 37 % 65_536),
            stamp: None,
        };
        let items: Vec<Item> = (0..1000).map(item).collect();
        let mut blob = Vec::new();
        encode(1, &items, &mut blob);
        assert!(blob.len() * 2 < 9 * items.len(), "{} bytes", blob.len());
    }
}
