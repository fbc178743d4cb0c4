//! The receiver at the other end: one POST, and what its answer means.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};

use super::body;
use super::secret::Secret;
use crate::config::checked::WebhookConfig;

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted,
    /// It said no; asked again at the slow end of the back-off.
    Refused(String),
    /// It could not take it now.
    Busy(String),
    /// It could not be reached, or did not answer.
    Away(String),
}

/// A connection that can't be made in this time is tried again.
const CONNECT: Duration = Duration::from_secs(2);
/// Alarms are rare: a connection idle for longer may be half-open and would cost the next raise a timeout.
const IDLE: Duration = Duration::from_secs(4);
/// Characters of a refusal that are kept.
const WORDS: usize = 256;

/// One webhook.
#[derive(Debug)]
pub(super) struct Receiver {
    url: String,
    client: Client,
    secret: Secret,
}

impl Receiver {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, String> {
        // No redirects: a followed POST becomes a GET without the alarm. No proxy from the environment either.
        let client = Client::builder()
            .timeout(config.timeout)
            .connect_timeout(CONNECT.min(config.timeout))
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| format!("http client: {error}"))?;
        Ok(Self { url: config.url.clone(), client, secret: Secret::new(config.secret_file.clone()) })
    }

    /// Posts one body.
    pub(super) async fn post(&self, headers: &[(&'static str, String)], body: Vec<u8>) -> Answer {
        let mut request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(secret) = self.secret.current().await {
            request = request.header(body::SIGNATURE, body::signature(&secret, &body));
        }
        let answer = match request.body(body).send().await {
            Ok(response) => judge(response).await,
            Err(error) => Answer::Away(cause(&error)),
        };
        if answer != Answer::Accepted {
            self.secret.doubt();
        }
        answer
    }
}

/// 409 is accepted: a receiver that keeps idempotency keys says so of one it has.
async fn judge(mut response: Response) -> Answer {
    let status = response.status().as_u16();
    if matches!(status, 200..=299 | 409) {
        return Answer::Accepted;
    }
    let words = match response.chunk().await {
        Ok(Some(chunk)) => String::from_utf8_lossy(chunk.get(..WORDS).unwrap_or(&chunk)).trim().to_owned(),
        Ok(None) | Err(_) => String::new(),
    };
    let words: String = words.chars().filter(|c| !c.is_control()).collect();
    match status {
        408 | 425 | 429 | 500..=599 => Answer::Busy(format!("{status} {words}").trim().to_owned()),
        300..=399 => Answer::Refused(format!("{status} redirects elsewhere; give the address itself as url")),
        _ => Answer::Refused(format!("{status} {words}").trim().to_owned()),
    }
}

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
