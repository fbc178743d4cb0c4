//! Whatever a store answers, or whoever answers in its place: it is judged, and nothing counts as stored or as bad that it has not
//! said so of. Over a real connection, as the client beneath reads it.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::checked::{Compression, Drain, InfluxConfig};
use crate::forward::store::{Answer, Influx, TsSink};
use crate::scripted::{TempFile, within};

/// What is sent each time; the last byte of a request.
const LINE: &str = "device,device=d p=1 1\n";
/// Characters of what a store said that are kept, with what is put beside them.
const WORDS: usize = 400;

/// Answers everybody with the bytes that were set last, and closes.
async fn server(said: watch::Receiver<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("a port").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let said = said.borrow().clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(LINE.as_bytes()) {
                    if stream.read_buf(&mut request).await? == 0 {
                        return Ok(());
                    }
                }
                stream.write_all(&said).await?;
                stream.shutdown().await
            });
        }
    });
    port
}

fn config(port: u16, token: &TempFile) -> InfluxConfig {
    InfluxConfig {
        name: "central".to_owned(),
        url: format!("http://127.0.0.1:{port}"),
        org: "district".to_owned(),
        bucket: "telemetry".to_owned(),
        token_file: token.0.clone(),
        compression: Compression::None,
        drain: Drain::Max,
        timeout: Duration::from_mins(1),
    }
}

/// `status`: what its first line said, if that is one.
fn fits(answer: &Answer, status: Option<u16>) -> Result<(), TestCaseError> {
    match answer {
        Answer::Accepted => prop_assert!(status.is_none_or(|status| status == 204), "{:?}", status),
        Answer::Refused(why) => {
            prop_assert!(status.is_none_or(|status| [400, 422].contains(&status)), "{:?}", status);
            prop_assert!(why.starts_with("400: ") || why.starts_with("422: "), "{}", why);
        }
        Answer::TooLarge(_) => prop_assert!(status.is_none_or(|status| status == 413)),
        Answer::Busy { wait, .. } => {
            prop_assert!(*wait <= Duration::from_mins(1));
            prop_assert!(status.is_none_or(|status| [429, 503].contains(&status)));
        }
        Answer::Hold(_) | Answer::Retry(_) => {}
    }
    match answer {
        Answer::Refused(why)
        | Answer::TooLarge(why)
        | Answer::Hold(why)
        | Answer::Retry(why)
        | Answer::Busy { why, .. } => {
            prop_assert!(why.chars().count() <= WORDS && !why.chars().any(char::is_control), "{:?}", why);
        }
        Answer::Accepted => {}
    }
    Ok(())
}

/// Head and body as a server would, but for what is odd in them.
fn replies() -> impl Strategy<Value = (Option<u16>, Vec<u8>)> {
    let status = prop_oneof![
        proptest::sample::select(vec![200_u16, 202, 204, 301, 400, 401, 404, 413, 422, 429, 500, 503]),
        200_u16..1000
    ];
    let wait = prop_oneof![Just(String::new()), "Retry-After: (-?[0-9]{1,21}|[ -~]{0,20})\r\n"];
    let length = prop_oneof![3 => Just(None), 1 => Just(Some("Content-Length: 9999\r\n".to_owned())), 1 => "[A-Za-z-]{1,12}: [ -~]{0,12}\r\n".prop_map(Some)];
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..600),
        Just(b"<html>log in</html>".to_vec()),
        Just(
            br#"{"code":"unprocessable entity","message":"partial write: points beyond retention policy dropped=1"}"#
                .to_vec()
        ),
    ];
    let sound = (status, wait, length, body).prop_map(|(status, wait, length, body)| {
        let length = length.unwrap_or_else(|| format!("Content-Length: {}\r\n", body.len()));
        let mut text = format!("HTTP/1.1 {status} Odd\r\n{wait}{length}\r\n").into_bytes();
        text.extend_from_slice(&body);
        (Some(status), text)
    });
    let any = proptest::collection::vec(any::<u8>(), 0..100).prop_map(|bytes| (None, bytes));
    prop_oneof![4 => sound, 1 => any]
}

#[test]
fn any_answer_of_a_store_is_survived() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (say, said) = watch::channel(Vec::new());
    let token = TempFile::new("token\n");
    let port = runtime.block_on(server(said));
    let store = Influx::new(&config(port, &token));
    proptest!(|((status, reply) in replies())| {
        say.send_replace(reply);
        let answer = runtime.block_on(within("an answer", store.write(Bytes::from_static(LINE.as_bytes()))));
        fits(&answer, status)?;
    });
}
