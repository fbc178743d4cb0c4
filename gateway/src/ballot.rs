//! How a vote stood at a step of its alarm, by the names of its voters, and how that is said. Pure.

use gengfu_core::detect::vote::{Degraded, Params, Tally, Watch};
use serde::{Deserialize, Serialize};

use crate::config::checked::{Labels, Voter};
use crate::flow::Text;

/// A vote by names: `rule@device/point`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// Voters that there are.
    pub of: u8,
    /// Whose votes count.
    pub votes: Vec<String>,
    /// Who can't vote for want of a value; one that could before may stand among the votes all the same.
    pub bad: Vec<String>,
    /// Who may not: a person has taken it out of service.
    pub out_of_service: Vec<String>,
    /// All of it in words.
    pub said: Text,
}

impl Ballot {
    /// `voters`: by the numbers that the tally gives them.
    pub(crate) fn of(params: &Params, tally: Tally, voters: &[Voter], labels: &Labels) -> Self {
        let chosen =
            |set: u16| voters.iter().enumerate().filter(move |(n, _)| set >> n & 1 == 1).map(|(_, voter)| voter);
        let names = |set| chosen(set).map(|Voter { rule, point }| format!("{rule}@{point}")).collect();
        let people = |set| {
            let labels = chosen(set).map(|Voter { point, .. }| {
                let (device, point) = point.split_once('/').unwrap_or((point, ""));
                labels.full(device, point)
            });
            let (zh, en): (Vec<_>, Vec<_>) = labels.map(|Text { zh, en }| (zh, en)).unzip();
            Text { zh: zh.join("、"), en: en.join(", ") }
        };
        let said = said(params, tally, &people(tally.bad), &people(tally.out));
        let (votes, bad, out_of_service) = (names(tally.votes), names(tally.bad), names(tally.out));
        Self { of: params.of, votes, bad, out_of_service, said }
    }
}

/// Just the count.
pub(crate) fn counted(params: &Params, tally: Tally) -> Text {
    let (n, of) = (params.shown(tally), params.of);
    match params.watch {
        Watch::Danger => Text { zh: format!("{of} 个成员中 {n} 个报警"), en: format!("{n} of {of} voters") },
        Watch::Health { .. } => {
            Text { zh: format!("{of} 个成员中 {n} 个有效"), en: format!("{n} of {of} voters that can vote") }
        }
    }
}

