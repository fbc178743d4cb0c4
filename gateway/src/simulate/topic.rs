//! From a subscription to the topics and devices that satisfy it: the inverse of `device = "gas-{1}"`.

use crate::config::checked::Subscription;

/// Devices invented for a pattern whose site file expects none by name.
const INVENTED: usize = 3;

/// The `(device, topic)` pairs to publish as.
pub(super) fn publishers(subscription: &Subscription) -> Vec<(String, String)> {
    let wildcards = subscription.topic.split('/').filter(|level| matches!(*level, "+" | "#")).count();
    let invented = if wildcards == 0 { 1 } else { INVENTED };
    let names: Vec<String> = if subscription.expect.is_empty() {
        (1..=invented).map(|n| device(&subscription.device, &vec![format!("sim{n}"); wildcards])).collect()
    } else {
        subscription.expect.clone()
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    for name in names {
        let Some(values) = wildcard_values(&subscription.device, &name, wildcards) else {
            tracing::warn!(device = name, pattern = subscription.device, "no topic gives this device its name");
            continue;
        };
        let topic = fill(&subscription.topic, &values);
        if pairs.iter().all(|(_, other)| *other != topic) {
            pairs.push((name, topic));
        }
    }
    pairs
}

/// The pattern's name for these wildcard values.
fn device(pattern: &str, values: &[String]) -> String {
    values
        .iter()
        .enumerate()
        .fold(pattern.to_owned(), |name, (i, value)| name.replace(&format!("{{{}}}", i + 1), value))
}

/// The wildcard values that make `name` out of `pattern`; those the pattern does not use are invented from the name.
fn wildcard_values(pattern: &str, name: &str, wildcards: usize) -> Option<Vec<String>> {
    let mut values: Vec<Option<String>> = vec![None; wildcards];
    let (mut pattern, mut rest) = (pattern, name);
    while let Some((literal, slot, after)) = placeholder(pattern, wildcards) {
        rest = rest.strip_prefix(literal)?;
        // The value ends where the next literal begins, or takes all that is left.
        let next = placeholder(after, wildcards).map_or(after, |(literal, ..)| literal);
        let end = if next.is_empty() { rest.len() } else { rest.find(next)? };
        let (value, left) = rest.split_at_checked(end)?;
        let cell = values.get_mut(slot)?;
        if value.is_empty() || cell.as_deref().is_some_and(|known| known != value) {
            return None;
        }
        *cell = Some(value.to_owned());
        (pattern, rest) = (after, left);
    }
    (rest == pattern).then(|| values.into_iter().map(|value| value.unwrap_or_else(|| name.to_owned())).collect())
}

/// The text before the first `{n}`, its index from 0, and the text after it.
fn placeholder(pattern: &str, wildcards: usize) -> Option<(&str, usize, &str)> {
    (1..=wildcards)
        .filter_map(|n| {
            let (before, after) = pattern.split_once(&format!("{{{n}}}"))?;
            Some((before, n - 1, after))
        })
        .min_by_key(|(before, ..)| before.len())
}

/// The topic with its wildcards replaced, in order.
fn fill(filter: &str, values: &[String]) -> String {
    let mut values = values.iter();
    let level = |level| match level {
        "+" | "#" => values.next().map_or("sim", String::as_str),
        other => other,
    };
    filter.split('/').map(level).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::super::testing::subscription;
    use super::*;

    fn pairs(topic: &str, device: &str, expect: &[&str]) -> Vec<(String, String)> {
        publishers(&subscription(topic, device, expect, Vec::new()))
    }

    fn pair(device: &str, topic: &str) -> (String, String) {
        (device.into(), topic.into())
    }

    #[test]
    fn an_expected_device_finds_its_topic() {
        assert_eq!(
            pairs("sensors/+/gas", "gas-{1}", &["gas-01", "gas-kitchen"]),
            [pair("gas-01", "sensors/01/gas"), pair("gas-kitchen", "sensors/kitchen/gas")]
        );
    }

    #[test]
    fn several_wildcards_are_taken_apart_in_any_order() {
        assert_eq!(pairs("+/floor/+/t", "{2}.{1}-t", &["b1.east-t"]), [pair("b1.east-t", "east/floor/b1/t")]);
    }

    #[test]
    fn a_wildcard_the_name_does_not_show_is_invented() {
        assert_eq!(pairs("+/gas/#", "gas-{1}", &["gas-7"]), [pair("gas-7", "7/gas/gas-7")]);
    }

    #[test]
    fn three_devices_are_invented_for_a_pattern_and_one_for_a_plain_topic() {
        let three = pairs("s/+/gas", "gas-{1}", &[]);
        assert_eq!(three.len(), 3);
        assert_eq!(three[0], pair("gas-sim1", "s/sim1/gas"));
        assert_eq!(pairs("s/roof/level", "roof", &[]), [pair("roof", "s/roof/level")]);
    }

    #[test]
    fn a_name_the_pattern_cannot_make_gets_no_topic() {
        assert_eq!(pairs("sensors/+/gas", "gas-{1}", &["smoke-1", "gas-"]), []);
    }

    #[test]
    fn one_name_for_all_topics_is_published_once_each() {
        assert_eq!(pairs("sensors/+/gas", "all", &["all"]).len(), 1);
    }
}
