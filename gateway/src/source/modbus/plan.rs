//! Which blocks a device is asked for, and where its points lie in them.

use crate::config::checked::{ModbusPoint, Table};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub table: Table,
    pub start: u16,
    pub count: u16,
}

/// Where a point's first register (or coil) lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub read: usize,
    pub offset: u16,
}

/// A device's requests, and the place of each point in the device's point order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub reads: Vec<Read>,
    pub places: Vec<Place>,
}

/// One request a point.
pub fn plan(points: &[ModbusPoint]) -> Plan {
    let reads = points.iter().map(|p| Read { table: p.table, start: p.address, count: p.ty.width() }).collect();
    let places = (0..points.len()).map(|read| Place { read, offset: 0 }).collect();
    Plan { reads, places }
}