fn said(params: &Params, tally: Tally, bad: &Text, out: &Text) -> Text {
    let count = |set: u16| set.count_ones();
    let (of, need, votes) = (u32::from(params.of), params.need, count(tally.votes));
    // A bad one that calls it votes; whether it can is another matter.
    let lost = match params.watch {
        Watch::Danger => tally.bad & !tally.votes,
        Watch::Health { .. } => tally.bad,
    };
    let (lost, aside) = (count(lost), count(tally.out));
    let left = of.saturating_sub(lost + aside);
    let (zh, en) = match (params.watch, params.degraded) {
        (Watch::Health { .. }, _) => (
            format!("表决降级：{of} 个成员中仅 {left} 个有效"),
            format!("the vote is degraded: {left} of {of} voters can vote"),
        ),
        (Watch::Danger, Degraded::Trip) if votes == 0 && lost + aside > 0 => {
            let n = lost + aside;
            (
                format!("{of} 个成员中 {n} 个失效，按报警计（需 {need}）"),
                format!("{n} of {of} voters are bad, and count as alarm"),
            )
        }
        (Watch::Danger, Degraded::Fewer) if left < of => {
            (format!("{left} 个有效成员中 {votes} 个报警"), format!("{votes} of {left} usable voters call it"))
        }
        (Watch::Danger, Degraded::Hold | Degraded::Fewer | Degraded::Trip) => (
            format!("{of} 个成员中 {votes} 个报警（需 {need}）"),
            format!("{votes} of {of} voters call it, {need} are needed"),
        ),
    };
    let counts = matches!((params.watch, params.degraded), (Watch::Danger, Degraded::Trip)) && votes > 0;
    let (as_zh, as_en) = if counts { ("，按报警计", " and counts as alarm") } else { ("", "") };
    let part = |n: u32, names: &Text, zh: &str, en: &str| match n {
        0 => (String::new(), String::new()),
        n => {
            let are = if n == 1 { "is" } else { "are" };
            (format!("；{n} 个{zh}{as_zh}（{}）", names.zh), format!("; {n} {are} {en}{as_en} ({})", names.en))
        }
    };
    let (bad_zh, bad_en) = part(count(tally.bad), bad, "失效", "bad");
    let (out_zh, out_en) = part(aside, out, "停用", "out of service");
    Text { zh: format!("{zh}{bad_zh}{out_zh}"), en: format!("{en}{bad_en}{out_en}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_is_said_as_it_stands_and_who_is_missing_is_named() {
        let mut labels = Labels::default();
        labels.name_device("smoke-a", Text::of("甲烟感 / smoke A"));
        let voter = |rule: &str, point: &str| Voter { rule: rule.to_owned(), point: point.to_owned() };
        let voters = [voter("smoke", "smoke-a/alarm"), voter("heat", "heat-b/t"), voter("smoke", "smoke-c/alarm")];
        let two = Params {
            need: 2,
            of: 2,
            within_ms: 0,
            degraded: Degraded::Hold,
            watch: Watch::Danger,
            unheard_ms: 60_000,
            voters: 0,
        };
        let health = Params { watch: Watch::Health { after_ms: 60_000 }, ..two };
        let three = Params { of: 3, ..two };
        let by = |degraded, params| Params { degraded, ..params };
        for (params, (votes, bad, out), zh, en) in [
            (two, (0b11, 0, 0), "2 个成员中 2 个报警（需 2）", "2 of 2 voters call it, 2 are needed"),
            (
                by(Degraded::Fewer, two),
                (0b10, 0, 0b01),
                "1 个有效成员中 1 个报警；1 个停用（甲烟感 alarm）",
                "1 of 1 usable voters call it; 1 is out of service (smoke A alarm)",
            ),
            (
                by(Degraded::Fewer, three),
                (0b11, 0, 0),
                "3 个成员中 2 个报警（需 2）",
                "2 of 3 voters call it, 2 are needed",
            ),
            (
                by(Degraded::Trip, three),
                (0, 0b110, 0b001),
                "3 个成员中 3 个失效，按报警计（需 2）；2 个失效（heat-b/t、smoke-c/alarm）；1 个停用（甲烟感 alarm）",
                "3 of 3 voters are bad, and count as alarm; 2 are bad (heat-b/t, smoke-c/alarm); \
                 1 is out of service (smoke A alarm)",
            ),
            (
                by(Degraded::Trip, three),
                (0b001, 0b010, 0),
                "3 个成员中 1 个报警（需 2）；1 个失效，按报警计（heat-b/t）",
                "1 of 3 voters call it, 2 are needed; 1 is bad and counts as alarm (heat-b/t)",
            ),
            (
                health,
                (0b10, 0b10, 0),
                "表决降级：2 个成员中仅 1 个有效；1 个失效（heat-b/t）",
                "the vote is degraded: 1 of 2 voters can vote; 1 is bad (heat-b/t)",
            ),
        ] {
            let ballot = Ballot::of(&params, Tally { votes, bad, out }, &voters, &labels);
            assert_eq!((ballot.said.zh.as_str(), ballot.said.en.as_str()), (zh, en));
        }
        let ballot = Ballot::of(&three, Tally { votes: 0b100, bad: 0b010, out: 0b001 }, &voters, &labels);
        let names = [ballot.votes, ballot.bad, ballot.out_of_service].concat();
        assert_eq!(names, ["smoke@smoke-c/alarm", "heat@heat-b/t", "smoke@smoke-a/alarm"]);
        assert_eq!(counted(&two, Tally { votes: 1, bad: 0, out: 0 }).en, "1 of 2 voters");
        assert_eq!(counted(&health, Tally { votes: 0, bad: 1, out: 0 }).zh, "2 个成员中 1 个有效");
    }
}
