//! The search index on a running node: what it finds is what the logs say, wherever a life ended, and
//! whatever became of its files.

use std::fs;
use std::path::PathBuf;

use emporium::actors::follower::AnyFollower;
use emporium::domain::id::{AggregateId, VariantId};
use emporium::domain::products::price_list::default_list;
use emporium::domain::products::product::{Command, ListPrice, Product, Status};
use emporium::domain::tax::PriceMode;
use emporium::projections::position::Position;
use emporium::search::{Facet, FacetField, Hit, Order, Query, Row, Wanted};

use super::{euro, world};
use crate::support::life::{Life, World, position};

/// All products, drafts and archived ones too, as the index has them.
async fn everything(life: &Life, at_least: &Position) -> (Vec<Row>, Vec<Facet>, Vec<Hit>) {
    let registry = life.followers.registry();
    let (searches, stocked) = (&registry.searches, &registry.stocked);
    searches.follower().reached(at_least).await;
    let runtime = &life.engine.services.runtime;
    let statuses = vec![Status::Draft, Status::Published, Status::Archived];
    let ask = async |text: &str| {
        let wanted = Wanted { statuses: statuses.clone(), ..Wanted::default() };
        let mut query = Query::new(text, wanted, Order::Relevance).expect("a query");
        (query.first, query.facets) = (1_000, vec![FacetField::Family, FacetField::Variant]);
        searches.find(runtime, Some(at_least), stocked, query).await.expect("an answer")
    };
    let all = ask("").await;
    assert!(all.position.reaches(at_least));
    let mut rows: Vec<Row> = all.found.hits.into_iter().map(|hit| hit.row).collect();
    rows.sort_by_key(|row| row.id);
    (rows, all.found.facets, ask("teapot").await.found.hits)
}

/// Draws the next thing that happens to one of a few products.
struct Shopkeeper {
    drawn: u64,
    products: Vec<AggregateId>,
}

impl Shopkeeper {
    fn below(&mut self, bound: u64) -> u64 {
        self.drawn = self.drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.drawn >> 33) % bound
    }

    fn next(&mut self, life: &Life) -> (AggregateId, Command) {
        let number = self.below(1_000);
        let (name, family) = (format!("Teapot {number}"), format!("Family {}", number % 3));
        let description = "Holds a litre.".to_owned();
        if self.products.len() < 3 || self.below(4) == 0 {
            let id = life.engine.new_id();
            self.products.push(id);
            return (id, Command::Create { name, family, description });
        }
        let place = self.below(self.products.len() as u64);
        let id = self.products[place as usize];
        let variant = VariantId(uuid::Uuid::from_u128(id.0.as_u128() ^ u128::from(number % 4)));
        let command = match self.below(5) {
            0 => Command::Revise { name, family, description },
            1 => Command::Unpublish,
            2 => {
                let list = default_list(euro(0).currency);
                let amount = euro(i64::from(number as u32));
                let price = ListPrice { amount, mode: PriceMode::Gross };
                Command::SetPrice { variant, list, price }
            }
            3 => Command::Publish,
            _ => {
                let name = format!("size {}", number % 4);
                Command::AddVariant { variant, sku: format!("S-{}", number % 4), name }
            }
        };
        (id, command)
    }
}

/// Sends a command; what the rules refuse is no matter here.
async fn tried(life: &Life, id: AggregateId, command: Command) -> Position {
    let meta = crate::support::engine::meta(None);
    match life.engine.aggregate::<Product>(id).ask(command, meta).await {
        Ok(committed) => position(committed),
        Err(_) => Position::default(),
    }
}

fn folder(world: &World) -> PathBuf {
    world.directory().join("search")
}

#[test]
fn an_index_is_equal_to_one_built_anew_wherever_a_life_ended() {
    let world = world();
    let seed = 20_261_128;
    println!("seed {seed}");
    let mut shopkeeper = Shopkeeper { drawn: seed, products: Vec::new() };
    for life_number in 0..5 {
        let life = world.begin();
        let rounds = 20 + shopkeeper.below(60);
        let work = async {
            for _ in 0..rounds {
                let (id, command) = shopkeeper.next(&life);
                let at = tried(&life, id, command).await;
                if shopkeeper.below(20) == 0 {
                    // Some commits have something behind them, others end a life.
                    everything(&life, &at).await;
                }
            }
        };
        life.run("a day in the shop", work);
        if life_number % 2 == 0 { life.crash() } else { life.drain() }
    }
    let life = world.begin();
    let heads = life.engine.services.feed.heads();
    let lasting = life.run("what lasted", everything(&life, &heads));
    life.drain();
    // Not removed: what was being merged when the life ended may still be written.
    fs::rename(folder(&world), world.directory().join("gone")).expect("the folder is there");
    let life = world.begin();
    let anew = life.run("what is built anew", everything(&life, &heads));
    assert!(anew.0.len() > 20 && !anew.2.is_empty(), "there is something: {}", anew.0.len());
    assert_eq!(lasting, anew);
    life.drain();
}

#[test]
fn an_index_whose_files_are_spoiled_is_built_anew_and_no_start_waits_for_it() {
    let world = world();
    let life = world.begin();
    let mut shopkeeper = Shopkeeper { drawn: 7, products: Vec::new() };
    let before = life.run("some goods", async {
        let mut last = Position::default();
        for _ in 0..40 {
            let (id, command) = shopkeeper.next(&life);
            last = tried(&life, id, command).await;
        }
        everything(&life, &last).await
    });
    life.drain();
    for file in fs::read_dir(folder(&world)).expect("the folder is there") {
        let path = file.expect("a file").path();
        let name = path.to_string_lossy().into_owned();
        if [".store", ".term", ".fast"].iter().any(|end| name.ends_with(end)) {
            fs::write(&path, b"spoiled").expect("it is written");
        }
    }
    let life = world.begin();
    let heads = life.engine.services.feed.heads();
    assert_eq!(life.run("what is built anew", everything(&life, &heads)), before);
    assert!(life.followers.registry().searches.follower().parked().is_empty());
    life.drain();
}
