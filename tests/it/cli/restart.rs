//! A start after a crash under load: what came since the last checkpoints is read and no more, whatever
//! was written before. `EMPORIUM_TEST_ENTRIES` says how much that is (300000, say, with a release build).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::{JoinSet, block_in_place};

use super::process::Server;
use super::serving::location;

/// Stock items that goods come to, all the time.
const ITEMS: usize = 400;
/// Of so many at once, in one request.
const TOGETHER: usize = 20;

fn variant(number: usize) -> String {
    format!("variant_0192f3c1-0000-7000-8000-{number:012x}")
}

/// The same mutation of some items in a row.
fn mutation(name: &str, location: &str, from: usize, more: &str, key: &str) -> String {
    let field = |n: usize| {
        format!(
            "m{n}: {name}(input: {{variantId: \"{}\", locationId: \"{location}\"{more}, \
             idempotencyKey: \"{key}\"}}) {{ userErrors {{ code }} }} ",
            variant(n)
        )
    };
    format!("mutation {{ {} }}", (from..from + TOGETHER).map(field).collect::<String>())
}

async fn metric(server: &Server, name: &str) -> u64 {
    let url = format!("http://{}/metrics", server.address());
    let page = reqwest::get(url).await.expect("a page").text().await.expect("text");
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.parse::<f64>().ok()).map_or(0, |number| number as u64)
}

/// Writes from many sides until there are so many entries, and kills the server in the middle of it.
async fn written_and_killed(server: Server, location: String, wanted: u64) {
    let client = server.client();
    let rounds = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let (client, url, rounds) = (client.clone(), server.url.clone(), Arc::clone(&rounds));
        let location = location.clone();
        writers.spawn(async move {
            loop {
                let round = rounds.fetch_add(1, Ordering::Relaxed);
                let from = (writer + 16 * round as usize) * TOGETHER % ITEMS;
                let key = round.to_string();
                let query = mutation("receiveStock", &location, from, ", quantity: \"1\"", &key);
                // It is killed while this goes on.
                if client.post(&url).json(&json!({"query": query})).send().await.is_err() {
                    return;
                }
            }
        });
    }
    while metric(&server, "emporium_persistence_batch_entries_sum").await < wanted {
        tokio::task::yield_now().await;
    }
    block_in_place(|| server.kill());
    writers.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_after_a_crash_reads_what_came_since_the_last_checkpoints() {
    let wanted = std::env::var("EMPORIUM_TEST_ENTRIES").ok().and_then(|it| it.parse().ok());
    let wanted: u64 = wanted.unwrap_or(12_000);
    let checkpoint = (wanted / 6).min(50_000);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = format!("[limits]\ncheckpoint_entries = {checkpoint}\n");
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it is written");
    let server = block_in_place(|| Server::start(directory.path(), &["--demo"]));
    let location = location(&server).await;
    for from in (0..ITEMS).step_by(TOGETHER) {
        server.data(&mutation("openStock", &location, from, "", "open"), json!({})).await;
    }
    written_and_killed(server, location, wanted).await;

    let began = Instant::now();
    let server = block_in_place(|| Server::start(directory.path(), &["--demo"]));
    let took = began.elapsed();
    let read = metric(&server, "emporium_actors_follower_read_entries_total").await;
    let data = server.data("{ operations { followers { name } } }", json!({})).await;
    let followers = data["operations"]["followers"].as_array().map_or(0, Vec::len) as u64;
    println!("ready after {took:?}, {read} entries of {wanted} read for {followers} followers");
    assert!(read > 0 && followers > 3, "{read} read, {followers}");
    // One checkpoint is behind by what came before it, and another was being written.
    let most = followers * (2 * checkpoint + 1_000);
    assert!(read < most, "{read} entries were read, {most} would be too many");
    assert!(took < Duration::from_secs(30), "{took:?}");
}
