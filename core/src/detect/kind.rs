//! What the engine asks of every kind of detector, in one form; the kinds themselves take what they need and no more.

use super::sibling::Who;
use super::{
    Standing, absent, accumulated, band, count, digital, drift, dwell, frozen, group, habit, limit, rate, ratio,
    residual, rhythm, sibling, trend, vote,
};
use crate::time::{Mono, Now, Wall};

/// What the alarm lane knows of a condition when the past has been shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// It was over when the last run ended.
    pub(crate) over: bool,
    /// It stood then. Neither: it never did.
    pub(crate) stands: bool,
    /// Something that was shown came after what the lane knows.
    pub(crate) news: bool,
}

/// One kind of detector on one point.
pub(crate) trait Kind {
    type Params;

    /// A value came.
    fn value(&mut self, params: &Self::Params, value: f64, at: Wall, now: Now);

    /// There is no value. Where nothing is said, that is no sample.
    fn unknown(&mut self, _: &Self::Params, _at: Wall, _now: Now) {}

    /// Another of its points, number `channel` from 1 on, has a value or none. Where nothing is said, it looks at no other.
    fn beside(&mut self, _: &Self::Params, _channel: u8, _value: Option<f64>, _at: Wall, _now: Now) {}

    /// There is no value, and the rule takes that for danger. Where nothing is said, no rule of the kind can.
    fn alarming(&mut self, params: &Self::Params, at: Wall, now: Now) {
        self.unknown(params, at, now);
    }

    /// What it was told last is of the past, and more of it may be to come: time alone proves nothing until it hears of the
    /// present. Where nothing is said, time alone proves nothing anyway.
    fn dated(&mut self) {}

    /// The counter reached `now`. Where nothing is said, only readings decide.
    fn expire(&mut self, _: &Self::Params, _now: Now) {}

    /// When it wants to be told so.
    fn deadline(&self, _: &Self::Params, _present: Mono) -> Option<Mono> {
        None
    }

    fn standing(&self, params: &Self::Params) -> Option<Standing>;

    /// The number that decides, where that is not the point's value: a rate, a count, a sum.
    fn shown(&self, _: &Self::Params, _present: Mono) -> Option<f64> {
        None
    }

    /// What it holds to be usual, by `now`.
    fn usual(&self, _: &Self::Params, _now: Now) -> Option<f64> {
        None
    }

    /// Whether the condition is over because it was taken for normal.
    fn accepted(&self, _: &Self::Params) -> bool {
        false
    }

    /// After a restart: the condition stands at this level, beyond this line, since `onset`, whatever was heard.
    fn stand(&mut self, params: &Self::Params, line: (u8, Option<f64>), onset: Wall, now: Now);

    /// After a restart, when all of the past was shown.
    fn settle(&mut self, params: &Self::Params, known: Known, now: Now);
}

impl Kind for limit::State {
    type Params = limit::Params;

    #[inline]
    fn value(&mut self, params: &limit::Params, value: f64, at: Wall, now: Now) {
        self.value(params, value, at, now);
    }

    fn unknown(&mut self, params: &limit::Params, at: Wall, now: Now) {
        self.unknown(params, at, now);
    }

    fn alarming(&mut self, params: &limit::Params, at: Wall, now: Now) {
        self.alarming(params, at, now);
    }

    fn expire(&mut self, params: &limit::Params, now: Now) {
        self.expire(params, now.mono);
    }

    #[inline]
    fn deadline(&self, params: &limit::Params, _: Mono) -> Option<Mono> {
        self.deadline(params)
    }

    #[inline]
    fn standing(&self, params: &limit::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn stand(&mut self, _: &limit::Params, (level, _): (u8, Option<f64>), onset: Wall, _: Now) {
        *self = Self::standing_at(level, onset);
    }

    fn settle(&mut self, params: &limit::Params, known: Known, now: Now) {
        if !known.over {
            self.doubt(params, now.mono);
        }
    }
}

impl Kind for digital::State {
    type Params = digital::Params;

    #[inline]
    fn value(&mut self, params: &digital::Params, value: f64, at: Wall, now: Now) {
        self.value(params, value, at, now);
    }

