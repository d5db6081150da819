//! A table filled anew: whoever looks after the tables of a node does that, and a slice of the job looks how far it
//! is. Its mark is the number of the filling that is to answer: noted before that is asked for, so that it is asked
//! for once.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Slice, Unable};
use crate::aggregate_ref::Engine;
use crate::registry::Registry;
use persistence::follower_board::Standing;
use persistence::read_store::{ReadStore, name_of, table_of};
use sagas::job::Worked;

const LOOKED_EVERY: Duration = Duration::from_millis(250);
/// How long is looked until the job notes how far it is: a hundredth more at the soonest.
const NOTED_EVERY: Duration = Duration::from_secs(10);

/// Whether a table of this program is called so.
pub fn is_table(name: &str) -> bool {
    Registry::shapes().into_iter().any(|shape| shape.name == name)
}

/// Has the filling made that the job is of, and says how far it is.
pub async fn work(engine: &Engine, slice: Slice, name: &str) -> Result<Worked, Unable> {
    let read = &*engine.services.read;
    let begun = Instant::now();
    loop {
        let Some(standing) = find(read, name).await? else {
            return Ok(Worked::Refused { code: "TABLE_NOT_FOUND" });
        };
        let Ok(wanted @ 1..) = u32::try_from(slice.mark) else {
            let mark = u64::from(standing.answers) + 1;
            return Ok(Worked::Further { mark, done: 0, total: 0 });
        };
        if standing.answers >= wanted {
            return Ok(Worked::Finished { mark: slice.mark, done: slice.total });
        }
        if !standing.is_rebuilt() {
            read.board().begin_filling(&standing.table).await?;
        }
        let (done, total) = made(engine, &standing.table, wanted).await?;
        let is_news = done > slice.done && (done - slice.done) * 100 >= total.max(1);
        if is_news || begun.elapsed() >= NOTED_EVERY {
            return Ok(Worked::Further { mark: slice.mark, done, total });
        }
        sleep(LOOKED_EVERY).await;
    }
}

/// Ends the filling, if it does not answer yet.
pub async fn undo(read: &dyn ReadStore, name: &str, mark: u64) -> Result<(), Unable> {
    let (Some(standing), Ok(filling @ 1..)) = (find(read, name).await?, u32::try_from(mark)) else {
        return Ok(());
    };
    if standing.answers < filling && standing.filling == filling {
        read.board().end_filling(&standing.table, filling).await?;
        let now = find(read, name).await?;
        // Where it came to answer in between, it stays; what whoever fills it makes once more is swept away.
        if now.is_some_and(|now| now.answers < filling) {
            read.board().drop_filling(&name_of(&standing.table, filling)).await?;
        }
    }
    Ok(())
}

async fn find(read: &dyn ReadStore, name: &str) -> Result<Option<Standing>, Unable> {
    let shape = Registry::shapes().into_iter().find(|shape| shape.name == name);
    let Some(table) = shape.map(table_of) else { return Ok(None) };
    let standings = read.board().standings().await?;
    Ok(standings.into_iter().find(|standing| standing.table == table))
}

/// How many entries a filling has read, of how many.
async fn made(engine: &Engine, table: &str, filling: u32) -> Result<(u64, u64), Unable> {
    let board = engine.services.read.board();
    let made = board.bookmark_of(&name_of(table, filling)).await?.unwrap_or_default();
    let total = engine.services.feed.heads().total();
    Ok((made.position.total().min(total), total))
}
