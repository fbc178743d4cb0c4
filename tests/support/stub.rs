//! A recording stub of the InfluxDB v2 write API: keeps every line as it came, so that re-sends show, and answers
//! what it is told to.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::counting::{Sample, Set};
use crate::http::{Reply, Request, Server};
use crate::wait::{pause, unix_ms};

/// One request to write.
#[derive(Debug, Clone)]
pub struct Write {
    pub at: Instant,
    /// The same in UTC ms.
    pub unix_ms: i64,
    pub lines: Vec<String>,
    pub authorization: String,
    pub path: String,
    pub gzip: bool,
    /// The status it was answered with; 0 where it was not.
    pub status: u16,
}

impl Write {
    fn has_reading(&self) -> bool {
        self.status == 204 && self.lines.iter().any(|line| !line.starts_with("alarm,"))
    }
}

#[derive(Debug)]
struct State {
    script: VecDeque<Reply>,
    standing: Reply,
    refused: Option<String>,
    /// Keeps nothing of before this, UTC ns.
    keeps_from: i64,
    token: Option<String>,
    most: Option<usize>,
    /// Of so many lines it keeps one, whatever it answers.
    keeps_one_in: Option<usize>,
    writes: Vec<Write>,
}

/// The stub; ends when dropped. Put a [`crate::proxy::Proxy`] before it for resets and refusals.
#[derive(Debug)]
pub struct Stub {
    pub server: Server,
    state: Arc<Mutex<State>>,
    answering: Arc<AtomicUsize>,
}

impl Stub {
    /// Answers 204 until told otherwise.
    pub fn start() -> Self {
        Self::paced(f64::INFINITY)
    }

    /// The same, and on each connection takes `pace` lines a second: a store on a thin line, whose backlog lasts.
    pub fn paced(pace: f64) -> Self {
        let standing = Reply::Status(204, String::new());
        let state = State {
            script: VecDeque::new(),
            standing,
            refused: None,
            keeps_from: i64::MIN,
            token: None,
            most: None,
            keeps_one_in: None,
            writes: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let answering: Arc<AtomicUsize> = Arc::default();
        let (inside, busy) = (state.clone(), answering.clone());
        let server = Server::start(move |request| {
            let (reply, lines) = inside.lock().unwrap().take(&request);
            busy.fetch_add(1, Ordering::SeqCst);
            pause(Duration::from_secs_f64(lines as f64 / pace));
            busy.fetch_sub(1, Ordering::SeqCst);
            reply
        });
        Self { server, state, answering }
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The next answers, before the standing one.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().script.extend(replies);
    }

    /// The answer from now on.
    pub fn standing(&self, reply: Reply) {
        self.state.lock().unwrap().standing = reply;
    }

    /// From now on answers 400 to a request with a line that has the field `name`, and takes nothing of it.
    pub fn refuse_field(&self, name: &str) {
        self.state.lock().unwrap().refused = Some(name.to_owned());
    }

    /// From now on it writes of a request what is not older than this (UTC ns), and answers 400 if there was more, as InfluxDB
    /// does where points lie beyond the retention of a bucket.
    pub fn keep_from(&self, ns: i64) {
        self.state.lock().unwrap().keeps_from = ns;
    }

    /// Takes everything again.
    pub fn refuse_nothing(&self) {
        self.state.lock().unwrap().refused = None;
    }

    /// From now on answers 401 to whoever does not bring this token.
    pub fn want_token(&self, token: &str) {
        self.state.lock().unwrap().token = Some(format!("Token {token}"));
    }

    /// From now on answers 413 to a request of more lines.
    pub fn take_at_most(&self, lines: usize) {
        self.state.lock().unwrap().most = Some(lines);
    }

    /// From now on keeps one in so many of the lines it says it has taken; `None`: all.
    pub fn lies(&self, keeps_one_in: Option<usize>) {
        self.state.lock().unwrap().keeps_one_in = keeps_one_in;
    }

    pub fn writes(&self) -> Vec<Write> {
        self.state.lock().unwrap().writes.clone()
    }

    /// Readings it has accepted, each once; alarm events are left out.
    pub fn accepted(&self) -> Set {
        self.accepted_lines().iter().filter(|l| !l.starts_with("alarm,")).flat_map(|l| fields(l)).collect()
    }

    /// Accepted lines as they came, re-sends included.
    pub fn accepted_lines(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.writes.iter().filter(|w| w.status == 204).flat_map(|w| w.lines.clone()).collect()
    }

    /// Lines that came more than once, refused ones not counted: (line, times).
    pub fn resent(&self) -> Vec<(String, usize)> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for line in self.accepted_lines() {
            *seen.entry(line).or_default() += 1;
        }
        seen.into_iter().filter(|(_, times)| *times > 1).collect()
    }

    /// Accepted requests of which lines that `fit` came again in a later one.
    pub fn resent_batches(&self, fit: impl Fn(&str) -> bool) -> usize {
        let state = self.state.lock().unwrap();
        let (mut first, mut again) = (HashMap::new(), HashSet::new());
        for (number, write) in state.writes.iter().enumerate().filter(|(_, w)| w.status == 204) {
            for line in write.lines.iter().filter(|line| fit(line)) {
                let before = *first.entry(line.as_str()).or_insert(number);
                if before != number {
                    again.insert(before);
                }
            }
        }
        again.len()
    }