    fn unknown(&mut self, params: &digital::Params, at: Wall, now: Now) {
        self.unknown(params, at, now);
    }

    fn alarming(&mut self, params: &digital::Params, at: Wall, now: Now) {
        self.alarming(params, at, now);
    }

    fn expire(&mut self, params: &digital::Params, now: Now) {
        self.expire(params, now.mono);
    }

    #[inline]
    fn deadline(&self, params: &digital::Params, _: Mono) -> Option<Mono> {
        self.deadline(params)
    }

    #[inline]
    fn standing(&self, params: &digital::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn stand(&mut self, _: &digital::Params, _: (u8, Option<f64>), onset: Wall, _: Now) {
        *self = Self::standing_at(onset);
    }

    fn settle(&mut self, params: &digital::Params, known: Known, now: Now) {
        if !known.over {
            self.doubt(params, now.mono);
        }
    }
}

impl Kind for absent::State {
    type Params = absent::Params;

    #[inline]
    fn value(&mut self, params: &absent::Params, _: f64, _: Wall, now: Now) {
        self.value(params, now);
    }

    fn unknown(&mut self, params: &absent::Params, at: Wall, now: Now) {
        self.unknown(params, at, now);
    }

    fn expire(&mut self, params: &absent::Params, now: Now) {
        self.expire(params, now.mono);
    }

    #[inline]
    fn deadline(&self, params: &absent::Params, _: Mono) -> Option<Mono> {
        self.deadline(params)
    }

    #[inline]
    fn standing(&self, _: &absent::Params) -> Option<Standing> {
        self.standing()
    }

    fn stand(&mut self, _: &absent::Params, _: (u8, Option<f64>), onset: Wall, _: Now) {
        self.stand(onset);
    }

    fn settle(&mut self, params: &absent::Params, _: Known, now: Now) {
        self.listen_again(params, now);
    }
}

/// Fed by its voters.
impl Kind for vote::State {
    type Params = vote::Params;

    fn value(&mut self, _: &vote::Params, _: f64, _: Wall, _: Now) {}

    fn expire(&mut self, params: &vote::Params, now: Now) {
        self.expire(params, now);
    }

    #[inline]
    fn deadline(&self, params: &vote::Params, present: Mono) -> Option<Mono> {
        self.deadline(params, present)
    }

    fn standing(&self, params: &vote::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn shown(&self, params: &vote::Params, present: Mono) -> Option<f64> {
        Some(params.shown(self.tally(params, present)))
    }

    fn stand(&mut self, _: &vote::Params, _: (u8, Option<f64>), onset: Wall, _: Now) {
        self.stand(onset);
    }

    fn settle(&mut self, params: &vote::Params, _: Known, now: Now) {
        self.doubt(params, now.mono);
    }
}

impl Kind for band::State {
    type Params = band::Params;

    fn value(&mut self, params: &band::Params, value: f64, at: Wall, now: Now) {
        self.value(params, value, at, now);
    }

    fn unknown(&mut self, params: &band::Params, at: Wall, now: Now) {
        self.unknown(params, at, now);
    }

    fn expire(&mut self, params: &band::Params, now: Now) {
        self.expire(params, now.mono);
    }

    fn deadline(&self, params: &band::Params, _: Mono) -> Option<Mono> {
        self.deadline(params)
    }

    fn standing(&self, params: &band::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn stand(&mut self, params: &band::Params, (level, limit): (u8, Option<f64>), onset: Wall, _: Now) {
        self.stand(params, level, limit, onset);
    }

    fn settle(&mut self, params: &band::Params, known: Known, now: Now) {
        if !known.over {
            self.doubt(params, now.mono);
        }
    }
}

impl Kind for dwell::State {
    type Params = dwell::Params;

    fn value(&mut self, params: &dwell::Params, value: f64, at: Wall, now: Now) {
        self.value(params, value, at, now);
    }

    fn unknown(&mut self, params: &dwell::Params, _: Wall, now: Now) {
        self.unknown(params, now);
    }

    fn expire(&mut self, params: &dwell::Params, now: Now) {
        self.expire(params, now.mono);
    }

