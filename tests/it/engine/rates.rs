//! What somebody asks for at two nodes, as they tell each other through a real Redis: he has one rate, not two; and
//! whatever becomes of Redis, each node goes on by its own count.

use std::sync::Arc;

use emporium::bootstrap::rates::Keeper;
use emporium::domain::id::AggregateId;
use emporium::http::rates::{Allowed, Book, Rate};
use emporium::peers::metrics::RATES_TOLD;
use emporium::peers::tally;
use uuid::Uuid;

use super::bell::redis;
use crate::support::eventually;
use crate::support::proxy::{Mode, Proxy};

/// Five minutes of what is allowed, which no test takes; 1 is next to nothing, however often it is asked for.
const MUCH: u64 = 300_000_000;
const ALLOWED: Allowed = Allowed(1_000_000);

/// One of the nodes of an installation.
fn node(url: &str, installation: &str) -> Arc<Book> {
    let book = Arc::<Book>::default();
    let name = |who: &str| AggregateId::derived(&[who.as_bytes()]).0.as_u128();
    let keeper = Arc::new(Keeper::new(Arc::clone(&book), name));
    tally::start(url, installation, keeper).expect("a URL");
    book
}

fn of(book: &Arc<Book>, who: &str) -> Arc<Rate> {
    Rate::of(Some(book), || who.to_owned())
}

fn told(outcome: &str) -> u64 {
    RATES_TOLD.with([outcome]).get()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_at_one_node_is_owed_at_the_other_and_by_nobody_else() {
    let installation = Uuid::new_v4().to_string();
    let books = [node(&redis(), &installation), node(&redis(), &installation)];
    let [here, there] = books.each_ref().map(|book| of(book, "ada"));
    assert_eq!(here.take(MUCH, ALLOWED, books[0].now()), Ok(()));
    // She asks for next to nothing there, until that node hears what she owes.
    eventually("what she spent here to be owed there", async || {
        there.take(1, ALLOWED, books[1].now()).is_err().then_some(())
    })
    .await;
    let eve = of(&books[1], "eve");
    assert_eq!(eve.take(MUCH, ALLOWED, books[1].now()), Ok(()), "it is not hers");
    // Somebody of that name at another installation that uses the same Redis owes what he spent there.
    let elsewhere = Uuid::new_v4().to_string();
    let stranger = node(&redis(), &elsewhere);
    assert_eq!(of(&stranger, "ada").take(MUCH, ALLOWED, stranger.now()), Ok(()));
    let mut connection = connection().await;
    let name = known(&mut connection, &elsewhere).await;
    let owes = redis::cmd("PTTL").arg(&name[0]).query_async::<i64>(&mut connection).await;
    let owes = owes.expect("it answers");
    assert!((1..=300_000).contains(&owes), "{owes} ms");
    assert!(!name[0].contains("ada"), "{name:?}");
}

async fn connection() -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(redis()).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("it answers")
}

/// Under what names something is owed at an installation, once there is one.
async fn known(
    connection: &mut redis::aio::MultiplexedConnection,
    installation: &str,
) -> Vec<String> {
    let pattern = format!("emporium:{{{installation}}}:rate:*");
    eventually("something to be told", async || {
        let mut connection = connection.clone();
        let names: Vec<String> =
            redis::cmd("KEYS").arg(&pattern).query_async(&mut connection).await.expect("names");
        (!names.is_empty()).then_some(names)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_flushed_or_away_makes_nobody_owe_less_and_is_told_again_when_it_is_back() {
    let url = redis();
    let upstream = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
    let proxy = Proxy::to(upstream).await;
    let cut = format!("redis://{}", proxy.address());
    let installation = Uuid::new_v4().to_string();
    let (here, there) = (node(&cut, &installation), node(&url, &installation));
    let ada = of(&here, "ada");
    assert_eq!(ada.take(MUCH, ALLOWED, here.now()), Ok(()));
    let mut connection = connection().await;
    known(&mut connection, &installation).await;
    for mode in [Mode::CutBeforeForward, Mode::CutAfterAnswer, Mode::Blackhole] {
        proxy.set(mode);
        let failed = told("failed");
        eventually("Redis to be missed", async || {
            assert!(ada.take(1, ALLOWED, here.now()).is_err(), "she owes what she spent here");
            // Whoever owes nothing goes on.
            assert_eq!(of(&here, "bob").take(1, ALLOWED, here.now()), Ok(()));
            (told("failed") > failed).then_some(())
        })
        .await;
    }
    let names = known(&mut connection, &installation).await;
    redis::cmd("DEL").arg(&names).exec_async(&mut connection).await.expect("they are gone");
    proxy.set(Mode::Pass);
    // What is spent is told again, from whenever the node finds it back; what was spent until then is not.
    let elsewhere = of(&there, "eve");
    eventually("what she spends to be owed elsewhere", async || {
        _ = of(&here, "eve").take(MUCH, ALLOWED, here.now());
        elsewhere.take(1, ALLOWED, there.now()).is_err().then_some(())
    })
    .await;
    assert!(
        ada.take(1, ALLOWED, here.now()).is_err(),
        "nothing that was flushed is forgotten here"
    );
}
