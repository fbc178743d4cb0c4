//! Server-sent events: what a screen hears, and that it ends.

use gengfu_core::reading::PointId;

use super::super::MAX_STREAMS;
use super::*;

/// One open stream, read event by event.
struct Stream {
    response: Response,
    buffer: String,
}

impl Stream {
    async fn open(console: &Console) -> Self {
        let response = console.get("/api/v1/events").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: String::new() }
    }

    /// The next event as (name, id, data); `None` at the end.
    async fn next(&mut self) -> Option<(String, Option<String>, Value)> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let event = event.to_owned();
                self.buffer = rest.to_owned();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let Some(name) = field("event:") else { continue };
                let data = serde_json::from_str(field("data:").unwrap()).unwrap();
                return Some((name.to_owned(), field("id:").map(str::to_owned), data));
            }
            let chunk = soon(self.response.chunk()).await.unwrap()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn until(&mut self, wanted: &str) -> (Option<String>, Value) {
        loop {
            let (name, id, data) = self.next().await.expect("the stream goes on");
            if name == wanted {
                return (id, data);
            }
        }
    }
}

#[tokio::test]
async fn a_screen_hears_hello_points_and_every_transition() {
    let console = Console::start().await;
    let mut stream = Stream::open(&console).await;
    let (_, hello) = stream.until("hello").await;
    assert_eq!(hello["site"], "binjiang-mall-07");
    console.handle.announce(made_up::alarm(1));
    let (id, alarm) = stream.until("alarm").await;
    assert_eq!((id.as_deref(), alarm["state"].as_str()), (Some("00000000000000a1.1"), Some("unacknowledged")));
    let (_, points) = stream.until("points").await;
    assert_eq!(points["items"].as_array().unwrap().len(), 11, "all that was heard, the first time");
    console.set(|engine| {
        let reading = engine.snapshot.points[0].1.as_mut().unwrap();
        reading.value = 0.2;
    });
    let (_, points) = stream.until("points").await;
    let expected = serde_json::json!({
        "device": "hydrant-main", "point": "pressure", "value": 0.2, "quality": "good", "reason": null, "word": null,
        "at": console.engine.lock().unwrap().snapshot.points[0].1.unwrap().at.0,
    });
    assert_eq!(points["items"], serde_json::json!([expected]));
    assert_eq!(console.engine.lock().unwrap().snapshot.points[0].0, PointId(0));
}

#[tokio::test]
async fn a_mode_that_begins_trips_a_point_or_ends_is_told() {
    let console = Console::start().await;
    let mut stream = Stream::open(&console).await;
    stream.until("points").await;
    console.set(|engine| engine.snapshot.modes = vec![made_up::mode("B1", "walk-test")]);
    let (_, begun) = stream.until("modes").await;
    assert_eq!(
        (begun["items"][0]["area"].as_str(), begun["items"][0]["mode"].as_str()),
        (Some("B1"), Some("walk-test"))
    );
    console.set(|engine| engine.snapshot.modes[0].tripped.push("gas-02/ch4".to_owned()));
    assert_eq!(stream.until("modes").await.1["items"][0]["tripped"].as_array().unwrap().len(), 2);
    console.set(|engine| engine.snapshot.modes.clear());
    assert_eq!(stream.until("modes").await.1["items"], serde_json::json!([]));
}

#[tokio::test]
async fn a_silent_engine_shows_in_the_next_heartbeat() {
    let console = Console::start().await;
    let mut stream = Stream::open(&console).await;
    stream.until("points").await;
    console.set(|engine| engine.silent = true);
    let (_, heartbeat) = stream.until("heartbeat").await;
    assert_eq!(heartbeat["engine"], false);
    assert!(heartbeat["now"].as_i64().unwrap() <= console.clock.wall().0);
}

#[tokio::test]
async fn a_screen_that_lags_is_told_to_fetch_anew() {
    let console = Console::start().await;
    let mut stream = Stream::open(&console).await;
    stream.until("hello").await;
    // All at once and without a pause for the stream: more than the engine keeps for a slow reader.
    for number in 0..5_000 {
        console.handle.announce(AlarmEvent { number, ..made_up::alarm(1) });
    }
    let (_, resync) = stream.until("resync").await;
    assert!(resync["missed"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn streams_end_at_stop_and_shutdown_is_quick() {
    let console = Console::start().await;
    let mut stream = Stream::open(&console).await;
    stream.until("hello").await;
    console.stopper.stop();
    while stream.next().await.is_some() {}
    soon(console.server).await.unwrap();
}

#[tokio::test]
async fn streams_have_a_limit_and_a_closed_one_makes_room() {
    let console = Console::start().await;
    let mut open = Vec::new();
    for _ in 0..MAX_STREAMS {
        open.push(Stream::open(&console).await);
    }
    let refused = console.get("/api/v1/events").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.text().await.unwrap().contains("too-many-streams"));
    open.pop();
    let again = async {
        while console.get("/api/v1/events").await.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
}
