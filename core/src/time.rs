//! Two clocks, never mixed: `Mono` for every duration, `Wall` for people and stores.

/// Milliseconds on the engine's own monotonic counter. Only durations are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Mono(pub u64);

impl Mono {
    /// This instant plus `ms`; stays at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`, 0 if that lies ahead.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// UTC in milliseconds since 1970-01-01T00:00:00Z. May step; nothing is timed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Wall(pub i64);

/// The present, as the caller knows it. Time is always an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Now {
    /// The engine's counter.
    pub mono: Mono,
    /// The wall clock beside it.
    pub wall: Wall,
}

impl Now {
    /// The same moment seen from `mono`: the wall clock moved by the same milliseconds.
    #[must_use]
    pub fn at(self, mono: Mono) -> Self {
        let delta = mono.0 as i64 - self.mono.0 as i64;
        Self { mono, wall: Wall(self.wall.0.saturating_add(delta)) }
    }
}
