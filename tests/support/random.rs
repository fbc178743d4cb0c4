//! Random numbers with a printed seed; `GENGFU_SEED` repeats a run.

use crate::wait::{say, unix_ms};

/// xorshift64*: enough to choose moments and bytes.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From `GENGFU_SEED` or the time, and says which.
    pub fn seeded(what: &str) -> Self {
        let chosen = std::env::var("GENGFU_SEED").ok().and_then(|text| text.parse().ok());
        let seed = chosen.unwrap_or_else(|| unix_ms() as u64 & 0xFFFF_FFFF);
        say(&format!("{what}: GENGFU_SEED={seed}"));
        Self::new(seed)
    }

    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// `from..to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + (self.draw() >> 11) % (to - from).max(1)
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.draw() >> 56) as u8).collect()
    }
}
