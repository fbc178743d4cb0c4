//! The whole table of ISA-18.2 / IEC 62682 as data, written from the standard's diagram and not from the code, and the code
//! held against it: every state, under every set of veils, with every input. What the table does not name does not exist.

use super::life::Life;
use super::state::{Breach, Input, Open, Refusal, Shelf, Standing, State, Step, Veils};
use super::{AlarmId, EventName, ModeName, Named, Priority, StateName};
use crate::time::{Mono, Wall};

/// The lives: what happens in each state, and where it leads; `-` nothing, `!` refused. A is an alarm that is normal and
/// open only because a person's veil lies over it; where there is none, [`NO_ALARM`] tells what is different.
pub(crate) const LIVES: &str = "
                            | A             | B             | C              | D             | E             | F
 condition                  | raise B       | -             | -              | raise B       | raise B       | raise B
 condition, higher          | raise B       | escalate B    | escalate B     | raise B       | raise B       | raise B
 condition, second again    | raise B       | -             | escalate B     | raise B       | raise B       | raise B
 over                       | -             | return D      | return A       | -             | -             | -
 over, latching             | -             | return E      | return F       | -             | -             | -
 acknowledge                | !NothingToAcknowledge | acknowledge C | !AlreadyAcknowledged | acknowledge A | acknowledge F | !AlreadyAcknowledged
 reset                      | !NotLatched   | !NotLatched   | !NotLatched    | !NotLatched   | !AcknowledgeFirst | reset A
 time to ring again         | -             | -             | re-alarm B     | -             | -             | -
 test over                  | -             | raise B       | raise B        | -             | -             | -
 note                       | note A        | note B        | note C         | note D        | note E        | note F
";

/// The veils: G a shelf, H suppressed by design, I out of service, in any set; `none` is no veil.
const VEILS: &str = "
        | shelve          | unshelve      | suppress     | unsuppress      | out-of-service     | return-to-service
  none  | shelve G        | !NotShelved   | suppress H   | -               | out-of-service I   | !NotOut
  G     | !AlreadyShelved | unshelve none | suppress GH  | -               | out-of-service GI  | !NotOut
  H     | shelve GH       | !NotShelved   | -            | unsuppress none | out-of-service HI  | !NotOut
  I     | shelve GI       | !NotShelved   | suppress HI  | -               | !AlreadyOut        | return-to-service none
  GH    | !AlreadyShelved | unshelve H    | -            | unsuppress G    | out-of-service GHI | !NotOut
  GI    | !AlreadyShelved | unshelve I    | suppress GHI | -               | !AlreadyOut        | return-to-service G
  HI    | shelve GHI      | !NotShelved   | -            | unsuppress I    | !AlreadyOut        | return-to-service H
  GHI   | !AlreadyShelved | unshelve HI   | -            | unsuppress GI   | !AlreadyOut        | return-to-service GH
";

/// With the last veil an alarm is announced anew: where it leads.
pub(crate) const UNVEILED: &str = "
           | A | B | C | D | E | F
  unveiled | A | B | B | A | E | E
";

/// Where no alarm is open at all: all else is as with A.
const NO_ALARM: &[(&str, &str)] = &[
    ("acknowledge", "!NoSuchAlarm"),
    ("reset", "!NoSuchAlarm"),
    ("note", "!NoSuchAlarm"),
    ("unshelve", "!NoSuchAlarm"),
    ("return-to-service", "!NoSuchAlarm"),
];

/// The cell of a row and a column.
pub(crate) fn cell<'t>(table: &'t str, row: &str, column: &str) -> &'t str {
    let mut rows = table.lines().filter(|line| !line.trim().is_empty()).map(|line| line.split('|').map(str::trim));
    let head = rows.next().expect("a table has a head");
    let at = head.into_iter().position(|name| name == column).unwrap_or_else(|| panic!("no column {column}"));
    let mut found = rows.filter_map(|mut cells| (cells.next() == Some(row)).then(|| cells.nth(at - 1)));
    found.next().flatten().unwrap_or_else(|| panic!("no row {row}"))
}

/// One line of domain knowledge: from, what happens, to. The figure of ISA-18.2 in its own order.
const FIGURE: [(&str, &str, &str); 14] = [
    ("A", "condition", "raise B"),
    ("B", "acknowledge", "acknowledge C"),
    ("B", "over", "return D"),
    ("B", "over, latching", "return E"),
    ("C", "over", "return A"),
    ("C", "over, latching", "return F"),
    ("C", "time to ring again", "re-alarm B"),
    ("C", "condition, higher", "escalate B"),
    ("D", "acknowledge", "acknowledge A"),
    ("D", "condition", "raise B"),
    ("E", "acknowledge", "acknowledge F"),
    ("E", "condition", "raise B"),
    ("E", "reset", "!AcknowledgeFirst"),
    ("F", "reset", "reset A"),
];

