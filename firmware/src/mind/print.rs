//! A fingerprint of text: FNV-1a, 64 bits. It is fed by `Debug`, piece by piece, so nothing is kept.

use core::fmt::{self, Write as _};

/// The fingerprint so far. Offset and prime are those of Fowler, Noll and Vo.
#[derive(Debug)]
pub(super) struct Print(u64);

impl Default for Print {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Print {
    /// Takes all that `Debug` says of it.
    pub(super) fn take(&mut self, what: &impl fmt::Debug) {
        // `write_str` below never fails
        let _ = write!(self, "{what:?};");
    }

    pub(super) fn hash(&self) -> u64 {
        self.0
    }
}

impl fmt::Write for Print {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(what: impl fmt::Debug) -> u64 {
        let mut print = Print::default();
        print.take(&what);
        print.hash()
    }

    #[test]
    fn the_hash_is_the_published_one() {
        let mut print = Print::default();
        let _ = print.write_str("foobar");
        assert_eq!(print.hash(), 0x8594_4171_F739_67E8);
    }

    #[test]
    fn one_bit_of_a_float_shows() {
        for value in [0.0, 0.1, 25.0, 5e-324, f64::MAX / 2.0] {
            assert_ne!(of(value), of(f64::from_bits(value.to_bits() + 1)), "{value}");
        }
        assert_ne!(of(0.0), of(-0.0));
    }
}
