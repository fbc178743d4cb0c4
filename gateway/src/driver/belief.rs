//! What a detector that learns holds to be normal, for people: in the API and on the command line, and in one line for the audit.

use gengfu_core::detect::{Params, State, drift, group};
use gengfu_core::time::Now;
use serde::Serialize;

/// What a detector that learns holds to be normal; values in the point's unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Belief {
    Drift(DriftBelief),
    Rhythm {
        /// The usual time between two starts; `None` while there are too few.
        interval_ms: Option<f64>,
        /// What was usual when it was first known: the difference is what it has got used to since.
        taught_ms: Option<f64>,
    },
    Habit {
        /// The level now, the usual distance from it, and the level that was taught; `None` while it knows too little.
        level: Option<f64>,
        spread: Option<f64>,
        taught: Option<f64>,
        /// Readings that it knows, 6,000 at most.
        known: u16,
    },
    Residual {
        /// What load and hour explain of the last value; `None` while that is not known.
        expected: Option<f64>,
        /// What a full load adds, by what was learned.
        full_load: f64,
        /// How far it has learned what the load explains, 0 to 1.
        load_learned: f64,
        /// Of what is not explained, as of a drift.
        #[serde(flatten)]
        rest: DriftBelief,
    },
    Ratio {
        /// The last share; `None` before there was one.
        share: Option<f64>,
        /// Of the shares, as of a drift.
        #[serde(flatten)]
        drift: DriftBelief,
    },
    Group {
        /// How far training is, 0 to 1.
        learned: f64,
        points: Vec<Member>,
    },
}

/// What a drift holds to be normal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftBelief {
    /// What is usual now; `None` while that hour is not known.
    pub usual: Option<f64>,
    /// How much blocks scatter around it.
    pub sigma: f64,
    /// How far training is, 0 to 1.
    pub learned: f64,
    /// How often training began anew, since what was learned moved meanwhile.
    pub restarts: u16,
    /// How far the usual has moved by itself since.
    pub moved: f64,
    /// What is put aside as a step.
    pub aside: f64,
    /// Learning stands still or is slowed, since there is a suspicion.
    pub wary: bool,
}

impl From<drift::Belief> for DriftBelief {
    fn from(b: drift::Belief) -> Self {
        let (usual, sigma, learned, restarts) = (b.usual, b.sigma, b.learned, b.restarts);
        Self { usual, sigma, learned, restarts, moved: b.moved, aside: b.aside, wary: b.wary }
    }
}

/// What a group believes of one of its points.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// `device/point`; `None` while it is not there.
    pub point: Option<String>,
    /// Where it lies, and how far it strays by itself, in its unit; `None` while it is not judged.
    pub usual: Option<f64>,
    pub stray: Option<f64>,
    /// How many strays from there it was last.
    pub z: Option<f64>,
    /// Why the verdict on it is worth less, or nothing.
    pub doubt: Option<&'static str>,
}

impl Member {
    fn of(state: &group::State, channel: usize, point: Option<String>) -> Self {
        let belief = state.belief(channel);
        let doubt = state.doubt(channel).map(|doubt| match doubt {
            group::Doubt::Learning => "learning",
            group::Doubt::Unlearned => "unlearned",
            group::Doubt::Constant => "constant",
            group::Doubt::Wanders => "wanders",
            group::Doubt::Missing => "missing",
        });
        let (usual, stray, z) = (belief.map(|b| b.usual), belief.map(|b| b.stray), belief.map(|b| b.z));
        Self { point, usual, stray, z, doubt }
    }
}

impl Belief {
    /// `None` of a detector that learns nothing; `name` gives the points of a rule on several.
    pub(super) fn of(params: &Params, state: &State, now: Now, name: impl Fn(u8) -> Option<String>) -> Option<Self> {
        match (params, state) {
            (Params::Drift(params), State::Drift(state)) => Some(Self::Drift(state.belief(params, now).into())),
            (Params::Rhythm(_), State::Rhythm(state)) => {
                let b = state.belief();
                Some(Self::Rhythm { interval_ms: b.map(|b| b.usual), taught_ms: b.map(|b| b.taught) })
            }
            (Params::Habit(_), State::Habit(state)) => {
                let b = state.belief();
                let (level, spread) = (b.map(|b| b.level), b.map(|b| b.spread));
                Some(Self::Habit { level, spread, taught: b.map(|b| b.taught), known: state.known() })
            }
            (Params::Residual(params), State::Residual(state)) => {
                let ([_, full_load, ..], rest) = state.belief(params, now);
                let load_learned = state.learned(params);
                Some(Self::Residual { expected: state.expected(), full_load, load_learned, rest: rest.into() })
            }
            (Params::Ratio(params), State::Ratio(state)) => {
                Some(Self::Ratio { share: state.share(), drift: state.belief(params, now).into() })
            }
            (Params::Group(params), State::Group(state)) => {
                let learned = 1.0 - state.untaught() as f64 / group::TRAINING as f64;
                let points = (0..params.channels).map(|n| Member::of(state, usize::from(n), name(n))).collect();
                Some(Self::Group { learned, points })
            }
            (
                Params::Limit(_)
                | Params::Digital(_)
                | Params::Trend(_)
                | Params::Absent(_)
                | Params::Vote(_)
                | Params::Band(_)
                | Params::Rate(_)
                | Params::Frozen(_)
                | Params::Count(_)
                | Params::Dwell(_)
                | Params::Accumulated(_)
                | Params::Rhythm(_)
                | Params::Drift(_)
                | Params::Habit(_)
                | Params::Sibling(_)
                | Params::Residual(_)
                | Params::Ratio(_)
                | Params::Group(_),
                _,
            ) => None,
        }
    }

    /// Whether it knows enough to judge.
    pub(super) fn is_taught(&self) -> bool {
        match self {
            Self::Drift(drift) | Self::Ratio { drift, .. } => drift.learned >= 1.0,
            Self::Rhythm { interval_ms, .. } => interval_ms.is_some(),
            Self::Habit { level, .. } => level.is_some(),
            Self::Residual { load_learned, rest, .. } => *load_learned >= 1.0 && rest.learned >= 1.0,
            Self::Group { learned, .. } => *learned >= 1.0,
        }
    }

    /// In one line, for the audit.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Drift(drift) => drift.words(),
            Self::Rhythm { interval_ms, taught_ms } => {
                format!("usual interval {} ms, taught {} ms", number(*interval_ms), number(*taught_ms))
            }
            Self::Habit { level, spread, taught, known } => {
                let (level, spread, taught) = (number(*level), number(*spread), number(*taught));
                format!("level {level}, spread {spread}, taught {taught}, {known} readings")
            }
            Self::Residual { full_load, load_learned, rest, .. } => {
                format!("a full load adds {full_load:.4}, learned {load_learned:.2}; the rest: {}", rest.words())
            }
            Self::Ratio { share, drift } => format!("share {}; {}", number(*share), drift.words()),
            Self::Group { learned, points } => {
                let point = |member: &Member| {
                    let name = member.point.as_deref().unwrap_or("?");
                    format!("{name} {} stray {}", number(member.usual), number(member.stray))
                };
                format!("learned {learned:.2}; usual: {}", points.iter().map(point).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.4}"))
}

impl DriftBelief {
    fn words(&self) -> String {
        let Self { usual, sigma, learned, restarts, moved, .. } = self;
        let usual = number(*usual);
        format!("usual {usual}, sigma {sigma:.4}, learned {learned:.2}, {restarts} restarts, moved {moved:.4}")
    }
}
