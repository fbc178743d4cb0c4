//! Chattering: one alarm that comes and goes too often. Most alarms never do, so the few that do are kept in a queue that
//! runs through the alarms' own states, the one that was quiet for longest first: its turn is the next deadline.
//!
//! ```text
//!                 one transition too many
//!  Quiet (recent) ───────────────────────▶ Chattering (since, last, transitions)
//!    ▲                                       │  ▲ │ a transition: to the end of the queue
//!    └───────────────────────────────────────┘  └─┘
//!      `within_ms` without one: it must be quiet for as long as it takes to be called rapid
//! ```

use super::Alarm;
use crate::alarm::recent::{Pace, Recent};
use crate::time::Mono;

/// The machine drawn above, of one alarm; 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chatter {
    Quiet(Recent),
    Chattering {
        since: Mono,
        last: Mono,
        /// With those that made it one.
        transitions: u32,
        /// Neighbours in the queue.
        before: Option<u32>,
        after: Option<u32>,
    },
}

const _: () = assert!(size_of::<Chatter>() <= 40);

impl Default for Chatter {
    fn default() -> Self {
        Self::Quiet(Recent::default())
    }
}

impl Chatter {
    pub(super) const fn is_chattering(&self) -> bool {
        matches!(self, Self::Chattering { .. })
    }
}

/// The ends of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Queue {
    first: Option<u32>,
    last: Option<u32>,
    len: u32,
}

/// One that is over.
pub(super) struct Over {
    pub(super) binding: u32,
    pub(super) due: Mono,
    pub(super) since: Mono,
    pub(super) transitions: u32,
}

impl Queue {
    /// How many chatter.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// A transition between alarm and normal; says whether chattering begins with it.
    pub(super) fn transition(&mut self, alarms: &mut [Alarm], binding: u32, pace: Pace, mono: Mono) -> bool {
        let Some(alarm) = alarms.get_mut(binding as usize) else { return false };
        let (since, transitions, begins) = match &mut alarm.chatter {
            Chatter::Quiet(recent) => {
                if !recent.add(pace, mono) {
                    return false;
                }
                (mono, pace.least(), true)
            }
            &mut Chatter::Chattering { since, transitions, .. } => (since, transitions.saturating_add(1), false),
        };
        self.take_out(alarms, binding);
        let before = self.last.replace(binding);
        match before {
            Some(before) => link(alarms, before, |_, after| *after = Some(binding)),
            None => self.first = Some(binding),
        }
        self.len += 1;
        if let Some(alarm) = alarms.get_mut(binding as usize) {
            alarm.chatter = Chatter::Chattering { since, last: mono, transitions, before, after: None };
        }
        begins
    }

    /// When the first will have been quiet for long enough.
    pub(super) fn deadline(&self, alarms: &[Alarm], pace: Pace) -> Option<Mono> {
        match alarms.get(self.first? as usize)?.chatter {
            Chatter::Quiet(_) => None,
            Chatter::Chattering { last, .. } => Some(last.plus(pace.within_ms)),
        }
    }

    /// The first has been quiet for long enough.
    pub(super) fn pop(&mut self, alarms: &mut [Alarm], pace: Pace) -> Option<Over> {
        let binding = self.first?;
        let Chatter::Chattering { since, last, transitions, .. } = alarms.get(binding as usize)?.chatter else {
            return None;
        };
        self.take_out(alarms, binding);
        Some(Over { binding, due: last.plus(pace.within_ms), since, transitions })
    }

    /// Out of the queue, if it is in it; quiet afterwards.
    fn take_out(&mut self, alarms: &mut [Alarm], binding: u32) {
        let Some(alarm) = alarms.get_mut(binding as usize) else { return };
        let Chatter::Chattering { before: prior, after: next, .. } = alarm.chatter else { return };
        alarm.chatter = Chatter::default();
        self.len -= 1;
        match prior {
            Some(prior) => link(alarms, prior, |_, after| *after = next),
            None => self.first = next,
        }
        match next {
            Some(next) => link(alarms, next, |before, _| *before = prior),
            None => self.last = prior,
        }
    }
}

/// Changes the links of one that is in the queue.
fn link(alarms: &mut [Alarm], binding: u32, change: impl FnOnce(&mut Option<u32>, &mut Option<u32>)) {
    if let Some(Chatter::Chattering { before, after, .. }) = alarms.get_mut(binding as usize).map(|a| &mut a.chatter) {
        change(before, after);
    }
}
