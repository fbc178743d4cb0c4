//! The inverse of decoding: from a point's value to the registers that a gateway reads back as that very value.

use gengfu_core::normalize::Scaling;

use super::story::Reach;
use crate::config::checked::{ModbusPoint, Order, ValueType};

/// What a point puts into its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    /// Its words, in the order of their addresses; the first `width` count.
    Words { words: [u16; 4], width: u16 },
    /// One bit of the word at its address; the others belong to other points.
    Bit { mask: u16, set: bool },
}

/// The registers of `value`. A value that the type cannot carry becomes the nearest one that it can.
pub(super) fn encode(point: &ModbusPoint, value: f64) -> Cells {
    let raw = unscale(point.spec.scaling, value);
    let bytes = match point.ty {
        ValueType::Bit(n) => {
            let mask = 1_u16.checked_shl(u32::from(n)).unwrap_or(0);
            let swapped = matches!(point.order, Order::Badc | Order::Dcba);
            return Cells::Bit { mask: if swapped { mask.swap_bytes() } else { mask }, set: raw.round() != 0.0 };
        }
        ValueType::Bool => return words(&u16::from(raw.round() != 0.0).to_be_bytes(), Order::Abcd),
        // `as` rounds towards zero and saturates: the nearest value the type can carry.
        ValueType::U16 => return words(&(raw.round() as u16).to_be_bytes(), point.order),
        ValueType::I16 => return words(&(raw.round() as i16).to_be_bytes(), point.order),
        ValueType::U32 => return words(&(raw.round() as u32).to_be_bytes(), point.order),
        ValueType::I32 => return words(&(raw.round() as i32).to_be_bytes(), point.order),
        ValueType::U64 => (raw.round() as u64).to_be_bytes(),
        ValueType::I64 => (raw.round() as i64).to_be_bytes(),
        ValueType::F32 => return words(&nearest_f32(point.spec.scaling, raw, value).to_be_bytes(), point.order),
        ValueType::F64 => nearest_f64(point.spec.scaling, raw, value).to_be_bytes(),
    };
    words(&bytes, point.order)
}

/// The values a point of this type can carry, in its unit.
pub(super) fn reach(point: &ModbusPoint) -> Reach {
    let (low, high) = match point.ty {
        ValueType::Bool | ValueType::Bit(_) => return Reach::Binary,
        ValueType::U16 => (0.0, f64::from(u16::MAX)),
        ValueType::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        ValueType::U32 => (0.0, f64::from(u32::MAX)),
        ValueType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        ValueType::U64 => (0.0, u64::MAX as f64),
        ValueType::I64 => (i64::MIN as f64, i64::MAX as f64),
        ValueType::F32 => (f64::from(f32::MIN), f64::from(f32::MAX)),
        ValueType::F64 => (f64::MIN, f64::MAX),
    };
    let Scaling { scale, offset, .. } = point.spec.scaling;
    let (a, b) = (low * scale + offset, high * scale + offset);
    Reach::Number { low: a.min(b).max(f64::MIN), high: a.max(b).min(f64::MAX) }
}

/// The raw number behind a value. A scale of 0 has no inverse; every raw number is as good as 0 then.
pub(super) fn unscale(scaling: Scaling, value: f64) -> f64 {
    if scaling.scale == 0.0 { 0.0 } else { (value - scaling.offset) / scaling.scale }
}

/// The raw number or, where the division was inexact, the neighbour that scales back to exactly `value`.
fn nearest_f64(scaling: Scaling, raw: f64, value: f64) -> f64 {
    let exact = |candidate: &f64| scaling.apply(*candidate).0 == value;
    [raw, raw.next_up(), raw.next_down()].into_iter().find(exact).unwrap_or(raw)
}

/// As [`nearest_f64`], for single precision.
fn nearest_f32(scaling: Scaling, raw: f64, value: f64) -> f32 {
    let near = raw.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
    let exact = |candidate: &f32| scaling.apply(f64::from(*candidate)).0 == value;
    [near, near.next_up(), near.next_down()].into_iter().find(exact).unwrap_or(near)
}