const LETTERS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];
const UNTIL: Mono = Mono(5_000);
const FRESH: (AlarmId, Wall) = (AlarmId(77), Wall(9));

/// What the table knows of a state: letters, and what a condition brought with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Seen {
    life: &'static str,
    /// `Some(one_shot)`
    shelf: Option<bool>,
    hidden: bool,
    out: bool,
    level: u8,
    test: bool,
    first: bool,
}

impl Seen {
    const NORMAL: Self =
        Self { life: "A", shelf: None, hidden: false, out: false, level: 0, test: false, first: false };

    fn of(state: State) -> Self {
        let Some(Open { standing, life, veils }) = state.open() else { return Self::NORMAL };
        let letter = life.name().letter();
        Self {
            life: LETTERS.into_iter().find(|l| l.starts_with(letter)).expect("a life has a letter A to F"),
            shelf: veils.shelf.map(|shelf| shelf.one_shot),
            hidden: veils.suppressed,
            out: veils.out_until.is_some(),
            level: standing.level,
            test: standing.test.is_some(),
            first: standing.first,
        }
    }

    /// Whether an alarm is open: something stands, or a person has put a veil over it.
    fn open(self) -> bool {
        self.life != "A" || self.shelf.is_some() || self.out
    }

    /// The states of the table. Of an alarm that is over nothing is left to hide.
    fn exists(self) -> bool {
        (self.open() && !(self.life == "A" && self.hidden)) || self == Self::NORMAL
    }

    fn veils(self) -> String {
        let set = [(self.shelf.is_some(), "G"), (self.hidden, "H"), (self.out, "I")];
        let named: String = set.into_iter().filter(|(is, _)| *is).map(|(_, letter)| letter).collect();
        if named.is_empty() { "none".to_owned() } else { named }
    }

    /// I over H over G over the life.
    fn letter(self) -> &'static str {
        match (self.out, self.hidden, self.shelf) {
            (true, _, _) => "I",
            (false, true, _) => "H",
            (false, false, Some(_)) => "G",
            (false, false, None) => self.life,
        }
    }

    fn every() -> Vec<Self> {
        let mut all = Vec::new();
        for life in LETTERS {
            for shelf in [None, Some(false), Some(true)] {
                for bits in 0..32u8 {
                    let is = |bit: u8| bits & (1 << bit) != 0;
                    all.push(Self {
                        life,
                        shelf,
                        hidden: is(0),
                        out: is(1),
                        level: bits >> 2 & 1,
                        test: is(3),
                        first: is(4),
                    });
                }
            }
        }
        all.retain(|seen| seen.exists());
        all
    }

    fn state(self) -> State {
        if !self.open() {
            return State::Normal;
        }
        let letter = StateName::ALL.into_iter().find(|name| self.life.starts_with(name.letter()));
        let life = Life::named(letter.expect("a letter"), Some(Mono(1))).expect("a life");
        let standing = Standing {
            id: AlarmId(3),
            onset: Wall(1),
            number: 8,
            level: self.level,
            test: self.test.then_some(ModeName::Drill),
            first: self.first,
        };
        let shelf = self.shelf.map(|one_shot| Shelf { until: UNTIL, one_shot });
        let veils = Veils { shelf, suppressed: self.hidden, out_until: self.out.then_some(UNTIL) };
        State::Open(Open { standing, life, veils })
    }
}

fn inputs() -> Vec<Input> {
    let mut all = vec![
        Input::Normal { latching: false },
        Input::Normal { latching: true },
        Input::Acknowledge { again: Some(Mono(1)) },
        Input::Reset,
        Input::ReAlarm,
        Input::Shelve(Shelf { until: UNTIL, one_shot: false }, FRESH),
        Input::Shelve(Shelf { until: UNTIL, one_shot: true }, FRESH),
        Input::Unshelve,
        Input::Suppress,
        Input::Unsuppress,
        Input::OutOfService(UNTIL, FRESH),
        Input::ReturnToService,
        Input::TestOver { first: false },
        Input::TestOver { first: true },
        Input::Note,
    ];
    for bits in 0..64u8 {
        let is = |bit: u8| bits & (1 << bit) != 0;
        all.push(Input::Breach(Breach {
            level: bits & 1,
            fresh: FRESH,
            risen: is(1),
            hidden: is(2),
            test: is(3).then_some(ModeName::Drill),
            first: is(4),
            shelvable: is(5),
        }));
    }
    all
}

