//! `emporium projection replay NAME`: has running servers try again what a follower has set aside.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Sight, failed, is_there, print, unknown};
use crate::output::Output;
use crate::{AggregateName, Failure};
use persistence::follower_board::Report;

const LOOKED_EVERY: Duration = Duration::from_millis(250);
/// How long servers may take to try.
const TRIED_WITHIN: Duration = Duration::from_secs(60);

/// Asks for it, waits until it was tried, and says what is still set aside.
pub async fn replay(
    sight: Sight<'_>,
    follower: &str,
    aggregate: Option<&AggregateName>,
    json: bool,
) -> Result<(), Failure> {
    let of = of_follower(sight, follower).await?;
    if of.is_empty() {
        let all = sight.board.reports(None).await.map_err(failed)?;
        let mut known: Vec<_> = all.into_iter().map(|report| report.follower).collect();
        known.dedup();
        return Err(unknown(follower, known.into_iter()));
    }
    let text = aggregate.map_or_else(String::new, ToString::to_string);
    sight.board.ask(follower, &text).await.map_err(failed)?;
    if !of.iter().any(is_there) {
        return Err(Failure::Failed(
            "no server runs now; what is set aside is tried again when one starts".to_owned(),
        ));
    }
    tried(sight, follower).await?;
    let is_asked = |parked: &persistence::parked::Parked| {
        let name = format!("{}/{}", parked.at.aggregate_type, parked.at.aggregate_id);
        text.is_empty() || text == name
    };
    let left = sight.parked(Some(follower)).await?;
    let left: Vec<_> = left.into_iter().filter(|(_, parked)| is_asked(parked)).collect();
    if !left.is_empty() {
        print(sight, &left, json).await?;
        return Err(Failure::Found);
    }
    let mut output = Output::default();
    let done = json!({ "follower": follower, "parked": 0 });
    if json {
        output.json(&done)?
    } else {
        output.line("nothing is set aside any more")?
    }
    output.flush()
}

async fn of_follower(sight: Sight<'_>, follower: &str) -> Result<Vec<Report>, Failure> {
    let all = sight.board.reports(None).await.map_err(failed)?;
    Ok(all.into_iter().filter(|report| report.follower == follower).collect())
}

/// Waits until every node that is there has tried.
async fn tried(sight: Sight<'_>, follower: &str) -> Result<(), Failure> {
    let asked = Instant::now();
    loop {
        let all = of_follower(sight, follower).await?;
        let waits = |report: &&Report| is_there(report) && report.answered < report.asked;
        let Some(slow) = all.iter().find(waits) else { return Ok(()) };
        if asked.elapsed() >= TRIED_WITHIN {
            let problem = format!("the node {} has not tried yet; it is still asked", slow.node);
            return Err(Failure::Failed(problem));
        }
        tokio::time::sleep(LOOKED_EVERY).await;
    }
}
