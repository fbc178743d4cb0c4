//! Durations and sizes as people write them.

use std::time::Duration;

/// Longest duration anything here may last: ten years.
const MAX_MS: u64 = 3_650 * 86_400_000;

/// `500ms`, `10s`, `5m`, `2h`, `90d`.
pub fn duration(text: &str) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds(text)?)).filter(|_| !is_too_long(text))
}

/// Whether it is one, and longer than anything here may last.
pub fn is_too_long(text: &str) -> bool {
    milliseconds(text).is_some_and(|ms| ms > MAX_MS)
}

fn milliseconds(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(number.saturating_mul(ms))
}

/// `4GiB`, `500MB`; bytes.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A unit that is written in two ways is one.
pub(super) fn spelt(unit: &str) -> &str {
    match unit {
        "°C" | "degC" => "℃",
        unit => unit,
    }
}

/// A duration as a person would write it, in the largest unit that leaves a whole number.
pub fn show(duration: Duration) -> String {
    show_ms(duration.as_millis() as u64)
}

/// The same for milliseconds.
pub fn show_ms(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.into_iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit)) {
        Some((unit, word)) => format!("{}{word}", ms / unit),
        None => format!("{ms}ms"),
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let good =
            [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("90d", 7_776_000_000), ("0s", 0)];
        for (text, ms) in good {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in
            ["", "10", "s", "-1s", "1.5s", "10 minutes", "99999999999999999999s", "18446744073709551615d", "1秒"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for ms in [0, 1, 999, 1_000, 90_000, 3_600_000, 7_776_000_000] {
            assert_eq!(duration(&show_ms(ms)), Some(Duration::from_millis(ms)));
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("4GiB", 4 << 30), ("500MB", 500_000_000), ("1 TiB", 1 << 40), ("7B", 7)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "4", "4G", "4gib", "-4GiB", "99999999999TiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
