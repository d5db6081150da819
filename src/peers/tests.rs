//! Two ends of a link over a real connection: what crosses, what is refused, what is told when it
//! breaks.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::certificates::make;
use crate::identity::{Credentials, may_be_certified};
use crate::link::{Link, Own, Sent};
use crate::metrics::REFUSED;
use crate::server::{Answer, Answerer, serve};
use crate::wire::{FRAME_BYTES_MAX, News, Wish};

/// Says back what it was told, in capitals; waits for ever where it is told to.
#[derive(Default)]
struct Echo {
    heard: Notify,
    asked: Notify,
}

#[async_trait]
impl Answerer for Echo {
    fn knows(&self, node: &str) -> bool {
        node.starts_with("node-")
    }

    async fn answer(&self, wish: Wish, payload: Vec<u8>, left: Duration) -> Answer {
        assert_eq!(wish, Wish::Command);
        assert!(left <= Duration::from_secs(20));
        match &payload[..] {
            b"gone" => Answer::NotHere(Some("node-7".into())),
            b"odd" => Answer::Unreadable,
            b"long" => Answer::Answered(vec![7; FRAME_BYTES_MAX]),
            b"wait" => {
                self.asked.notify_one();
                std::future::pending().await
            }
            payload => Answer::Answered(payload.to_ascii_uppercase()),
        }
    }

    fn heard(&self, news: News) {
        if news == News::Released {
            self.heard.notify_one();
        }
    }
}

/// On a runtime of its own, with which it dies.
struct Other {
    address: SocketAddr,
    echo: Arc<Echo>,
    runtime: Option<Runtime>,
}

