//! The envelope as it is stored, byte for byte, and that it is read back.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use super::*;
use domain::commerce::order::{self, Order};
use domain::event_name::EventName;
use domain::id::AggregateId;
use domain::principal::{Principal, PrincipalKind};
use domain::products::stock_item::{self, StockItem};

fn name(version: u64) -> EventName {
    EventName::of::<Order>(AggregateId(Uuid::from_u128(7)), version)
}

fn bare(principal: Arc<Principal>) -> Meta {
    Meta {
        command_id: Some(Uuid::from_u128(1)),
        key: None,
        input_hash: None,
        correlation_id: None,
        cause: None,
        principal,
        trace: None,
    }
}

/// Each form that metadata take.
fn metas() -> Vec<Meta> {
    let client = bare(Principal::client("demo"));
    let full = Principal {
        on_behalf_of: Some("u-2".into()),
        session: Some("s \"3\"".into()),
        ..Principal::new(PrincipalKind::User, "u-1")
    };
    let asked = Meta {
        key: Some("place-order-7#0".into()),
        input_hash: Some(0xAB),
        correlation_id: Some(Uuid::from_u128(2)),
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        ..bare(Arc::new(full))
    };
    let cause = Some(Cause::Elsewhere(name(3)));
    let step = Meta {
        command_id: None,
        key: Some(step_key(&name(3), 4).into()),
        input_hash: Some(u64::MAX),
        cause: cause.clone(),
        ..bare(Principal::system("checkout"))
    };
    let other_key = Meta { key: Some("#4".into()), cause, ..step.clone() };
    let record = Meta {
        command_id: None,
        cause: Some(Cause::Here(5)),
        ..bare(Principal::system("checkout"))
    };
    vec![client, asked, step, other_key, record]
}

fn entry() -> String {
    let mut buffer = Vec::new();
    let mut count = 0;
    let received = stock_item::Event::StockReceived { quantity: 1 };
    for (events, meta) in (0..).zip(metas()) {
        let events = vec![received.clone(); events];
        push_command(&mut buffer, count, &events, &meta);
        count += u32::try_from(events.len().max(1)).expect("few events");
    }
    finish(buffer)
}

#[test]
fn the_envelope_is_stored_as_its_golden_file_says() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/envelope.json");
    let text = entry().replace("},{", "},\n{") + "\n";
    if std::env::var_os("EMPORIUM_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &text).expect("golden file written");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file is there");
    assert_eq!(golden, text, "what stands in journals changed: EMPORIUM_BLESS=1 writes it anew");
}

#[test]
fn what_is_written_is_read_back() {
    let text = entry();
    let said: Vec<Meta> =
        commands(&text).expect("it is sound").into_iter().map(|command| command.meta).collect();
    assert_eq!(said, metas());
    let places: Vec<_> =
        commands(&text).expect("it is sound").iter().map(|c| (c.first, c.count)).collect();
    assert_eq!(places, [(0, 1), (1, 1), (2, 2), (4, 3), (7, 4)]);
    let stored = decode::<StockItem>(&text).expect("it is sound");
    let said: Vec<Meta> = stored.iter().filter_map(|stored| stored.command.clone()).collect();
    assert_eq!(said, metas());
    let changed: Vec<bool> = stored.iter().map(|stored| stored.event.is_some()).collect();
    assert_eq!(changed, [vec![false], vec![true; 10]].concat());
    let mut alone = Vec::new();
    decode_events::<StockItem>(&text, |event| alone.push(event)).expect("it is sound");
    assert_eq!(alone, stored.into_iter().map(|stored| stored.event).collect::<Vec<_>>());
}

#[test]
fn data_that_are_empty_are_not_written_and_read_all_the_same() {
    let events = [order::Event::OrderCompleted {}, order::Event::OrderExpired {}];
    let mut buffer = Vec::new();
    push_command(&mut buffer, 0, &events, &bare(Principal::client("demo")));
    let text = finish(buffer);
    assert!(text.ends_with(r#",{"type":"OrderExpired","of":0}]"#), "{text}");
    let stored = decode::<Order>(&text).expect("it is sound");
    let read: Vec<_> = stored.into_iter().filter_map(|stored| stored.event).collect();
    assert_eq!(read, events);
}

#[test]
fn an_event_of_no_command_is_refused_at_its_place() {
    let of = entry().replacen(r#""of":4"#, r#""of":3"#, 1);
    let none = entry().replacen(r#","of":4"#, "", 1);
    for text in [of, none] {
        assert_eq!(decode::<StockItem>(&text).expect_err("a foreign command").index, 5);
        assert_eq!(commands(&text).expect_err("a foreign command").index, 5);
        assert!(decode_events::<StockItem>(&text, |_| ()).is_err());
    }
    let first = r#"[{"type":"StockReceived","data":{"quantity":1},"of":0}]"#;
    assert_eq!(commands(first).expect_err("the first of all").index, 0);
}

#[test]
fn what_is_said_wrongly_is_refused() {
    let texts = [
        r#"{"by":"robot:1"}"#,
        r#"{"by":"client:a","step":1}"#,
        r#"{"by":"client:a","cause":"order/7"}"#,
        r#"{"by":"client:a","hash":"xyz"}"#,
    ];
    for meta in texts {
        assert!(commands(&format!(r#"[{{"type":"X","meta":{meta}}}]"#)).is_err(), "{meta}");
    }
}

#[test]
fn what_follows_from_the_rest_is_left_out() {
    let (command, own, other) = (Uuid::from_u128(1), Uuid::from_u128(7), Uuid::from_u128(9));
    let here = ("order", own);
    assert_eq!(Meta::of(here, command, own, None), (Some(command), None, None));
    assert_eq!(Meta::of(here, command, other, None), (Some(command), Some(other), None));
    let by_own = Meta::of(here, command, other, Some(name(3)));
    assert_eq!(by_own, (None, Some(other), Some(Cause::Here(3))));
    let elsewhere = Some(Cause::Elsewhere(name(3)));
    assert_eq!(Meta::of(("stock_item", own), command, own, Some(name(3))), (None, None, elsewhere));
}
