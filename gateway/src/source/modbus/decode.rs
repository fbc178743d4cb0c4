//! From registers and coils to a number. Pure and exact: every type but the 64-bit integers fits an f64 without loss;
//! `u64` and `i64` beyond 2^53 are rounded to the nearest f64 (energy counters reach it after centuries).

use crate::config::checked::{Order, ValueType};

/// What a device sent for one request, its length already held against the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// Holding or input registers.
    Words(Vec<u16>),
    /// Coils or discrete inputs.
    Bits(Vec<bool>),
}

impl Block {
    /// The raw number at `offset`; `None` where the block is too short for it or of the wrong table.
    /// May be NaN or infinite: `Scaling::apply` makes bad(not-a-number) of it.
    #[inline]
    pub(super) fn number(&self, offset: u16, ty: ValueType, order: Order) -> Option<f64> {
        match self {
            Self::Bits(bits) => bits.get(usize::from(offset)).map(|bit| f64::from(u8::from(*bit))),
            Self::Words(words) => {
                let from = usize::from(offset);
                words.get(from..from + usize::from(ty.width())).and_then(|words| number(words, ty, order))
            }
        }
    }
}

/// `words` holds exactly what `ty` takes.
fn number(words: &[u16], ty: ValueType, order: Order) -> Option<f64> {
    let one = || words.first().map(|word| if swaps_bytes(order) { word.swap_bytes() } else { *word });
    Some(match ty {
        ValueType::Bool => f64::from(u8::from(one()? != 0)),
        ValueType::Bit(n) => f64::from((one()?.checked_shr(u32::from(n)).unwrap_or(0)) & 1),
        ValueType::U16 => f64::from(one()?),
        ValueType::I16 => f64::from(one()? as i16),
        ValueType::U32 => f64::from(big(words, order) as u32),
        ValueType::I32 => f64::from(big(words, order) as u32 as i32),
        ValueType::F32 => f64::from(f32::from_bits(big(words, order) as u32)),
        ValueType::U64 => big(words, order) as f64,
        ValueType::I64 => big(words, order) as i64 as f64,
        ValueType::F64 => f64::from_bits(big(words, order)),
    })
}

/// The words put together, most significant first whatever the wire's order.
#[inline]
fn big(words: &[u16], order: Order) -> u64 {
    let join =
        |acc: u64, word: &u16| (acc << 16) | u64::from(if swaps_bytes(order) { word.swap_bytes() } else { *word });
    match order {
        Order::Abcd | Order::Badc => words.iter().fold(0, join),
        Order::Cdab | Order::Dcba => words.iter().rev().fold(0, join),
    }
}

