//! Topic patterns and what they capture. Pure. MQTT 3.1.1 section 4.7: `+` stands for one level, `#` for the rest
//! (also for nothing), and neither matches a first level that begins with `$`.

/// Longest device name that a topic may give rise to, in bytes.
const LONGEST_DEVICE: usize = 128;

/// A subscription's pattern, taken apart once.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Vec<Level>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Name(String),
    /// `+`
    One,
    /// `#`
    Rest,
}

impl Pattern {
    pub(super) fn new(filter: &str) -> Self {
        let level = |level: &str| match level {
            "+" => Level::One,
            "#" => Level::Rest,
            name => Level::Name(name.to_owned()),
        };
        Self(filter.split('/').map(level).collect())
    }

    /// What each wildcard stands for in `topic`, in order; `None` where the topic does not match.
    pub(super) fn captures<'t>(&self, topic: &'t str) -> Option<Vec<&'t str>> {
        if topic.starts_with('$') && !matches!(self.0.first(), Some(Level::Name(_))) {
            return None;
        }
        let mut captures = Vec::new();
        // `None` once the last level is used up; "a" has one level, and so has "".
        let mut rest = Some(topic);
        for level in &self.0 {
            if *level == Level::Rest {
                captures.push(rest.unwrap_or(""));
                return Some(captures);
            }
            let (head, tail) = match rest?.split_once('/') {
                Some((head, tail)) => (head, Some(tail)),
                None => (rest?, None),
            };
            match level {
                Level::Name(name) if name == head => {}
                Level::Name(_) => return None,
                Level::One | Level::Rest => captures.push(head),
            }
            rest = tail;
        }
        rest.is_none().then_some(captures)
    }
}

/// A device's name with `{n}` for the n-th wildcard.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Capture(usize),
}

/// Why a topic gives no device name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoName {
    /// A wildcard that the name is made of stands for nothing here.
    Empty,
    /// Longer than a device's name may be.
    TooLong,
}

impl Template {
    pub(super) fn new(text: &str) -> Self {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((inner, tail)) = after.split_once('}') else { break };
            let Ok(n) = inner.parse::<usize>() else { break };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Capture(n.wrapping_sub(1)));
            rest = tail;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Self(pieces)
    }

    /// The device's name, and the raw captures it was made of: two devices are the same only if both are.
    pub(super) fn name(&self, captures: &[&str]) -> Result<(String, String), NoName> {
        let (mut name, mut raw) = (String::new(), String::new());
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Capture(n) => {
                    let capture = captures.get(*n).filter(|c| !c.is_empty()).ok_or(NoName::Empty)?;
                    if capture.len() > LONGEST_DEVICE {
                        return Err(NoName::TooLong);
                    }
                    name.extend(capture.chars().map(clean));
                    // NUL can't occur in a topic (MQTT 3.1.1, 1.5.3), so the joint is unambiguous.
                    raw.push_str(capture);
                    raw.push('\0');
                }
            }
        }
        if name.len() > LONGEST_DEVICE { Err(NoName::TooLong) } else { Ok((name, raw)) }
    }
}

/// What a device's name may hold; anything else becomes `_`.
const fn clean(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '_' }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captures<'t>(filter: &str, topic: &'t str) -> Option<Vec<&'t str>> {
        Pattern::new(filter).captures(topic)
    }

    #[test]
    fn the_examples_of_the_standard() {
        assert_eq!(captures("sport/tennis/player1/#", "sport/tennis/player1"), Some(vec![""]));
        assert_eq!(
            captures("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            Some(vec!["score/wimbledon"])
        );
        assert_eq!(captures("sport/#", "sport"), Some(vec![""]));
        assert_eq!(captures("sport/+", "sport"), None);
        assert_eq!(captures("sport/+", "sport/"), Some(vec![""]));
        assert_eq!(captures("+/+", "/finance"), Some(vec!["", "finance"]));
        assert_eq!(captures("/+", "/finance"), Some(vec!["finance"]));
        assert_eq!(captures("+", "/finance"), None);
        assert_eq!(captures("#", "$SYS/broker"), None);
        assert_eq!(captures("+/monitor/Clients", "$SYS/monitor/Clients"), None);
        assert_eq!(captures("$SYS/#", "$SYS/broker"), Some(vec!["broker"]));
        assert_eq!(captures("sensors/+/gas", "sensors/k1/gas"), Some(vec!["k1"]));
        assert_eq!(captures("sensors/+/gas", "sensors/k1/gas/x"), None);
        assert_eq!(captures("sensors/+/gas", "sensors/k1/GAS"), None);
        assert_eq!(captures("plain", "plain"), Some(vec![]));
    }

    #[test]
    fn names_are_made_of_captures_and_cleaned() {
        let name = |template: &str, captures: &[&str]| Template::new(template).name(captures).map(|(name, _)| name);
        assert_eq!(name("gas-{1}", &["01"]), Ok("gas-01".into()));
        assert_eq!(name("{2}.{1}", &["b", "a"]), Ok("a.b".into()));
        assert_eq!(name("gas-{1}", &["a b/c"]), Ok("gas-a_b_c".into()));
        assert_eq!(name("gas-{1}", &["厨房"]), Ok("gas-__".into()));
        assert_eq!(name("boiler", &["x"]), Ok("boiler".into()));
        assert_eq!(name("gas-{1}", &[""]), Err(NoName::Empty));
        assert_eq!(name("gas-{3}", &["a"]), Err(NoName::Empty));
        assert_eq!(name("gas-{0}", &["a"]), Err(NoName::Empty));
        assert_eq!(name("{1}", &[&"x".repeat(129)]), Err(NoName::TooLong));
        assert_eq!(name("{1}{1}", &[&"x".repeat(100)]), Err(NoName::TooLong));
    }

    #[test]
    fn what_is_cleaned_alike_stays_apart() {
        let template = Template::new("{1}");
        let (a, b) = (template.name(&["a b"]).unwrap(), template.name(&["a/b"]).unwrap());
        assert_eq!(a.0, b.0);
        assert_ne!(a.1, b.1);
    }

    proptest! {
        #[test]
        fn nothing_in_a_topic_can_upset_it(filter in "[a+#/$]{0,8}", topic in ".{0,20}", template in "[a{}0-9-]{0,10}") {
            if let Some(captures) = Pattern::new(&filter).captures(&topic)
                && let Ok((name, _)) = Template::new(&template).name(&captures)
            {
                prop_assert!(name.len() <= LONGEST_DEVICE);
            }
        }

        #[test]
        fn a_topic_with_levels_made_wild_matches_and_gives_them_back(
            levels in prop::collection::vec(("[a-z ]{0,3}", any::<bool>()), 1..6),
            cut in 0_usize..6,
        ) {
            let topic = levels.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/");
            let keep = cut.min(levels.len());
            let mut filter: Vec<&str> = Vec::new();
            let mut wild: Vec<String> = Vec::new();
            for (name, is_wild) in levels.iter().take(keep) {
                filter.push(if *is_wild { "+" } else { name });
                wild.extend(is_wild.then(|| name.clone()));
            }
            if keep < levels.len() {
                filter.push("#");
                wild.push(levels.iter().skip(keep).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/"));
            }
            let filter = filter.join("/");
            prop_assert_eq!(captures(&filter, &topic), Some(wild.iter().map(String::as_str).collect::<Vec<_>>()));
            let longer = format!("{topic}/x");
            prop_assert_eq!(captures(&filter, &longer).is_some(), keep < levels.len());
        }
    }
}
