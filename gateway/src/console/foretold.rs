//! How the early warnings turned out, for readers. A fold of the alarm lane's last weeks is too much for every look at the page.

use super::App;
use crate::foretold::lane::{DAYS, Report};

const DAY_MS: i64 = 86_400_000;

impl App {
    /// # Errors
    /// The journal can't be read, in words.
    pub(super) async fn foretold(&self) -> Result<Report, String> {
        let now = self.clock.now();
        let from = now.wall.0.saturating_sub(DAYS * DAY_MS);
        self.foretold.get(now.mono, self.history.foretold(from, now.wall.0)).await
    }
}
