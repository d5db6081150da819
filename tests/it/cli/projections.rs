//! Read tables as operators run them: real servers that are killed, whose tables are filled anew, gone,
//! slow, damaged, of another installation, or ahead of their log.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::nodes::Home;
use super::process::{Server, run};
use super::serving::{ON_HAND, RECEIVE, Shelf, VARIANT};
use crate::support::database::{Location, Operator, on_mysql};
use crate::support::eventually;
use crate::support::proxy::{Mode, Proxy};

const LISTED: &str =
    "query($v: ID!) { stock(where: {variantId: {eq: $v}}) { edges { node { onHand } } } }";
const LISTED_AT: &str = "query($v: ID!, $p: Position!) { \
     stock(where: {variantId: {eq: $v}}, atLeast: $p) { edges { node { onHand } } } }";
/// How many rows say that so much can be had. Where an item is in memory a list shows its own numbers, and
/// which items it shows its rows say.
const AVAILABLE: &str = "query($l: ID!, $n: Long!, $p: Position) { \
     stock(where: {locationId: {eq: $l}, available: {eq: $n}}, atLeast: $p) { totalCount } }";
const RECEIVE_AT: &str = "mutation($input: ReceiveStockInput!) { receiveStock(input: $input) { \
     position userErrors { code } } }";

fn code(reply: &Value) -> &str {
    reply["errors"][0]["extensions"]["code"].as_str().unwrap_or("none")
}

/// What a command that lists prints, by the name of each follower.
fn listed(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

fn of<'a>(all: &'a [Value], name: &str) -> &'a Value {
    let found = all.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is listed: {all:?}"))
}

/// A node of a file of its own.
struct Shop(TempDir);

impl Shop {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn start(&self) -> Server {
        Server::start(self.0.path(), &["--demo"])
    }

    /// `emporium projection …`, with `--json`: what it printed, if it did what it was asked.
    fn projection(&self, arguments: &[&str]) -> Result<Vec<Value>, (i32, String)> {
        let (status, out, errors) =
            run(self.0.path(), &[&["projection"], arguments, &["--json"]].concat());
        if status == 0 { Ok(listed(&out)) } else { Err((status, format!("{out}{errors}"))) }
    }

    fn status(&self) -> Vec<Value> {
        self.projection(&["status"]).expect("it is printed")
    }
}

