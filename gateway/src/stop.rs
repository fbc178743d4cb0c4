//! The word "stop", passed to every task. Once said it stays said.

use tokio::sync::watch;

/// Said by one, heard by all.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// The hearing end; cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A pair that has not been said yet.
pub fn channel() -> (Stopper, Stop) {
    let (tx, rx) = watch::channel(false);
    (Stopper(tx), Stop(rx))
}

impl Stopper {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Returns once stop was said, or whoever could say it is gone.
    pub async fn wait(&mut self) {
        let _ = self.0.wait_for(|said| *said).await;
    }

    pub fn said(&self) -> bool {
        *self.0.borrow()
    }
}
