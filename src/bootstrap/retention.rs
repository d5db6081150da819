//! Who erases by rule on a node: the use case, from when what it asks is there.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use actors::aggregate_ref::{AskError, Fault};
use actors::retention::{Erases, Rule};
use application::{Application, retention};
use auth::Forgets;
use domain::id::AggregateId;

/// See the module.
#[derive(Clone, Default)]
pub struct Eraser(Arc<OnceLock<(Application, Arc<dyn Forgets>)>>);

impl Eraser {
    /// From now on.
    pub fn begin(&self, application: Application, sign_ins: Arc<dyn Forgets>) {
        self.0.get_or_init(|| (application, sign_ins));
    }
}

impl Erases for Eraser {
    fn erase(
        &self,
        rule: Rule,
        of: AggregateId,
        since_us: i64,
    ) -> BoxFuture<'static, Result<(), AskError<String>>> {
        let known = Arc::clone(&self.0);
        async move {
            let Some((application, sign_ins)) = known.get() else {
                let starts = Fault::unavailable("this node starts", Duration::from_secs(1));
                return Err(AskError::Fault(starts));
            };
            retention::erase(application, sign_ins, rule, of, since_us).await
        }
        .boxed()
    }
}
