//! Sealed history: readings of one point within one hour, in order of time, column by column. Sans I/O; the decoder takes
//! any bytes, never panics and never makes more than [`MAX_READINGS`] of them.
//!
//! Format 1, integers as in `codec`:
//! ```text
//! 0x01, n
//! qualities: (code byte, how many)…   until n
//! offsets:   count, then (places since the last, ns)…
//! stamps:    count, then (places since the last, zigzag(stamp - time))…
//! times:     column of ms
//! values:    column of f64
//! CRC-32 (little endian) of all before
//! column: 0, plain | 1, bytes, a pcodec stream
//! plain times:  differences of differences, zigzag
//! plain values: a nibble a value, low one first: how many bytes it has; then those bytes
//! ```
//! pcodec finds the decimal step behind sensor values and keeps every bit. Which of its ways suits a column is searched for
//! where that pays, from [`SEARCHED_FROM`] values on; shorter ones take the way that suits most sensors.

use gengfu_core::quality::Quality;
use pco::standalone::{simple_compress, simple_decompress_into};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, data_types::Number};

use super::bytes::{Damage, Input, checked, put_checksum, put_varint, unzigzag, value_len, zigzag};
use super::codec::Item;

/// The `format` of a chunk row.
pub(super) const FORMAT: u8 = 1;
/// Readings of one chunk: an hour at two a second.
pub(super) const MAX_READINGS: usize = 8192;
/// No chunk reaches over a full hour (UTC), ms: a trend by the hour is read from the summaries alone.
pub(super) const HOUR: i64 = 3_600_000;
/// Readings from which a column is compressed: of fewer, the stream's head is larger than what it saves.
const COMPRESSED_FROM: usize = 48;
/// Values from which it is worth it to look for the best way to write them.
const SEARCHED_FROM: usize = 512;
/// pcodec's effort, of 12: more finds a hundredth part less, in twice the time.
const EFFORT: usize = 4;

const PLAIN: u8 = 0;
const PCODEC: u8 = 1;

/// What a chart needs of a chunk without opening it. Of no usable value, `min` is above `max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    /// UTC ms.
    pub t_min: i64,
    pub t_max: i64,
    pub n: u64,
    /// Readings without a usable value.
    pub bad: u64,
    pub min: f64,
    pub max: f64,
    pub sum: f64,
    /// The newest usable value and its time, UTC ns.
    pub last: f64,
    pub last_ns: i64,
}

impl Summary {
    pub(super) const EMPTY: Self = Self {
        t_min: i64::MAX,
        t_max: i64::MIN,
        n: 0,
        bad: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        sum: 0.0,
        last: 0.0,
        last_ns: i64::MIN,
    };

    pub(super) fn add(&mut self, item: &Item) {
        self.n += 1;
        (self.t_min, self.t_max) = (self.t_min.min(item.at), self.t_max.max(item.at));
        if !item.quality.has_value() || !item.value.is_finite() {
            self.bad += 1;
            return;
        }
        self.sum += item.value;
        (self.min, self.max) = (self.min.min(item.value), self.max.max(item.value));
        let at_ns = item.at_ns();
        if at_ns >= self.last_ns {
            (self.last, self.last_ns) = (item.value, at_ns);
        }
    }

    /// Both together.
    pub(super) fn plus(&mut self, other: &Self) {
        self.n += other.n;
        self.bad += other.bad;
        (self.t_min, self.t_max) = (self.t_min.min(other.t_min), self.t_max.max(other.t_max));
        self.sum += other.sum;
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
        if other.n > other.bad && other.last_ns >= self.last_ns {
            (self.last, self.last_ns) = (other.last, other.last_ns);
        }
    }
}

pub(super) fn summary(items: &[Item]) -> Summary {
    items.iter().fold(Summary::EMPTY, |mut summary, item| {
        summary.add(item);
        summary
    })
}

