//! Errors as RFC 9457 problem documents: what failed and, in `detail`, what to do about it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// One problem document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// Last part of the type's URN; never changes its meaning.
    pub(super) kind: &'static str,
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into() }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", detail)
    }

    pub(super) fn not_found(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, kind, detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "foreign-page", detail)
    }

    pub(super) fn engine_silent() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "engine-silent",
            "the engine did not answer in time; look at /healthz and the gateway's log, and try again",
        )
    }

    pub(super) fn journal(error: &str) -> Self {
        let detail = format!("the journal could not be read: {error}; look at /readyz and the disk, and try again");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "journal-unreadable", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:gengfu:problem:{}", self.kind),
            "title": self.kind.replace('-', " "),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
