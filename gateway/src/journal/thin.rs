//! Thinning: what is kept of one point's readings when the disk must give way. Pure. Extremes stay, changes stay, and one
//! reading a minute; so a trend keeps its shape and a state its every step. Around alarms everything stays.

use super::codec::Item;

/// Of each minute (UTC) some readings are kept.
const MINUTE: i64 = 60_000;
/// Changes of value in a minute up to which they are steps, and stay; above, they are noise, of which the extremes stay.
const STEPS: usize = 6;

/// Stretches of time that stay whole, in order of their begin, UTC ms.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<(i64, i64)>);

impl Kept {
    /// Within `around` ms of each of these moments.
    pub(super) fn around(moments: impl IntoIterator<Item = i64>, around: i64) -> Self {
        let stretch = |at: i64| (at.saturating_sub(around), at.saturating_add(around));
        let mut all: Vec<(i64, i64)> = moments.into_iter().map(stretch).collect();
        all.sort_unstable();
        all.dedup_by(|next, last| {
            let touches = next.0 <= last.1;
            if touches {
                last.1 = last.1.max(next.1);
            }
            touches
        });
        Self(all)
    }

    fn holds(&self, at: i64) -> bool {
        let after = self.0.partition_point(|(from, _)| *from <= at);
        after.checked_sub(1).and_then(|n| self.0.get(n)).is_some_and(|(_, to)| at <= *to)
    }
}

/// Keeps what tells most of `items`: one point's, in order of time.
pub(super) fn thin(items: &[Item], kept: &Kept) -> Vec<Item> {
    items.iter().zip(tells(items, kept)).filter(|(_, tells)| *tells).map(|(item, _)| *item).collect()
}

/// Whether it tells much, of each of `items`: one point's, in order of time.
pub(super) fn tells(items: &[Item], kept: &Kept) -> Vec<bool> {
    let mut out = Vec::with_capacity(items.len());
    let mut begin = 0;
    for minute in items.chunk_by(|a, b| a.at.div_euclid(MINUTE) == b.at.div_euclid(MINUTE)) {
        let end = begin + minute.len();
        let told = Minute::of(minute);
        let tells = |(place, item): (usize, &Item)| {
            let last = (begin + place).checked_sub(1).and_then(|n| items.get(n));
            let next = items.get(begin + place + 1);
            told.needs(place, item, [last, next]) || kept.holds(item.at)
        };
        out.extend(minute.iter().enumerate().map(tells));
        begin = end;
    }
    out
}

/// What of a minute must stay.
struct Minute {
    lowest: Option<usize>,
    highest: Option<usize>,
    /// Its values are steps, not noise.
    steps: bool,
}

impl Minute {
    fn of(items: &[Item]) -> Self {
        let changes = items.windows(2).filter(|pair| matches!(pair, [a, b] if differ(a, b))).count();
        let extreme = |better: fn(f64, f64) -> bool| {
            let usable = items.iter().enumerate().filter(|(_, item)| item.quality.has_value());
            let best = usable.reduce(|best, next| if better(next.1.value, best.1.value) { next } else { best });
            best.map(|(place, _)| place)
        };
        Self { lowest: extreme(|a, b| a < b), highest: extreme(|a, b| a > b), steps: changes <= STEPS }
    }

    fn needs(&self, place: usize, item: &Item, neighbours: [Option<&Item>; 2]) -> bool {
        let [turns, steps] = [turn, differ].map(|change| neighbours.iter().flatten().any(|near| change(near, item)));
        let extreme = self.lowest == Some(place) || self.highest == Some(place);
        place == 0 || extreme || turns || (self.steps && steps) || item.stamp.is_some()
    }
}

fn turn(a: &Item, b: &Item) -> bool {
    a.quality != b.quality
}

fn differ(a: &Item, b: &Item) -> bool {
    a.value.to_bits() != b.value.to_bits()
}

#[cfg(test)]
mod tests {
    use gengfu_core::quality::{Quality, Reason};
    use proptest::prelude::*;

    use super::*;

    fn item(at: i64, value: f64) -> Item {
        Item { point: 1, at, offset: 0, quality: Quality::Good, value, stamp: None }
    }

    fn seconds(n: i64, value: impl Fn(i64) -> f64) -> Vec<Item> {
        (0..n).map(|n| item(n * 1000, value(n))).collect()
    }

    #[test]
    fn of_noise_three_a_minute_stay_and_the_extremes_are_among_them() {
        let noise = seconds(3600, |n| f64::from((n * 7919 % 1000) as i32));
        let thin = thin(&noise, &Kept::default());
        assert!(thin.len() <= 180, "{} of 3600", thin.len());
        let extreme = |items: &[Item]| {
            items.iter().fold((f64::MAX, f64::MIN), |(a, b), item| (a.min(item.value), b.max(item.value)))
        };
        for minute in noise.chunks(60) {
            let of = |item: &&Item| item.at.div_euclid(MINUTE) == minute[0].at.div_euclid(MINUTE);
            let left: Vec<Item> = thin.iter().filter(of).copied().collect();
            assert_eq!(extreme(&left), extreme(minute));
            assert_eq!(left[0], minute[0]);
        }
    }

    #[test]
    fn of_a_state_every_step_stays_with_both_its_sides() {
        let door = seconds(600, |n| f64::from(u8::from((100..103).contains(&n) || n >= 480)));
        let thin = thin(&door, &Kept::default());
        let at: Vec<i64> = thin.iter().map(|item| item.at / 1000).filter(|at| at % 60 != 0).collect();
        assert_eq!(at, [99, 100, 102, 103, 479]);
        assert!(thin.iter().any(|item| item.at == 480_000));
    }

    #[test]
    fn faults_and_the_surroundings_of_alarms_stay() {
        let mut items = seconds(600, |n| (n % 50) as f64);
        for n in [200, 201] {
            items[n].quality = Quality::Bad(Reason::Comm);
        }
        let kept = Kept::around([400_000, 405_000], 10_000);
        let thin = thin(&items, &kept);
        let has = |n: i64| thin.iter().any(|item| item.at == n * 1000);
        assert!([199, 200, 201, 202].into_iter().all(has));
        assert!((390..=415).all(has) && !has(389) && !has(416), "all of it, and no more");
    }

    proptest! {
        #[test]
        fn thinning_again_takes_nothing_more_and_invents_nothing(
            values in proptest::collection::vec((0_i64..40_000, -5_i32..5), 0..300)
        ) {
            let mut at = 0;
            let item = |(step, value)| {
                at += step;
                item(at, f64::from(value))
            };
            let items: Vec<Item> = values.into_iter().map(item).collect();
            let once = thin(&items, &Kept::default());
            prop_assert!(once.iter().all(|item| items.contains(item)));
            let minutes = |items: &[Item]| items.iter().map(|item| item.at.div_euclid(MINUTE)).collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(minutes(&once), minutes(&items), "one a minute at least");
            prop_assert!(thin(&once, &Kept::default()).len() <= once.len());
        }
    }
}