#[test]
fn a_table_is_filled_anew_beside_a_server_and_after_a_kill() {
    let shop = Shop::new();
    let server = shop.start();
    let deadline = Instant::now() + super::process::PATIENCE;
    // Told within some seconds, whatever is kept in memory alone.
    let all = loop {
        let all = shop.status();
        if all.iter().any(|one| one["name"] == "search") {
            break all;
        }
        assert!(Instant::now() < deadline, "nothing is told: {all:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    for name in ["orders", "users", "products", "variants", "holds", "stock"] {
        let one = of(&all, name);
        assert_eq!(
            (&one["kind"], &one["filling"], &one["parked"]),
            (&json!("table"), &json!(1), &json!(0))
        );
        assert_eq!(one["rebuilding"], Value::Null);
    }
    let products = of(&all, "products")["rows"].clone();
    assert!(products.as_u64() > Some(0), "{products}");
    assert_eq!(shop.projection(&["parked"]), Ok(vec![]));
    let replayed = shop.projection(&["replay", "products"]).expect("nothing was set aside");
    assert_eq!(replayed, [json!({ "follower": "products", "parked": 0 })]);

    let done = shop.projection(&["rebuild", "products"]).expect("it is filled anew");
    assert_eq!((&done[0]["filling"], &done[0]["rows"]), (&json!(2), &products));
    for (wrong, why) in [("prices", "nothing is called prices"), ("search", "search is no table")] {
        let (status, said) = shop.projection(&["rebuild", wrong]).expect_err("it is refused");
        assert_eq!(status, 2);
        assert!(said.contains(why), "{said}");
    }

    // Asked for, and the server is killed at once.
    let asked = shop.projection(&["rebuild", "products", "--no-wait"]).expect("it is asked for");
    assert_eq!(asked[0]["filling"], 3);
    server.kill();
    let server = shop.start();
    let done = shop.projection(&["rebuild", "products"]).expect("it is gone on with");
    assert!(done[0]["filling"].as_u64() >= Some(3), "{done:?}");
    assert_eq!(done[0]["rows"], products);
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    assert_eq!(of(&shop.status(), "products")["rows"], products, "no server is needed to look");
}

#[test]
fn a_file_of_lists_that_is_of_no_use_is_made_anew() {
    let shop = Shop::new();
    let server = shop.start();
    let before = of(&shop.status(), "products")["rows"].clone();
    server.kill();
    let data = shop.0.path().join("data");
    for beside in ["read.db-wal", "read.db-shm"] {
        let _ = std::fs::remove_file(data.join(beside));
    }
    std::fs::write(
        data.join("read.db"),
        "no database, and long enough to look like none. ".repeat(400),
    )
    .expect("it is written");
    let server = shop.start();
    assert_eq!(of(&shop.status(), "products")["rows"], before);
    assert!(data.join("read.damaged").is_file());
    drop(server);
}

/// A database of its own for read tables, which is reached through a proxy.
async fn read_database(location: &Location, proxy: &Proxy) -> (String, String) {
    let Location::Mysql { name, .. } = location else { panic!("on a server") };
    let name = format!("{name}_read");
    let mut operator = location.operator().await;
    operator.execute(&format!("CREATE DATABASE {name}")).await;
    let url = location.mysql_url(Some(proxy.address()));
    let of_log = name.trim_end_matches("_read");
    (url.replace(of_log, &name), name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_alone_suffer_while_their_database_is_away() {
    on_mysql(|database| async move {
        let proxy = Proxy::to(database.location.upstream()).await;
        let (url, name) = read_database(&database.location, &proxy).await;
        let more = format!("[read]\ndatabase = \"{url}\"\n[http]\ndeadline_ms = 4000");
        let home = Home::of(&database, 5, &more);
        let server = block_in_place(|| home.start());
        let shelf = Shelf::open(&server).await;
        let mut received = 0;
        let slow = Mode::Slow(Duration::from_secs(6));
        for away in [Mode::CutBeforeForward, Mode::CutAfterAnswer, slow] {
            proxy.set(away);
            received += 1;
            let receipt = shelf.receipt(&format!("while {away:?}"));
            let done = server.data(RECEIVE_AT, receipt).await;
            let position = &done["receiveStock"]["position"];
            let began = Instant::now();
            let list = server.ask(LISTED, json!({ "v": VARIANT })).await.expect("an answer");
            assert_eq!(code(&list), "UNAVAILABLE", "{list}");
            assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
            let list = server
                .ask(LISTED_AT, json!({ "v": VARIANT, "p": position }))
                .await
                .expect("an answer");
            assert!(["STALE", "UNAVAILABLE"].contains(&code(&list)), "{list}");
            let read = server.data(ON_HAND, shelf.item()).await;
            assert_eq!(read["stockItem"]["onHand"], received);
            let ready = reqwest::get(format!("http://{}/readyz", server.address())).await;
            assert_eq!(ready.expect("an answer").status(), 200);

            proxy.set(Mode::Pass);
            // Without a restart: lists are as far as the commands were.
            let deadline = Instant::now() + super::process::PATIENCE;
            loop {
                let list = server
                    .ask(LISTED_AT, json!({ "v": VARIANT, "p": position }))
                    .await
                    .expect("an answer");
                let on_hand = &list["data"]["stock"]["edges"][0]["node"]["onHand"];
                if *on_hand == json!(received) {
                    break;
                }
                assert!(Instant::now() < deadline, "after {away:?}: {list}");
            }
        }
        server.signal("TERM");
        assert_eq!(block_in_place(|| server.end()).0, Some(0));
        database.location.operator().await.execute(&format!("DROP DATABASE {name}")).await;
    })
    .await;
}

/// What keeps everybody from writing rows of lists, and what ends it: the server that holds them is the primary
/// no more, their database is closed to writers, whoever fills them lost the privilege; or somebody holds
/// their positions for a long while. Reading goes on.
fn hindrances(name: &str) -> [(String, String); 4] {
    let refused = |number: u16| {
        let trigger = format!(
            "CREATE TRIGGER {name}.only_read BEFORE UPDATE ON {name}.follower_positions FOR EACH ROW \
             SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'planted'"
        );
        (trigger, format!("DROP TRIGGER {name}.only_read"))
    };
    let lock = format!("SELECT seq FROM {name}.follower_positions FOR UPDATE");
    let held = (format!("BEGIN; {lock}"), "COMMIT".to_owned());
    [refused(1290), refused(3989), refused(1142), held]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_as_they_were_while_nobody_can_write_them() {
    on_mysql(|database| async move {
        let proxy = Proxy::to(database.location.upstream()).await;
        let (url, name) = read_database(&database.location, &proxy).await;
        let more = format!("[read]\ndatabase = \"{url}\"\n[http]\ndeadline_ms = 4000");
        let home = Home::of(&database, 5, &more);
        let server = block_in_place(|| home.start());
        let shelf = Shelf::open(&server).await;
        let mut operator = database.location.operator().await;
        let receive = async |number: usize| {
            let done = server.data(RECEIVE_AT, shelf.receipt(&number.to_string())).await;
            done["receiveStock"]["position"].clone()
        };
        let listed = async |available: usize, at_least: &Value| {
            let asked = json!({ "l": shelf.location, "n": available, "p": at_least });
            server.ask(AVAILABLE, asked).await.expect("an answer")
        };
        let says = |list: &Value| list["data"]["stock"]["totalCount"].as_u64();
        // Without a restart: lists are as far as the commands were.
        let shown = async |received: usize, position: &Value| {
            eventually("a row to be written", async || {
                let list = listed(received, position).await;
                (says(&list) == Some(1)).then_some(())
            })
            .await;
        };
        let mut position = receive(1).await;
        let mut received = 1;
        for (begins, ends) in hindrances(&name) {
            shown(received, &position).await;
            operator.execute(&begins).await;
            received += 1;
            position = receive(received).await;
            let list = listed(received, &position).await;
            assert!(["STALE", "UNAVAILABLE"].contains(&code(&list)), "{begins}: {list}");
            for (available, rows) in [(received - 1, 1), (received, 0)] {
                let list = listed(available, &Value::Null).await;
                assert_eq!(says(&list), Some(rows), "{begins}: {list}");
            }
            let read = server.data(ON_HAND, shelf.item()).await;
            assert_eq!(read["stockItem"]["onHand"], received);
            let ready = reqwest::get(format!("http://{}/readyz", server.address())).await;
            assert_eq!(ready.expect("an answer").status(), 200);
            let shard = place_of(&mut operator).await.0;
            lag_is_told(&home, &server, shard).await;
            operator.execute(&ends).await;
        }
        shown(received, &position).await;
        server.signal("TERM");
        assert_eq!(block_in_place(|| server.end()).0, Some(0));
        operator.execute(&format!("DROP DATABASE {name}")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_while_the_database_of_lists_is_away() {
    on_mysql(|database| async move {
        let proxy = Proxy::to(database.location.upstream()).await;
        let (url, name) = read_database(&database.location, &proxy).await;
        let more = format!("[read]\ndatabase = \"{url}\"\n[http]\ndeadline_ms = 4000");
        let home = Home::of(&database, 5, &more);
        let mut operator = database.location.operator().await;
        let mut server = block_in_place(|| home.start());
        let shelf = Shelf::open(&server).await;
        let noted = format!("SELECT installation FROM {name}.read_log");
        let own = operator.texts(&noted).await.remove(0);
        let claim = |whose: &str| format!("UPDATE {name}.read_log SET installation = '{whose}'");
        // Nobody answers, or it is another's: found when it is back.
        for (received, whose) in [(1, own.as_str()), (2, "another")] {
            server.signal("TERM");
            assert_eq!(block_in_place(|| server.end()).0, Some(0));
            proxy.set(Mode::Refuse);
            server = block_in_place(|| home.start());
            operator.execute(&claim(whose)).await;
            if whose != own {
                proxy.set(Mode::Pass);
                block_in_place(|| server.says("another installation"));
            }
            let done = server.data(RECEIVE_AT, shelf.receipt(&received.to_string())).await;
            let position = done["receiveStock"]["position"].clone();
            for at_least in [&Value::Null, &position] {
                let asked = json!({ "l": shelf.location, "n": received, "p": at_least });
                let list = server.ask(AVAILABLE, asked).await.expect("an answer");
                assert_eq!(code(&list), "UNAVAILABLE", "{list}");
            }
            let read = server.data(ON_HAND, shelf.item()).await;
            assert_eq!(read["stockItem"]["onHand"], received);
            let ready = reqwest::get(format!("http://{}/readyz", server.address())).await;
            assert_eq!(ready.expect("an answer").status(), 200);

            operator.execute(&claim(&own)).await;
            proxy.set(Mode::Pass);
            // Without a restart: lists are as far as the commands were.
            eventually("a row to be written", async || {
                let asked = json!({ "l": shelf.location, "n": received, "p": position });
                let list = server.ask(AVAILABLE, asked).await.expect("an answer");
                (list["data"]["stock"]["totalCount"] == json!(1)).then_some(())
            })
            .await;
        }
        server.kill();
        // One that is there, and another's, is a mistake that a start can tell.
        operator.execute(&claim("another")).await;
        let (status, _, errors) = block_in_place(|| home.begin().end());
        assert_eq!(status, Some(1));
        assert!(errors.contains("another installation"), "{errors}");
        operator.execute(&format!("DROP DATABASE {name}")).await;
    })
    .await;
}

/// A node starts while its rows are behind the logs and cannot be written, and waits for the replica as little.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_while_nobody_can_write_lists() {
    on_mysql(|database| async move {
        let upstream = database.location.upstream();
        let (primary, replica) = (Proxy::to(upstream.clone()).await, Proxy::to(upstream).await);
        let (url, name) = read_database(&database.location, &primary).await;
        // What is named as the replica are the tables themselves, on another way.
        let [of_primary, of_replica] =
            [&primary, &replica].map(|proxy| proxy.address().to_string());
        let other = url.replace(&of_primary, &of_replica);
        let more = format!(
            "[read]\ndatabase = \"{url}\"\nreplica = \"{other}\"\n[http]\ndeadline_ms = 4000"
        );
        let home = Home::of(&database, 5, &more);
        let server = block_in_place(|| home.start());
        let shelf = Shelf::open(&server).await;
        let [(begins, ends), ..] = hindrances(&name);
        let mut operator = database.location.operator().await;
        operator.execute(&begins).await;
        let done = server.data(RECEIVE_AT, shelf.receipt("one")).await;
        let position = done["receiveStock"]["position"].clone();
        server.kill();
        replica.set(Mode::Refuse);

        let server = block_in_place(|| home.start());
        server.data(RECEIVE, shelf.receipt("two")).await;
        assert_eq!(server.data(ON_HAND, shelf.item()).await["stockItem"]["onHand"], 2);
        let ready = reqwest::get(format!("http://{}/readyz", server.address())).await;
        assert_eq!(ready.expect("an answer").status(), 200);
        let listed = async || {
            let asked = json!({ "l": shelf.location, "n": 2, "p": position });
            server.ask(AVAILABLE, asked).await.expect("an answer")
        };
        let list = listed().await;
        assert!(["STALE", "UNAVAILABLE"].contains(&code(&list)), "{list}");
        operator.execute(&ends).await;
        let shown = async || {
            eventually("a row to be written", async || {
                (listed().await["data"]["stock"]["totalCount"] == json!(1)).then_some(())
            })
            .await;
        };
        // Without the replica, and with it.
        shown().await;
        replica.set(Mode::Pass);
        block_in_place(|| server.says("the replica of lists is there"));
        shown().await;
        server.kill();
        operator.execute(&format!("DROP DATABASE {name}")).await;
    })
    .await;
}

/// That the rows of stock are behind the log of this shard is told beside the server and by it.
async fn lag_is_told(home: &Home, server: &Server, shard: u16) {
    let is_behind = |all: &Value| {
        let mut shards = all.as_array().expect("shards").iter();
        let lag = shards.find(|lag| lag["shard"] == json!(shard))?;
        (lag["entries"].as_u64() > Some(0) && lag["seconds"].as_f64() > Some(0.0)).then_some(())
    };
    eventually("lag by shard, beside the server", async || {
        let (status, out, errors) =
            block_in_place(|| home.run(&["projection", "status", "--json"]));
        assert_eq!(status, 0, "{errors}");
        is_behind(&of(&listed(&out), "stock")["lagByShard"])
    })
    .await;
    let asked = "{ operations { followers { name lag { shard entries seconds } } } }";
    let told = server.data(asked, json!({})).await;
    let followers = told["operations"]["followers"].as_array().expect("a list");
    assert!(is_behind(&of(followers, "stock")["lag"]).is_some(), "{told}");
}

/// The place of the last entry of stock.
async fn place_of(operator: &mut Operator) -> (u16, u64) {
    let last = "SELECT CONCAT(shard, ' ', seq) FROM journal WHERE aggregate_type = 'stock_item' \
                ORDER BY recorded_us DESC, seq DESC LIMIT 1";
    let place = operator.texts(last).await.remove(0);
    let (shard, seq) = place.split_once(' ').expect("two numbers");
    (shard.parse().expect("a number"), seq.parse().expect("a number"))
}

/// A shelf on a shard on which nobody lives who asks, and the place of the entry of its one receipt, which the
/// rows have come to. With how many were opened on the way.
async fn shelf_apart(server: &Server, location: &Location, rows: &str) -> (Shelf, u16, u64, usize) {
    let mut operator = location.operator().await;
    // Who asks must still be known when the shard is stopped.
    let of_people = "SELECT DISTINCT CAST(shard AS CHAR) FROM journal \
                     WHERE aggregate_type IN ('user', 'administrators')";
    let of_people = operator.texts(of_people).await;
    let mut opened = 0;
    let (shelf, shard, seq) = loop {
        opened += 1;
        let shelf = Shelf::open_at(server, &opened.to_string()).await;
        server.data(RECEIVE, shelf.receipt("one")).await;
        let (shard, seq) = place_of(&mut operator).await;
        if !of_people.iter().any(|known| *known == shard.to_string()) {
            break (shelf, shard, seq);
        }
    };
    let reached = format!(
        "SELECT CAST(seq AS CHAR) FROM {rows}follower_positions \
         WHERE follower LIKE 'stock\\__\\_1' AND shard = {shard} AND seq >= {seq}"
    );
    eventually("a row", || {
        let (watched, reached) = (location.clone(), reached.clone());
        async move { (!watched.operator().await.texts(&reached).await.is_empty()).then_some(()) }
    })
    .await;
    (shelf, shard, seq, opened)
}

/// The log of a shard ends before this number, as that of an older copy does; nobody who serves it remembers.
async fn lose_from(location: &Location, home: &Home, shard: u16, seq: u64) {
    let mut operator = location.operator().await;
    let lost = format!("DELETE FROM journal WHERE shard = {shard} AND seq >= {seq}");
    operator.execute(&lost).await;
    operator.execute("UPDATE shards SET acknowledged = 0").await;
    std::fs::remove_file(home.path().join("data/heads.json")).expect("it was kept");
}

/// Whoever remembers better than the log are the rows of lists, and these are away when the node takes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_gone_on_with_is_stopped_when_rows_are_found_that_were_ahead_of_it() {
    on_mysql(|database| async move {
        let proxy = Proxy::to(database.location.upstream()).await;
        let (url, name) = read_database(&database.location, &proxy).await;
        let home = Home::of(&database, 1, &format!("[read]\ndatabase = \"{url}\""));
        let server = block_in_place(|| home.start());
        let (shelf, shard, seq, _) =
            shelf_apart(&server, &database.location, &format!("{name}.")).await;
        server.kill();
        lose_from(&database.location, &home, shard, seq).await;
        proxy.set(Mode::Refuse);

        // It goes on where the log ends, and far beyond where it ended.
        let server = block_in_place(|| home.start());
        for number in 0..5 {
            server.data(RECEIVE, shelf.receipt(&format!("anew {number}"))).await;
        }
        assert_eq!(server.data(ON_HAND, shelf.item()).await["stockItem"]["onHand"], 5);
        proxy.set(Mode::Pass);
        eventually("the shard to be stopped", async || {
            let reply = server.ask(ON_HAND, shelf.item()).await.expect("an answer");
            (code(&reply) == "JOURNAL_REGRESSED").then_some(())
        })
        .await;
        let noted = format!(
            "SELECT CAST(regressed_to AS CHAR) FROM shards \
             WHERE shard = {shard} AND regressed_to IS NOT NULL"
        );
        eventually("that to be recorded", async || {
            let noted = database.location.operator().await.texts(&noted).await;
            (noted == [(seq - 1).to_string()]).then_some(())
        })
        .await;
        server.kill();
        let server = block_in_place(|| home.start());
        let reply = server.ask(ON_HAND, shelf.item()).await.expect("an answer");
        assert_eq!(code(&reply), "JOURNAL_REGRESSED", "{reply}");
        server.kill();

        let accept = ["shard", "accept-loss", &shard.to_string(), "--through", &seq.to_string()];
        let (status, _, errors) = block_in_place(|| home.run(&accept));
        assert_eq!(status, 0, "{errors}");
        // From then on the rows say what the log says.
        let server = block_in_place(|| home.start());
        assert_eq!(server.data(ON_HAND, shelf.item()).await["stockItem"]["onHand"], 5);
        let asked = json!({ "l": shelf.location, "n": 5, "p": null });
        let list = server.data(AVAILABLE, asked).await;
        assert_eq!(list["stock"]["totalCount"], 1, "{list}");
        server.kill();
        database.location.operator().await.execute(&format!("DROP DATABASE {name}")).await;
    })
    .await;
}

/// The log is an older copy, and whoever remembers better than it are the rows of lists alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_ahead_of_their_log_stop_its_shard() {
    on_mysql(|database| async move {
        let home = Home::of(&database, 1, "");
        let server = block_in_place(|| home.start());
        let mut operator = database.location.operator().await;
        let (shelf, shard, seq, opened) = shelf_apart(&server, &database.location, "").await;
        server.kill();
        lose_from(&database.location, &home, shard, seq).await;

        let server = block_in_place(|| home.start());
        let reply = server.ask(ON_HAND, shelf.item()).await.expect("an answer");
        assert_eq!(code(&reply), "JOURNAL_REGRESSED", "{reply}");
        server.kill();
        let accept =
            ["shard", "accept-loss", &shard.to_string(), "--through", &(seq - 1).to_string()];
        let (status, _, errors) = block_in_place(|| home.run(&accept));
        assert_eq!(status, 0, "{errors}");
        // From then on the rows say what the log says.
        let server = block_in_place(|| home.start());
        assert_eq!(server.data(ON_HAND, shelf.item()).await["stockItem"]["onHand"], 0);
        let list = server.data(LISTED, json!({ "v": VARIANT })).await;
        let edges = list["stock"]["edges"].as_array().expect("a list");
        let lost = json!({ "node": { "onHand": 0 } });
        assert_eq!(edges.iter().filter(|edge| **edge == lost).count(), 1, "{list}");
        assert_eq!(edges.len(), opened, "{list}");
        server.kill();

        // Rows of other logs are nobody's business here.
        operator.execute("UPDATE read_log SET installation = 'another'").await;
        let (status, errors) = block_in_place(|| {
            let (status, _, errors) = home.begin().end();
            (status, errors)
        });
        assert_eq!(status, Some(1));
        assert!(errors.contains("another installation"), "{errors}");
    })
    .await;
}
