//! The read plan: which requests fetch the points of a device, and what that costs a line. Pure; `check` prints it,
//! the poller follows it.
//!
//! Registers that touch or overlap are fetched together; a gap is never read, since a device may answer a register
//! nobody owns with an exception that costs the whole request. A value of several registers is never split.

use std::time::Duration;

use crate::config::checked::{ModbusDevice, ModbusLine, ModbusPoint, Table};

/// Registers one request may ask for (Modbus Application Protocol V1.1b3, 6.3 and 6.4).
pub const MAX_REGISTERS: u16 = 125;
/// Coils or discrete inputs one request may ask for (6.1 and 6.2).
pub const MAX_BITS: u16 = 2_000;
/// What one request over Modbus TCP is reckoned to take, there and back: typical gateways answer in 1 to 10 ms.
/// Only `check`'s estimate uses it; the poller measures.
pub const REQUEST_TIME: Duration = Duration::from_millis(5);

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub table: Table,
    pub start: u16,
    /// Registers, coils or discrete inputs.
    pub count: u16,
}

/// Where a point's value is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index into [`Plan::reads`].
    pub read: usize,
    /// Registers (or bits) from the beginning of that read.
    pub offset: u16,
}

/// The requests of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of table and address.
    pub reads: Vec<Read>,
    /// One for each point, in the order of the points.
    pub places: Vec<Place>,
}

/// Most that one request may ask of a table.
pub const fn limit(table: Table) -> u16 {
    match table {
        Table::Coil | Table::Discrete => MAX_BITS,
        Table::Input | Table::Holding => MAX_REGISTERS,
    }
}

/// Plans the reads of a device's points. Points whose registers end beyond 65535 do not occur: the configuration
/// refuses them.
pub fn plan(points: &[ModbusPoint]) -> Plan {
    let mut order: Vec<(usize, &ModbusPoint)> = points.iter().enumerate().collect();
    order.sort_by_key(|(_, point)| (point.table, point.address, point.ty.width()));
    let mut reads: Vec<Read> = Vec::new();
    let mut places = vec![Place { read: 0, offset: 0 }; points.len()];
    for (index, point) in order {
        let widened = reads.last().and_then(|read| widen(*read, point));
        match (widened, reads.last_mut()) {
            (Some(wider), Some(last)) => *last = wider,
            _ => reads.push(Read { table: point.table, start: point.address, count: point.ty.width() }),
        }
        let read = reads.len() - 1;
        if let (Some(place), Some(last)) = (places.get_mut(index), reads.last()) {
            *place = Place { read, offset: point.address - last.start };
        }
    }
    Plan { reads, places }
}

/// The read that also fetches `point`, which begins at or after it; `None` if there is a gap or it would be too long.
fn widen(read: Read, point: &ModbusPoint) -> Option<Read> {
    let end = u32::from(read.start) + u32::from(read.count);
    let address = u32::from(point.address);
    if point.table != read.table || address > end {
        return None;
    }
    let count = end.max(address + u32::from(point.ty.width())) - u32::from(read.start);
    let count = u16::try_from(count).ok().filter(|count| *count <= limit(read.table))?;
    Some(Read { count, ..read })
}

/// What is asked of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Requests that read every device once.
    pub requests: usize,
    /// How long these take.
    pub cycle: Duration,
    /// Share of the time in which the line is busy, in percent.
    pub percent: f64,
}

/// The load of one device on its line.
pub fn device_load(device: &ModbusDevice) -> Load {
    let requests = plan(&device.points).reads.len();
    let cycle = REQUEST_TIME * requests as u32;
    Load { requests, cycle, percent: 100.0 * cycle.as_secs_f64() / device.every.as_secs_f64() }
}

/// The load of a line: one request at a time, one device after the other.
pub fn line_load(line: &ModbusLine) -> Load {
    let nothing = Load { requests: 0, cycle: Duration::ZERO, percent: 0.0 };
    line.devices.iter().map(device_load).fold(nothing, |sum, load| Load {
        requests: sum.requests + load.requests,
        cycle: sum.cycle + load.cycle,
        percent: sum.percent + load.percent,
    })
}

#[cfg(test)]
mod tests {
    use gengfu_core::normalize::Scaling;
    use proptest::prelude::*;

    use super::*;
    use crate::config::checked::{Order, PointSpec, ValueType};

    fn point(table: Table, address: u16, ty: ValueType) -> ModbusPoint {
        let spec = PointSpec {
            name: "p".to_owned(),
            unit: None,
            scaling: Scaling::default(),
            life_safety: false,
            bad_after: Duration::from_secs(10),
            stale_after: None,
        };
        ModbusPoint { spec, table, address, ty, order: Order::Abcd }
    }

    fn holding(list: &[(u16, ValueType)]) -> Vec<ModbusPoint> {
        list.iter().map(|(address, ty)| point(Table::Holding, *address, *ty)).collect()
    }

    fn spans(plan: &Plan) -> Vec<(u16, u16)> {
        plan.reads.iter().map(|read| (read.start, read.count)).collect()
    }

