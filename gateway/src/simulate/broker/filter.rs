//! Topic filters (MQTT 3.1.1, section 4.7).

/// Whether `topic` matches `filter`.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    // [MQTT-4.7.2-1]: a wildcard in the first level does not reach topics of the server's own.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            // "a/#" matches "a" as well: the levels have run out and that is fine.
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            (_, _) => return false,
        }
    }
    levels.next().is_none()
}

/// Whether a subscriber may ask for it.
pub(super) fn valid_filter(filter: &str) -> bool {
    let count = filter.split('/').count();
    let level_is_fine = |(i, level): (usize, &str)| match level {
        "#" => i + 1 == count,
        "+" => true,
        other => !other.contains(['+', '#']),
    };
    !filter.is_empty() && !filter.contains('\0') && filter.split('/').enumerate().all(level_is_fine)
}

/// Whether a publisher may use it.
pub(super) fn valid_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        for (filter, topic, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("#", "a/b/c", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/x", false),
            ("+/monitor", "$SYS/monitor", false),
            ("$SYS/#", "$SYS/x", true),
            ("传感器/+/燃气", "传感器/厨房/燃气", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn wildcards_stand_alone_and_the_hash_stands_last() {
        for good in ["#", "+", "a/+/b", "a/#", "/", "传感器/+"] {
            assert!(valid_filter(good), "{good}");
        }
        for bad in ["", "a#", "#/a", "a/#/b", "a+/b", "a\0b"] {
            assert!(!valid_filter(bad), "{bad}");
        }
        assert!(valid_topic("a/b") && !valid_topic("a/+") && !valid_topic(""));
    }
}