/// Big-endian bytes laid into registers in the given order.
fn words(bytes: &[u8], order: Order) -> Cells {
    let (little_words, swap_bytes) = match order {
        Order::Abcd => (false, false),
        Order::Badc => (false, true),
        Order::Cdab => (true, false),
        Order::Dcba => (true, true),
    };
    let mut words = [0_u16; 4];
    let width = bytes.len() / 2;
    for (slot, pair) in words.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *slot = if swap_bytes { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
    }
    if little_words && let Some(used) = words.get_mut(..width) {
        used.reverse();
    }
    Cells::Words { words, width: width as u16 }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::config::checked::Table;
    use proptest::prelude::*;

    fn point(ty: ValueType, order: Order, scaling: Scaling) -> ModbusPoint {
        let mut point = testing::point("p", Table::Holding, 0, ty);
        (point.order, point.spec.scaling) = (order, scaling);
        point
    }

    /// Decoding as design.md section 6 describes it, written apart from the gateway's.
    fn decode(point: &ModbusPoint, cells: Cells) -> f64 {
        let (words, width) = match cells {
            Cells::Words { words, width } => (words, usize::from(width)),
            Cells::Bit { set, .. } => return point.spec.scaling.apply(f64::from(u8::from(set))).0,
        };
        let mut bytes: Vec<u8> = Vec::new();
        for i in 0..width {
            let from = if matches!(point.order, Order::Cdab | Order::Dcba) { width - 1 - i } else { i };
            let word = words[from];
            bytes.extend(if matches!(point.order, Order::Badc | Order::Dcba) {
                word.to_le_bytes()
            } else {
                word.to_be_bytes()
            });
        }
        let raw = match point.ty {
            ValueType::Bool => f64::from(u8::from(words[0] != 0)),
            ValueType::U16 => f64::from(u16::from_be_bytes(bytes.try_into().unwrap())),
            ValueType::I16 => f64::from(i16::from_be_bytes(bytes.try_into().unwrap())),
            ValueType::U32 => f64::from(u32::from_be_bytes(bytes.try_into().unwrap())),
            ValueType::I32 => f64::from(i32::from_be_bytes(bytes.try_into().unwrap())),
            ValueType::U64 => u64::from_be_bytes(bytes.try_into().unwrap()) as f64,
            ValueType::I64 => i64::from_be_bytes(bytes.try_into().unwrap()) as f64,
            ValueType::F32 => f64::from(f32::from_be_bytes(bytes.try_into().unwrap())),
            ValueType::F64 => f64::from_be_bytes(bytes.try_into().unwrap()),
            ValueType::Bit(_) => unreachable!("handled above"),
        };
        point.spec.scaling.apply(raw).0
    }

    fn cells(ty: ValueType, order: Order, value: f64) -> Vec<u16> {
        match encode(&point(ty, order, Scaling::default()), value) {
            Cells::Words { words, width } => words[..usize::from(width)].to_vec(),
            Cells::Bit { .. } => panic!("{ty:?} is not a bit"),
        }
    }

    #[test]
    fn the_four_orders_lie_as_the_vendors_say() {
        // 1.0 is 3F 80 00 00; a = 3F, b = 80.
        assert_eq!(cells(ValueType::F32, Order::Abcd, 1.0), [0x3F80, 0x0000]);
        assert_eq!(cells(ValueType::F32, Order::Badc, 1.0), [0x803F, 0x0000]);
        assert_eq!(cells(ValueType::F32, Order::Cdab, 1.0), [0x0000, 0x3F80]);
        assert_eq!(cells(ValueType::F32, Order::Dcba, 1.0), [0x0000, 0x803F]);
        let value = f64::from(0x0102_0304_u32);
        assert_eq!(cells(ValueType::U64, Order::Abcd, value), [0, 0, 0x0102, 0x0304]);
        assert_eq!(cells(ValueType::U64, Order::Cdab, value), [0x0304, 0x0102, 0, 0]);
    }

    #[test]
    fn what_the_type_cannot_carry_becomes_its_nearest() {
        assert_eq!(cells(ValueType::U16, Order::Abcd, -5.0), [0]);
        assert_eq!(cells(ValueType::U16, Order::Abcd, 1e9), [u16::MAX]);
        assert_eq!(cells(ValueType::I16, Order::Abcd, -1e9), [0x8000]);
        assert_eq!(cells(ValueType::U16, Order::Abcd, f64::NAN), [0]);
    }

    #[test]
    fn a_bit_touches_its_own_place_only() {
        let on = encode(&point(ValueType::Bit(3), Order::Abcd, Scaling::default()), 1.0);
        assert_eq!(on, Cells::Bit { mask: 8, set: true });
        let swapped = encode(&point(ValueType::Bit(3), Order::Badc, Scaling::default()), 0.0);
        assert_eq!(swapped, Cells::Bit { mask: 0x0800, set: false });
    }

    fn orders() -> impl Strategy<Value = Order> {
        prop::sample::select(vec![Order::Abcd, Order::Badc, Order::Cdab, Order::Dcba])
    }

    proptest! {
        #[test]
        fn integers_come_back_as_they_went(
            raw: i32, order in orders(), offset in -100.0..100.0_f64,
            scale in prop::sample::select(vec![1.0, 0.001, 0.01, 0.1, -0.5, 10.0]),
            ty in prop::sample::select(vec![
                ValueType::U16, ValueType::I16, ValueType::U32, ValueType::I32, ValueType::U64, ValueType::I64,
            ]),
        ) {
            let signed = matches!(ty, ValueType::I32 | ValueType::I64);
            let raw = match ty.width() {
                1 if ty == ValueType::I16 => f64::from(raw as i16),
                1 => f64::from(raw as u16),
                _ if signed => f64::from(raw),
                _ => f64::from(raw as u32),
            };
            let point = point(ty, order, Scaling { scale, offset, range: None });
            let value = point.spec.scaling.apply(raw).0;
            prop_assert_eq!(decode(&point, encode(&point, value)), value);
        }

        #[test]
        fn floats_come_back_as_they_went(value in -1e30..1e30_f32, wide in prop::num::f64::NORMAL, order in orders()) {
            let single = point(ValueType::F32, order, Scaling::default());
            prop_assert_eq!(decode(&single, encode(&single, f64::from(value))), f64::from(value));
            let double = point(ValueType::F64, order, Scaling::default());
            prop_assert_eq!(decode(&double, encode(&double, wide)), wide);
        }

        #[test]
        fn a_scaled_float_comes_back(raw in -1e6..1e6_f32, order in orders(), scale in 0.001..1000.0_f64) {
            let point = point(ValueType::F32, order, Scaling { scale, offset: 0.0, range: None });
            let value = point.spec.scaling.apply(f64::from(raw)).0;
            prop_assert_eq!(decode(&point, encode(&point, value)), value);
        }

        #[test]
        fn what_lies_in_reach_survives_within_one_count(raw in 0.0..1.0_f64, order in orders(), offset in -9.0..9.0_f64) {
            let point = point(ValueType::I16, order, Scaling { scale: 0.01, offset, range: None });
            let Reach::Number { low, high } = reach(&point) else { panic!("i16 is a number") };
            let value = low + (high - low) * raw;
            prop_assert!((decode(&point, encode(&point, value)) - value).abs() <= 0.00501);
        }
    }
}