    fn deadline(&self, params: &dwell::Params, _: Mono) -> Option<Mono> {
        self.deadline(params)
    }

    fn standing(&self, params: &dwell::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn stand(&mut self, _: &dwell::Params, _: (u8, Option<f64>), onset: Wall, now: Now) {
        self.stand(onset, now);
    }

    /// A leaving that was pending when nobody listened proves nothing: the sum goes on from what is heard next.
    fn settle(&mut self, _: &dwell::Params, _: Known, _: Now) {}
}

/// A kind whose memory is samples: it stands or rests after a restart as the alarm lane knows, unless there is news.
macro_rules! samples {
    ($kind:ident { $($standing:tt)* }) => {
        impl Kind for $kind::State {
            type Params = $kind::Params;

            #[inline]
            fn value(&mut self, params: &$kind::Params, value: f64, at: Wall, now: Now) {
                self.value(params, value, at, now);
            }

            fn stand(&mut self, _: &$kind::Params, _: (u8, Option<f64>), onset: Wall, _: Now) {
                self.stand(onset);
            }

            fn settle(&mut self, _: &$kind::Params, known: Known, _: Now) {
                if known.over && !known.news {
                    self.rest();
                }
            }

            $($standing)*
        }
    };
}

samples! { trend {
    fn standing(&self, params: &trend::Params) -> Option<Standing> {
        self.standing(params)
    }
}}

samples! { rate {
    fn standing(&self, params: &rate::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn shown(&self, _: &rate::Params, _: Mono) -> Option<f64> {
        Some(self.belief())
    }
}}

samples! { frozen {
    fn standing(&self, _: &frozen::Params) -> Option<Standing> {
        self.standing()
    }
}}

samples! { count {
    fn unknown(&mut self, _: &count::Params, _: Wall, _: Now) {
        self.unknown();
    }

    fn expire(&mut self, params: &count::Params, now: Now) {
        self.expire(params, now.mono);
    }

    fn deadline(&self, params: &count::Params, _: Mono) -> Option<Mono> {
        self.deadline(params)
    }

    fn standing(&self, params: &count::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn shown(&self, params: &count::Params, present: Mono) -> Option<f64> {
        Some(self.belief(params, present))
    }
}}

samples! { accumulated {
    fn standing(&self, params: &accumulated::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn shown(&self, _: &accumulated::Params, _: Mono) -> Option<f64> {
        Some(self.belief())
    }
}}

impl Kind for rhythm::State {
    type Params = rhythm::Params;

    #[inline]
    fn value(&mut self, params: &rhythm::Params, value: f64, at: Wall, now: Now) {
        self.value(params, value, at, now);
    }

    fn dated(&mut self) {
        self.dated();
    }

    fn expire(&mut self, params: &rhythm::Params, now: Now) {
        self.expire(params, now.mono);
    }

    fn deadline(&self, params: &rhythm::Params, _: Mono) -> Option<Mono> {
        self.deadline(params)
    }

    fn standing(&self, _: &rhythm::Params) -> Option<Standing> {
        self.standing()
    }

    fn usual(&self, params: &rhythm::Params, _: Now) -> Option<f64> {
        self.told(params)
    }

    fn stand(&mut self, _: &rhythm::Params, _: (u8, Option<f64>), onset: Wall, _: Now) {
        self.stand(onset);
    }

    fn settle(&mut self, params: &rhythm::Params, known: Known, now: Now) {
        if known.over && !known.news {
            self.rest();
        }
        if !known.stands {
            self.doubt(params, now.mono);
        }
    }
}

samples! { drift {
    fn standing(&self, params: &drift::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn usual(&self, params: &drift::Params, now: Now) -> Option<f64> {
        self.belief(params, now).usual
    }
}}

samples! { habit {
    fn standing(&self, _: &habit::Params) -> Option<Standing> {
        self.standing()
    }

    fn usual(&self, _: &habit::Params, _: Now) -> Option<f64> {
        self.told().map(|told| told.expected).or(self.belief().map(|belief| belief.level))
    }

    fn accepted(&self, _: &habit::Params) -> bool {
        match self.ended() {
            Some(habit::Ended::Adopted { .. }) => true,
            Some(habit::Ended::Returned) | None => false,
        }
    }
}}

samples! { residual {
    fn beside(&mut self, params: &residual::Params, _: u8, value: Option<f64>, _: Wall, now: Now) {
        if let Some(load) = value {
            self.load(params, load, now);
        }
    }

    fn standing(&self, params: &residual::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn usual(&self, _: &residual::Params, _: Now) -> Option<f64> {
        self.expected()
    }
}}

impl Kind for ratio::State {
    type Params = ratio::Params;

    fn value(&mut self, _: &ratio::Params, value: f64, _: Wall, _: Now) {
        self.part(value);
    }

    fn beside(&mut self, params: &ratio::Params, _: u8, value: Option<f64>, at: Wall, now: Now) {
        if let Some(says) = value {
            self.whole(params, says, at, now);
        }
    }

    fn standing(&self, params: &ratio::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn shown(&self, _: &ratio::Params, _: Mono) -> Option<f64> {
        self.share()
    }

    fn usual(&self, params: &ratio::Params, now: Now) -> Option<f64> {
        self.belief(params, now).usual
    }

    fn stand(&mut self, _: &ratio::Params, _: (u8, Option<f64>), onset: Wall, _: Now) {
        self.stand(onset);
    }

    fn settle(&mut self, _: &ratio::Params, known: Known, _: Now) {
        if known.over && !known.news {
            self.rest();
        }
    }
}

impl Kind for sibling::State {
    type Params = sibling::Params;

    fn value(&mut self, params: &sibling::Params, value: f64, at: Wall, now: Now) {
        self.word(params, Who::Here, Some(value), at, now);
    }

    fn unknown(&mut self, params: &sibling::Params, at: Wall, now: Now) {
        self.word(params, Who::Here, None, at, now);
    }

    fn beside(&mut self, params: &sibling::Params, _: u8, value: Option<f64>, at: Wall, now: Now) {
        self.word(params, Who::There, value, at, now);
    }

    fn expire(&mut self, params: &sibling::Params, now: Now) {
        self.expire(params, now.mono);
    }

    fn deadline(&self, params: &sibling::Params, _: Mono) -> Option<Mono> {
        self.deadline(params)
    }

    fn standing(&self, params: &sibling::Params) -> Option<Standing> {
        self.standing(params)
    }

    fn shown(&self, _: &sibling::Params, _: Mono) -> Option<f64> {
        Some(self.apart())
    }

    fn stand(&mut self, _: &sibling::Params, _: (u8, Option<f64>), onset: Wall, _: Now) {
        self.stand(onset);
    }

    fn settle(&mut self, params: &sibling::Params, known: Known, now: Now) {
        if !known.over {
            self.doubt(params, now.mono);
        } else if !known.news {
            self.rest();
        }
    }
}

impl Kind for group::State {
    type Params = group::Params;

    fn value(&mut self, params: &group::Params, value: f64, at: Wall, now: Now) {
        self.value(params, 0, value, at, now);
    }

    fn unknown(&mut self, params: &group::Params, at: Wall, now: Now) {
        self.unknown(params, 0, at, now);
    }

    fn beside(&mut self, params: &group::Params, channel: u8, value: Option<f64>, at: Wall, now: Now) {
        match value {
            Some(value) => self.value(params, usize::from(channel), value, at, now),
            None => self.unknown(params, usize::from(channel), at, now),
        }
    }

    fn expire(&mut self, params: &group::Params, now: Now) {
        self.expire(params, now.mono);
    }

    fn deadline(&self, params: &group::Params, _: Mono) -> Option<Mono> {
        self.deadline(params)
    }

    fn standing(&self, _: &group::Params) -> Option<Standing> {
        self.standing()
    }

    fn accepted(&self, _: &group::Params) -> bool {
        self.accepted()
    }

    fn stand(&mut self, _: &group::Params, _: (u8, Option<f64>), onset: Wall, _: Now) {
        self.stand(onset);
    }

    fn settle(&mut self, _: &group::Params, known: Known, _: Now) {
        if known.over && !known.news {
            self.rest();
        }
    }
}
