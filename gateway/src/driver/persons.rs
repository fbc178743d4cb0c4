//! What persons do to alarms, with names: which alarm is meant, whose doing the step is, and what the audit says of it. A
//! command that does not fit is refused with the mend, and audited too.

use gengfu_core::alarm::state::Refusal;
use gengfu_core::alarm::{AlarmId, Transition};
use gengfu_core::engine::{Command, Event, Target};

use super::names::Deed;
use super::storage::NO_DATA_RULE;
use super::task::{Collect, Driver, Said, Told};
use super::{CommandError, Done, Order};
use crate::config::units::show_ms;
use crate::journal::Entry;

impl Driver {
    pub(super) fn command(&mut self, order: &Order) -> Result<Done, CommandError> {
        // What is answered is on disk with its audit.
        let _together = self.journal.together();
        let now = self.clock.now();
        let word = order.command.told().word();
        let Ok(target) = self.target(&order.target) else {
            self.refuse(&order.by, word, &order.target, "there is no such alarm");
            return Err(CommandError::NoSuchAlarm);
        };
        let event = Event::Command(target, order.command);
        let result = self.storage.engine().handle(event, now, &mut Collect(&mut self.out));
        // Deadlines served on the way are nobody's doing, and what follows from the command is not the person's either.
        let own =
            |said: &Said| matches!(said, Said::Step(step) if step.event == order.command.told() && is(target, step));
        let own = self.out.iter().rposition(own).filter(|_| result.is_ok());
        let (at, by) = (now.wall.0, order.by.clone());
        let result = result.map_err(|refusal| match target {
            // Its rule looks at the point, and nothing stands there.
            Target::Binding(_) if refusal == Refusal::NoSuchAlarm => normal(order.command),
            Target::Binding(_) | Target::Alarm(_) => refused(refusal),
        });
        let (action, detail) = match &result {
            Ok(()) => (word.to_owned(), self.what(order)),
            Err(why) => (format!("{word}-refused"), why.to_string()),
        };
        let deed = Deed { by: &order.by, note: order.note.as_deref() };
        let told = self.publish(own.map(|index| (index, &deed)));
        // It comes after the step: once it is on disk both are, and no answer is given before.
        let ticket = self.journal.append(Entry::Audit { at, by, action, target: order.target.clone(), detail });
        result?;
        match told {
            Some(Told::Step(done)) => Ok(Done { ticket, ..*done }),
            Some(Told::Mode(_)) | None => Err(CommandError::NoSuchAlarm),
        }
    }

    /// What somebody wanted and could not have, in the audit.
    pub(super) fn refuse(&self, by: &str, word: &str, target: &str, why: &str) {
        let (at, by, action) = (self.clock.now().wall.0, by.to_owned(), format!("{word}-refused"));
        self.journal.append(Entry::Audit { at, by, action, target: target.to_owned(), detail: why.to_owned() });
    }

    /// Which alarm is meant: by its id, or as `rule@device/point`.
    pub(super) fn target(&self, text: &str) -> Result<Target, CommandError> {
        let Some((rule, point)) = text.split_once('@') else {
            let id = u64::from_str_radix(text, 16).map_err(|_| CommandError::NoSuchAlarm)?;
            return Ok(Target::Alarm(AlarmId(id)));
        };
        let id = self.catalog.find(point).ok_or(CommandError::NoSuchAlarm)?;
        let index = self.site.rules.iter().position(|known| known.id == rule);
        let binding = match index {
            Some(index) => self.storage.binding_on(index, id),
            None if rule == NO_DATA_RULE => self.storage.no_data_on(id),
            None => None,
        };
        binding.map(Target::Binding).ok_or(CommandError::NoSuchAlarm)
    }

    /// What the audit says beside the target.
    fn what(&self, order: &Order) -> String {
        let found = self.standing.values().find(|e| e.id == order.target);
        let mut what = found.map_or_else(String::new, |e| format!("{} {}/{}", e.rule, e.device, e.point));
        let time = match order.command {
            Command::Shelve { for_ms, one_shot } => {
                Some(format!("{}{}", show_ms(for_ms), if one_shot { ", one-shot" } else { "" }))
            }
            Command::OutOfService { for_ms } => Some(show_ms(for_ms)),
            Command::Acknowledge | Command::Reset | Command::Unshelve | Command::ReturnToService | Command::Note => {
                None
            }
        };
        for part in time.iter().chain(&order.note) {
            what += if what.is_empty() { "" } else { "; " };
            what += part;
        }
        what
    }
}

/// Whether a step is of the alarm that was meant.
fn is(target: Target, step: &Transition) -> bool {
    match target {
        Target::Alarm(id) => step.id == id,
        Target::Binding(binding) => step.binding == binding,
    }
}

/// Of an alarm that is named by its rule and point, and is normal.
fn normal(command: Command) -> CommandError {
    let nothing = match command {
        Command::Acknowledge => "nothing to acknowledge",
        Command::Reset => "nothing to reset",
        Command::Unshelve => "it lies on no shelf",
        Command::ReturnToService => "it is in service",
        Command::Note => "nothing to write a note to",
        Command::Shelve { .. } | Command::OutOfService { .. } => "nothing to do",
    };
    CommandError::NotNow(format!("it is normal; {nothing}"))
}

pub(super) fn refused(refusal: Refusal) -> CommandError {
    let not_now = |why: &str| CommandError::NotNow(why.to_owned());
    match refusal {
        Refusal::NoSuchAlarm => CommandError::NoSuchAlarm,
        Refusal::NothingToAcknowledge => not_now("nothing has happened that could be acknowledged"),
        Refusal::AlreadyAcknowledged => not_now("it is acknowledged already; nothing to do"),
        Refusal::AcknowledgeFirst => not_now("it is latched and not acknowledged; acknowledge first"),
        Refusal::NotLatched => {
            not_now("only a latched alarm whose condition is over can be reset; wait for its return")
        }
        Refusal::NotShelvable => not_now(
            "its rule may not be put aside (critical and latching: fire, call point, high-high gas, entrapment); for planned \
             work use a mode of its area",
        ),
        Refusal::AlreadyShelved => not_now("it lies on a shelf already; unshelve it first"),
        Refusal::NotShelved => not_now("it lies on no shelf; nothing to do"),
        Refusal::AlreadyOut => not_now("it is out of service already; return it to service first"),
        Refusal::NotOut => not_now("it is in service; nothing to do"),
        Refusal::NoEnd => CommandError::Wrong("it needs an end: give for how long, as 30m or 8h".to_owned()),
        Refusal::TooLong(max) => {
            CommandError::Wrong(format!("that is too long: {} at most, by [alarms] in the site file", show_ms(max)))
        }
        Refusal::NoSuchArea => CommandError::NoSuchArea("there is no such area; /api/v1/modes lists them".to_owned()),
        Refusal::ModeRuns => not_now("the area is in a mode already; end that first"),
        Refusal::NoModeRuns => not_now("the area is in no mode; nothing to do"),
    }
}
