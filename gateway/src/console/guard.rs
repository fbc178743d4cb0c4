//! Keeps foreign pages out until users exist. The console listens on loopback, so the one stranger who can reach it is
//! a page in a browser on this machine: by its own origin (cross-site requests) or by a name that it made point here
//! (DNS rebinding). Every answer also carries the headers that keep our own page from being framed or extended.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Longest body.
pub(super) const BODY_MAX: usize = 16 * 1024;
/// Longest time from the head of a request to the head of its answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The whole guard, around every route.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let verdict = admit(request.method(), request.uri(), request.headers());
    let mut response = match verdict {
        Err(problem) => problem.into_response(),
        Ok(()) => tokio::time::timeout(REQUEST_LIMIT, next.run(request)).await.unwrap_or_else(|_| {
            let detail = "the request took too long; try again, with a shorter range or a smaller page";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-slow", detail).into_response()
        }),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a request may be looked at.
fn admit(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let host = host(uri, headers)?;
    if !is_loopback(host) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign-host",
            "this console answers to localhost alone until users and TLS exist; open it as http://127.0.0.1:<port>, \
             from elsewhere through an SSH tunnel",
        ));
    }
    refuse_cross_site(method, headers)?;
    if method.is_safe() {
        return Ok(());
    }
    let origin = one(headers, &header::ORIGIN)?;
    if origin.is_some_and(|origin| !same_origin(origin, host)) {
        return Err(Problem::forbidden(
            "this request comes from another page; use the console's own page or a program",
        ));
    }
    // What is done here is done by POST alone; the router says so to all else.
    if *method == Method::POST && !one(headers, &header::CONTENT_TYPE)?.is_some_and(is_json) {
        let detail = "send a JSON body with Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail));
    }
    Ok(())
}

/// The name the client believes it talks to. An absolute request target wins over the header (RFC 9112, 3.2.2), so
/// both are looked at and must agree.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    let named = one(headers, &header::HOST)?;
    match (uri.authority(), named) {
        (None, Some(host)) => Ok(host),
        (Some(target), Some(host)) if target.as_str().eq_ignore_ascii_case(host) => Ok(host),
        (_, Some(_) | None) => Err(Problem::invalid("send one Host header, the same as in the request target")),
    }
}

/// Browsers say where a request comes from. Only a click on a link (as in an alarm's message) may come from elsewhere.
fn refuse_cross_site(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let word = |name: &'static str| one(headers, &HeaderName::from_static(name));
    let navigation = *method == Method::GET
        && word("sec-fetch-mode")? == Some("navigate")
        && matches!(word("sec-fetch-dest")?, None | Some("document"));
    match word("sec-fetch-site")? {
        None | Some("same-origin" | "none") => Ok(()),
        Some("same-site") if method.is_safe() => Ok(()),
        Some(_) if navigation => Ok(()),
        Some(_) => Err(Problem::forbidden("another site asked for this; open the console's own page instead")),
    }
}

/// The value of a header that may come once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(Some).map_err(|_| Problem::invalid(format!("{name} must be plain text")))
        }
        (Some(_), Some(_)) => Err(Problem::invalid(format!("{name} came twice; send it once"))),
    }
}

/// `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, rest)) => (name, rest.strip_prefix(':').or(rest.is_empty().then_some("0"))),
            None => return false,
        },
        None => host.split_once(':').map_or((host, Some("0")), |(name, port)| (name, Some(port))),
    };
    if port.is_none_or(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    if host.starts_with('[') {
        return name.parse() == Ok(Ipv6Addr::LOCALHOST);
    }
    name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// There is no TLS yet, so our own origin is `http://` and the Host.
fn same_origin(origin: &str, host: &str) -> bool {
    origin.strip_prefix("http://").is_some_and(|name| name.eq_ignore_ascii_case(host))
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_ours() {
        for host in ["localhost", "LOCALHOST:8420", "127.0.0.1", "127.0.0.1:1", "127.9.9.9:80", "[::1]", "[::1]:8420"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "10.0.0.1:8420",
            "[::2]",
            "[::1",
            "::1",
            "[::1]x",
            "localhost:99999",
            "localhost:",
            "0.0.0.0",
            "[localhost]",
            "127.1",
            "evil@127.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_ours_or_it_is_not() {
        assert!(same_origin("http://127.0.0.1:8420", "127.0.0.1:8420"));
        for origin in ["null", "https://127.0.0.1:8420", "http://127.0.0.1", "http://localhost:8420", "http://x"] {
            assert!(!same_origin(origin, "127.0.0.1:8420"), "{origin}");
        }
    }

    fn ask(method: &Method, headers: &[(&'static str, &'static str)]) -> Result<(), StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        admit(method, &Uri::from_static("/x"), &map).map_err(|problem| problem.status)
    }

    #[test]
    fn each_guard_holds() {
        const HOST: (&str, &str) = ("host", "127.0.0.1:8420");
        const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
        let (get, post) = (&Method::GET, &Method::POST);
        assert_eq!(ask(get, &[HOST]), Ok(()));
        assert_eq!(ask(get, &[]), Err(StatusCode::BAD_REQUEST));
        assert_eq!(ask(get, &[HOST, HOST]), Err(StatusCode::BAD_REQUEST));
        assert_eq!(ask(get, &[("host", "rebound.example:8420")]), Err(StatusCode::MISDIRECTED_REQUEST));
        assert_eq!(ask(post, &[HOST, JSON]), Ok(()));
        assert_eq!(ask(post, &[HOST]), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(ask(post, &[HOST, ("content-type", "text/plain")]), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(ask(post, &[HOST, JSON, ("origin", "http://127.0.0.1:8420")]), Ok(()));
        assert_eq!(ask(post, &[HOST, JSON, ("origin", "http://evil.example")]), Err(StatusCode::FORBIDDEN));
        assert_eq!(ask(post, &[HOST, JSON, ("origin", "null")]), Err(StatusCode::FORBIDDEN));
        assert_eq!(ask(post, &[HOST, JSON, ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(ask(post, &[HOST, JSON, ("sec-fetch-site", "same-site")]), Err(StatusCode::FORBIDDEN));
        assert_eq!(ask(post, &[HOST, JSON, ("sec-fetch-site", "cross-site")]), Err(StatusCode::FORBIDDEN));
        assert_eq!(ask(get, &[HOST, ("sec-fetch-site", "cross-site")]), Err(StatusCode::FORBIDDEN));
        let click = [HOST, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(ask(get, &click), Ok(()));
        let frame = [click.as_slice(), &[("sec-fetch-dest", "iframe")]].concat();
        assert_eq!(ask(get, &frame), Err(StatusCode::FORBIDDEN));
    }
}
