//! `hot-stock` and `flash-sale`: everyone buys one unit of the same item, of which there is plenty,
//! or too little for all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use bytes::BytesMut;
use parking_lot::Mutex;
use serde::Deserialize;

use super::stock::{Item, PLENTY, Standing, location, promised};
use crate::LoadError;
use crate::checks::{Check, distinct_versions, sample};
use crate::client::{Data, Template, Told, UserError};
use crate::history::{Event, Seen};
use crate::meter::Outcome;
use crate::run::{Run, Scenario, Turn};

/// Acknowledged sales that are asked for again at the end.
const REPEATED_MAX: usize = 100;
/// Of 100 operations of a recorded run, those that read.
const READS_PERCENT: u64 = 10;
const INSUFFICIENT: &str = "STOCK_INSUFFICIENT";

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plenty,
    Flash,
}

/// One item and who bought it.
pub struct Sale {
    kind: Kind,
    units: u64,
    item: Item,
    name: String,
    before: Standing,
    sell: Template,
    read: Template,
    /// The number and version of each sale that was acknowledged.
    sold: Mutex<Vec<(u64, u64)>>,
    /// Buyers who were told something, or may have bought.
    buyers: AtomicU64,
    unknown: AtomicU64,
    /// Refusals for other reasons than that nothing is left.
    odd: AtomicU64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sold {
    version: Option<u64>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    on_hand: i64,
    version: u64,
}

impl Sale {
    pub async fn prepare(run: &Run, kind: Kind) -> Result<Self, LoadError> {
        let (name, units) = match kind {
            Kind::Plenty => ("hot-stock", PLENTY),
            Kind::Flash => ("flash-sale", run.plan.units),
        };
        let item = Item {
            variant: format!("variant_{}", run.uuid(&format!("{name} variant"))),
            location: location(run, name).await?,
        };
        item.open(run, units).await?;
        let before = item.read(run).await?;
        let seen = run.recorder.as_ref().map_or("", |_| " ... on InsufficientStock { available }");
        let sell = format!(
            "mutation Sell($input: SellStockInput!) {{ payload: sellStock(input: $input) {{ version \
             userErrors {{ code{seen} }} }} }}"
        );
        let variables = format!(
            r#"{{"input":{{{},"quantity":"1","idempotencyKey":"$-$"}}}}"#,
            item.variables()
        );
        let read = "query Stock($variantId: ID!, $locationId: ID!) { payload: stockItem(variantId: \
                    $variantId, locationId: $locationId) { onHand version } }";
        if let Some(recorder) = &run.recorder {
            let begun = Seen::Begin { on_hand: before.on_hand, version: before.version };
            recorder.begin(&item.name(), begun);
        }
        Ok(Self {
            kind,
            units,
            sell: Template::new(&sell, &variables),
            read: Template::new(read, &format!("{{{}}}", item.variables())),
            name: item.name(),
            item,
            before,
            sold: Mutex::default(),
            buyers: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            odd: AtomicU64::new(0),
        })
    }

