//! A small server that answers what `emporium load` asks of a stock item, and lies, or hangs up, in
//! one way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Not at all: whoever accuses this one is wrong.
    None,
    /// Sells what is not there.
    Oversells,
    /// Now and then acknowledges a sale and forgets it.
    LosesSales,
    /// Does what it is asked again.
    AppliesTwice,
    /// No lie: now and then it hangs up in place of the first answer.
    HangsUpOnce,
    /// No lie: of some sales it never tells what became of them.
    NeverTells,
}

#[derive(Default)]
struct Shelf {
    on_hand: i64,
    version: u64,
    /// The version that a key led to.
    keys: HashMap<String, u64>,
    sales: u64,
    /// Keys of which nothing is told.
    secret: HashSet<String>,
}

/// Serves until the test is over; its address of GraphQL.
pub async fn serve(lie: Lie) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let shelf = Arc::new(Mutex::new(Shelf::default()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&shelf), lie));
        }
    });
    format!("http://{address}/graphql")
}

/// One kept connection.
async fn converse(stream: TcpStream, shelf: Arc<Mutex<Shelf>>, lie: Lie) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(told) = lower.strip_prefix("content-length:") {
                length = told.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("the whole body comes");
        let request: Value = serde_json::from_slice(&body).expect("JSON");
        let answer = answer(&mut shelf.lock(), &request, lie);
        let Some(payload) = answer else { return };
        let reply = json!({ "data": { "payload": payload } }).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            reply.len()
        );
        let whole = head + &reply;
        if stream.get_mut().write_all(whole.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// `None` hangs up.
fn answer(shelf: &mut Shelf, request: &Value, lie: Lie) -> Option<Value> {
    let query = request["query"].as_str().expect("a document");
    let input = &request["variables"]["input"];
    if query.contains("sellStock") {
        let key = input["idempotencyKey"].as_str().expect("a key");
        let known = shelf.keys.contains_key(key);
        let sold = sell(shelf, key, lie);
        let first = !known && shelf.keys.contains_key(key);
        if first && shelf.sales % 20 == 10 {
            match lie {
                Lie::HangsUpOnce => return None,
                Lie::NeverTells => _ = shelf.secret.insert(key.to_owned()),
                _ => {}
            }
        }
        return (!shelf.secret.contains(key)).then_some(sold);
    }
    let mut received = |units: i64| {
        shelf.on_hand += units;
        shelf.version += 1;
        json!({ "userErrors": [] })
    };
    Some(if query.contains("serverInfo") {
        json!({ "name": "liar", "version": "0" })
    } else if query.contains("createLocation") {
        json!({ "id": "location_00000000-0000-8000-8000-000000000001", "userErrors": [] })
    } else if query.contains("openStock") {
        received(0)
    } else if query.contains("receiveStock") {
        let units = input["quantity"].as_str().and_then(|text| text.parse().ok());
        received(units.expect("a number"))
    } else {
        assert!(query.contains("stockItem("), "not asked before: {query}");
        let on_hand = shelf.on_hand;
        json!({ "onHand": on_hand, "available": on_hand.max(0), "held": 0, "committed": 0,
            "version": shelf.version })
    })
}

fn sell(shelf: &mut Shelf, key: &str, lie: Lie) -> Value {
    if let Some(version) = shelf.keys.get(key) {
        let version = *version;
        if lie == Lie::AppliesTwice {
            shelf.on_hand -= 1;
            shelf.version += 1;
        }
        return json!({ "version": version, "userErrors": [] });
    }
    if shelf.on_hand < 1 && lie != Lie::Oversells {
        let error = json!({ "code": "STOCK_INSUFFICIENT", "available": shelf.on_hand });
        return json!({ "version": null, "userErrors": [error] });
    }
    shelf.sales += 1;
    if lie == Lie::LosesSales && shelf.sales.is_multiple_of(7) {
        return json!({ "version": shelf.version + 1, "userErrors": [] });
    }
    shelf.on_hand -= 1;
    shelf.version += 1;
    shelf.keys.insert(key.to_owned(), shelf.version);
    json!({ "version": shelf.version, "userErrors": [] })
}
