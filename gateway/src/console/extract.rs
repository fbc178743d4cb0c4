//! What comes with a request, checked: query, body, times, pages. A refusal is a problem document that says the mend.

use std::error::Error;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::config::units;

/// Items of a page unless the caller asks for fewer or more.
pub(super) const PAGE_DEFAULT: usize = 500;
/// Items of a page at most.
pub(super) const PAGE_MAX: usize = 2_000;
/// Longest name of a person.
pub(super) const BY_MAX: usize = 64;
/// Longest note, in characters.
pub(super) const NOTE_MAX: usize = 500;

/// The query string.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::<T>::try_from_uri(&parts.uri).map(|Query(params)| Self(params)).map_err(|refusal| {
            Problem::invalid(format!("the query can't be read: {}; see /api/v1/openapi.json for it", cause(&refusal)))
        })
    }
}

/// What is wrong in what was sent, without the words for what it was to become in here.
fn cause(refusal: &impl Error) -> String {
    refusal.source().map_or_else(|| refusal.to_string(), ToString::to_string)
}

/// A JSON body. Its length is bounded by the router.
#[derive(Debug)]
pub(super) struct Payload<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Payload<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let refused = |refusal: axum::extract::rejection::JsonRejection| match refusal.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "send at most 16 KiB")
            }
            _ => Problem::invalid(format!(
                "the body can't be read: {}; see /api/v1/openapi.json for it",
                cause(&refusal)
            )),
        };
        Json::<T>::from_request(request, state).await.map(|Json(body)| Self(body)).map_err(refused)
    }
}

/// One page of a collection.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Give it as `cursor` to get what follows; `null` at the end.
    pub(super) next: Option<String>,
}

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paging {
    /// Key of the last item the caller has.
    pub(super) after: Option<u64>,
    pub(super) limit: usize,
}

impl Paging {
    pub(super) fn new(cursor: Option<&str>, limit: Option<usize>) -> Result<Self, Problem> {
        let after = cursor.map(|text| text.parse().map_err(|_| bad_cursor(text))).transpose()?;
        let limit = limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Problem::invalid(format!("limit is {limit}; give 1 to {PAGE_MAX}")));
        }
        Ok(Self { after, limit })
    }

    /// Cuts the page out of items in rising order of their keys.
    pub(super) fn cut<T>(self, items: impl Iterator<Item = (u64, T)>) -> Page<T> {
        let mut rest = items.skip_while(|(key, _)| self.after.is_some_and(|after| *key <= after));
        let taken: Vec<(u64, T)> = rest.by_ref().take(self.limit).collect();
        let next = rest.next().and(taken.last()).map(|(key, _)| key.to_string());
        Page { items: taken.into_iter().map(|(_, item)| item).collect(), next }
    }
}

fn bad_cursor(text: &str) -> Problem {
    Problem::invalid(format!("`{text}` is no cursor; give back what `next` said, or leave it out"))
}

/// UTC milliseconds from a whole number of them or from RFC 3339.
pub(super) fn instant(name: &str, text: &str) -> Result<i64, Problem> {
    let parsed =
        text.parse::<i64>().ok().or_else(|| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond));
    parsed.ok_or_else(|| {
        Problem::invalid(format!("{name} is `{text}`; give UTC milliseconds or RFC 3339 like 2026-01-31T08:00:00Z"))
    })
}

/// Who does something, and perhaps why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    pub(super) by: String,
    pub(super) note: Option<String>,
}

impl Command {
    /// The command with its texts trimmed, or what is wrong with it.
    pub(super) fn checked(self) -> Result<Self, Problem> {
        Ok(Self { by: name(&self.by)?, note: words("note", self.note)? })
    }
}

/// Who does it, trimmed.
pub(super) fn name(by: &str) -> Result<String, Problem> {
    let by = by.trim();
    if by.is_empty() || by.chars().count() > BY_MAX || by.chars().any(char::is_control) {
        return Err(Problem::invalid(format!(
            "by must be a name of 1 to {BY_MAX} characters without control characters; it goes into the audit"
        )));
    }
    Ok(by.to_owned())
}

/// What they wrote, trimmed; blanks are nothing.
pub(super) fn words(field: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| text.chars().count() > NOTE_MAX) {
        return Err(Problem::invalid(format!("{field} is too long; give at most {NOTE_MAX} characters")));
    }
    Ok(text)
}

/// The same where it must be there.
pub(super) fn needed(field: &str, text: Option<String>) -> Result<String, Problem> {
    let missing = || {
        Problem::invalid(format!(
            "{field} is missing: write in a few words why; it goes into the audit and onto the page"
        ))
    };
    words(field, text)?.ok_or_else(missing)
}

/// For how long, in milliseconds: `30m`, `8h`. The engine knows how long is too long.
pub(super) fn length(text: Option<&str>) -> Result<u64, Problem> {
    let Some(text) = text else {
        return Err(Problem::invalid("for is missing: say for how long, as 30m or 8h"));
    };
    if units::is_too_long(text.trim()) {
        return Err(Problem::invalid(format!(
            "for is `{text}`: that is too long; [alarms] in the site file has the limits"
        )));
    }
    let length = units::duration(text.trim()).ok_or_else(|| {
        Problem::invalid(format!("for is `{text}`; write a whole number and s, m, h or d, as 30m or 8h"))
    })?;
    Ok(length.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_up_without_gap_or_repeat() {
        let all: Vec<(u64, u64)> = (0..25).map(|n| (n * 3, n)).collect();
        for limit in 1..=30 {
            let (mut seen, mut cursor) = (Vec::new(), None::<String>);
            loop {
                let paging = Paging::new(cursor.as_deref(), Some(limit)).unwrap();
                let page = paging.cut(all.iter().copied());
                assert!(page.items.len() <= limit);
                seen.extend(page.items);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, (0..25).collect::<Vec<u64>>(), "limit {limit}");
        }
    }

    #[test]
    fn a_page_has_a_limit() {
        assert!(Paging::new(None, Some(0)).is_err());
        assert!(Paging::new(None, Some(PAGE_MAX + 1)).is_err());
        assert!(Paging::new(Some("x"), None).is_err());
    }

    #[test]
    fn both_spellings_of_time_agree() {
        assert_eq!(instant("from", "1769846400000").unwrap(), instant("from", "2026-01-31T08:00:00Z").unwrap());
        assert_eq!(instant("from", "2026-01-31T16:00:00+08:00").unwrap(), 1_769_846_400_000);
        assert!(instant("from", "yesterday").unwrap_err().detail.contains("RFC 3339"));
    }

    #[test]
    fn a_command_has_a_name() {
        let command = |by: &str| Command { by: by.to_owned(), note: Some("  ".to_owned()) }.checked();
        assert_eq!(command(" 值班员甲 ").unwrap(), Command { by: "值班员甲".to_owned(), note: None });
        assert!(command("   ").is_err());
        assert!(command(&"a".repeat(65)).is_err());
        assert!(command("a\nb").is_err());
        assert!(command(&"王".repeat(64)).is_ok());
        let long = Command { by: "a".to_owned(), note: Some("x".repeat(501)) };
        assert!(long.checked().is_err());
    }
}