    /// Every accepted reading line with the time it says and the time it came, UTC ms.
    pub fn times(&self) -> Vec<(i64, i64)> {
        let state = self.state.lock().unwrap();
        let writes = state.writes.iter().filter(|w| w.status == 204);
        let lines = writes.flat_map(|w| w.lines.iter().map(|line| (line, w.unix_ms)));
        let readings = lines.filter(|(line, _)| !line.starts_with("alarm,"));
        readings.filter_map(|(line, at)| Some((time(line)? / 1_000_000, at))).collect()
    }

    /// Whether a request is taken and not answered: a fault now makes the gateway send it again.
    pub fn answering(&self) -> bool {
        self.answering.load(Ordering::SeqCst) > 0
    }

    /// Whether anything has been accepted.
    pub fn has_some(&self) -> bool {
        self.state.lock().unwrap().writes.iter().any(|w| w.status == 204)
    }

    /// Time from `since` to the first accepted write of a reading that came after it.
    pub fn first_after(&self, since: Instant) -> Option<Duration> {
        let state = self.state.lock().unwrap();
        let write = state.writes.iter().find(|w| w.at > since && w.has_reading())?;
        Some(write.at - since)
    }
}

impl State {
    /// The answer, and how many lines came.
    fn take(&mut self, request: &Request) -> (Reply, usize) {
        if request.method != "POST" || !request.path.starts_with("/api/v2/write") {
            return (Reply::Status(404, String::new()), 0);
        }
        let text = String::from_utf8(request.plain()).unwrap();
        let authorization = request.header("authorization").unwrap_or_default().to_owned();
        let reply = match &self.refused {
            _ if self.token.as_ref().is_some_and(|token| *token != authorization) => {
                Reply::Status(401, "{\"code\":\"unauthorized\"}".to_owned())
            }
            _ if self.most.is_some_and(|most| text.lines().count() > most) => Reply::Status(413, String::new()),
            Some(name) if text.lines().any(|line| has_field(line, name)) => {
                Reply::Status(400, format!("{{\"code\":\"invalid\",\"message\":\"unable to parse {name}\"}}"))
            }
            _ => match text.lines().filter(|line| time(line).is_some_and(|at| at < self.keeps_from)).count() {
                0 => self.script.pop_front().unwrap_or_else(|| self.standing.clone()),
                beyond => Reply::Status(400, beyond_retention(beyond)),
            },
        };
        let count = text.lines().count();
        let kept = self.keeps_one_in.unwrap_or(1);
        let lines: Vec<String> = text.lines().step_by(kept).map(str::to_owned).collect();
        self.writes.push(Write {
            at: request.at,
            unix_ms: unix_ms(),
            lines,
            authorization,
            path: request.path.clone(),
            gzip: request.header("content-encoding") == Some("gzip"),
            status: match &reply {
                Reply::Status(status, _) | Reply::With(status, _, _) => *status,
                Reply::Half(_) | Reply::Hang | Reply::Close => 0,
            },
        });
        (reply, count)
    }
}

/// In the words of InfluxDB 2.
pub fn beyond_retention(points: usize) -> String {
    let why = "failure writing points to database: partial write: points beyond retention policy";
    format!("{{\"code\":\"invalid\",\"message\":\"{why} dropped={points}\"}}")
}

/// The time of a line, UTC ns.
pub fn time(line: &str) -> Option<i64> {
    line.rsplit(' ').next()?.parse().ok()
}

/// Fields of one device and instant share a line, so the wanted one is not always the first.
fn has_field(line: &str, name: &str) -> bool {
    let parts = split(line, ' ');
    parts.get(1).is_some_and(|fields| {
        split(fields, ',')
            .iter()
            .any(|field| field.split_once('=').is_some_and(|(n, _)| n == name || n == format!("{name}_q")))
    })
}

/// The numbers of one line of line protocol (nanoseconds), as samples `<measurement>_<field>,<device>`.
pub fn fields(line: &str) -> Vec<Sample> {
    let parts = split(line, ' ');
    let [series, fields, at] = parts.as_slice() else { return Vec::new() };
    let Ok(at) = at.parse::<i64>() else { return Vec::new() };
    let series = split(series, ',');
    let device = series.iter().find_map(|tag| tag.strip_prefix("device=")).unwrap_or_default().replace('\\', "");
    let measurement = series.first().map(|m| m.replace('\\', "")).unwrap_or_default();
    split(fields, ',')
        .iter()
        .filter_map(|field| {
            let (name, value) = field.split_once('=')?;
            let number = value.trim_end_matches(['i', 'u']).parse::<f64>().ok()?;
            Some(Sample::new(&format!("{measurement}_{},{device}", name.replace('\\', "")), at, number))
        })
        .collect()
}

/// Splits where `at` is neither escaped nor inside a string field.
fn split(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if c == at && !quoted && !escaped {
            parts.push(String::new());
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}
