//! What can be loaded: a file for each scenario, all of them clients of the public API.

pub mod stock;
pub mod hot_stock;

use std::sync::Arc;

use super::LoadError;
use super::options::ScenarioName;
use super::run::{Run, Scenario};

/// Makes what a scenario needs on the server.
pub async fn prepare(
    name: ScenarioName,
    run: &Arc<Run>,
) -> Result<Arc<dyn Scenario>, LoadError> {
    Ok(match name {
        ScenarioName::HotStock | ScenarioName::Overload => {
            Arc::new(hot_stock::Sale::prepare(run, hot_stock::Kind::Plenty).await?)
        }
        ScenarioName::FlashSale => {
            Arc::new(hot_stock::Sale::prepare(run, hot_stock::Kind::Flash).await?)
        }
        _ => return Err(LoadError::Usage("not yet".to_owned())),
    })
}