const fn swaps_bytes(order: Order) -> bool {
    matches!(order, Order::Badc | Order::Dcba)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ORDERS: [Order; 4] = [Order::Abcd, Order::Badc, Order::Cdab, Order::Dcba];

    /// The device's side, written from the definition: bytes `a` most significant first, then laid out by the pattern.
    fn registers(bytes: &[u8], order: Order) -> Vec<u16> {
        let mut words: Vec<[u8; 2]> = bytes.chunks(2).map(|pair| [pair[0], pair[1]]).collect();
        if matches!(order, Order::Cdab | Order::Dcba) {
            words.reverse();
        }
        words
            .into_iter()
            .map(|[high, low]| match order {
                Order::Abcd | Order::Cdab => u16::from_be_bytes([high, low]),
                Order::Badc | Order::Dcba => u16::from_be_bytes([low, high]),
            })
            .collect()
    }

    fn read(bytes: &[u8], ty: ValueType, order: Order) -> f64 {
        Block::Words(registers(bytes, order)).number(0, ty, order).unwrap()
    }

    #[test]
    fn the_four_orders_of_one_float() {
        // 1.5f32 = 0x3FC00000
        for (order, words) in [
            (Order::Abcd, [0x3FC0, 0x0000]),
            (Order::Badc, [0xC03F, 0x0000]),
            (Order::Cdab, [0x0000, 0x3FC0]),
            (Order::Dcba, [0x0000, 0xC03F]),
        ] {
            assert_eq!(Block::Words(words.to_vec()).number(0, ValueType::F32, order), Some(1.5), "{order:?}");
        }
    }

    #[test]
    fn bits_and_bools() {
        let block = Block::Words(vec![0, 0b1000_0000_0000_0100]);
        let at = |ty| block.number(1, ty, Order::Abcd);
        assert_eq!(at(ValueType::Bit(2)), Some(1.0));
        assert_eq!(at(ValueType::Bit(3)), Some(0.0));
        assert_eq!(at(ValueType::Bit(15)), Some(1.0));
        assert_eq!(at(ValueType::Bit(16)), Some(0.0));
        assert_eq!(at(ValueType::Bool), Some(1.0));
        assert_eq!(block.number(0, ValueType::Bool, Order::Abcd), Some(0.0));
        assert_eq!(Block::Bits(vec![false, true]).number(1, ValueType::Bool, Order::Abcd), Some(1.0));
    }

    #[test]
    fn what_is_not_there_is_none() {
        let block = Block::Words(vec![1, 2, 3]);
        assert_eq!(block.number(2, ValueType::U32, Order::Abcd), None);
        assert_eq!(block.number(3, ValueType::U16, Order::Abcd), None);
        assert_eq!(block.number(u16::MAX, ValueType::F64, Order::Abcd), None);
        assert_eq!(Block::Bits(vec![]).number(0, ValueType::Bool, Order::Abcd), None);
    }

    #[test]
    fn not_a_number_leaves_as_bad() {
        use gengfu_core::{
            normalize::Scaling,
            quality::{Quality, Reason},
        };
        for bits in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let raw = read(&bits.to_be_bytes(), ValueType::F32, Order::Cdab);
            assert_eq!(Scaling::default().apply(raw).1, Quality::Bad(Reason::NotANumber));
        }
    }

    proptest! {
        #[test]
        fn every_type_comes_back_in_every_order(raw in any::<u64>(), which in 0_usize..4) {
            let order = ORDERS[which];
            prop_assert_eq!(read(&(raw as u16).to_be_bytes(), ValueType::U16, order), f64::from(raw as u16));
            prop_assert_eq!(read(&(raw as i16).to_be_bytes(), ValueType::I16, order), f64::from(raw as i16));
            prop_assert_eq!(read(&(raw as u32).to_be_bytes(), ValueType::U32, order), f64::from(raw as u32));
            prop_assert_eq!(read(&(raw as i32).to_be_bytes(), ValueType::I32, order), f64::from(raw as i32));
            prop_assert_eq!(read(&raw.to_be_bytes(), ValueType::U64, order), raw as f64);
            prop_assert_eq!(read(&(raw as i64).to_be_bytes(), ValueType::I64, order), raw as i64 as f64);
            let f = f32::from_bits(raw as u32);
            prop_assert_eq!(read(&f.to_be_bytes(), ValueType::F32, order).to_bits(), f64::from(f).to_bits());
            let d = f64::from_bits(raw);
            prop_assert_eq!(read(&d.to_be_bytes(), ValueType::F64, order).to_bits(), d.to_bits());
        }

        #[test]
        fn any_block_is_survived(words in prop::collection::vec(any::<u16>(), 0..6), at in 0_u16..8, which in 0_usize..4) {
            let block = Block::Words(words);
            for ty in [ValueType::U16, ValueType::I32, ValueType::U64, ValueType::F32, ValueType::F64] {
                let _ = block.number(at, ty, ORDERS[which]);
            }
        }

        #[test]
        fn small_integers_of_64_bits_are_exact(raw in -(1_i64 << 53)..(1_i64 << 53), which in 0_usize..4) {
            prop_assert_eq!(read(&raw.to_be_bytes(), ValueType::I64, ORDERS[which]) as i64, raw);
        }
    }
}