impl Other {
    fn die(&mut self) {
        self.runtime.take().expect("it lives").shutdown_background();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn other(directory: &Path, name: &str) -> Other {
    let credentials = Credentials::read(directory, name).expect("they were made");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let echo = Arc::new(Echo::default());
    let answerer = Arc::clone(&echo) as Arc<dyn Answerer>;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.spawn(async move {
        let until = std::future::pending();
        serve(listener, &credentials, "one".to_owned(), answerer, until).await.expect("it serves");
    });
    Other { address, echo, runtime: Some(runtime) }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn own(directory: &Path, name: &str, installation: &str) -> Own {
    let credentials = Credentials::read(directory, name).expect("they were made");
    Own { credentials, installation: installation.to_owned() }
}

async fn call(link: &Link, payload: &[u8]) -> Sent {
    let until = Instant::now() + Duration::from_secs(20);
    // While the link is being made, a call is turned away.
    loop {
        match link.call(Wish::Command, payload.to_vec(), until).await {
            Sent::NotSent if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            sent => return sent,
        }
    }
}

#[tokio::test]
async fn each_call_gets_its_own_answer_and_a_broken_link_says_that_nobody_knows() {
    let home = tempfile::tempdir().expect("a directory");
    make(home.path(), &names(&["node-1", "node-2"])).expect("certificates");
    let mut other = other(home.path(), "node-2");
    let link =
        Arc::new(Link::to("node-2", &other.address.to_string(), own(home.path(), "node-1", "one")));
    assert_eq!(call(&link, b"tea").await, Sent::Answered(b"TEA".to_vec()));
    assert!(link.is_up());
    let many = (0..500).map(|number| {
        let link = Arc::clone(&link);
        async move {
            let text = format!("cup {number}");
            let answered = call(&link, text.as_bytes()).await;
            assert_eq!(answered, Sent::Answered(text.to_ascii_uppercase().into_bytes()));
        }
    });
    futures::future::join_all(many).await;
    assert_eq!(call(&link, b"gone").await, Sent::NotHere(Some("node-7".into())));
    assert_eq!(call(&link, b"odd").await, Sent::Unreadable);
    assert_eq!(call(&link, b"long").await, Sent::Unreadable, "the answer has no room");
    assert_eq!(call(&link, &vec![7; FRAME_BYTES_MAX]).await, Sent::Unreadable);
    link.tell(News::Released);
    other.echo.heard.notified().await;

    let waiting = {
        let link = Arc::clone(&link);
        tokio::spawn(async move { call(&link, b"wait").await })
    };
    other.echo.asked.notified().await;
    other.die();
    let asked = Instant::now();
    assert_eq!(waiting.await.expect("it ends"), Sent::Lost);
    assert!(asked.elapsed() < Duration::from_secs(10), "it is told at once, not when time is over");
    assert!(!link.is_up());
}

/// How often something was refused for this reason, in all tests together.
fn refused(because: &'static str) -> u64 {
    REFUSED.with([because]).get()
}

#[tokio::test]
async fn strangers_are_refused_and_counted() {
    let (home, foreign) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    make(home.path(), &names(&["node-1", "node-2", "guest"])).expect("certificates");
    make(foreign.path(), &names(&["node-1"])).expect("certificates");
    let other = other(home.path(), "node-2");
    let address = other.address.to_string();
    // They know our authority beside their own, and ours does not know them.
    let [ours, theirs] = [&home, &foreign]
        .map(|place| std::fs::read_to_string(place.path().join("ca.pem")).expect("an authority"));
    std::fs::write(foreign.path().join("ca.pem"), theirs + &ours).expect("both of them");
    for (because, own) in [
        ("handshake", own(foreign.path(), "node-1", "one")),
        ("identity", own(home.path(), "node-1", "another")),
        ("identity", own(home.path(), "guest", "one")),
    ] {
        let before = refused(because);
        let link = Link::to("node-2", &address, own);
        while refused(because) == before {
            let until = Instant::now() + Duration::from_secs(1);
            assert_eq!(link.call(Wish::Command, b"tea".to_vec(), until).await, Sent::NotSent);
        }
        assert!(!link.is_up());
    }
    // Whoever is linked to is held to its name, too.
    let link = Link::to("node-3", &address, own(home.path(), "node-1", "one"));
    let until = Instant::now() + Duration::from_secs(1);
    assert_eq!(link.call(Wish::Command, b"tea".to_vec(), until).await, Sent::NotSent);
    assert!(!link.is_up());
}

#[test]
fn a_certificate_of_one_node_is_not_anothers_and_none_is_made_twice() {
    let home = tempfile::tempdir().expect("a directory");
    let made = make(home.path(), &names(&["node-1"])).expect("certificates");
    assert_eq!(made, ["ca.key", "ca.pem", "node-1.key", "node-1.pem"]);
    assert!(make(home.path(), &names(&["node-1"])).is_err());
    assert!(make(home.path(), &names(&["Node_1"])).is_err());
    assert_eq!(make(home.path(), &names(&["node-2"])).expect("more").len(), 2);
    for end in ["pem", "key"] {
        let file = |name: &str| home.path().join(format!("{name}.{end}"));
        std::fs::rename(file("node-2"), file("node-3")).expect("it is renamed");
    }
    let error = Credentials::read(home.path(), "node-3").err().expect("it is of node-2");
    assert!(error.to_string().contains("node-3.pem"), "{error}");
    assert!(may_be_certified("shop-1.example") && !may_be_certified("") && !may_be_certified("-"));
}

/// `proto/node.proto` says what the frames are; whoever changes one changes the other.
#[test]
fn the_frames_are_as_the_page_for_people_has_them() {
    let page = include_str!("../../proto/node.proto");
    let code = include_str!("wire.rs");
    let numbers = |text: &str, mark: &str| text.lines().filter(|line| line.contains(mark)).count();
    // Every numbered field of a message or a oneof is one line there and one attribute here.
    let there = numbers(page, " = ") - numbers(page, "syntax");
    let variants = code
        .lines()
        .filter(|line| {
            let line = line.trim();
            line.ends_with(',') && line.contains(" = ") && !line.contains("pub")
        })
        .count();
    let here = numbers(code, "tag = \"") + variants;
    assert_eq!(there, here, "proto/node.proto and wire.rs do not have the same numbers");
}
