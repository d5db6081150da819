//! Connections: requests that never become whole, and connections that are many.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{MIB, Target, head};
use crate::support::eventually;

const PING: &str = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Opens `count` connections that send this and no more; what the server closes is let go.
async fn unfinished(target: &Target, count: usize, sent: &[u8]) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = target.connect().await;
        // One that is turned away does not read on.
        _ = tokio::time::timeout(Duration::from_millis(50), stream.write_all(sent)).await;
        open.push(stream);
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_bodies_cost_no_more_than_their_bound() {
    for (is_known, more) in [(false, 24 * MIB), (true, 56 * MIB)] {
        let target = Target::demo("[http]\nbody_timeout_ms = 60000\n").await;
        let who = if is_known { target.authorization() } else { String::new() };
        // All but the last byte.
        let sent = [head(MIB, &who).into_bytes(), vec![b' '; MIB - 1]].concat();
        drop(target.endures(more, unfinished(&target, 200, &sent)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_heads_cost_no_more_than_their_bound() {
    let long = "[http]\nhead_timeout_ms = 60000\n";
    let target = Target::demo(long).await;
    let head = format!("GET /graphql?query={} HTTP/1.1\r\nx: ", "x".repeat(120 << 10));
    drop(target.endures(144 * MIB, unfinished(&target, 1_500, head.as_bytes())).await);
    drop(target);

    // As long as a head may be, and many of them: then it is their bytes that count.
    let target = Target::demo(long).await;
    let head = format!("GET /graphql?query={} HTTP/1.1\r\nx: ", "x".repeat(30 << 10));
    drop(target.endures(96 * MIB, unfinished(&target, 2_500, head.as_bytes())).await);
    drop(target);

    // And behind a sound request, which is answered.
    let target = Target::demo(long).await;
    let head = format!("{PING}GET /graphql?query={} HTTP/1.1\r\nx: ", "x".repeat(120 << 10));
    drop(target.endures(144 * MIB, unfinished(&target, 1_500, head.as_bytes())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_a_part_of_the_connections_and_no_more() {
    let target = Target::demo("[http]\nconnections_per_client_max = 30\n").await;
    let pinged = async |stream: &mut TcpStream| {
        stream.write_all(PING.as_bytes()).await.ok()?;
        let mut told = [0; 12];
        stream.read_exact(&mut told).await.ok()?;
        (told == *b"HTTP/1.1 200").then_some(())
    };
    let crowd = async {
        let mut open = Vec::new();
        for _ in 0..30 {
            let mut stream = target.connect_from([127, 0, 0, 3]).await;
            // Answered: so it has its place.
            pinged(&mut stream).await.expect("it is answered");
            open.push(stream);
        }
        let mut one_more = target.connect_from([127, 0, 0, 3]).await;
        let mut told = String::new();
        let reading = one_more.read_to_string(&mut told);
        let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
        read.expect("it is closed").expect("text");
        assert!(told.starts_with("HTTP/1.1 503") && told.contains("OVERLOADED"), "{told}");
        open
    };
    // Who hangs up makes room.
    drop(target.endures(24 * MIB, crowd).await);
    eventually("there is room again", async || {
        pinged(&mut target.connect_from([127, 0, 0, 3]).await).await
    })
    .await;
}
