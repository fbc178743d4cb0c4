//! From the bytes of a message to numbers. Pure and total: whatever comes, it becomes numbers or a refusal that says
//! what to mend. JSON numbers and booleans are values; nothing else is.

use gengfu_core::time::Wall;
use serde_json::Value;

use super::stamp;

/// Largest payload that is looked into, in bytes; a larger one is refused by its size alone.
pub(super) const LARGEST: usize = 1 << 20;

/// Why there is no number at a pointer, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    /// The message does not speak of this point; what was known of it stays.
    Silent(String),
    /// It does, and what it says is no number.
    NoNumber(String),
}

/// A payload, taken apart once for all points of a subscription.
#[derive(Debug)]
pub(super) struct Payload(Value);

impl Payload {
    /// A bare number or boolean is JSON too.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LARGEST {
            return Err(too_large(bytes.len()));
        }
        // Nesting deeper than serde_json's 128 levels and numbers beyond f64 (1e400) are its errors.
        serde_json::from_slice(bytes).map(Self).map_err(|error| format!("not JSON: {error}"))
    }

    /// The number at `pointer`.
    pub(super) fn number(&self, pointer: &str) -> Result<f64, Lack> {
        let found = self.find(pointer).ok_or_else(|| Lack::Silent(format!("nothing at \"{pointer}\"")))?;
        let what = match found {
            // Beyond 2^53 an integer is rounded to the nearest f64.
            Value::Number(number) => {
                let beyond = || Lack::NoNumber(format!("\"{pointer}\" is no number we can hold"));
                return number.as_f64().ok_or_else(beyond);
            }
            Value::Bool(bool) => return Ok(f64::from(u8::from(*bool))),
            Value::String(_) => "a string, not a number; publish it without quotes",
            Value::Null => "null, not a number",
            Value::Array(_) => "an array, not a number; point into it",
            Value::Object(_) => "an object, not a number; point into it",
        };
        Err(Lack::NoNumber(format!("\"{pointer}\" holds {what}")))
    }

    /// The source's time at `pointer`, if it can be read.
    pub(super) fn time(&self, pointer: &str) -> Option<Wall> {
        self.find(pointer).and_then(stamp::read)
    }

    /// Most pointers name a key of the outermost object, for which nothing need be taken apart and unescaped.
    fn find(&self, pointer: &str) -> Option<&Value> {
        match (&self.0, pointer.strip_prefix('/')) {
            (Value::Object(object), Some(key)) if !key.contains(['/', '~']) => object.get(key),
            _ => self.0.pointer(pointer),
        }
    }
}

/// The refusal of a payload of this size.
pub(super) fn too_large(bytes: usize) -> String {
    format!("payload of {bytes} bytes, at most {LARGEST} are looked into")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(bytes: &[u8], pointer: &str) -> Result<f64, String> {
        Payload::parse(bytes)?.number(pointer).map_err(|(Lack::Silent(why) | Lack::NoNumber(why))| why)
    }

    #[test]
    fn silence_of_a_point_is_not_nonsense_about_it() {
        let lack = |bytes: &[u8]| Payload::parse(bytes).unwrap().number("/lel").unwrap_err();
        assert!(matches!(lack(br#"{"ch4":1}"#), Lack::Silent(_)));
        for bytes in [&br#"{"lel":null}"#[..], br#"{"lel":"--"}"#, br#"{"lel":[]}"#] {
            assert!(matches!(lack(bytes), Lack::NoNumber(_)));
        }
    }

    #[test]
    fn plain_payloads_and_pointers() {
        assert_eq!(number(b"23.5", ""), Ok(23.5));
        assert_eq!(number(b" -4e2\n", ""), Ok(-400.0));
        assert_eq!(number(b"true", ""), Ok(1.0));
        assert_eq!(number(br#"{"lel":3}"#, "/lel"), Ok(3.0));
        assert_eq!(number(br#"{"a":{"b":[1,2.5]}}"#, "/a/b/1"), Ok(2.5));
        assert_eq!(number(br#"{"a/b":{"~":false}}"#, "/a~1b/~0"), Ok(0.0));
        assert_eq!(number(b"18446744073709551615", ""), Ok(18_446_744_073_709_551_615.0));
    }

    #[test]
    fn each_kind_of_nonsense_has_its_own_words() {
        for (bytes, words) in [
            (&b"on"[..], "not JSON"),
            (b"", "not JSON"),
            (b"\xff\xfe", "not JSON"),
            (br#"{"lel":NaN}"#, "not JSON"),
            (br#"{"lel":1e400}"#, "number out of range"),
            (br#"{"lel":Infinity}"#, "not JSON"),
            (br#"{"lel":1"#, "not JSON"),
            (br#"{"lel":1}{"lel":2}"#, "not JSON"),
            (br#"{"ch4":1}"#, "nothing at \"/lel\""),
            (b"12", "nothing at \"/lel\""),
            (br#"{"lel":"3"}"#, "a string"),
            (br#"{"lel":null}"#, "null"),
            (br#"{"lel":[[1]]}"#, "an array"),
            (br#"{"lel":{}}"#, "an object"),
        ] {
            let reason = number(bytes, "/lel").unwrap_err();
            assert!(reason.contains(words), "{:?}: {reason}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn depth_and_size_are_refused_not_suffered() {
        assert!(number(&b"[".repeat(100_000), "").unwrap_err().contains("not JSON"));
        let nested = [b"[".repeat(200), b"]".repeat(200)].concat();
        assert!(number(&nested, "").unwrap_err().contains("recursion limit"));
        assert!(number(&vec![b'1'; 10_000_000], "").unwrap_err().contains("10000000 bytes"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_no_number_is_infinite(bytes in prop::collection::vec(any::<u8>(), 0..200), pointer in "(/[a-z0-9~]{0,3}){0,3}") {
            if let Ok(payload) = Payload::parse(&bytes) {
                if let Ok(number) = payload.number(&pointer) {
                    prop_assert!(number.is_finite());
                }
                payload.time(&pointer);
            }
        }

        #[test]
        fn every_finite_number_comes_back(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            let back = number(serde_json::to_string(&value).unwrap().as_bytes(), "").unwrap();
            prop_assert_eq!(back.to_bits(), value.to_bits());
        }
    }
}
