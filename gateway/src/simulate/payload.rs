//! JSON that satisfies a subscription's pointers.

use gengfu_core::time::Wall;
use serde_json::{Map, Value};

use super::encode::unscale;
use super::signal::Signal;
use super::story::{Reach, Story};
use crate::config::checked::MqttPoint;

/// Largest array index a pointer may make; beyond it the step is taken as a key.
const MAX_INDEX: usize = 63;
/// Decimals of the numbers sent: what a sensor would send, not seventeen digits.
const DECIMALS: f64 = 1e4;

/// One value of a payload.
#[derive(Debug)]
pub(super) struct Field {
    point: MqttPoint,
    signal: Signal,
}

impl Field {
    pub(super) fn new(device: &str, point: &MqttPoint, story: &Story) -> Self {
        // A point without unit and range is a state (open, occupied), sent as 0 or 1.
        let state = point.spec.unit.is_none() && point.spec.scaling.range.is_none();
        let reach = if state { Reach::Binary } else { Reach::ANY };
        Self { signal: story.signal(device, &point.spec, reach), point: point.clone() }
    }

    fn number(&self, t: u64) -> Value {
        let raw = unscale(self.point.spec.scaling, self.signal.at(t));
        let rounded = (raw * DECIMALS).round() / DECIMALS;
        let whole = rounded.trunc() == rounded && rounded.abs() < 1e15;
        if whole { Value::from(rounded as i64) } else { Value::from(rounded) }
    }
}

/// The payload of a device at story time `t`; `wall` goes where the points want their time. A single point that takes
/// the whole payload gets its bare number.
pub(super) fn payload(fields: &[Field], t: u64, wall: Wall) -> Vec<u8> {
    let mut whole = Value::Object(Map::new());
    for field in fields {
        put(&mut whole, &field.point.value, field.number(t));
        if let Some(time) = &field.point.time {
            put(&mut whole, time, Value::from(wall.0));
        }
    }
    whole.to_string().into_bytes()
}

/// Sets what the JSON pointer (RFC 6901) points at, making what lies on the way.
fn put(whole: &mut Value, pointer: &str, value: Value) {
    let mut place = whole;
    for step in pointer.split('/').skip(1) {
        let key = step.replace("~1", "/").replace("~0", "~");
        place = descend(place, key);
    }
    *place = value;
}

/// The child `key`; a leaf in its way gives way.
fn descend(place: &mut Value, key: String) -> &mut Value {
    let index = key.parse::<usize>().ok().filter(|i| *i <= MAX_INDEX && i.to_string() == key);
    if let Some(i) = index
        && !matches!(place, Value::Object(map) if !map.is_empty())
    {
        if !place.is_array() {
            *place = Value::Array(Vec::new());
        }
        if let Value::Array(items) = place {
            while items.len() <= i {
                items.push(Value::Null);
            }
            return items.get_mut(i).expect("the array was just made long enough");
        }
    }
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    place.as_object_mut().expect("it was just made an object").entry(key).or_insert(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::super::testing::mqtt_point;
    use super::*;
    use proptest::prelude::*;

    fn made(points: &[MqttPoint]) -> Value {
        let fields: Vec<Field> = points.iter().map(|p| Field::new("dev", p, &Story::plain(1))).collect();
        serde_json::from_slice(&payload(&fields, 5_000, Wall(1_700_000_000_123))).unwrap()
    }

    #[test]
    fn every_pointer_finds_a_number_and_every_time_the_stamp() {
        let points = [
            mqtt_point("lel", "/lel", Some("/ts")),
            mqtt_point("deep", "/data/0/value", Some("/data/0/at")),
            mqtt_point("second", "/data/1/value", None),
            mqtt_point("odd", "/a~1b/c~0d", None),
        ];
        let json = made(&points);
        for point in &points {
            assert!(json.pointer(&point.value).is_some_and(Value::is_number), "{} in {json}", point.value);
        }
        assert_eq!(json.pointer("/ts"), Some(&Value::from(1_700_000_000_123_i64)));
        assert_eq!(json.pointer("/data/0/at"), Some(&Value::from(1_700_000_000_123_i64)));
    }

    #[test]
    fn the_empty_pointer_takes_the_whole_payload() {
        assert!(made(&[mqtt_point("all", "", None)]).is_number());
    }

    #[test]
    fn a_huge_index_makes_no_huge_array() {
        let json = made(&[mqtt_point("far", "/4000000000", None)]);
        assert!(json.pointer("/4000000000").is_some_and(Value::is_number));
        assert!(json.is_object());
    }

    #[test]
    fn scale_and_offset_are_undone() {
        let mut point = mqtt_point("t", "/t", None);
        point.spec.scaling.scale = 0.1;
        point.spec.scaling.offset = -40.0;
        point.spec.scaling.range = Some((20.0, 20.0));
        assert_eq!(made(&[point]).pointer("/t").and_then(Value::as_f64), Some(600.0));
    }

    proptest! {
        #[test]
        fn no_pointer_upsets_it(pointer in "(/[a-z0-9~]{0,3}){0,4}", other in "(/[a-z0-9~]{0,3}){0,4}") {
            made(&[mqtt_point("p", &pointer, Some(&other))]);
        }
    }
}
