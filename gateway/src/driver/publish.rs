//! What the engine said goes out: to the alarm lane, to what is counted of alarms, to whoever listens.

use gengfu_core::alarm::{EventName, StateName, Transition};
use gengfu_core::time::{Now, Wall};

use super::names::Deed;
use super::task::{Driver, Said, Told};
use super::{Done, names, performance};
use crate::flow::AlarmEvent;
use crate::journal::{Entry, Ticket};

impl Driver {
    /// Hands what the engine said to the alarm lane and to whoever listens; `own` is a person's doing among it, and whose.
    /// Gives that one.
    pub(super) fn publish(&mut self, own: Option<(usize, &Deed<'_>)>) -> Option<Told> {
        if self.out.is_empty() {
            return None;
        }
        // What follows from one thing is not torn from it by a crash: the end of a mode and what it makes real, the return that
        // ends a shelf.
        let _together = self.journal.together();
        let mut done = None;
        for index in 0..self.out.len() {
            let deed = own.filter(|(of, _)| *of == index).map(|(_, deed)| deed);
            let told = match self.out.get(index).copied() {
                Some(Said::Step(transition)) => self.tell(&transition, deed).map(|done| Told::Step(Box::new(done))),
                Some(Said::Mode(change)) => self.tell_mode(&change, deed).map(Told::Mode),
                None => break,
            };
            done = if deed.is_some() { told } else { done };
        }
        self.out.clear();
        self.look(self.clock.now());
        done
    }

    fn tell(&mut self, transition: &Transition, deed: Option<&Deed<'_>>) -> Option<Done> {
        let binding = transition.binding;
        let before = self.standing.get(&binding);
        let event = names::event(transition, &self.storage, &self.site, &self.catalog, before, deed)?;
        let event = self.dated(names::carry_on(event, before, deed));
        let counted = self.clock.is_count(Wall(event.detected));
        let event = if counted { names::undated(event) } else { event };
        let ticket = self.send(event.clone(), transition.detected);
        self.regard(binding, &event, transition.detected);
        match transition.event {
            EventName::Raise | EventName::Escalate | EventName::Return => {
                self.keeper.moved(&self.storage, binding, transition.detected);
            }
            EventName::Acknowledge
            | EventName::Reset
            | EventName::ReAlarm
            | EventName::Shelve
            | EventName::Unshelve
            | EventName::Suppress
            | EventName::Unsuppress
            | EventName::OutOfService
            | EventName::ReturnToService
            | EventName::Note => {}
        }
        if transition.state == StateName::Normal {
            self.standing.remove(&binding);
        } else {
            self.standing.insert(binding, event.clone());
        }
        Some(Done { event, ticket })
    }

    /// What is counted of an alarm becomes a time once the clock is set.
    pub(super) fn dated(&self, mut event: AlarmEvent) -> AlarmEvent {
        if self.clock.is_count(Wall(event.onset.min(event.since)))
            && let Some(booted) = self.clock.booted()
        {
            event.date(booted);
        }
        event
    }

    fn send(&mut self, event: AlarmEvent, now: Now) -> Ticket {
        self.stats.alarm_transitions.add(1);
        let ticket = self.journal.append(Entry::Alarm(event.clone()));
        tracing::info!(
            id = event.id,
            event = event.event,
            rule = event.rule,
            priority = event.priority,
            shadow = event.shadow,
            message = event.message.en,
            "alarm"
        );
        let mut told = Vec::new();
        // A trial rings nowhere and is no load for anybody.
        if !event.shadow {
            self.figures.take(&event, now, &mut told);
        }
        // Nobody listening is no error.
        let _ = self.transitions.send(event);
        self.say(told);
        ticket
    }

    /// An alarm whose rule or point the configuration no longer has would stand for ever: it is closed, and says why.
    pub(super) fn bury(&mut self, orphan: AlarmEvent, now: Now) {
        let name = format!("{}/{}", orphan.device, orphan.point);
        let (why_zh, why_en) = if orphan.shadow {
            ("试运行结束", "its trial is over")
        } else {
            ("规则或点位已从配置中移除，或转入试运行", "its rule or point is no longer configured, or in shadow now")
        };
        let (left_zh, left_en) = left_undone(&orphan);
        let event = AlarmEvent {
            number: orphan.number.saturating_add(1),
            event: "return".to_owned(),
            state: StateName::Normal.word().to_owned(),
            detected: now.wall.0,
            by: Some(performance::BURIED.to_owned()),
            life: None,
            shelved: None,
            out_of_service: None,
            suppressed: false,
            note: None,
            message: crate::flow::Text {
                zh: format!("{name}：{why_zh}，报警关闭{left_zh}"),
                en: format!("{name}: closed, {why_en}{left_en}"),
            },
            ..orphan
        };
        self.send(event, now);
    }
}

/// What nobody has seen, or a person was to reset, does not go without a word.
fn left_undone(event: &AlarmEvent) -> (&'static str, &'static str) {
    let life = event.life.as_deref().unwrap_or(&event.state);
    match StateName::ALL.into_iter().find(|name| name.word() == life) {
        Some(StateName::Unacknowledged | StateName::Returned) => ("（此前无人确认）", "; nobody had acknowledged it"),
        Some(StateName::Latched) => ("（此前无人确认，也未复位）", "; nobody had acknowledged or reset it"),
        Some(StateName::LatchedAcknowledged) => ("（此前未复位）", "; nobody had reset it"),
        Some(
            StateName::Normal
            | StateName::Acknowledged
            | StateName::Shelved
            | StateName::Suppressed
            | StateName::OutOfService,
        )
        | None => ("", ""),
    }
}
