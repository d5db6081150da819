//! Two nodes over one database, without a Redis and without looks of their own: what one commits is read at
//! the other because its owner tells.

use emporium::actors::metrics::TAILED;
use emporium::persistence::journal::PageLimit;

use super::bell::{Hears, Two};
use crate::support::database::on_mysql;

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_at_one_node_is_read_at_the_other_because_its_owner_tells() {
    on_mysql(|database| async move {
        let before = TAILED.get();
        let two = Two::start(&database, Hears::Owners).await;
        for _ in 0..20 {
            let received = two.receive().await;
            two.other.reads(&received).await;
            // What is told is committed: it stands in the log.
            let (feed, shard) = (&two.other.engine.services.feed, two.shard());
            let known = feed.heads().seq(shard);
            let page = database.journal.read_shard(shard, known - 1, known, PageLimit::default());
            assert_eq!(page.await.expect("the log is read").len(), 1, "{known}");
        }
        assert!(TAILED.get() >= before + 20, "it was told, and not looked for");
        two.stop().await;
    })
    .await;
}
