//! The guards as they stand around the real server.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const ACK: &str = "/api/v1/alarms/00000000000000a1/acknowledge";

async fn acknowledge(console: &Console, headers: &[(&str, &str)]) -> u16 {
    console.set(|engine| engine.command = Some(Ok(made_up::alarm(1))));
    let request = console.request(Method::POST, ACK).body(r#"{"by": "x"}"#);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    soon(request.send()).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_foreign_page_can_change_nothing() {
    let console = Console::start().await;
    let json = ("content-type", "application/json");
    let own = format!("http://{}", console.address);
    assert_eq!(acknowledge(&console, &[json, ("origin", "http://evil.example")]).await, 403);
    assert_eq!(acknowledge(&console, &[json, ("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(acknowledge(&console, &[json, ("host", "rebound.example")]).await, 421);
    assert_eq!(acknowledge(&console, &[("content-type", "text/plain")]).await, 415);
    assert_eq!(acknowledge(&console, &[("content-type", "application/x-www-form-urlencoded")]).await, 415);
    assert!(console.engine.lock().unwrap().asked.is_empty());
    assert_eq!(acknowledge(&console, &[json, ("origin", &own), ("sec-fetch-site", "same-origin")]).await, 200);
}

#[tokio::test]
async fn a_foreign_name_sees_nothing() {
    let console = Console::start().await;
    for path in ["/", "/api/v1/points", "/metrics", "/healthz", "/assets/app.js", "/nowhere"] {
        let request = console.request(Method::GET, path).header("host", "rebound.example:8420");
        assert_eq!(soon(request.send()).await.unwrap().status(), 421, "{path}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let console = Console::start().await;
    for path in ["/", "/api/v1/status", "/nowhere", "/assets/icon.svg"] {
        let answer = console.get(path).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
    }
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let console = Console::start().await;
    let body = format!(r#"{{"by": "{}"}}"#, "x".repeat(17 * 1024));
    let (status, problem) = console.post(ACK, &body).await;
    assert_eq!(status, 413, "{problem}");
}

#[tokio::test]
async fn two_hosts_are_none() {
    let console = Console::start().await;
    let mut socket = TcpStream::connect(console.address).await.unwrap();
    let request =
        format!("GET / HTTP/1.1\r\nHost: {}\r\nHost: evil.example\r\nConnection: close\r\n\r\n", console.address);
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(socket.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_loses_the_seat() {
    // The runtime's time leaps whenever all tasks wait, so this takes no time.
    let console = Console::start().await;
    let mut socket = TcpStream::connect(console.address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut answer = Vec::new();
    match socket.read_to_end(&mut answer).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}
