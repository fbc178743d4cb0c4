//! A million random events through the engine, held after each against a model that knows nothing but the table of ISA-18.2
//! ([`crate::alarm::tests`]), the transitions that came out, and the clock. `GENGFU_EVENTS` says how many, `GENGFU_SEED` from
//! where: `make long-laws`.

use std::collections::HashSet;

use super::*;
use crate::alarm::AlarmId;
use crate::alarm::state::Veils;
use crate::alarm::tests::{LIVES, UNVEILED, cell};
use crate::reading::PointId;
use crate::time::Wall;

/// What `cargo test` runs; a few seconds of it.
const EVENTS: u64 = 1_000_000;
/// After so many a new building begins, so that what fails is found again by its seed.
const EPISODE: u64 = 2_000;

/// splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len() as u64) as usize]
    }
}

/// An alarm as its transitions tell it.
#[derive(Debug, Clone, Copy)]
struct Alarm {
    id: AlarmId,
    number: u32,
    life: char,
    veils: Veils,
    test: Option<ModeName>,
    first: bool,
    level: u8,
    /// When it is to ring again.
    again: Option<Mono>,
}

impl Alarm {
    /// A to I: I over H over G over the life.
    fn letter(&self) -> char {
        match self.veils {
            Veils { out_until: Some(_), .. } => 'I',
            Veils { suppressed: true, .. } => 'H',
            Veils { shelf: Some(_), .. } => 'G',
            Veils { shelf: None, suppressed: false, out_until: None } => self.life,
        }
    }

    fn stands(&self) -> bool {
        matches!(self.life, 'B' | 'C')
    }
}

#[derive(Default)]
struct Model {
    alarms: Vec<Option<Alarm>>,
    names: HashSet<AlarmId>,
    /// Until when each area is in a mode.
    modes: [Option<(ModeName, Mono)>; 2],
}

impl Model {
    /// A transition came out: it must be one of the table's.
    fn take(&mut self, t: &Transition, w: &World) {
        let index = t.binding as usize;
        let rule = w.rules[w.bindings[index].rule.0 as usize];
        let was = self.alarms[index];
        if was.is_none() {
            let begins = matches!(t.event, EventName::Raise | EventName::Shelve | EventName::OutOfService);
            assert!(begins && t.number == 1 && self.names.insert(t.id), "begins: {t:?}");
        }
        let before = was.unwrap_or(Alarm {
            id: t.id,
            number: 0,
            life: 'A',
            veils: Veils::NONE,
            test: None,
            first: false,
            level: 0,
            again: None,
        });
        assert_eq!((t.id, t.number), (before.id, before.number + 1), "a key was lost or invented: {t:?}");
        let after = Alarm { number: t.number, ..self.led(&before, t, &rule, w) };
        let told = (t.life.letter(), t.veils, t.test, t.first, t.level);
        assert_eq!(told, (after.life, after.veils, after.test, after.first, after.level), "{before:?} {t:?}");
        let open = after.life != 'A' || after.veils.shelf.is_some() || after.veils.out_until.is_some();
        assert_eq!(t.state.letter(), if open { after.letter() } else { 'A' }, "{before:?} {t:?}");
        self.alarms[index] = open.then_some(after);
    }

