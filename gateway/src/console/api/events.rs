//! Server-sent events: `hello`, `points`, `alarm`, `shadow` (the same of a rule on trial), `modes`, `performance`, `warning`, `heartbeat`, `resync`.
//! Whoever listens first subscribes and then fetches `/points`, `/alarms` and `/modes`; applied in order on top of that, the
//! events bring it to the present and keep it there.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{Stream, unfold};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::super::live::Pulse;
use super::super::problem::Problem;
use super::super::{App, MAX_STREAMS};
use crate::driver::News;
use crate::flow::AlarmEvent;
use crate::stop::Stop;

type Events = Sse<std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>;

pub(super) async fn events(State(app): State<App>) -> Result<Events, Problem> {
    let Ok(seat) = app.streams.clone().try_acquire_owned() else {
        let detail = format!("{MAX_STREAMS} event streams are open already; close a console page and try again");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", detail));
    };
    let hello = json!({
        "site": app.site().id, "version": env!("CARGO_PKG_VERSION"), "started": app.started(),
        "now": app.clock.wall().0, "engine": app.live.engine_alive(),
    });
    let listener = Listener {
        hello: Some(event("hello", &hello.to_string())),
        pulses: app.live.subscribe(),
        transitions: app.engine.transitions(),
        news: app.engine.news(),
        stop: app.stop.clone(),
        _seat: seat,
    };
    let stream =
        unfold(listener, |mut listener| async move { listener.next().await.map(|event| (Ok(event), listener)) });
    Ok(Sse::new(Box::pin(stream)))
}

/// One open stream. It holds no queue of its own: a client that does not read lags, and is told to fetch anew.
struct Listener {
    hello: Option<Event>,
    pulses: Receiver<Pulse>,
    transitions: Receiver<AlarmEvent>,
    news: Receiver<News>,
    stop: Stop,
    _seat: OwnedSemaphorePermit,
}

impl Listener {
    /// The next event; `None` ends the stream, so that it does not hold up a shutdown.
    async fn next(&mut self) -> Option<Event> {
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        tokio::select! {
            // Alarms before values, and the end before both.
            biased;
            () = self.stop.wait() => None,
            transition = self.transitions.recv() => match transition {
                Ok(alarm) => Some(transition_event(&alarm)),
                Err(RecvError::Lagged(missed)) => Some(resync(missed)),
                Err(RecvError::Closed) => None,
            },
            news = self.news.recv() => match news {
                Ok(news) => Some(news_event(&news)),
                Err(RecvError::Lagged(missed)) => Some(resync(missed)),
                Err(RecvError::Closed) => None,
            },
            pulse = self.pulses.recv() => match pulse {
                Ok(pulse) => Some(event(pulse.name, &pulse.data)),
                Err(RecvError::Lagged(missed)) => Some(resync(missed)),
                Err(RecvError::Closed) => None,
            },
        }
    }
}

fn transition_event(alarm: &AlarmEvent) -> Event {
    let data = serde_json::to_string(alarm).expect("an alarm's fields are JSON");
    event(if alarm.shadow { "shadow" } else { "alarm" }, &data).id(alarm.key())
}

fn news_event(news: &News) -> Event {
    let data = serde_json::to_string(news).expect("words and finite numbers are JSON");
    event(news.event(), &data)
}

fn resync(missed: u64) -> Event {
    event("resync", &json!({ "missed": missed }).to_string())
}

fn event(name: &'static str, data: &str) -> Event {
    Event::default().event(name).data(data)
}
