use super::table::Cell;
use gengfu_tests::random::Random;
pub(super) const NAME: &str = "damage";
pub(super) fn campaign(_random: Random, _repetitions: usize) -> Vec<Cell> {
    Vec::new()
}