/// The blob of `items`: one point's, at most [`MAX_READINGS`], in order of time.
pub(super) fn encode(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.len() * 4 + 64);
    out.push(FORMAT);
    put_varint(&mut out, items.len() as u64);
    for run in items.chunk_by(|a, b| a.quality == b.quality) {
        out.push(run.first().map_or(0, |item| item.quality.code()));
        put_varint(&mut out, run.len() as u64);
    }
    put_sparse(&mut out, items, |item| (item.offset != 0).then_some(u64::from(item.offset)));
    put_sparse(&mut out, items, |item| item.stamp.map(|stamp| zigzag(stamp.wrapping_sub(item.at))));
    let times: Vec<i64> = items.iter().map(|item| item.at).collect();
    put_column(&mut out, &times, &steps().with_mode_spec(ModeSpec::Classic), plain_times);
    let values: Vec<f64> = items.iter().map(|item| item.value).collect();
    let way =
        if values.len() < SEARCHED_FROM { steps() } else { ChunkConfig::default().with_compression_level(EFFORT) };
    put_column(&mut out, &values, &way, plain_values);
    put_checksum(&mut out, 0);
    out
}

/// What only some of the readings have.
fn put_sparse(out: &mut Vec<u8>, items: &[Item], of: impl Fn(&Item) -> Option<u64>) {
    let some = || items.iter().enumerate().filter_map(|(place, item)| Some((place, of(item)?)));
    put_varint(out, some().count() as u64);
    let mut last = 0;
    for (place, value) in some() {
        put_varint(out, (place - last) as u64);
        put_varint(out, value);
        last = place;
    }
}

/// Each value as its distance from the last: times at a steady pace, and what a sensor measures.
fn steps() -> ChunkConfig {
    ChunkConfig::default().with_compression_level(EFFORT).with_delta_spec(DeltaSpec::TryConsecutive(1))
}

fn put_column<T: Number>(out: &mut Vec<u8>, column: &[T], way: &ChunkConfig, plain: impl Fn(&mut Vec<u8>, &[T])) {
    if column.len() >= COMPRESSED_FROM
        && let Ok(stream) = simple_compress(column, way)
    {
        out.push(PCODEC);
        put_varint(out, stream.len() as u64);
        out.extend_from_slice(&stream);
        return;
    }
    out.push(PLAIN);
    plain(out, column);
}

fn plain_times(out: &mut Vec<u8>, times: &[i64]) {
    let (mut at, mut step) = (0_i64, 0_i64);
    for time in times {
        let next = time.wrapping_sub(at);
        put_varint(out, zigzag(next.wrapping_sub(step)));
        (at, step) = (*time, next);
    }
}

fn plain_values(out: &mut Vec<u8>, values: &[f64]) {
    for pair in values.chunks(2) {
        let nibble = |n: usize| pair.get(n).map_or(0, |value| value_len(*value) as u8);
        out.push(nibble(0) | nibble(1) << 4);
    }
    for value in values {
        out.extend_from_slice(value.to_bits().to_be_bytes().split_at(value_len(*value)).0);
    }
}

/// Checks the whole blob and gives its readings, as those of `point`.
pub(super) fn decode(blob: &[u8], point: u32) -> Result<Vec<Item>, Damage> {
    decode_body(checked(blob)?, point)
}

fn decode_body(body: &[u8], point: u32) -> Result<Vec<Item>, Damage> {
    let mut input = Input(body);
    if input.byte()? != FORMAT {
        return Err(Damage("format is unknown"));
    }
    let n = usize::try_from(input.varint()?).ok().filter(|n| *n <= MAX_READINGS).ok_or(Damage("too many readings"))?;
    let blank = Item { point, at: 0, offset: 0, quality: Quality::Good, value: 0.0, stamp: None };
    let mut items = vec![blank; n];
    qualities(&mut input, &mut items)?;
    sparse(&mut input, &mut items, |item, offset| {
        item.offset = u32::try_from(offset).ok().filter(|n| *n < 1_000_000).ok_or(Damage("an offset above 1 ms"))?;
        Ok(())
    })?;
    let mut stamps = Vec::new();
    sparse_places(&mut input, n, |place, stamp| stamps.push((place, unzigzag(stamp))))?;
    let times = column(&mut input, n, times)?;
    let values = column(&mut input, n, values)?;
    for (item, (at, value)) in items.iter_mut().zip(times.into_iter().zip(values)) {
        (item.at, item.value) = (at, value);
    }
    for (place, stamp) in stamps {
        let Some(item) = items.get_mut(place) else { continue };
        item.stamp = Some(item.at.wrapping_add(stamp));
    }
    if input.0.is_empty() { Ok(items) } else { Err(Damage("bytes after the last column")) }
}

