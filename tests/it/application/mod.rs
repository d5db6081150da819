//! Use cases asked for by a caller that is no API: keys, prices, admission, addresses.

mod keys;
mod transfers;

use std::time::Duration;

use emporium::actors::aggregate_ref::{AskError, Fault};
use emporium::actors::checkout::CheckoutOptions;
use emporium::application::Application;
use emporium::application::caller::Caller;
use emporium::application::orders::{self, Draft, WantedBuyer, WantedLine};
use emporium::application::price_lists::WantedList;
use emporium::application::pricing::Unpriced;
use emporium::application::request::Request;
use emporium::application::users::{self, Registration};
use emporium::application::views::Views;
use emporium::auth::Principal;
use emporium::domain::access::email_reservation;
use emporium::domain::access::user::{DisplayName, User};
use emporium::domain::commerce::order;
use emporium::domain::id::{AggregateId, LocationId, Slot, VariantId};
use emporium::domain::money::{Currency, Money};
use emporium::domain::products::price_list::default_list;
use emporium::domain::products::product::{Command, ListPrice, Product};
use emporium::domain::question::Whole;
use emporium::domain::sealed::Opened;
use emporium::domain::tax::PriceMode;
use uuid::Uuid;

use crate::support::database::on_sqlite;
use crate::support::engine::{TestNode, limits};
use crate::support::life::done;
use crate::support::person::address;

const VARIANT: VariantId = VariantId(Uuid::from_u128(2));

/// The product of this shop.
fn teapot() -> AggregateId {
    AggregateId::drawn(0, Slot::new(1), 1)
}

fn caller() -> Caller {
    Caller { principal: Principal::installation(), correlation_id: Uuid::now_v7(), trace: None }
}

fn keyed<'a>(application: &'a Application, caller: &'a Caller, key: &str) -> Request<'a> {
    Request::new(application, caller, Some(key.to_owned()), None).expect("a key")
}

fn euro() -> Currency {
    Currency::from_code("EUR").expect("a currency")
}

fn line(quantity: i64) -> WantedLine {
    let location = LocationId(Uuid::from_u128(3));
    WantedLine { product: teapot(), variant: VARIANT, location, quantity }
}

fn wanted(quantity: i64) -> Draft {
    wanted_by("guest@example.org", quantity)
}

fn wanted_by(guest: &str, quantity: i64) -> Draft {
    let buyer = WantedBuyer::Guest(address(guest));
    let list = WantedList { list: None, currency: Some(euro()) };
    Draft { buyer, owner: None, list, lines: vec![line(quantity)] }
}

