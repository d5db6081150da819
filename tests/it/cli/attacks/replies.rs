//! Replies: those that are long, take long to make, are about nothing, or are never read.

use std::time::Duration;

use emporium::domain::id::{AggregateId, Slot};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::super::serving::{Shelf, VARIANT};
use super::{MIB, Target, all, head, query};
use crate::support::eventually;

impl Target {
    /// The payload of a mutation that must be done.
    async fn done(&self, mutation: &str, input: Value, selection: &str) -> Value {
        let capital = mutation[..1].to_uppercase();
        let query = format!(
            "mutation($input: {capital}{}Input!) {{
                {mutation}(input: $input) {{ {selection} userErrors {{ code message }} }} }}",
            &mutation[1..]
        );
        let mut data = self.server.data(&query, json!({"input": input})).await;
        assert_eq!(data[mutation]["userErrors"], json!([]), "{data}");
        data[mutation].take()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_what_is_busy_costs_what_it_answers() {
    let target = Target::demo("").await;
    let input = json!({"name": "Every hour", "timeZone": "Europe/Berlin",
        "availability": {"kind": "UNLIMITED"}, "withinOpeningHours": false});
    let made = target.done("createCalendar", input, "calendar { id }").await;
    let calendar = made["calendar"]["id"].as_str().expect("an id").to_owned();
    let timing = json!({"start": "2027-01-01T00:00", "length": {"duration": "PT30M"},
        "recurrence": {"rule": "FREQ=HOURLY"}});
    let input = json!({"calendarId": calendar, "title": "Hour", "timing": timing,
        "idempotencyKey": "hourly"});
    target.done("scheduleEvent", input, "").await;
    let year = |n: usize| {
        format!(
            "y{n}: freeBusy(calendarId: \"{calendar}\", start: \"2027-01-01T00:00:00Z\", \
             end: \"2027-12-31T00:00:00Z\") {{ busy {{ start end }} open {{ start end }} }} "
        )
    };
    let years = |count: usize| query(format!("{{ {} }}", (0..count).map(year).collect::<String>()));

    let codes = target.endures(48 * MIB, target.flood(64, vec![years(20); 600])).await;
    assert_eq!(all(&codes), ["DOCUMENT_TOO_COMPLEX"], "{codes:?}");
    let codes = target.endures(192 * MIB, target.flood(8, vec![years(1); 24])).await;
    assert_eq!(all(&codes), ["OK"], "{codes:?}");
    let codes = target.endures(192 * MIB, target.flood(8, vec![years(4); 8])).await;
    assert_eq!(all(&codes), ["REPLY_TOO_LARGE"], "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_into_the_past_leave_room_for_others() {
    let target = Target::demo("[limits]\nsnapshot_interval = 1000000\n").await;
    let shelf = Shelf::open(&target.server).await;
    for round in 0..150 {
        let field = |n: usize| {
            let input = shelf.receipt(&format!("{round} {n}"))["input"].to_string();
            // As a literal: its keys have no quotes.
            let literal = ["variantId", "locationId", "idempotencyKey", "quantity"]
                .iter()
                .fold(input, |text, key| text.replace(&format!("\"{key}\""), key));
            format!("r{n}: receiveStock(input: {literal}) {{ version }} ")
        };
        let all = (0..20).map(field).collect::<String>();
        target.server.data(&format!("mutation {{ {all} }}"), json!({})).await;
    }
    let past = |n: usize| {
        format!(
            "p{n}: stockItem(variantId: \"{VARIANT}\", locationId: \"{}\", \
             asOf: {{version: \"{}\"}}) {{ onHand }} ",
            shelf.location,
            2_500 + n
        )
    };
    let pasts = query(format!("{{ {} }}", (0..20).map(past).collect::<String>()));
    let codes = target.endures(64 * MIB, target.flood(64, vec![pasts; 96])).await;
    assert!(codes.keys().all(|code| ["OK", "OVERLOADED"].contains(&code.as_str())), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_fields_with_long_texts_are_bounded_while_the_reply_is_made() {
    // Without the bound each of them is a hundred megabytes and more.
    let target = Target::demo("[http]\nreply_bytes_max = 1048576\n").await;
    let long = "\u{1f375}".repeat(10_000);
    for n in 0..100 {
        let input = json!({"name": format!("!{n}"), "family": "long", "description": long,
            "idempotencyKey": n.to_string()});
        target.done("createProduct", input, "").await;
    }
    let texts: String = (0..29).map(|n| format!("d{n}: description ")).collect();
    let asked = query(format!("{{ products(first: 100) {{ edges {{ node {{ {texts} }} }} }} }}"));
    let codes = target.endures(32 * MIB, target.flood(4, vec![asked; 32])).await;
    assert_eq!(all(&codes), ["REPLY_TOO_LARGE"], "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_twelve_thousand_that_never_were_costs_next_to_nothing() {
    let target = Target::demo("").await;
    let live = "emporium_actors_live_aggregates";
    // What looks on reads one, too.
    target.endures(24 * MIB, async {}).await;
    let before = target.metric(live).await;
    let kinds = ["user", "order", "product", "calendar"];
    let field = |number: u64| {
        let id = AggregateId::drawn(1_790_000_000_000, Slot::new(number as u16), number).0;
        format!("n{number}: node(id: \"{}_{id}\") {{ id }} ", kinds[number as usize % 4])
    };
    let asked = |round: u64| {
        let fields = (round * 20..round * 20 + 20).map(field).collect::<String>();
        query(format!("{{ {fields} }}"))
    };
    // Before, it was some ten kilobytes for each.
    let codes = target.endures(48 * MIB, target.flood(4, (0..600).map(asked))).await;
    assert_eq!(all(&codes), ["OK"], "{codes:?}");
    let live = target.metric(live).await;
    assert!(live <= before, "{live} live, {before} before");
}

/// A connection whose system takes little of a reply on its own account.
async fn connect_with_little_room(target: &Target) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let server = target.server.address().parse().expect("an address");
    socket.connect(server).await.expect("it listens")
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_never_read_are_hung_up_on() {
    let target = Target::demo("[http]\nwrite_timeout_ms = 1500\n").await;
    let fields: String = (0..20)
        .map(|n| {
            format!("p{n}: products(first: 40) {{ edges {{ cursor node {{ id name family }} }} }} ")
        })
        .collect();
    let body = query(format!("{{ {fields} }}")).to_string();
    let held = async || target.metric("emporium_http_reply_bytes_in_flight").await;
    let attack = async {
        // Each asks for some hundred kilobytes again and again, and reads nothing.
        let mut open = Vec::new();
        for _ in 0..8 {
            let mut stream = connect_with_little_room(&target).await;
            let request = format!("{}{body}", head(body.len(), &target.authorization()));
            let many = request.repeat(100);
            // What does not fit into the buffers of the system stays here.
            let sent = stream.write_all(many.as_bytes());
            _ = tokio::time::timeout(Duration::from_millis(20), sent).await;
            open.push(stream);
        }
        eventually("a reply is held", async || (held().await > 0.0).then_some(())).await;
        // Nothing is held for them after a while, though they are still there.
        eventually("the replies are let go", async || {
            let in_flight = target.metric("emporium_http_requests_in_flight").await;
            (held().await == 0.0 && in_flight == 0.0).then_some(())
        })
        .await;
        open
    };
    let mut open = target.endures(128 * MIB, attack).await;
    let mut stream = open.pop().expect("it is still there");
    let mut read = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut read));
    _ = ended.await.expect("it was hung up on");
}
