//! Names with wildcards: `*` in a rule stands for any run of characters but `/`, `{n}` in a device's name for the
//! n-th wildcard of a topic.

/// Whether a rule's pattern matches a point's name, both as `device/point`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (mut patterns, mut names) = (pattern.split('/'), name.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if part_matches(pattern, name) => {}
            _ => return false,
        }
    }
}

/// Whether a device of this name could have come out of the template `gas-{1}`.
pub fn comes_of(template: &str, device: &str) -> bool {
    let mut pattern = String::from(template);
    while let (Some(open), Some(close)) = (pattern.find('{'), pattern.find('}')) {
        if close < open {
            return false;
        }
        pattern.replace_range(open..=close, "*");
    }
    matches(&pattern, device)
}

/// One part between slashes: what stands before the first star begins it, what stands after the last ends it, and what
/// stands between is found in between, from left to right.
fn part_matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(name) = name.strip_prefix(head).and_then(|name| name.strip_suffix(tail)) else { return false };
    let mut rest = name;
    middle.split('*').all(|piece| match rest.split_once(piece) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Whether two patterns have a name in common: the devices a topic may bring, and the points a rule is on.
pub fn overlap(a: &str, b: &str) -> bool {
    let b: Vec<char> = b.chars().collect();
    // row[j]: the part of `a` read so far can be the same as the first j characters of `b`.
    let mut row = vec![true];
    row.extend(b.iter().scan(true, |open, c| {
        *open &= *c == '*';
        Some(*open)
    }));
    for x in a.chars() {
        let mut left = x == '*' && row.first() == Some(&true);
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.windows(2)) {
            let [corner, above] = *above else { continue };
            left = step(x, *y, corner, above, left);
            next.push(left);
        }
        row = next;
    }
    row.last() == Some(&true)
}

/// One cell: `corner` without both characters, `above` without `x`, `left` without `y`.
fn step(x: char, y: char, corner: bool, above: bool, left: bool) -> bool {
    match (x, y) {
        ('*', '*') => corner || above || left,
        // A star ends here, or swallows one more character of the other side.
        ('*', _) => above || (left && y != '/'),
        (_, '*') => left || (above && x != '/'),
        _ => corner && x == y,
    }
}

/// A device's name as a pattern: every `{n}` becomes `*`.
pub fn of_template(template: &str) -> String {
    let mut pattern = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        pattern.push_str(before);
        match after.split_once('}') {
            Some((_, tail)) => {
                pattern.push('*');
                rest = tail;
            }
            None => return pattern + "{" + after,
        }
    }
    pattern + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_device_is_known_by_its_template() {
        assert!(comes_of("gas-{1}", "gas-07"));
        assert!(comes_of("{1}-{2}", "b1-gas"));
        assert!(!comes_of("gas-{1}", "door-07"));
        assert!(comes_of("fixed", "fixed"));
        assert!(!comes_of("}{", "x"));
    }

    #[test]
    fn a_star_stops_at_the_slash() {
        for (pattern, name, expected) in [
            ("gas-*/ch4", "gas-01/ch4", true),
            ("gas-*/ch4", "gas-/ch4", true),
            ("gas-*/ch4", "gas-01/co", false),
            ("gas-*", "gas-01/ch4", false),
            ("*/pressure", "hydrant-main/pressure", true),
            ("*/*", "a/b", true),
            ("*", "a/b", false),
            ("a*b*c/x", "a-b-b-c/x", true),
            ("a*b*c/x", "a-c-b/x", false),
            ("hydrant/pressure", "hydrant/pressure", true),
            ("hydrant/pressure", "hydrant/pressure2", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_rule_may_be_on_a_device_that_comes_later() {
        for (rule, device, expected) in [
            ("gas-*/ch4", "gas-*/ch4", true),
            ("gas-07/ch4", "gas-*/ch4", true),
            ("*-07/ch4", "gas-*/ch4", true),
            ("gaz-*/ch4", "gas-*/ch4", false),
            ("*/co", "gas-*/ch4", false),
        ] {
            assert_eq!(overlap(rule, device), expected, "{rule} {device}");
            assert_eq!(overlap(device, rule), expected, "{device} {rule}");
        }
    }

    #[test]
    fn templates_become_patterns() {
        for (template, pattern) in
            [("gas-{1}", "gas-*"), ("{1}-{2}", "*-*"), ("pump", "pump"), ("a{", "a{"), ("{1", "{1")]
        {
            assert_eq!(of_template(template), pattern);
        }
    }

    /// The obvious, exponential way.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                naive(rest, name) || name.split_first().is_some_and(|(c, tail)| *c != '/' && naive(pattern, tail))
            }
            (Some((x, rest)), Some((y, tail))) => x == y && naive(rest, tail),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_obvious_way(pattern in "[ab/*]{0,8}", name in "[ab/]{0,8}") {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &name), naive(&chars(&pattern), &chars(&name)));
        }

        #[test]
        fn patterns_that_match_one_name_overlap(a in "[ab/*]{0,8}", b in "[ab/*]{0,8}", name in "[ab/]{0,6}") {
            if matches(&a, &name) && matches(&b, &name) {
                prop_assert!(overlap(&a, &b));
            }
            prop_assert_eq!(overlap(&a, &b), overlap(&b, &a));
        }
    }
}