    #[test]
    fn touching_registers_are_one_read_and_gaps_are_not_read() {
        let plan = plan(&holding(&[(4, ValueType::U16), (0, ValueType::F32), (2, ValueType::I16)]));
        assert_eq!(spans(&plan), [(0, 3), (4, 1)]);
        assert_eq!(
            plan.places,
            [Place { read: 1, offset: 0 }, Place { read: 0, offset: 0 }, Place { read: 0, offset: 2 }]
        );
    }

    #[test]
    fn overlapping_registers_of_different_types_share_a_read() {
        let plan =
            plan(&holding(&[(0, ValueType::F64), (1, ValueType::U16), (2, ValueType::U32), (3, ValueType::Bit(7))]));
        assert_eq!(spans(&plan), [(0, 4)]);
        assert_eq!(plan.places.iter().map(|place| place.offset).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_value_is_not_split_at_the_limit() {
        let mut list: Vec<(u16, ValueType)> = (0..124).map(|address| (address, ValueType::U16)).collect();
        list.push((124, ValueType::F32));
        assert_eq!(spans(&plan(&holding(&list))), [(0, 124), (124, 2)]);
    }

    #[test]
    fn tables_are_read_apart_and_bits_go_further() {
        let mut points: Vec<_> = (0..2_001).map(|address| point(Table::Coil, address, ValueType::Bool)).collect();
        points.push(point(Table::Discrete, 2_001, ValueType::Bool));
        assert_eq!(spans(&plan(&points)), [(0, 2_000), (2_000, 1), (2_001, 1)]);
    }

    #[test]
    fn the_last_register_there_is() {
        let plan = plan(&holding(&[(65_535, ValueType::U16), (65_532, ValueType::F64)]));
        assert_eq!(spans(&plan), [(65_532, 4)]);
    }

    #[test]
    fn load_adds_up() {
        let device = |every: u64, points| ModbusDevice {
            name: "d".to_owned(),
            unit: 1,
            every: Duration::from_millis(every),
            kind: "device".to_owned(),
            area: None,
            points,
        };
        let two_reads = holding(&[(0, ValueType::U16), (10, ValueType::U16)]);
        let line = ModbusLine {
            name: "l".to_owned(),
            address: "h:502".to_owned(),
            timeout: Duration::from_millis(500),
            devices: vec![device(100, two_reads.clone()), device(1_000, two_reads), device(1_000, Vec::new())],
        };
        let load = line_load(&line);
        assert_eq!((load.requests, load.cycle), (4, Duration::from_millis(20)));
        assert!((load.percent - 11.0).abs() < 1e-9, "{load:?}");
    }

    fn any_point() -> impl Strategy<Value = ModbusPoint> {
        let types =
            prop_oneof![Just(ValueType::U16), Just(ValueType::F32), Just(ValueType::F64), Just(ValueType::Bit(3))];
        let tables = prop_oneof![
            Just(Table::Coil),
            Just(Table::Discrete),
            Just(Table::Input),
            Just(Table::Holding),
            Just(Table::Holding),
        ];
        // Dense, so that much touches and overlaps; at both ends of the address space.
        let addresses = prop_oneof![0_u16..300, 65_300_u16..=65_532];
        (tables, addresses, types).prop_map(|(table, address, ty)| {
            let bits = matches!(table, Table::Coil | Table::Discrete);
            point(table, address, if bits { ValueType::Bool } else { ty })
        })
    }

    proptest! {
        #[test]
        fn every_point_is_found_and_nothing_else_is_read(points in prop::collection::vec(any_point(), 0..400)) {
            let plan = plan(&points);
            prop_assert_eq!(plan.places.len(), points.len());
            let mut owned: Vec<Vec<bool>> = plan.reads.iter().map(|read| vec![false; read.count as usize]).collect();
            for (point, place) in points.iter().zip(&plan.places) {
                let read = plan.reads[place.read];
                prop_assert_eq!(read.table, point.table);
                prop_assert_eq!(read.start + place.offset, point.address);
                let cells = &mut owned[place.read][place.offset as usize..];
                prop_assert!(cells.len() >= point.ty.width() as usize, "a value is split: {:?} in {:?}", point, read);
                cells[..point.ty.width() as usize].fill(true);
            }
            for (read, cells) in plan.reads.iter().zip(owned) {
                prop_assert!(read.count >= 1 && read.count <= limit(read.table));
                prop_assert!(cells.iter().all(|cell| *cell), "a register nobody owns is read: {:?}", read);
            }
        }

        #[test]
        fn reads_that_touch_were_too_long_to_be_one(points in prop::collection::vec(any_point(), 0..400)) {
            let plan = plan(&points);
            for pair in plan.reads.windows(2) {
                let (a, b) = (pair[0], pair[1]);
                let end = u32::from(a.start) + u32::from(a.count);
                if a.table == b.table && u32::from(b.start) <= end {
                    let first = points.iter().filter(|p| p.table == b.table && p.address == b.start);
                    let widest = first.map(|p| p.ty.width()).max().unwrap_or(0);
                    let together = u32::from(b.start) + u32::from(widest) - u32::from(a.start);
                    prop_assert!(together > u32::from(limit(a.table)));
                }
            }
        }
    }
}
