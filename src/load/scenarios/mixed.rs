//! `mixed`: every other scenario by weight, each with things of its own, each checked at the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::LoadError;
use crate::checks::Check;
use crate::meter::Outcome;
use crate::options::ScenarioName;
use crate::run::{Run, Scenario, Turn};

/// What may be mixed, and how often it is chosen unless a file says otherwise: a shop has far more
/// readers than buyers.
pub const MIXABLE: [(ScenarioName, u64); 5] = [
    (ScenarioName::Browse, 70),
    (ScenarioName::Checkout, 15),
    (ScenarioName::HotStock, 10),
    (ScenarioName::CalendarRush, 4),
    (ScenarioName::FlashSale, 1),
];
/// The greatest weight.
const WEIGHT_MAX: u64 = 1_000_000;

/// See the module.
pub struct Mixed {
    parts: Vec<Part>,
    total: u64,
}

struct Part {
    name: ScenarioName,
    weight: u64,
    scenario: Arc<dyn Scenario>,
}

impl Mixed {
    pub async fn prepare(run: &Arc<Run>) -> Result<Self, LoadError> {
        let weights = match &run.plan.weights {
            Some(path) => read(path)?,
            None => MIXABLE.to_vec(),
        };
        let mut parts = Vec::new();
        for (name, weight) in weights {
            let scenario = super::prepare(name, run).await?;
            parts.push(Part { name, weight, scenario });
        }
        let total = parts.iter().map(|part| part.weight).sum();
        Ok(Self { parts, total })
    }
}

/// The weights of a file, those that are not 0.
pub fn read(path: &Path) -> Result<Vec<(ScenarioName, u64)>, LoadError> {
    let wrong = |why: String| LoadError::Usage(format!("--weights {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<Vec<(ScenarioName, u64)>, String> {
    let known = || {
        let names: Vec<_> = MIXABLE.iter().map(|(name, _)| name.text()).collect();
        names.join(", ")
    };
    let weights: BTreeMap<String, u64> = toml::from_str(text)
        .map_err(|error| format!("expected lines such as `browse = 70`: {}", error.message()))?;
    let mut read = Vec::new();
    for (text, weight) in weights {
        let name = MIXABLE.iter().find(|(name, _)| name.text() == text);
        let (name, _) =
            name.ok_or_else(|| format!("{text} cannot be mixed; there are {}", known()))?;
        if weight > WEIGHT_MAX {
            return Err(format!("{text} = {weight}: expected at most {WEIGHT_MAX}"));
        }
        if weight > 0 {
            read.push((*name, weight));
        }
    }
    if read.is_empty() {
        return Err(format!("no scenario has a weight; there are {}", known()));
    }
    Ok(read)
}

#[async_trait]
impl Scenario for Mixed {
    async fn step(&self, turn: &mut Turn<'_>) -> Outcome {
        let mut drawn = turn.choices.below(self.total);
        for part in &self.parts {
            if drawn < part.weight {
                return part.scenario.step(turn).await;
            }
            drawn -= part.weight;
        }
        unreachable!("less than the sum of the weights was drawn")
    }

    async fn verify(&self, run: &Run) -> Result<Vec<Check>, LoadError> {
        let mut all = Vec::new();
        for part in &self.parts {
            let named = |check: Check| {
                let name = format!("{}: {}", part.name.text(), check.name);
                Check { name, ..check }
            };
            all.extend(part.scenario.verify(run).await?.into_iter().map(named));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_and_mistakes_are_named() {
        let read = parse("hot-stock = 3\nbrowse = 1\ncheckout = 0").expect("weights");
        assert_eq!(read, [(ScenarioName::Browse, 1), (ScenarioName::HotStock, 3)]);
        for (text, hint) in [
            ("", "no scenario"),
            ("soak = 1", "calendar-rush"),
            ("browse = -1", "browse = 70"),
            ("browse = 2000000", "at most"),
            ("browse", "browse = 70"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