    /// Where the event leads by the table.
    fn led(&self, before: &Alarm, t: &Transition, rule: &Rule, w: &World) -> Alarm {
        let mut after = *before;
        let row = match t.event {
            EventName::Raise if before.stands() => "test over",
            EventName::Raise => "condition",
            EventName::Escalate if t.level > before.level => "condition, higher",
            EventName::Escalate => "condition, second again",
            EventName::Acknowledge => "acknowledge",
            EventName::Return if rule.level(before.level).latch => "over, latching",
            EventName::Return => "over",
            EventName::Reset => "reset",
            EventName::ReAlarm => "time to ring again",
            EventName::Note => "note",
            EventName::Shelve
            | EventName::Unshelve
            | EventName::Suppress
            | EventName::Unsuppress
            | EventName::OutOfService
            | EventName::ReturnToService => {
                veiled(before, t, &mut after);
                return after;
            }
        };
        let to = cell(LIVES, row, &before.life.to_string()).strip_prefix(t.event.word());
        after.life =
            to.unwrap_or_else(|| panic!("not in the table: {before:?} {t:?}")).trim().chars().next().unwrap_or('?');
        match t.event {
            EventName::Raise if before.stands() => {
                assert!(before.test.is_some(), "{t:?}");
                (after.test, after.first) = (None, self.is_first(t, w));
            }
            EventName::Raise if before.life == 'A' => self.begins(&mut after, t, w),
            EventName::Raise => {
                after.level = before.level.max(t.level);
                after.test = before.test.and(self.mode_of(t, w));
                if before.test.is_some() && after.test.is_none() {
                    after.first = self.is_first(t, w);
                }
            }
            EventName::Return if before.veils.shelf.is_some_and(|shelf| shelf.one_shot) => {
                after.veils.shelf = None;
                if after.veils == Veils::NONE {
                    after.life = unveiled(after.life);
                }
            }
            EventName::Escalate => after.level = before.level.max(t.level),
            EventName::Acknowledge => after.again = rule.re_alarm_ms.map(|ms| t.detected.mono.plus(ms)),
            EventName::ReAlarm => {
                let due = before.again.is_some_and(|again| again == t.detected.mono) && before.letter() == 'C';
                assert!(due, "rings before its time: {before:?} {t:?}");
            }
            EventName::Return
            | EventName::Reset
            | EventName::Note
            | EventName::Shelve
            | EventName::Unshelve
            | EventName::Suppress
            | EventName::Unsuppress
            | EventName::OutOfService
            | EventName::ReturnToService => {}
        }
        if matches!(t.event, EventName::Raise | EventName::Escalate) && !rule.level(after.level).shelvable {
            after.veils.shelf = None;
        }
        after.veils.suppressed &= after.life != 'A';
        after
    }

    /// A condition begins: whether it is hidden, a test, the first.
    fn begins(&self, after: &mut Alarm, t: &Transition, w: &World) {
        (after.level, after.test) = (t.level, self.mode_of(t, w));
        // What stands by now decides, but where conditions moved together that may have been another order: then H follows.
        after.veils.suppressed = t.veils.suppressed;
        after.first = after.test.is_none() && self.is_first(t, w);
    }

    /// Whether no alarm of its group is open for real.
    fn is_first(&self, t: &Transition, w: &World) -> bool {
        let b = &w.bindings[t.binding as usize];
        let others = self.alarms.iter().zip(&w.bindings).filter(|(_, other)| other.first_of == b.first_of);
        let idle = |alarm: &Option<Alarm>| alarm.is_none_or(|alarm| alarm.life == 'A' || alarm.test.is_some());
        b.first_of != NONE && others.into_iter().all(|(alarm, _)| idle(alarm))
    }

    /// The mode in whose area it is said. Of a vote those who vote decide as well: it may be real.
    fn mode_of(&self, t: &Transition, w: &World) -> Option<ModeName> {
        let point = w.bindings[t.binding as usize].point.0 as usize;
        let mode = self.modes[usize::from(w.points[point].area)].map(|(name, _)| name);
        mode.filter(|_| t.test.is_some() || !VOTES.contains(&t.binding))
    }

    /// A mode began or ended.
    fn mode(&mut self, change: &ModeChange) {
        let area = &mut self.modes[usize::from(change.area)];
        let ran = match change.change {
            Change::Begun => area.replace((change.mode.name, change.mode.until)).is_none(),
            Change::Ended => area.take() == Some((change.mode.name, change.mode.until)),
            Change::Expired => area.take() == Some((change.mode.name, change.at.mono)),
        };
        assert!(ran, "{change:?}");
    }

