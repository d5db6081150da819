//! A bare round trip: the link that nodes have to each other, with nothing behind it.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use emporium::peers::certificates;
use emporium::peers::identity::Credentials;
use emporium::peers::link::{Link, Own, Sent};
use emporium::peers::server::{Answer, Answerer, serve};
use emporium::peers::wire::{News, Wish};

use crate::samples::{Tally, Window};
use crate::settings::Settings;

struct Echo;

#[async_trait]
impl Answerer for Echo {
    fn knows(&self, _: &str) -> bool {
        true
    }

    async fn answer(&self, _: Wish, payload: Vec<u8>, _: Duration) -> Answer {
        Answer::Answered(payload)
    }

    fn heard(&self, _: News) {}
}

/// The middle of many, one after the other, in milliseconds. The answering end has a runtime of its own.
pub async fn round_trip_ms(settings: &Settings) -> f64 {
    let home = tempfile::tempdir().expect("a temporary directory");
    let names = ["node-1", "node-2"].map(str::to_owned);
    certificates::make(home.path(), &names).expect("certificates are made");
    let read = |name: &str| Credentials::read(home.path(), name).expect("they were made");
    let (credentials, listener) =
        (read("node-2"), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = listener.local_addr().expect("an address");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.spawn(async move {
        let until = std::future::pending();
        serve(listener, &credentials, "one".to_owned(), Arc::new(Echo), until)
            .await
            .expect("it serves");
    });
    let own = Own { credentials: read("node-1"), installation: "one".to_owned() };
    let link = Link::to("node-2", &address.to_string(), own);
    // As long as a question is.
    let payload = vec![b'x'; 160];
    let window = Window::after(settings.warm_up(), settings.short_window());
    let mut tally = Tally::default();
    loop {
        let sent = Instant::now();
        let until = tokio::time::Instant::now() + Duration::from_secs(10);
        match link.call(Wish::Question, payload.clone(), until).await {
            Sent::Answered(_) if tally.add(&window, sent, 1) => {}
            Sent::Answered(_) => break,
            // The link is being made.
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    runtime.shutdown_background();
    tally.quantile_ms(0.5)
}
