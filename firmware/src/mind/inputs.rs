//! The input log of a seed: what sensors, lines, clocks and people do to a gateway, and some of what they never should.
//!
//! Nothing here but integers and `+ - *` on floats, so the log itself is the same on every machine.

use core::array;

use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{Delivery, PointId, Reading};
use gengfu_core::time::{Mono, Now, Wall};

use super::plant::{self, Kind, POINTS};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Values that a register may hold and arithmetic does not love. No NaN and no infinity: normalize lets none pass.
const EXTREMES: [f64; 12] =
    [0.0, -0.0, 5e-324, -5e-324, f64::MIN_POSITIVE, 1e-9, 1e9, -1e9, 1e300, -1e300, f64::MAX, f64::MIN];

/// What comes in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Input {
    Reading(Reading, Delivery),
    /// A person presses a button, whichever that is, at an alarm, whichever that is.
    Press {
        button: usize,
        alarm: usize,
    },
    Tick,
}

/// The log from here on; it has no end.
#[derive(Debug)]
pub(super) struct Inputs {
    random: Random,
    now: Now,
    sensors: [Sensor; POINTS],
    last: Reading,
}

/// A sensor, and what it is about for the next few readings.
#[derive(Debug, Clone, Copy)]
struct Sensor {
    value: f64,
    mood: Mood,
    left: u64,
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    /// Goes home, with a little noise.
    Calm,
    /// Goes this far a reading.
    Climbing(f64),
    /// At its lines, at one float below or above them.
    OnTheLine,
    /// Any of these.
    Wild(&'static [f64]),
    /// Has no value, or a doubtful one.
    Sick(Quality),
    /// Says nothing.
    Silent,
}

impl Inputs {
    pub(super) fn new(seed: u64) -> Self {
        let mut kinds = plant::kinds();
        let sensor = |_| Sensor { value: kinds.next().map_or(0.0, |kind| kind.home), mood: Mood::Calm, left: 0 };
        Self {
            random: Random(seed),
            // well above zero, so that there is room for stamps and counters before the start
            now: Now { mono: Mono(1 << 32), wall: Wall(1_700_000_000_000) },
            sensors: array::from_fn(sensor),
            last: Reading { point: PointId(0), at: Wall(0), value: 0.0, quality: Quality::Bad(Reason::Comm) },
        }
    }

    pub(super) fn now(&self) -> Now {
        self.now
    }

    /// The next event and when it comes.
    pub(super) fn draw(&mut self) -> (Now, Input) {
        self.pass();
        let input = match self.random.below(100) {
            0..6 => Input::Press { button: self.random.index(), alarm: self.random.index() },
            6..8 => Input::Tick,
            // the very same again, as MQTT at least once brings it
            8..10 => Input::Reading(self.last, Delivery::Live),
            _ => self.reading(),
        };
        // A counter that runs backwards for a moment: the engine takes it as standing still.
        let back = if self.random.one_in(400) { self.random.below(3 * SECOND) } else { 0 };
        (Now { mono: Mono(self.now.mono.0 - back), ..self.now }, input)
    }

    /// Time goes on: a little, a pause, a gap of minutes or of days; at times the wall clock is set.
    fn pass(&mut self) {
        let longest = match self.random.below(20_000) {
            0 => 400 * DAY,
            1..10 => 10 * MINUTE,
            10..200 => 10 * SECOND,
            _ => 100,
        };
        let ms = self.random.below(longest);
        let set = if self.random.one_in(500) { self.random.around(2 * HOUR) } else { 0 };
        self.now = Now { mono: self.now.mono.plus(ms), wall: Wall(self.now.wall.0 + ms as i64 + set) };
    }

    fn reading(&mut self) -> Input {
        let number = self.random.below(POINTS as u64) as usize;
        let Some((sensor, kind)) = self.sensors.get_mut(number).zip(plant::kinds().nth(number)) else {
            return Input::Tick;
        };
        let Some((value, quality)) = sensor.next(kind, &mut self.random) else { return Input::Tick };
        let off = match self.random.below(40) {
            0 => -(self.random.below(10 * MINUTE) as i64),
            1 => self.random.around(10 * SECOND),
            2 => self.random.around(3 * DAY),
            _ => 0,
        };
        let delivery = if self.random.one_in(12) { Delivery::History } else { Delivery::Live };
        self.last = Reading { point: PointId(number as u32), at: Wall(self.now.wall.0 + off), value, quality };
        Input::Reading(self.last, delivery)
    }
}

impl Sensor {
    fn next(&mut self, kind: &Kind, random: &mut Random) -> Option<(f64, Quality)> {
        if self.left == 0 {
            (self.mood, self.left) = (Mood::drawn(kind, random), 1 + random.below(60));
        }
        self.left -= 1;
        let mut quality = Quality::Good;
        match self.mood {
            Mood::Calm => {
                let noise = (random.unit() - 0.5) * 0.02;
                self.value = if kind.contact { kind.home } else { kind.home + kind.home * noise };
            }
            Mood::Climbing(step) if kind.contact => self.value = if step > 0.0 { 1.0 } else { 0.0 },
            Mood::Climbing(step) => self.value += step + step * (random.unit() - 0.5),
            Mood::OnTheLine => {
                let line = random.of(kind.lines);
                let bits = line.to_bits().saturating_add(random.below(3)).saturating_sub(1);
                self.value = f64::from_bits(bits);
            }
            Mood::Wild(values) => self.value = random.of(values),
            Mood::Sick(how) => quality = how,
            Mood::Silent => return None,
        }
        let value = if quality.has_value() { self.value } else { 0.0 };
        Some((value, quality))
    }
}

impl Mood {
    fn drawn(kind: &Kind, random: &mut Random) -> Self {
        match random.below(13) {
            0..4 => Self::Calm,
            4..8 => {
                // towards one of its lines and past it within some fifty readings, or away from it
                let way = (random.of(kind.lines) - kind.home) * 0.02;
                Self::Climbing(way * (random.unit() * 3.0 - 1.0))
            }
            8 => Self::OnTheLine,
            9 => Self::Wild(&EXTREMES),
            // differences that no float holds
            10 => Self::Wild(&[f64::MAX, f64::MIN]),
            11 => {
                let reason = Reason::ALL.into_iter().nth(random.index() % Reason::ALL.len()).unwrap_or(Reason::Comm);
                Self::Sick(if random.one_in(3) { Quality::Uncertain(reason) } else { Quality::Bad(reason) })
            }
            _ => Self::Silent,
        }
    }
}

/// splitmix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// `0..end`.
    fn below(&mut self, end: u64) -> u64 {
        (self.draw() >> 11) % end.max(1)
    }

    /// A number to choose by, the same where `usize` has 32 bits.
    fn index(&mut self) -> usize {
        (self.draw() >> 40) as usize
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// `-most..most`, in ms.
    fn around(&mut self, most: u64) -> i64 {
        self.below(2 * most) as i64 - most as i64
    }

    /// `0..1`, 32 bits of it.
    fn unit(&mut self) -> f64 {
        (self.draw() >> 32) as f64 * (1.0 / 4_294_967_296.0)
    }

    /// One of them; 0 of none.
    fn of(&mut self, values: &[f64]) -> f64 {
        values.get(self.index() % values.len().max(1)).copied().unwrap_or_default()
    }
}