    /// What must be so between two events.
    fn check(&self, w: &World, present: Mono) {
        // What is put aside, a test, or at a loss for a value explains nothing; to the loop the loss is the danger.
        let lost =
            |b: &Binding| w.rules[b.rule.0 as usize].unknown == Unknown::Hold && w.points[b.point.0 as usize].is_bad();
        let explains = |alarm: &Alarm| {
            alarm.stands() && alarm.test.is_none() && alarm.veils.shelf.is_none() && alarm.veils.out_until.is_none()
        };
        let causes: Vec<u32> = self
            .alarms
            .iter()
            .zip(&w.bindings)
            .filter(|(alarm, b)| b.hides != NONE && alarm.is_some_and(|alarm| explains(&alarm)) && !lost(b))
            .map(|(_, b)| b.hides)
            .collect();
        let hidden = |group: u32| causes.contains(&group);
        for (alarm, b) in self.alarms.iter().zip(&w.bindings) {
            let Some(alarm) = alarm else {
                assert_eq!((b.alarm, b.stood), (AlarmState::Normal, 0), "a transition was lost");
                continue;
            };
            let open = b.alarm.open().expect("a transition was lost");
            let Open { standing, life, veils } = open;
            let (again, stands) = (alarm.again.filter(|_| alarm.letter() == 'C'), alarm.stands());
            assert_eq!((standing.id, standing.number, standing.level), (alarm.id, alarm.number, alarm.level));
            assert_eq!((life.name().letter(), veils), (alarm.life, alarm.veils));
            assert_eq!((standing.test, standing.first), (alarm.test, alarm.first));
            assert_eq!(b.stood > 0, stands, "what stands is an alarm, and nothing else is: {alarm:?}");
            let due = w.groups.get(b.hidden_by as usize).and_then(|group| group.due);
            let waits = veils.suppressed && due.is_some_and(|due| due > present && due <= present.plus(RELEASE_MS));
            assert!(
                alarm.life == 'A' || veils.suppressed == hidden(b.hidden_by) || waits,
                "what is explained is hidden: {alarm:?}"
            );
            let ends = [veils.shelf.map(|shelf| shelf.until), veils.out_until, again];
            assert!(ends.into_iter().flatten().all(|end| end > present), "a time is over: {alarm:?} at {present:?}");
            let area = w.points[b.point.0 as usize].area;
            let tested = self.modes[usize::from(area)].is_some();
            assert!(alarm.test.is_none() || !stands || tested, "no test outlasts its mode: {alarm:?}");
        }
        assert!(self.modes.iter().flatten().all(|(_, until)| *until > present), "a mode has no end");
    }

    /// What the table says of a person's command, time limits first.
    fn answer(&self, w: &World, target: Target, command: Command) -> Result<EventName, Refusal> {
        let index = match target {
            Target::Alarm(id) => self.alarms.iter().position(|alarm| alarm.is_some_and(|alarm| alarm.id == id)),
            Target::Binding(index) => Some(index as usize).filter(|index| *index < w.bindings.len()),
        };
        let index = index.ok_or(Refusal::NoSuchAlarm)?;
        let rule = w.rules[w.bindings[index].rule.0 as usize];
        let alarm = self.alarms[index];
        let level = alarm.filter(|alarm| alarm.life != 'A').map_or(0, |alarm| alarm.level);
        let policy = Policy::default();
        let open = alarm.ok_or(Refusal::NoSuchAlarm);
        let veils = alarm.map_or(Veils::NONE, |alarm| alarm.veils);
        let refused = |life: char, row| match cell(LIVES, row, &life.to_string()) {
            "!NothingToAcknowledge" => Some(Refusal::NothingToAcknowledge),
            "!AlreadyAcknowledged" => Some(Refusal::AlreadyAcknowledged),
            "!AcknowledgeFirst" => Some(Refusal::AcknowledgeFirst),
            "!NotLatched" => Some(Refusal::NotLatched),
            _ => None,
        };
        let or = |refusal: Option<Refusal>, event| refusal.map_or(Ok(event), Err);
        match command {
            Command::Acknowledge => or(refused(open?.life, "acknowledge"), EventName::Acknowledge),
            Command::Reset => or(refused(open?.life, "reset"), EventName::Reset),
            Command::Note => open.map(|_| EventName::Note),
            Command::Shelve { .. } if !rule.level(level).shelvable => Err(Refusal::NotShelvable),
            Command::Shelve { for_ms: 0, .. } | Command::OutOfService { for_ms: 0 } => Err(Refusal::NoEnd),
            Command::Shelve { for_ms, .. } if for_ms > policy.max_shelf_ms => {
                Err(Refusal::TooLong(policy.max_shelf_ms))
            }
            Command::OutOfService { for_ms } if for_ms > policy.max_out_ms => Err(Refusal::TooLong(policy.max_out_ms)),
            Command::Shelve { .. } => or(veils.shelf.map(|_| Refusal::AlreadyShelved), EventName::Shelve),
            Command::OutOfService { .. } => or(veils.out_until.map(|_| Refusal::AlreadyOut), EventName::OutOfService),
            Command::Unshelve if open?.veils.shelf.is_none() => Err(Refusal::NotShelved),
            Command::Unshelve => Ok(EventName::Unshelve),
            Command::ReturnToService if open?.veils.out_until.is_none() => Err(Refusal::NotOut),
            Command::ReturnToService => Ok(EventName::ReturnToService),
        }
    }

