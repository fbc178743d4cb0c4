//! Which points a rule looks at beside its own, by name. Names become indices here, as points come in whatever order; core knows
//! indices alone.

use std::collections::HashMap;

use gengfu_core::reading::PointId;

use crate::config::checked::{Rule, full_name};

/// A place that a point takes in a rule on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) binding: u32,
    pub(super) channel: u8,
}

#[derive(Debug, Default)]
pub(super) struct Leads {
    /// Some rule looks at several points; else no name is kept.
    any: bool,
    known: HashMap<String, PointId>,
    /// Seats of points that are not there yet.
    empty: HashMap<String, Vec<Seat>>,
}

impl Leads {
    pub(super) fn new(rules: &[Rule]) -> Self {
        Self { any: rules.iter().any(|rule| !rule.beside.is_empty()), ..Self::default() }
    }

    /// A point has come; gives the seats that waited for it, in the order of their bindings.
    pub(super) fn came(&mut self, point: PointId, name: &str) -> Vec<Seat> {
        if !self.any {
            return Vec::new();
        }
        self.known.insert(name.to_owned(), point);
        self.empty.remove(name).unwrap_or_default()
    }

    /// A rule that looks at `beside` was bound to the point `home`; gives the points that are there, and their seats.
    pub(super) fn bound(&mut self, binding: u32, home: &str, beside: &[String]) -> Vec<(PointId, Seat)> {
        let mut seats = Vec::new();
        for (name, channel) in beside.iter().map(|other| full_name(home, other)).zip(1..) {
            let seat = Seat { binding, channel };
            match self.known.get(&name) {
                Some(point) => seats.push((*point, seat)),
                None => self.empty.entry(name).or_default().push(seat),
            }
        }
        seats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule on `pump/heat` that looks at `flow` of the pump and at `tank/level`.
    fn beside() -> Vec<String> {
        vec!["flow".to_owned(), "tank/level".to_owned()]
    }

    fn leads() -> Leads {
        Leads { any: true, ..Leads::default() }
    }

    #[test]
    fn whoever_comes_first_all_seats_are_taken_in_the_end() {
        let (flow, level) = (Seat { binding: 7, channel: 1 }, Seat { binding: 7, channel: 2 });
        let mut first = leads();
        assert_eq!(first.bound(7, "pump/heat", &beside()), []);
        assert_eq!(first.came(PointId(3), "tank/level"), [level]);
        assert_eq!(first.came(PointId(4), "pump/flow"), [flow]);
        assert_eq!(first.came(PointId(5), "tank/flow"), [], "a point of another device");
        let mut last = leads();
        last.came(PointId(4), "pump/flow");
        assert_eq!(last.bound(7, "pump/heat", &beside()), [(PointId(4), flow)]);
        assert_eq!(last.came(PointId(3), "tank/level"), [level]);
        assert_eq!(last.came(PointId(3), "tank/level"), [], "once");
    }

    #[test]
    fn one_rule_on_many_devices_looks_at_each_ones_own() {
        let mut leads = leads();
        leads.bound(1, "pump-1/heat", &beside());
        leads.bound(2, "pump-2/heat", &beside());
        assert_eq!(leads.came(PointId(9), "pump-2/flow"), [Seat { binding: 2, channel: 1 }]);
        let both = leads.came(PointId(8), "tank/level").iter().map(|seat| seat.binding).collect::<Vec<_>>();
        assert_eq!(both, [1, 2], "in the order of their bindings");
    }
}
