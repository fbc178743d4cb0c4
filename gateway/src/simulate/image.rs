//! The registers of one unit, in four tables, computed when they are read.

use super::encode::{Cells, encode, reach};
use super::signal::Signal;
use super::story::Story;
use crate::config::checked::{ModbusDevice, ModbusPoint, Table, ValueType};

/// Registers a point takes at most.
const WIDEST: u32 = 4;

/// All four tables of a unit.
#[derive(Debug, Default)]
pub(super) struct Image {
    coils: Bank,
    discretes: Bank,
    inputs: Bank,
    holdings: Bank,
}

/// One table: the points by address, and the addresses that exist.
#[derive(Debug, Default)]
struct Bank {
    points: Vec<Live>,
    /// `(first, one past the last)`, ascending and apart.
    spans: Vec<(u32, u32)>,
}

#[derive(Debug)]
struct Live {
    point: ModbusPoint,
    signal: Signal,
}

impl Image {
    /// Adds a device's points; several devices may share a unit.
    pub(super) fn add(&mut self, device: &ModbusDevice, story: &Story) {
        for point in &device.points {
            let signal = story.signal(&device.name, &point.spec, reach(point));
            self.bank_mut(point.table).points.push(Live { point: point.clone(), signal });
        }
        for bank in [&mut self.coils, &mut self.discretes, &mut self.inputs, &mut self.holdings] {
            bank.settle();
        }
    }

    /// The words of `address..address + count` at story time `t`; `None` where one of them does not exist.
    pub(super) fn read(&self, table: Table, address: u16, count: u16, t: u64) -> Option<Vec<u16>> {
        let bank = match table {
            Table::Coil => &self.coils,
            Table::Discrete => &self.discretes,
            Table::Input => &self.inputs,
            Table::Holding => &self.holdings,
        };
        bank.read(u32::from(address), u32::from(count), t)
    }

    fn bank_mut(&mut self, table: Table) -> &mut Bank {
        match table {
            Table::Coil => &mut self.coils,
            Table::Discrete => &mut self.discretes,
            Table::Input => &mut self.inputs,
            Table::Holding => &mut self.holdings,
        }
    }
}

impl Bank {
    /// Sorts the points, bits behind the words they lie in, and finds the spans.
    fn settle(&mut self) {
        self.points.sort_by_key(|live| (live.point.address, matches!(live.point.ty, ValueType::Bit(_))));
        self.spans.clear();
        for live in &self.points {
            let from = u32::from(live.point.address);
            let to = from + u32::from(live.point.ty.width());
            match self.spans.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                Some(_) | None => self.spans.push((from, to)),
            }
        }
    }

    fn read(&self, first: u32, count: u32, t: u64) -> Option<Vec<u16>> {
        let end = first + count;
        if !self.spans.iter().any(|(from, to)| *from <= first && end <= *to) {
            return None;
        }
        let mut words = vec![0_u16; count as usize];
        let start = self.points.partition_point(|live| u32::from(live.point.address) + WIDEST <= first);
        for live in self.points.iter().skip(start).take_while(|live| u32::from(live.point.address) < end) {
            live.write(&mut words, first, t);
        }
        Some(words)
    }
}

impl Live {
    /// Writes what of the point lies in the window that starts at `first`.
    fn write(&self, window: &mut [u16], first: u32, t: u64) {
        let at = u32::from(self.point.address);
        let slot = |offset: u32| (at + offset).checked_sub(first).map(|i| i as usize);
        match encode(&self.point, self.signal.at(t)) {
            Cells::Words { words, width } => {
                for (offset, word) in (0..u32::from(width)).zip(words) {
                    if let Some(cell) = slot(offset).and_then(|i| window.get_mut(i)) {
                        *cell = word;
                    }
                }
            }
            Cells::Bit { mask, set } => {
                if let Some(cell) = slot(0).and_then(|i| window.get_mut(i)) {
                    *cell = if set { *cell | mask } else { *cell & !mask };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::config::checked::Order;

    fn image(points: Vec<ModbusPoint>) -> Image {
        let mut image = Image::default();
        image.add(&testing::device("dev", 1, points), &Story::plain(1));
        image
    }

    fn word(name: &str, address: u16, ty: ValueType) -> ModbusPoint {
        testing::point(name, Table::Holding, address, ty)
    }

    #[test]
    fn only_the_addresses_of_points_exist() {
        let image = image(vec![word("a", 10, ValueType::U16), word("b", 11, ValueType::F32)]);
        assert_eq!(image.read(Table::Holding, 10, 3, 0).map(|w| w.len()), Some(3));
        assert_eq!(image.read(Table::Holding, 9, 2, 0), None);
        assert_eq!(image.read(Table::Holding, 12, 2, 0), None);
        assert_eq!(image.read(Table::Input, 10, 1, 0), None);
    }

    #[test]
    fn the_last_address_of_all_can_be_read() {
        let image = image(vec![word("a", u16::MAX, ValueType::U16)]);
        assert!(image.read(Table::Holding, u16::MAX, 1, 0).is_some());
        assert_eq!(image.read(Table::Holding, u16::MAX, 2, 0), None);
    }

    #[test]
    fn a_part_of_a_wide_point_is_the_same_as_the_whole_of_it() {
        let mut wide = word("a", 100, ValueType::F64);
        wide.order = Order::Cdab;
        let image = image(vec![wide]);
        let whole = image.read(Table::Holding, 100, 4, 7_000).unwrap();
        for i in 0..4_u16 {
            assert_eq!(image.read(Table::Holding, 100 + i, 1, 7_000).unwrap(), [whole[usize::from(i)]]);
        }
    }

    #[test]
    fn bits_lie_on_top_of_the_word_they_share() {
        let on = Signal::Pulse { period: 1, width: 1, seed: 0 };
        let off = Signal::Pulse { period: 1, width: 0, seed: 0 };
        let seven = Signal::Wander { low: 7.0, high: 7.0, period: 1, seed: 0 };
        let mut bank = Bank::default();
        for (name, ty, signal) in
            [("b5", ValueType::Bit(5), on), ("b0", ValueType::Bit(0), off), ("word", ValueType::U16, seven)]
        {
            bank.points.push(Live { point: word(name, 3, ty), signal });
        }
        bank.settle();
        assert_eq!(bank.read(3, 1, 0), Some(vec![0b10_0110]));
    }
}