    fn answer_mode(&self, event: &Event) -> Result<(), Refusal> {
        let max = Policy::default().max_mode_ms;
        let area = |area: u16| self.modes.get(usize::from(area)).copied().ok_or(Refusal::NoSuchArea);
        match *event {
            Event::Begin { for_ms: 0, .. } => Err(Refusal::NoEnd),
            Event::Begin { for_ms, .. } if for_ms > max => Err(Refusal::TooLong(max)),
            Event::Begin { area: of, .. } => area(of)?.map_or(Ok(()), |_| Err(Refusal::ModeRuns)),
            Event::End { area: of } => area(of)?.map(|_| ()).ok_or(Refusal::NoModeRuns),
            Event::Reading(..) | Event::Command(..) | Event::Tick => Ok(()),
        }
    }
}

/// A veil is put on where none of its kind is, or lifted where one is; with the last the alarm is announced anew.
fn veiled(before: &Alarm, t: &Transition, after: &mut Alarm) {
    let Veils { shelf, suppressed, out_until } = before.veils;
    let put = matches!(t.event, EventName::Shelve | EventName::Suppress | EventName::OutOfService);
    let was = match t.event {
        EventName::Shelve | EventName::Unshelve => {
            after.veils.shelf = t.veils.shelf.filter(|_| put);
            shelf.is_some()
        }
        EventName::Suppress | EventName::Unsuppress => {
            after.veils.suppressed = put;
            suppressed || (put && before.life == 'A')
        }
        EventName::OutOfService | EventName::ReturnToService => {
            after.veils.out_until = t.veils.out_until.filter(|_| put);
            out_until.is_some()
        }
        EventName::Raise
        | EventName::Acknowledge
        | EventName::Return
        | EventName::Reset
        | EventName::Escalate
        | EventName::ReAlarm
        | EventName::Note => panic!("no veil: {t:?}"),
    };
    assert!(was != put, "no such veil to put on or lift: {before:?} {t:?}");
    if after.veils == Veils::NONE {
        after.life = unveiled(before.life);
    }
    after.veils.suppressed &= after.life != 'A';
}

/// Where a life leads with the last veil.
fn unveiled(life: char) -> char {
    cell(UNVEILED, "unveiled", &life.to_string()).chars().next().unwrap_or('?')
}

/// Nothing, a minute, all too long, or forever.
fn how_long(dice: &mut Dice) -> u64 {
    match dice.roll(20) {
        0 => 0,
        1 => dice.one_of(&[8 * 3_600_000 + 1, 12 * 3_600_000 + 1, 30 * 86_400_000 + 1, u64::MAX]),
        _ => dice.roll(60_000) + 1,
    }
}

fn reading(dice: &mut Dice, ms: u64) -> Event {
    let point = dice.one_of(&[PRESSURE, PRESSURE, GAS, GAS, DOOR, DOOR, MAINS, LOOP, LOOP, PointId(99)]);
    let value = dice.one_of(&[0.0, 0.0, 1.0, 0.1, 0.16, 0.2, 23.0, 26.0, 47.0, 55.0, f64::NAN, f64::INFINITY]);
    let doubts = [Reason::Stale, Reason::Clock, Reason::Comm, Reason::Timeout, Reason::NotANumber];
    let quality = match dice.roll(10) {
        0 => Quality::Uncertain(dice.one_of(&doubts[..2])),
        1 | 2 => Quality::Bad(dice.one_of(&doubts)),
        _ => Quality::Good,
    };
    let (delivery, late) = if dice.roll(8) == 0 { (Delivery::History, dice.roll(10_000)) } else { (Delivery::Live, 0) };
    let at = Wall(now(ms).wall.0 - late as i64);
    Event::Reading(Reading { point, at, value, quality }, delivery)
}

fn command(dice: &mut Dice, w: &World) -> Event {
    let open: Vec<_> = w.bindings.iter().filter_map(|b| b.alarm.standing()).map(|standing| standing.id).collect();
    let target = match dice.roll(20) {
        0 => Target::Alarm(AlarmId(dice.roll(u64::MAX))),
        1..10 if !open.is_empty() => Target::Alarm(dice.one_of(&open)),
        _ => Target::Binding(dice.roll(14) as u32),
    };
    let command = match dice.roll(10) {
        0..3 => Command::Acknowledge,
        3 | 4 => Command::Reset,
        5 => Command::Shelve { for_ms: how_long(dice), one_shot: dice.roll(2) == 0 },
        6 => Command::Unshelve,
        7 => Command::OutOfService { for_ms: how_long(dice) },
        8 => Command::ReturnToService,
        _ => Command::Note,
    };
    Event::Command(target, command)
}

