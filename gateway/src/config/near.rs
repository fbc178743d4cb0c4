//! What a person may have meant.

/// Longer words are not compared.
const MAX_WORD: usize = 128;
/// Candidates looked at, so that a wrong file with many points stays quick.
const MAX_CANDIDATES: usize = 5_000;

/// The candidate a typing error away from `word`.
pub(super) fn misspelt<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let (distance, candidate) = closest(word, candidates)?;
    let shorter = word.chars().count().min(candidate.chars().count());
    (distance <= (shorter / 3).max(2) && distance < shorter).then_some(candidate)
}

/// The candidate with the fewest differences, however many they are.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    closest(word, candidates).map(|(_, candidate)| candidate)
}

fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<(usize, &'c str)> {
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter_map(|candidate| Some((levenshtein(word, candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
}

/// Characters to insert, delete or replace, upper and lower case being the same; `None` for words too long to compare.
fn levenshtein(a: &str, b: &str) -> Option<usize> {
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).take(MAX_WORD + 1).collect();
    if b.len() > MAX_WORD || a.chars().take(MAX_WORD + 1).count() > MAX_WORD {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.windows(2)) {
            let [corner, above] = *above else { continue };
            left = (corner + usize::from(x != *y)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, distance) in
            [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("压力", "压强", 1), ("A", "a", 0)]
        {
            assert_eq!(levenshtein(a, b), Some(distance), "{a} {b}");
            assert_eq!(levenshtein(b, a), Some(distance), "{b} {a}");
        }
        assert_eq!(levenshtein(&"x".repeat(200), "x"), None);
    }

    #[test]
    fn only_a_typing_error_is_guessed() {
        let keys = ["name", "unit", "every", "limit"];
        assert_eq!(misspelt("evrey", keys), Some("every"));
        assert_eq!(misspelt("uint", keys), Some("unit"));
        assert_eq!(misspelt("zzz", keys), None);
        assert_eq!(misspelt("x", ["is"]), None);
        assert_eq!(nearest("zzz", keys).map(str::len), Some(4));
    }
}
