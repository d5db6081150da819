//! Posting to receivers of every sort: those that take, refuse, redirect, hang, lie, and never end.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::signature::KEY_BYTES;

fn post(timeout_ms: u64, allowed: bool) -> Post {
    let options = WebhookOptions { timeout_ms, ..WebhookOptions::default() };
    Post::new(&options, Arc::new(move |address: IpAddr| allowed && address.is_loopback()))
}

/// A receiver that answers each request with these bytes, again and again if `endless`, and tells what it was sent.
async fn receiver(answer: &'static [u8], endless: bool) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has an address");
    let (sent, received) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 4096];
            let mut read = 0;
            while !buffer[..read].ends_with(b"{\"a\":1}") {
                match stream.read(&mut buffer[read..]).await {
                    Ok(more) if more > 0 => read += more,
                    _ => return,
                }
            }
            buffer.truncate(read);
            let _ = sent.send(String::from_utf8(buffer).expect("text")).await;
            if answer.is_empty() {
                // It hangs for as long as the other side holds on.
                let _ = stream.read(&mut [0; 1]).await;
                continue;
            }
            while stream.write_all(answer).await.is_ok() && endless {}
        }
    });
    (address, received)
}

async fn deliver(post: &Post, url: &str) -> Result<StatusCode, Failed> {
    let keys = [Key([1; KEY_BYTES])];
    post.deliver(Letter { url, keys: &keys, id: "order/1/2", body: "{\"a\":1}", now: 5 }).await
}

#[tokio::test]
async fn a_message_is_sent_once_with_its_id_its_time_and_its_signature() {
    let (address, mut received) = receiver(b"HTTP/1.1 204 No Content\r\n\r\n", false).await;
    let url = format!("http://{address}/hook?a=b");
    let taken = deliver(&post(60_000, true), &url).await.expect("it is taken");
    assert_eq!(taken, StatusCode::NO_CONTENT);
    let request = received.recv().await.expect("a request");
    let (head, body) = request.split_once("\r\n\r\n").expect("a head and a body");
    assert_eq!(body, "{\"a\":1}");
    let signature = signatures(&[Key([1; KEY_BYTES])], "order/1/2", 5, body.as_bytes());
    assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{head}");
    for line in [
        format!("host: {address}"),
        "content-type: application/cloudevents+json".to_owned(),
        "webhook-id: order/1/2".to_owned(),
        "webhook-timestamp: 5".to_owned(),
        format!("webhook-signature: {signature}"),
    ] {
        assert!(head.lines().any(|there| there == line), "{line} is not in {head}");
    }
}

#[tokio::test]
async fn what_is_not_taken_says_why_and_a_redirect_is_not_followed() {
    for (answer, expected) in [
        (&b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"[..], "it answered with 500"),
        (b"HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:1/\r\n\r\n", "it answered with 302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what came is no HTTP"),
    ] {
        let (address, mut received) = receiver(answer, false).await;
        let failed = deliver(&post(60_000, true), &format!("http://{address}/")).await;
        assert_eq!(failed.expect_err("it is refused").to_string(), expected);
        assert!(received.recv().await.is_some());
        assert!(received.try_recv().is_err(), "it was sent once");
    }
}

#[tokio::test]
async fn whoever_hangs_is_left_and_whoever_never_ends_is_not_listened_to() {
    let (address, _received) = receiver(b"", false).await;
    let failed = deliver(&post(50, true), &format!("http://{address}/")).await;
    assert!(matches!(failed, Err(Failed::TimedOut(_))), "{failed:?}");
    // A body without an end is no part of the answer …
    let endless = b"HTTP/1.1 200 OK\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    let (address, _received) = receiver(endless, true).await;
    let taken = deliver(&post(60_000, true), &format!("http://{address}/")).await;
    assert_eq!(taken.expect("it is taken"), StatusCode::OK);
    // … and a head without an end is none.
    let (address, _received) = receiver(b"HTTP/1.1 200 OK\r\nx: yyyyyyyyyyyyyy", true).await;
    let failed = deliver(&post(60_000, true), &format!("http://{address}/")).await;
    assert!(matches!(failed, Err(Failed::Broken(_))), "{failed:?}");
}

#[tokio::test]
async fn private_addresses_are_not_asked_unless_that_is_configured() {
    let (address, mut received) = receiver(b"HTTP/1.1 200 OK\r\n\r\n", false).await;
    let port = address.port();
    let closed = post(60_000, false);
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let failed = deliver(&closed, &format!("https://{host}:{port}/")).await;
        let is_refused = matches!(failed, Err(Failed::Private | Failed::Unreachable(_)));
        assert!(is_refused, "{host}: {failed:?}");
        let failed = deliver(&closed, &format!("http://{host}:{port}/")).await;
        let is_refused = matches!(failed, Err(Failed::Plain | Failed::Unreachable(_)));
        assert!(is_refused, "{host}: {failed:?}");
    }
    assert!(received.try_recv().is_err(), "nobody was asked");
    assert!(
        !closed.may_ask("https://169.254.169.254/latest") && !closed.may_ask("http://8.8.8.8/")
    );
    assert!(closed.may_ask("https://hooks.example/") && !closed.may_ask("gopher://hooks.example/"));
    deliver(&post(60_000, true), &format!("http://127.0.0.1:{port}/")).await.expect("it is taken");
}

#[test]
fn pauses_double_up_to_their_bound_and_are_not_all_the_same() {
    let options = WebhookOptions::default();
    for (failures, whole) in [(1, 5_000), (2, 10_000), (4, 40_000), (60, options.retry_max_ms)] {
        let pauses: Vec<_> = (0..64).map(|_| options.pause(failures).as_millis() as u64).collect();
        assert!(pauses.iter().all(|pause| (whole / 2..=whole).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }
}
