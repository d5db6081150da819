//! What can be loaded: a file for each scenario, all of them clients of the public API.

pub mod stock;
pub mod catalogue;
pub mod hot_stock;
pub mod checkout;
pub mod browse;
pub mod calendar_rush;
pub mod mixed;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::LoadError;
use super::options::ScenarioName;
use super::run::{Run, Scenario};

type Preparing<'a> =
    Pin<Box<dyn Future<Output = Result<Arc<dyn Scenario>, LoadError>> + Send + 'a>>;

/// Makes what a scenario needs on the server. Boxed, for a mix prepares its parts by it.
pub fn prepare(name: ScenarioName, run: &Arc<Run>) -> Preparing<'_> {
    Box::pin(async move {
        Ok(match name {
            ScenarioName::HotStock => {
                Arc::new(hot_stock::Sale::prepare(run, hot_stock::Kind::Plenty).await?)
                    as Arc<dyn Scenario>
            }
            ScenarioName::FlashSale => {
                Arc::new(hot_stock::Sale::prepare(run, hot_stock::Kind::Flash).await?)
            }
            ScenarioName::Checkout => {
                // Alone it is what a buyer waits for; in a mix the shelves are emptied as well.
                let goods = match run.plan.operations {
                    ScenarioName::Mixed | ScenarioName::Soak => checkout::Goods::Leave,
                    _ => checkout::Goods::Stay,
                };
                Arc::new(checkout::Checkout::prepare(run, goods).await?)
            }
            ScenarioName::Browse => Arc::new(browse::Browse::prepare(run).await?),
            ScenarioName::CalendarRush => Arc::new(calendar_rush::Rush::prepare(run).await?),
            ScenarioName::Mixed | ScenarioName::Soak => Arc::new(mixed::Mixed::prepare(run).await?),
            ScenarioName::Overload => unreachable!("it starts the operations of another"),
        })
    })
}