fn event(dice: &mut Dice, w: &World, ms: u64) -> Event {
    let area = dice.one_of(&[0, 0, 1, 1, 1, 2, u16::MAX]);
    match dice.roll(20) {
        0..13 => reading(dice, ms),
        13..17 => command(dice, w),
        17 => Event::Begin { area, mode: dice.one_of(&ModeName::ALL), for_ms: how_long(dice) },
        18 => Event::End { area },
        _ => Event::Tick,
    }
}

/// What came out, in the order it came.
#[derive(Default)]
struct Outs(Vec<Out>);

enum Out {
    Step(Transition),
    Mode(ModeChange),
}

impl Sink for Outs {
    fn transition(&mut self, transition: &Transition) {
        self.0.push(Out::Step(*transition));
    }

    fn mode(&mut self, change: &ModeChange) {
        self.0.push(Out::Mode(*change));
    }
}

/// Gives the engine one event and the model what came out; the answer and the names of the transitions.
fn give(w: &mut World, model: &mut Model, event: Event, ms: u64) -> (Result<(), Refusal>, Vec<EventName>) {
    let mut outs = Outs::default();
    let told = w.run(|e, _| e.handle(event, now(ms), &mut outs));
    let mut names = Vec::new();
    for out in outs.0 {
        match out {
            Out::Mode(change) => model.mode(&change),
            Out::Step(t) => {
                model.take(&t, w);
                names.push(t.event);
            }
        }
    }
    (told, names)
}

fn episode(seed: u64, events: u64) -> [u64; 13] {
    let (mut dice, mut w) = (Dice(seed), World::started());
    let mut model = Model { alarms: vec![None; w.bindings.len()], ..Model::default() };
    let (mut ms, mut seen) = (0, [0; 13]);
    for nth in 0..events {
        // Mostly seconds, sometimes the same moment, a night, a step back.
        ms += match dice.roll(40) {
            0 => dice.roll(90_000),
            1 if nth % 50 == 0 => dice.roll(3 * 86_400_000),
            2..6 => 0,
            _ => dice.roll(2_000),
        };
        let given = if dice.roll(50) == 0 { ms.saturating_sub(dice.roll(5_000)) } else { ms };
        let event = event(&mut dice, &w, given);
        // What a command answers depends on what was due before it: that is served first. All else wakes late.
        let mut names = Vec::new();
        if !matches!(event, Event::Reading(..)) {
            names = give(&mut w, &mut model, Event::Tick, given).1;
        }
        let answer = match event {
            Event::Command(target, command) => model.answer(&w, target, command).map(Some),
            Event::Begin { .. } | Event::End { .. } => model.answer_mode(&event).map(|()| None),
            Event::Reading(..) | Event::Tick => Ok(None),
        };
        let (told, out) = give(&mut w, &mut model, event, given);
        assert_eq!(told, answer.map(|_| ()), "seed {seed}, event {nth}: {event:?}");
        if let Event::Command(..) = event {
            assert_eq!(out.first().copied(), answer.unwrap_or(None), "seed {seed}, event {nth}: {event:?}");
        }
        model.check(&w, w.counter());
        names.extend(out);
        for name in names {
            seen[EventName::ALL.iter().position(|of| *of == name).expect("one of all")] += 1;
        }
    }
    seen
}

#[test]
fn a_million_events_stay_within_the_table() {
    let told = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (events, seed) = (told("GENGFU_EVENTS").unwrap_or(EVENTS), told("GENGFU_SEED").unwrap_or(1));
    let mut seen = [0; 13];
    for nth in 0..events.div_ceil(EPISODE) {
        for (sum, more) in seen.iter_mut().zip(episode(seed + nth, EPISODE.min(events - nth * EPISODE))) {
            *sum += more;
        }
    }
    for (event, count) in EventName::ALL.iter().zip(seen) {
        println!("{:>18} {count}", event.word());
        assert!(count > 0 || events < EVENTS, "{event:?} never happened: the dice are loaded");
    }
}
