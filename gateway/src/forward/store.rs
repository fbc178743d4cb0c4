//! The store at the other end of the wire; the only module that knows influxdb2, of which it uses one call.
//!
//! The crate has no timeout of its own, drops a path in the URL, takes 204 alone for success, and its gzip switch is stuck:
//! so the HTTP client beneath is ours, and so is the reading of its errors. It does not show an answer's headers either, and reads
//! whatever else than 204 comes to its end, however long that is: so it carries what goes to a store that takes what it is sent, and
//! any other is asked by the client beneath, which reads as much of an answer as is kept, and how long it is to wait.

use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use influxdb2::api::write::TimestampPrecision;
use influxdb2::{Client, ClientBuilder, RequestError};
use reqwest::Response;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, RETRY_AFTER};

use crate::config::checked::{Compression, InfluxConfig};
use crate::secret;

/// What a store said to a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted,
    /// It never will: something in the body is wrong (400, 422).
    Refused(String),
    /// It never will take so much at once (413).
    TooLarge(String),
    /// Not before a person mends something: token, organisation, bucket, address.
    Hold(String),
    /// Not now.
    Retry(String),
    /// Not now, it has too much to do (429, 503); and not before so long, where it says that.
    Busy {
        why: String,
        wait: Duration,
    },
}

/// Where line protocol goes; scripted in tests.
pub(super) trait TsSink: Send + Sync + 'static {
    fn write(&self, body: Bytes) -> impl Future<Output = Answer> + Send;
}

/// A connection that can't be made in this time is given up, so that a store that comes back is seen within a second or so.
const CONNECT: Duration = Duration::from_secs(1);
/// A connection idle for longer may be half-open.
const IDLE: Duration = Duration::from_secs(20);
/// Characters of an answer that are kept.
const WORDS: usize = 256;
/// Bytes of an answer that are read: it may be anybody's, and no character is longer than four.
const ANSWER: usize = 4 * WORDS;
/// The longest a store is left alone because it asked for that: a mistake there must not cost an hour of its data here.
const LEFT_ALONE: Duration = Duration::from_mins(1);

/// A store that speaks the InfluxDB v2 write API.
pub(super) struct Influx {
    config: InfluxConfig,
    gzip: bool,
    /// Thrown away after every failure, so that the next one reads the token anew.
    client: Mutex<Option<Connection>>,
    /// What it was sent last it took.
    well: AtomicBool,
}

/// The pipe, and the client beneath it for what the pipe does not show.
#[derive(Clone)]
struct Connection {
    pipe: Client,
    plain: reqwest::Client,
    token: String,
}