/// The row or column that an input is in the tables; whether it is of the life.
fn named(seen: Seen, input: &Input) -> (bool, &'static str) {
    match *input {
        Input::Breach(Breach { level, .. }) if level > seen.level => (true, "condition, higher"),
        Input::Breach(Breach { level, risen: true, .. }) if level > 0 => (true, "condition, second again"),
        Input::Breach(_) => (true, "condition"),
        Input::Normal { latching: false } => (true, "over"),
        Input::Normal { latching: true } => (true, "over, latching"),
        Input::Acknowledge { .. } => (true, "acknowledge"),
        Input::Reset => (true, "reset"),
        Input::ReAlarm => (true, "time to ring again"),
        Input::TestOver { .. } => (true, "test over"),
        Input::Note => (true, "note"),
        Input::Shelve(..) => (false, "shelve"),
        Input::Unshelve => (false, "unshelve"),
        Input::Suppress => (false, "suppress"),
        Input::Unsuppress => (false, "unsuppress"),
        Input::OutOfService(..) => (false, "out-of-service"),
        Input::ReturnToService => (false, "return-to-service"),
    }
}

/// What the tables say: `None` nothing, a refusal, or an event and the state after it.
fn expected(seen: Seen, input: &Input) -> Result<Option<(&'static str, Seen)>, &'static str> {
    let (of_life, name) = named(seen, input);
    let mut found = if of_life { cell(LIVES, name, seen.life) } else { cell(VEILS, &seen.veils(), name) };
    if !seen.open()
        && let Some((_, other)) = NO_ALARM.iter().find(|(of, _)| *of == name)
    {
        found = other;
    }
    // Three things that letters alone do not tell.
    let nothing = (matches!(input, Input::ReAlarm) && seen.veils() != "none")
        || (matches!(input, Input::TestOver { .. }) && !seen.test)
        || (matches!(input, Input::Suppress) && seen.life == "A");
    if found == "-" || nothing {
        return Ok(None);
    }
    if let Some(refusal) = found.strip_prefix('!') {
        return Err(refusal);
    }
    let (event, to) = found.split_once(' ').expect("an event and where it leads");
    let mut after = if of_life { Seen { life: to, ..seen } } else { veiled(seen, to, input) };
    if let Input::Breach(breach) = input {
        condition(seen, breach, &mut after);
    }
    if let Input::TestOver { first } = *input {
        (after.test, after.first) = (false, first);
    }
    // One shot: the return ends the shelf, and where nothing else lies over it, the alarm is announced as it is.
    if event == "return" && seen.shelf == Some(true) {
        after.shelf = None;
        if after.veils() == "none" {
            after.life = cell(UNVEILED, "unveiled", after.life);
        }
    }
    after.hidden &= after.life != "A";
    Ok(Some((event, after)))
}

/// A veil came or went.
fn veiled(seen: Seen, to: &'static str, input: &Input) -> Seen {
    let shelf = if let Input::Shelve(shelf, _) = input { Some(shelf.one_shot) } else { seen.shelf };
    let mut after =
        Seen { hidden: to.contains('H'), out: to.contains('I'), shelf: shelf.filter(|_| to.contains('G')), ..seen };
    if to == "none" {
        after.life = cell(UNVEILED, "unveiled", seen.life);
    }
    after
}

/// What a condition brings with it. An alarm never grows quieter by itself; a level that may not lie on a shelf ends it.
fn condition(seen: Seen, breach: &Breach, after: &mut Seen) {
    let mode = breach.test.is_some();
    if seen.life == "A" {
        (after.level, after.test, after.first) = (breach.level, mode, breach.first);
        after.hidden = breach.hidden;
    } else {
        after.level = seen.level.max(breach.level);
        // A test that waits for people is a test again only if the mode still runs; what was real stays real.
        after.test = if "DEF".contains(seen.life) { seen.test && mode } else { seen.test };
        if seen.test && !after.test {
            after.first = breach.first;
        }
    }
    if !breach.shelvable {
        after.shelf = None;
    }
}

fn taken(result: Result<Option<Step>, Refusal>) -> Result<Option<(&'static str, Seen)>, String> {
    let step = result.map_err(|refusal| format!("{refusal:?}"))?;
    Ok(step.map(|step| {
        let after = step.state();
        // What is normal and is under no person's veil is no alarm, and keeps nothing.
        let seen = if after == State::Normal { Seen::NORMAL } else { Seen::of(after) };
        (step.event.word(), seen)
    }))
}

fn closed(seen: Seen) -> Seen {
    if seen.open() { seen } else { Seen::NORMAL }
}

#[test]
fn the_figure_is_in_the_table_and_in_the_code() {
    for (from, input, to) in FIGURE {
        assert_eq!(cell(LIVES, input, from), to, "{from}: {input}");
    }
}

/// Every state of the product with every input: 521 states, 79 inputs. What is wrong is listed whole.
#[test]
fn the_code_is_the_table() {
    let (states, inputs) = (Seen::every(), inputs());
    let mut wrong = Vec::new();
    for seen in &states {
        assert_eq!(Seen::of(seen.state()), *seen);
        for input in &inputs {
            let table = expected(*seen, input).map(|step| step.map(|(event, after)| (event, closed(after))));
            let code = taken(seen.state().step(*input));
            if code != table.map_err(str::to_owned) {
                wrong.push(format!(
                    "{} over {}: {input:?}\n   table {table:?}\n   code  {code:?}",
                    seen.veils(),
                    seen.life
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), states.len() * inputs.len(), wrong.join("\n"));
    assert_eq!((states.len(), inputs.len()), (1 + 5 * 96 + 5 * 8, 79), "none was forgotten");
}

/// Exhaustive, not random: from no alarm, by any inputs in any order, the states of the table are reached, all of them and
/// no other.
#[test]
fn no_sequence_leaves_the_table_and_all_of_it_is_reached() {
    let inputs = inputs();
    let mut known = std::collections::BTreeSet::from([Seen::NORMAL]);
    let mut next = vec![Seen::NORMAL];
    while let Some(seen) = next.pop() {
        for input in &inputs {
            let Ok(Some(step)) = seen.state().step(*input) else { continue };
            let after = closed(Seen::of(step.state()));
            assert!(after.exists(), "{seen:?} and {input:?} led to {after:?}");
            if known.insert(after) {
                next.push(after);
            }
        }
    }
    let unreached: Vec<_> = Seen::every().into_iter().filter(|seen| !known.contains(seen)).collect();
    assert!(unreached.is_empty(), "{unreached:?}");
}

#[test]
fn the_letter_is_that_of_the_uppermost_veil() {
    for seen in Seen::every() {
        assert!(seen.letter().starts_with(seen.state().name().letter()), "{seen:?}");
    }
}

/// A step moves an alarm's number by one and nothing of its name; what is new is number one, under the name it was given.
#[test]
fn numbers_count_up_and_names_stay() {
    for seen in Seen::every() {
        for input in inputs() {
            let (before, Ok(Some(step))) = (seen.state(), seen.state().step(input)) else { continue };
            let after = step.open.standing;
            let number = before.standing().map_or((FRESH.0, FRESH.1, 1), |s| (s.id, s.onset, s.number + 1));
            assert_eq!((after.id, after.onset, after.number), number, "{seen:?} {input:?}");
        }
    }
}

/// What happens by itself: the earliest first, a shelf before the rest where they are due together; under a veil nothing rings.
#[test]
fn times_run_out_in_order() {
    for seen in Seen::every() {
        let Some(open) = seen.state().open() else { continue };
        let (shelf, out, again) = (Mono(300), Mono(200), Mono(100));
        let mut veils = open.veils;
        veils.shelf = veils.shelf.map(|of| Shelf { until: shelf, ..of });
        veils.out_until = veils.out_until.map(|_| out);
        let life = Life::named(open.life.name(), Some(again)).expect("a life");
        let state = State::Open(Open { life, veils, ..open });
        let rings = (seen.life == "C" && seen.veils() == "none").then_some((again, Input::ReAlarm));
        let ends =
            [rings, seen.out.then_some((out, Input::ReturnToService)), seen.shelf.map(|_| (shelf, Input::Unshelve))];
        let first = ends.into_iter().flatten().next();
        assert_eq!(state.deadline(), first.map(|(at, _)| at), "{seen:?}");
        assert_eq!(state.due(Mono(1_000)), first.map(|(_, input)| input), "{seen:?}");
        assert_eq!(first.and_then(|(at, _)| state.due(Mono(at.0 - 1))), None, "{seen:?}");
    }
}

/// Names and words: no two alike, so that a journal can be read back.
#[test]
fn words_and_letters_are_their_own() {
    fn distinct<T: std::hash::Hash + Eq>(all: impl Iterator<Item = T>, count: usize) {
        assert_eq!(all.collect::<std::collections::HashSet<_>>().len(), count);
    }
    distinct(StateName::ALL.iter().map(|name| name.word()), 9);
    distinct(StateName::ALL.iter().map(|name| name.letter()), 9);
    distinct(EventName::ALL.iter().map(|name| name.word()), 13);
    distinct(ModeName::ALL.iter().map(|name| name.word()), 3);
    distinct(Priority::ALL.iter().map(|priority| priority.word()), 4);
    let again = Named::next(Some(Named::with(None, AlarmId(5), Wall(9))), 1, Wall(9));
    assert_ne!(again, Named::next(None, 1, Wall(9)), "the same onset again is another alarm");
}