async fn shop(node: &TestNode) -> Application {
    let (name, family) = ("Teapot".to_owned(), "Pots".to_owned());
    let amount = Money::new(1_900, euro());
    let (list, price) = (default_list(euro()), ListPrice { amount, mode: PriceMode::Net });
    for command in [
        Command::Create { name: name.clone(), family, description: String::new() },
        Command::AddVariant { variant: VARIANT, sku: "T-1".to_owned(), name },
        Command::SetPrice { variant: VARIANT, list, price },
        Command::Publish,
    ] {
        done::<Product>(&node.engine, teapot(), command).await;
    }
    Application { engine: node.engine.clone(), views: Views::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_ordered_is_told_again_though_it_is_not_for_sale_any_more() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let (shop, caller) = (shop(&node).await, caller());
        let drafted = orders::draft(&keyed(&shop, &caller, "draft"), &wanted(2)).await;
        let (id, committed) = drafted.clone().expect("drafted");
        let added = orders::add_line(&keyed(&shop, &caller, "add"), id, &line(1)).await;
        assert!(added.is_ok(), "{added:?}");
        done::<Product>(&node.engine, teapot(), Command::Unpublish).await;

        assert_eq!(orders::draft(&keyed(&shop, &caller, "draft"), &wanted(2)).await, drafted);
        assert_eq!(orders::add_line(&keyed(&shop, &caller, "add"), id, &line(1)).await, added);
        let reused = Err(AskError::Fault(Fault::KeyReused));
        assert_eq!(orders::draft(&keyed(&shop, &caller, "draft"), &wanted(3)).await, reused);
        let reused = Err(AskError::Fault(Fault::KeyReused));
        assert_eq!(orders::add_line(&keyed(&shop, &caller, "add"), id, &line(9)).await, reused);

        let unpriced = |line| {
            let reason = Unpriced::NotForSale;
            AskError::Refused(orders::Refusal::Unpriced { line, reason })
        };
        let new = orders::draft(&keyed(&shop, &caller, "new"), &wanted(2)).await;
        assert_eq!(new, Err(unpriced(Some(0))));
        let new = orders::add_line(&keyed(&shop, &caller, "new"), id, &line(1)).await;
        assert_eq!(new, Err(unpriced(None)));
        let order = node.engine.aggregate::<order::Order>(id).read(&Whole).await.expect("read");
        assert_eq!(order.answer.lines.len(), 2, "asking left nothing behind");
        assert!(order.version > committed.version);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_shop_lets_nobody_in_but_whoever_was_let_in_before() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let (open, caller) = (shop(&node).await, caller());
        let before = orders::draft(&keyed(&open, &caller, "before"), &wanted(1)).await;
        let (id, _) = before.clone().expect("drafted");
        let checkout = CheckoutOptions { open_max: 0, queue_max: 0, ..CheckoutOptions::default() };
        let views = Views::new(&Default::default(), checkout);
        let full = Application { views, ..open.clone() };
        let new = orders::draft(&keyed(&full, &caller, "new"), &wanted(1)).await;
        assert!(matches!(new, Err(AskError::Fault(Fault::Overloaded { .. }))), "{new:?}");
        assert_eq!(orders::draft(&keyed(&full, &caller, "before"), &wanted(1)).await, before);
        let place = keyed(&full, &caller, "place");
        let placed = orders::place(&place, id, Duration::ZERO).await;
        assert!(matches!(placed, Err(AskError::Fault(Fault::Overloaded { .. }))), "{placed:?}");
        let place = keyed(&open, &caller, "place");
        let placed = orders::place(&place, id, Duration::ZERO).await;
        assert!(placed.is_ok(), "{placed:?}");
        let place = keyed(&full, &caller, "place");
        assert_eq!(orders::place(&place, id, Duration::ZERO).await, placed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_one_user_and_a_retry_is_that_user() {
    on_sqlite(|database| async move {
        let node = TestNode::start(&database, limits()).await;
        let shop = Application { engine: node.engine.clone(), views: Views::default() };
        let caller = caller();
        let ada = || Registration {
            email: address("ada@example.org"),
            display_name: DisplayName::read("Ada").expect("a name"),
            locale: "en".to_owned(),
        };
        let first = users::register(&keyed(&shop, &caller, "one"), ada()).await;
        let (id, _) = first.clone().expect("registered");
        assert_eq!(users::register(&keyed(&shop, &caller, "one"), ada()).await, first);
        let taken = users::Refusal::Address(email_reservation::Refusal::Taken);
        let second = users::register(&keyed(&shop, &caller, "two"), ada()).await;
        assert_eq!(second, Err(AskError::Refused(taken)));
        let other = address("countess@example.org");
        let stale = Request::new(&shop, &caller, None, Some(9)).expect("no key");
        let stale = users::change_email(&stale, id, other.clone()).await;
        let conflict = Fault::VersionConflict { expected: 9, actual: 1 };
        assert_eq!(stale, Err(AskError::Fault(conflict)));
        let changed = users::change_email(&keyed(&shop, &caller, "other"), id, other).await;
        assert!(changed.is_ok(), "{changed:?}");
        let user = node.engine.aggregate::<User>(id).read(&Whole).await.expect("read");
        let profile = user.answer.profile.expect("she is registered");
        let email = node.engine.open(&profile.email.sealed).await.expect("it opens");
        assert_eq!(email, Opened::Text(address("countess@example.org")));
    })
    .await;
}
