//! The browser's half, embedded at build time from `web/dist` where that was built. Each file is named by its content
//! (ETag), so that a browser keeps it and still notices a new version at once.

use std::sync::LazyLock;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", include_str!(concat!(env!("OUT_DIR"), "/app.js"))));
static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/css; charset=utf-8", include_str!(concat!(env!("OUT_DIR"), "/app.css"))));
static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("image/svg+xml", include_str!("icon.svg")));

/// Whether the build found the bundle.
pub(super) fn built() -> bool {
    !SCRIPT.body.is_empty() && !STYLE.body.is_empty()
}

pub(super) async fn script(headers: HeaderMap) -> Response {
    SCRIPT.answer(&headers)
}

pub(super) async fn style(headers: HeaderMap) -> Response {
    STYLE.answer(&headers)
}

pub(super) async fn icon(headers: HeaderMap) -> Response {
    ICON.answer(&headers)
}

struct Asset {
    kind: &'static str,
    body: &'static str,
    etag: String,
}

impl Asset {
    fn new(kind: &'static str, body: &'static str) -> Self {
        let digest = Sha256::digest(body.as_bytes());
        // 64 bits tell any two builds apart.
        let name = digest.iter().take(8).fold(0_u64, |name, byte| name << 8 | u64::from(*byte));
        Self { kind, body, etag: format!("\"{name:016x}\"") }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let tags = [(header::ETAG, self.etag.as_str()), (header::CACHE_CONTROL, "no-cache")];
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == self.etag.as_bytes());
        if known {
            return (StatusCode::NOT_MODIFIED, tags).into_response();
        }
        (tags, [(header::CONTENT_TYPE, self.kind)], self.body).into_response()
    }
}