impl Influx {
    pub(super) fn new(config: &InfluxConfig) -> Self {
        let gzip = match config.compression {
            Compression::Auto => !is_loopback(&config.url),
            Compression::Gzip => true,
            Compression::None => false,
        };
        Self { config: config.clone(), gzip, client: Mutex::new(None), well: AtomicBool::new(false) }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn client(&self) -> Result<Connection, String> {
        if let Some(client) = self.slot().clone() {
            return Ok(client);
        }
        let path = self.config.token_file.clone();
        let token = tokio::task::spawn_blocking(move || read_token(&path))
            .await
            .map_err(|error| format!("token could not be read: {error}"))??;
        let client = build(&self.config, self.gzip, token)?;
        *self.slot() = Some(client.clone());
        Ok(client)
    }

    async fn attempt(&self, body: Bytes) -> Answer {
        let client = match self.client().await {
            Ok(client) => client,
            Err(why) => return Answer::Hold(why),
        };
        let body = if self.gzip { gzip(body).await } else { Ok(body) };
        let body = match body {
            Ok(body) => body,
            Err(why) => return Answer::Retry(why),
        };
        if !self.well.load(Ordering::Relaxed) {
            return self.ask(&client, body).await;
        }
        let (org, bucket) = (&self.config.org, &self.config.bucket);
        match client.pipe.write_line_protocol_with_precision(org, bucket, body, TimestampPrecision::Nanoseconds).await {
            Ok(()) => Answer::Accepted,
            Err(error) => judge(&error),
        }
    }

    /// The same request as the pipe's.
    async fn ask(&self, client: &Connection, body: Bytes) -> Answer {
        let InfluxConfig { url, org, bucket, .. } = &self.config;
        let ask = client.plain.post(format!("{url}/api/v2/write"));
        let ask = ask.query(&[("bucket", bucket.as_str()), ("org", org), ("precision", "ns")]);
        let ask =
            if client.token.is_empty() { ask } else { ask.header(AUTHORIZATION, format!("Token {}", client.token)) };
        let answer = match ask.body(body).send().await {
            Ok(answer) => answer,
            Err(error) => return Answer::Retry(cause(&error)),
        };
        let (status, wait) = (answer.status().as_u16(), left_alone(answer.headers()));
        if status == 204 {
            return Answer::Accepted;
        }
        match said(answer).await {
            Ok(text) => judge_status(status, &text, wait),
            Err(error) => Answer::Retry(cause(&error)),
        }
    }
}

/// The beginning of an answer. What comes after it is not waited for.
async fn said(mut answer: Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER
        && let Some(chunk) = answer.chunk().await?
    {
        bytes.extend(chunk.iter().take(ANSWER - bytes.len()));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How long a store wants to be left alone, if it says so in seconds; its other form, a date, would go by its clock.
fn left_alone(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(Duration::ZERO, Duration::from_secs).min(LEFT_ALONE)
}

impl TsSink for Influx {
    async fn write(&self, body: Bytes) -> Answer {
        let answer = self.attempt(body).await;
        self.well.store(answer == Answer::Accepted, Ordering::Relaxed);
        if matches!(answer, Answer::Hold(_) | Answer::Retry(_) | Answer::Busy { .. }) {
            self.slot().take();
        }
        answer
    }
}

/// What the store's error means for the batch.
fn judge(error: &RequestError) -> Answer {
    match error {
        RequestError::Http { status, text } => judge_status(status.as_u16(), text, Duration::ZERO),
        RequestError::ReqwestProcessing { source } => Answer::Retry(cause(source)),
        RequestError::Serializing { .. } | RequestError::Deserializing { .. } => Answer::Retry(error.to_string()),
    }
}

fn judge_status(status: u16, text: &str, wait: Duration) -> Answer {
    let words: String = text.trim().chars().filter(|c| !c.is_control()).take(WORDS).collect();
    let why = format!("{status}: {words}");
    // A proxy, a login portal or a web server on that port answers for itself, not for a store: nothing was stored and
    // nothing is wrong with the data. Whoever is content otherwise (200 to all of a health check) is no store either.
    let web_page = words.starts_with('<');
    match status {
        204 => Answer::Accepted,
        400 | 422 if !web_page => Answer::Refused(why),
        413 => Answer::TooLarge(why),
        429 | 503 => Answer::Busy { why, wait },
        408 | 425 | 500..=599 => Answer::Retry(why),
        _ if web_page => Answer::Hold(format!("{why}; a web page, not a store: check url")),
        200..=299 => Answer::Hold(format!("{why}; a store says 204, this is not a store: check url")),
        401 | 403 => Answer::Hold(format!("{why}; check token_file and what the token may do")),
        404 => Answer::Hold(format!("{why}; check org and bucket, and that the store has /api/v2/write")),
        _ => Answer::Hold(format!("{why}; check url")),
    }
}

/// The innermost cause says it best: `connection refused` rather than `error sending request`.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn build(config: &InfluxConfig, gzip: bool, token: String) -> Result<Connection, String> {
    reqwest::Url::parse(&config.url).map_err(|error| format!("url {}: {error}; mend it", config.url))?;
    let mut headers = HeaderMap::new();
    if gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // No redirects: a followed POST becomes a GET, whose 200 would count as stored. No proxy from the environment either.
    let http = || {
        reqwest::Client::builder()
            .timeout(config.timeout)
            .connect_timeout(CONNECT.min(config.timeout))
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .default_headers(headers.clone())
    };
    let told = |error: &dyn std::fmt::Display| format!("http client: {error}");
    let plain = http().build().map_err(|error| told(&error))?;
    let pipe = ClientBuilder::with_builder(http(), &config.url, &config.org, token.as_str());
    Ok(Connection { pipe: pipe.build().map_err(|error| told(&error))?, plain, token })
}

fn read_token(path: &Path) -> Result<String, String> {
    let token = secret::read(path, "token").map_err(|why| format!("token_file {why}"))?;
    if !token.iter().all(u8::is_ascii_graphic) {
        let path = path.display();
        return Err(format!("token_file {path}: holds characters a token can't have; put the token alone in it"));
    }
    Ok(token.into_iter().map(char::from).collect())
}

/// Compressed at the fast level, off the runtime: a batch takes milliseconds.
async fn gzip(body: Bytes) -> Result<Bytes, String> {
    let pack = move || {
        let mut encoder =
            flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
        encoder.write_all(&body)?;
        encoder.finish().map(Bytes::from)
    };
    match tokio::task::spawn_blocking(pack).await {
        Ok(Ok(packed)) => Ok(packed),
        Ok(Err(error)) => Err(format!("gzip: {error}")),
        Err(error) => Err(format!("gzip: {error}")),
    }
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_left_alone_as_long_as_it_says_and_no_longer_than_a_minute() {
        let said =
            |value: &'static str| left_alone(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]));
        assert_eq!(left_alone(&HeaderMap::new()), Duration::ZERO);
        assert_eq!(said(" 7 "), Duration::from_secs(7));
        assert_eq!(said("86400"), LEFT_ALONE);
        for nonsense in ["-1", "soon", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", "99999999999999999999"] {
            assert_eq!(said(nonsense), Duration::ZERO, "{nonsense}");
        }
    }
}