fn qualities(input: &mut Input<'_>, items: &mut [Item]) -> Result<(), Damage> {
    let mut rest = items;
    while !rest.is_empty() {
        let quality = Quality::from_code(input.byte()?).ok_or(Damage("a quality that can't be"))?;
        let run = usize::try_from(input.varint()?).unwrap_or(usize::MAX);
        let (these, others) = rest.split_at_mut_checked(run).ok_or(Damage("a run longer than its chunk"))?;
        if these.is_empty() {
            return Err(Damage("an empty run"));
        }
        for item in these {
            item.quality = quality;
        }
        rest = others;
    }
    Ok(())
}

fn sparse(
    input: &mut Input<'_>,
    items: &mut [Item],
    set: impl Fn(&mut Item, u64) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let mut some = Vec::new();
    sparse_places(input, items.len(), |place, value| some.push((place, value)))?;
    some.into_iter().try_for_each(|(place, value)| items.get_mut(place).map_or(Ok(()), |item| set(item, value)))
}

fn sparse_places(input: &mut Input<'_>, n: usize, mut visit: impl FnMut(usize, u64)) -> Result<(), Damage> {
    let count = input.varint()?;
    if count > n as u64 {
        return Err(Damage("more exceptions than readings"));
    }
    let mut place = 0_usize;
    for _ in 0..count {
        let step = usize::try_from(input.varint()?).unwrap_or(usize::MAX);
        place = place.checked_add(step).filter(|place| *place < n).ok_or(Damage("a place beyond the chunk"))?;
        visit(place, input.varint()?);
    }
    Ok(())
}

