//! `emporium projection rebuild NAME`: has a running server fill the table anew beside the rows that
//! answer, and shows how far that is. What was asked for stands in the database: whoever looks no longer
//! ends nothing, and a server that comes back goes on.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Sight, failed, name_of_table, unknown};
use crate::Failure;
use crate::output::Output;
use crate::progress::Progress;
use persistence::follower_board::Standing;
use persistence::read_store::name_of;

const LOOKED_EVERY: Duration = Duration::from_millis(250);
/// A server that runs begins within a second.
const BEGUN_WITHIN: Duration = Duration::from_secs(15);

/// Has the table of this name filled anew; waits for the end of it where `waits`.
pub async fn rebuild(sight: Sight<'_>, name: &str, waits: bool, json: bool) -> Result<(), Failure> {
    let asked = Instant::now();
    let before = find(sight, name).await?;
    sight.board.begin_filling(&before.table).await.map_err(failed)?;
    let standing = again(sight, &before.table).await?;
    if waits && standing.is_rebuilt() {
        follow(sight, &standing, asked).await?;
    }
    let filling = standing.filling;
    let mut output = Output::default();
    if !waits {
        let object = json!({ "table": standing.table, "filling": filling, "asked": true });
        let line = format!(
            "{name}: filling {filling} is asked for; `emporium projection status` tells how far it is"
        );
        if json {
            output.json(&object)?
        } else {
            output.line(&line)?
        }
        return output.flush();
    }
    let rows = sight.board.count_of(&name_of(&standing.table, filling)).await.map_err(failed)?;
    let seconds = asked.elapsed().as_secs_f64();
    let object =
        json!({ "table": standing.table, "filling": filling, "rows": rows, "seconds": seconds });
    let line = format!("{name}: {rows} rows of filling {filling} answer now, after {seconds:.1} s");
    if json {
        output.json(&object)?
    } else {
        output.line(&line)?
    }
    output.flush()
}

/// The table that is called so, by its name alone or with its schema: the newest one that is there.
async fn find(sight: Sight<'_>, name: &str) -> Result<Standing, Failure> {
    let all = sight.board.standings().await.map_err(failed)?;
    let schema = |standing: &Standing| {
        let schema = standing.table.rsplit_once('_').map(|(_, schema)| schema.parse::<u32>());
        schema.and_then(Result::ok)
    };
    let is_it = |one: &&Standing| one.table == name || name_of_table(&one.table) == name;
    if let Some(found) = all.iter().filter(is_it).max_by_key(|one| schema(one)) {
        return Ok(found.clone());
    }
    let reports = sight.board.reports(None).await.map_err(failed)?;
    if reports.iter().any(|report| report.follower == name) {
        return Err(Failure::Usage(format!(
            "{name} is no table: it is kept by each node, and made anew from the logs where its \
             files are gone"
        )));
    }
    Err(unknown(name, all.iter().map(|one| name_of_table(&one.table).to_owned())))
}

async fn again(sight: Sight<'_>, table: &str) -> Result<Standing, Failure> {
    let all = sight.board.standings().await.map_err(failed)?;
    let found = all.into_iter().find(|standing| standing.table == table);
    found.ok_or_else(|| Failure::Failed(format!("{table} is gone")))
}

/// Waits until the filling answers.
async fn follow(sight: Sight<'_>, standing: &Standing, asked: Instant) -> Result<(), Failure> {
    let mut progress = Progress::new("entries read", 0);
    let filling = name_of(&standing.table, standing.filling);
    loop {
        let now = again(sight, &standing.table).await?;
        if now.answers >= standing.filling {
            progress.finish();
            return Ok(());
        }
        let begun = sight.board.bookmark_of(&filling).await.map_err(failed)?.is_some();
        if !begun && asked.elapsed() >= BEGUN_WITHIN {
            return Err(Failure::Failed(format!(
                "no running server has begun filling {}; it is asked for, and begins when one starts",
                standing.filling
            )));
        }
        let heads = sight.heads().await?;
        if let Some((done, all)) = sight.made(&now, &heads).await? {
            progress.stands_at(done, all);
        }
        tokio::time::sleep(LOOKED_EVERY).await;
    }
}
