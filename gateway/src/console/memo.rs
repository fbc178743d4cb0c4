//! What takes long to read, for readers who come often: one read serves all who ask within a minute.

use std::sync::Arc;

use gengfu_core::time::Mono;
use tokio::sync::Mutex;

/// How long an answer serves, ms.
const FRESH: u64 = 60_000;

/// The last answer, and when it was made. Whoever asks while one is made waits for it.
#[derive(Debug)]
pub(super) struct Memo<T>(Arc<Mutex<Option<(Mono, T)>>>);

impl<T> Clone for Memo<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Memo<T> {
    /// The answer of `made`, or that of the last minute. A failure serves nobody else.
    pub(super) async fn get(
        &self,
        now: Mono,
        made: impl Future<Output = Result<T, String>> + Send,
    ) -> Result<T, String> {
        let mut last = self.0.lock().await;
        if let Some((_, answer)) = last.as_ref().filter(|(made, _)| now.since(*made) < FRESH) {
            return Ok(answer.clone());
        }
        let answer = made.await?;
        *last = Some((now, answer.clone()));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_serves_a_minute_and_a_failure_nobody() {
        let memo = Memo::default();
        let failed = memo.get(Mono(0), async { Err("sick".to_owned()) }).await;
        assert_eq!(failed, Err("sick".to_owned()));
        for (at, made, told) in [(1, 1, 1), (FRESH, 2, 1), (FRESH + 1, 3, 3)] {
            assert_eq!(memo.get(Mono(at), async { Ok(made) }).await, Ok(told), "at {at}");
        }
    }
}