fn column<T: Number + Default>(
    input: &mut Input<'_>,
    n: usize,
    plain: impl Fn(&mut Input<'_>, usize) -> Result<Vec<T>, Damage>,
) -> Result<Vec<T>, Damage> {
    match input.byte()? {
        PLAIN => plain(input, n),
        PCODEC => {
            let len = usize::try_from(input.varint()?).unwrap_or(usize::MAX);
            let mut column = vec![T::default(); n];
            let progress = simple_decompress_into(input.take(len)?, &mut column);
            match progress {
                Ok(progress) if progress.n_processed == n && progress.finished => Ok(column),
                Ok(_) | Err(_) => Err(Damage("a compressed column can't be read")),
            }
        }
        _ => Err(Damage("a column of unknown kind")),
    }
}

fn times(input: &mut Input<'_>, n: usize) -> Result<Vec<i64>, Damage> {
    let (mut at, mut step) = (0_i64, 0_i64);
    let next = |_| {
        step = step.wrapping_add(unzigzag(input.varint()?));
        at = at.wrapping_add(step);
        Ok(at)
    };
    (0..n).map(next).collect()
}

fn values(input: &mut Input<'_>, n: usize) -> Result<Vec<f64>, Damage> {
    let nibbles = input.take(n.div_ceil(2))?;
    let lens = nibbles.iter().flat_map(|byte| [byte & 15, byte >> 4]).take(n);
    lens.map(|len| input.value(usize::from(len))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(a: &Item, b: &Item) -> bool {
        a.value.to_bits() == b.value.to_bits() && Item { value: 0.0, ..*a } == Item { value: 0.0, ..*b }
    }

    fn quality() -> impl Strategy<Value = Quality> {
        proptest::sample::select((0..=u8::MAX).filter_map(Quality::from_code).collect::<Vec<_>>())
    }

    fn items(most: usize) -> impl Strategy<Value = Vec<Item>> {
        let value = prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (-400_i32..400).prop_map(|n| f64::from(n) * 0.001),
            Just(0.0)
        ];
        let quality = prop_oneof![9 => Just(Quality::Good), 1 => quality()];
        let offset = prop_oneof![9 => Just(0_u32), 1 => 0_u32..1_000_000];
        let stamp = prop_oneof![9 => Just(None), 1 => any::<i64>().prop_map(Some)];
        let one = (0_i64..3_000, value, quality, offset, stamp);
        (any::<i64>(), proptest::collection::vec(one, 0..most)).prop_map(|(start, ones)| {
            let mut at = start;
            let item = |(step, value, quality, offset, stamp)| {
                at = at.wrapping_add(step);
                Item { point: 7, at, offset, quality, value, stamp }
            };
            ones.into_iter().map(item).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn what_goes_in_comes_out(items in items(1_200)) {
            let out = decode(&encode(&items), 7).expect("our own bytes");
            prop_assert_eq!(out.len(), items.len());
            for (a, b) in out.iter().zip(&items) {
                prop_assert!(same(a, b), "{:?} became {:?}", b, a);
            }
        }

        #[test]
        fn a_changed_byte_is_noticed_and_never_panics(items in items(700), at in any::<proptest::sample::Index>(), flip in 1_u8..) {
            let mut blob = encode(&items);
            let at = at.index(blob.len());
            blob[at] ^= flip;
            prop_assert!(decode(&blob, 7).is_err());
            let body = &blob[..blob.len() - 4];
            let _ = decode_body(body, 7);
            let _ = decode_body(&body[..at.min(body.len())], 7);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes, 7);
            let mut with_head = vec![FORMAT];
            with_head.extend_from_slice(&bytes);
            let _ = decode_body(&with_head, 7);
        }

        // A right sum proves no writer: what lies behind it may be of another program, or of a bug of our own.
        #[test]
        fn a_body_that_was_changed_and_summed_anew_is_survived(
            items in items(120),
            edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<Option<proptest::sample::Index>>(),
        ) {
            let mut blob = encode(&items);
            blob.truncate(blob.len() - 4);
            for (at, byte) in edits {
                let at = at.index(blob.len());
                blob[at] = byte;
            }
            blob.truncate(cut.map_or(blob.len(), |cut| cut.index(blob.len() + 1)));
            put_checksum(&mut blob, 0);
            prop_assert!(checked(&blob).is_ok(), "the decoder behind the sum is reached");
            if let Ok(out) = decode(&blob, 7) {
                prop_assert!(out.len() <= MAX_READINGS);
                prop_assert_eq!(summary(&out).n, out.len() as u64);
                let again = decode(&encode(&out), 7).expect("our own bytes");
                prop_assert!(again.len() == out.len() && again.iter().zip(&out).all(|(a, b)| same(a, b)));
            }
        }

        #[test]
        fn a_summary_of_parts_is_that_of_the_whole(items in items(60), cut in any::<proptest::sample::Index>()) {
            let cut = cut.index(items.len() + 1);
            let (mut parts, whole) = (summary(&items[..cut]), summary(&items));
            parts.plus(&summary(&items[cut..]));
            prop_assert_eq!((parts.n, parts.bad, parts.t_min, parts.t_max), (whole.n, whole.bad, whole.t_min, whole.t_max));
            prop_assert_eq!((parts.min.to_bits(), parts.max.to_bits()), (whole.min.to_bits(), whole.max.to_bits()));
            prop_assert_eq!((parts.last.to_bits(), parts.last_ns), (whole.last.to_bits(), whole.last_ns));
        }
    }

    /// An hour of a pressure transmitter at 1 Hz: 0.32 MPa, two counts of noise in thousandths.
    #[test]
    fn an_hour_of_a_transmitter_takes_less_than_a_byte_a_reading() {
        let mut noise = 1_u32;
        let mut item = |n: i64| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = (320.0 + f64::from((noise >> 24) % 9) - 4.0) * 0.001;
            Item { point: 7, at: 1_700_000_000_000 + n * 1000, offset: 0, quality: Quality::Good, value, stamp: None }
        };
        let items: Vec<Item> = (0..3600).map(&mut item).collect();
        let bytes = encode(&items).len();
        assert!(bytes < items.len(), "{bytes} bytes for {} readings", items.len());
    }
}
