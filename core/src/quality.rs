//! Quality travels with every value: fault is not a value, and absence has a reason.

/// How far a value may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Quality {
    /// The device answered and the value lies in its range.
    #[default]
    Good,
    /// There is a value, but with a doubt; detectors use it.
    Uncertain(Reason),
    /// There is no value to use; detectors see `unknown`.
    Bad(Reason),
}

/// Why a value is doubtful or absent. The numbers are the contract of the time series
/// (`<point>_q=<code>i`) and of the journal: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// No link to the device: refused, unreachable, not heard yet.
    Comm = 2,
    /// The device did not answer in time.
    Timeout = 3,
    /// The device answered with an exception or reports its own fault.
    DeviceFault = 4,
    /// The value lies outside the range the configuration gives.
    OutOfRange = 5,
    /// The value has not moved although it should.
    Frozen = 6,
    /// The payload held NaN or an infinity.
    NotANumber = 7,
    /// The value was put in by hand or by the device in place of a measurement.
    Substituted = 8,
    /// The value is older than it may be.
    Stale = 9,
    /// The reply may belong to an earlier request.
    LateReply = 10,
    /// The source's clock is off; the value is stored at its arrival time.
    Clock = 11,
}

impl Reason {
    /// All reasons, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::Comm,
        Self::Timeout,
        Self::DeviceFault,
        Self::OutOfRange,
        Self::Frozen,
        Self::NotANumber,
        Self::Substituted,
        Self::Stale,
        Self::LateReply,
        Self::Clock,
    ];

    /// The word used in the API, in logs and on the page.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Comm => "comm",
            Self::Timeout => "timeout",
            Self::DeviceFault => "device-fault",
            Self::OutOfRange => "out-of-range",
            Self::Frozen => "frozen",
            Self::NotANumber => "not-a-number",
            Self::Substituted => "substituted",
            Self::Stale => "stale",
            Self::LateReply => "late-reply",
            Self::Clock => "clock",
        }
    }
}

impl Quality {
    /// Whether the point itself has spoken. The lack of a word, and an old value that is told again, are the gateway's: they
    /// are no sign of life, and nothing is older than they are.
    pub const fn is_word(self) -> bool {
        match self {
            Self::Good => true,
            Self::Uncertain(reason) => !matches!(reason, Reason::Stale),
            Self::Bad(reason) => !matches!(reason, Reason::Comm | Reason::Timeout | Reason::Stale),
        }
    }

    /// Whether the reading's time tells when the value was true. Where the source's own time is lacking or not believed it is
    /// the time of arrival, which says nothing of what came before or after.
    pub const fn is_dated(self) -> bool {
        match self {
            Self::Good | Self::Bad(_) => true,
            Self::Uncertain(reason) => !matches!(reason, Reason::Clock | Reason::Stale),
        }
    }

    /// One byte for the journal: 0 good, the reason's code for bad, that plus 64 for uncertain.
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Bad(reason) => reason as u8,
            Self::Uncertain(reason) => reason as u8 + 64,
        }
    }

    /// The quality behind a byte made by [`Quality::code`]; `None` for a byte it never makes.
    pub fn from_code(code: u8) -> Option<Self> {
        let reason = |wanted: u8| Reason::ALL.into_iter().find(|r| *r as u8 == wanted);
        match code {
            0 => Some(Self::Good),
            1..64 => reason(code).map(Self::Bad),
            64.. => reason(code - 64).map(Self::Uncertain),
        }
    }

    /// Whether there is a value to use.
    pub const fn has_value(self) -> bool {
        !matches!(self, Self::Bad(_))
    }

    /// `good`, `uncertain` or `bad`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Uncertain(_) => "uncertain",
            Self::Bad(_) => "bad",
        }
    }

    /// The reason, where there is one.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Good => None,
            Self::Uncertain(reason) | Self::Bad(reason) => Some(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quality_survives_its_byte() {
        for code in 0..=u8::MAX {
            if let Some(quality) = Quality::from_code(code) {
                assert_eq!(quality.code(), code);
            }
        }
        for reason in Reason::ALL {
            assert_eq!(Quality::from_code(Quality::Bad(reason).code()), Some(Quality::Bad(reason)));
            assert_eq!(Quality::from_code(Quality::Uncertain(reason).code()), Some(Quality::Uncertain(reason)));
        }
    }
}