    async fn sell(&self, turn: &mut Turn<'_>) -> Outcome {
        let body = self.sell.fill(turn.buffer, &[&turn.run.id, &turn.number]);
        let invoked = Instant::now();
        let told: Told<Data<Sold>> = turn.run.api.tell(body, turn.patience, turn.meter).await;
        let (outcome, seen) = match told {
            Told::Answer(Data { payload: Sold { version, user_errors } }) => {
                match (user_errors.into_iter().next(), version) {
                    (None, Some(version)) => {
                        self.sold.lock().push((turn.number, version));
                        (Outcome::Succeeded, Some(Seen::Done { version, event: None }))
                    }
                    (None, None) => (turn.wrong("a sale without a version"), None),
                    (Some(error), _) if error.code == INSUFFICIENT => {
                        let seen = Seen::Refused { available: error.available, by: None };
                        (Outcome::Refused(error.code), Some(seen))
                    }
                    (Some(error), _) => {
                        self.odd.fetch_add(1, Ordering::Relaxed);
                        (Outcome::Refused(error.code), None)
                    }
                }
            }
            Told::Unknown => {
                self.unknown.fetch_add(1, Ordering::Relaxed);
                (Outcome::Unknown, Some(Seen::Unknown))
            }
            Told::Failed { code, .. } => (Outcome::Failed(code), None),
        };
        if !matches!(outcome, Outcome::Failed(_)) {
            self.buyers.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(seen) = seen {
            turn.note(&self.name, invoked, Event::Sell { units: 1 }, seen);
        }
        outcome
    }

    async fn look(&self, turn: &mut Turn<'_>) -> Outcome {
        let body = self.read.fill(turn.buffer, &[]);
        let invoked = Instant::now();
        let told: Told<Data<Read>> = turn.run.api.tell(body, turn.patience, turn.meter).await;
        match told {
            Told::Answer(Data { payload: Read { on_hand, version } }) => {
                turn.note(&self.name, invoked, Event::Read, Seen::Stock { on_hand, version });
                Outcome::Succeeded
            }
            // A read that was not answered changed nothing.
            Told::Unknown => Outcome::Unknown,
            Told::Failed { code, .. } => Outcome::Failed(code),
        }
    }

    /// Asks again for what was acknowledged: the same answer, and nothing moves.
    async fn repeat(&self, run: &Run, sold: &[(u64, u64)]) -> Result<Check, LoadError> {
        let name = "no key is applied twice";
        let stood = self.item.read(run).await?;
        let some = sample(sold, REPEATED_MAX);
        let mut buffer = BytesMut::new();
        for (number, version) in &some {
            let body = self.sell.fill(&mut buffer, &[&run.id, number]);
            let again: Data<Sold> = run.api.need("asking again with the same key", body).await?;
            let refused = again.payload.user_errors.first().map(|error| error.code.as_str());
            if refused.is_some() || again.payload.version != Some(*version) {
                let key = format!("{}-{number}", run.id);
                let told = refused.map_or_else(
                    || format!("version {:?}", again.payload.version),
                    |code| format!("the refusal {code}"),
                );
                let detail = format!("key {key} led to version {version}; asked again, to {told}");
                return Ok(Check::new(name, false, detail));
            }
        }
        let stands = self.item.read(run).await?;
        let same = stands.on_hand == stood.on_hand && stands.version == stood.version;
        let detail = format!(
            "{} keys of {} asked again; on hand {} then {}",
            some.len(),
            sold.len(),
            stood.on_hand,
            stands.on_hand
        );
        Ok(Check::new(name, same, detail))
    }

    fn as_many_as_there_were(&self, sold: u64, unknown: u64) -> Check {
        let buyers = self.buyers.load(Ordering::Relaxed);
        let odd = self.odd.load(Ordering::Relaxed);
        let ok = sold <= self.units && sold + unknown >= self.units.min(buyers);
        let detail = format!(
            "{sold} of {} units sold to {buyers} buyers, {unknown} unknown, {odd} refused for \
             another reason",
            self.units
        );
        let name = "exactly as many succeed as there are units, the rest is refused for that";
        Check::new(name, ok && odd == 0, detail)
    }
}

#[async_trait]
impl Scenario for Sale {
    async fn step(&self, turn: &mut Turn<'_>) -> Outcome {
        if turn.run.recorder.is_some() && turn.choices.below(100) < READS_PERCENT {
            return self.look(turn).await;
        }
        self.sell(turn).await
    }

    async fn verify(&self, run: &Run) -> Result<Vec<Check>, LoadError> {
        let sold = self.sold.lock().clone();
        let (count, unknown) = (sold.len() as u64, self.unknown.load(Ordering::Relaxed));
        let after = self.item.read(run).await?;
        let gone = i128::from(self.before.on_hand) - i128::from(after.on_hand);
        let versions = i128::from(after.version) - i128::from(self.before.version);
        let mut checks = vec![
            Check::counted("units sold are successes", gone, count, unknown),
            Check::counted("events are successes", versions, count, unknown),
            promised(&[after]),
            distinct_versions(sold.iter().map(|(_, version)| *version).collect()),
        ];
        if self.kind == Kind::Flash {
            checks.push(self.as_many_as_there_were(count, unknown));
        }
        checks.push(self.repeat(run, &sold).await?);
        Ok(checks)
    }
}
