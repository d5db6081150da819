//! The lives of a node with its followers on one file: each in a runtime of its own, so that a
//! crash is the end of every task at whatever it was doing. Outside, the payment provider lives on.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use emporium::actors::aggregate_ref::{AskError, Engine};
use emporium::actors::checkout::CheckoutOptions;
use emporium::actors::core::Committed;
use emporium::actors::retention::RetentionOptions;
use emporium::actors::shard::Limits;
use emporium::bootstrap::node::NodeBuilder;
use emporium::config::Settings;
use emporium::config::sections::NodeSection;
use emporium::domain::aggregate::Aggregate;
use emporium::domain::id::AggregateId;
use emporium::payments::PaymentProvider;
use emporium::persistence::clock::{Clock, Time};
use emporium::persistence::intercept::{Call, Hooks, Intercepted};
use emporium::persistence::journal::{Appended, Appender, Entry, JournalError};
use emporium::persistence::read_store::ReadStore;
use emporium::persistence::stores::Stores;
use emporium::persistence_sql::{Migrations, ReadTablesOf, sqlite, stores};
use emporium::projections::position::Position;
use emporium::supervisors::node::Node;
use emporium::supervisors::services::Followers;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::PATIENCE;
use super::database::{SHARDS, vault};
use super::engine::meta;

/// A file and a payment provider that outlive nodes.
pub struct World {
    directory: TempDir,
    pub payments: Arc<dyn PaymentProvider>,
    pub limits: Limits,
    pub options: CheckoutOptions,
    pub clock: Clock,
    pub retention: RetentionOptions,
    /// Where the tables of lists stand, if apart from the log.
    pub read_file: Option<PathBuf>,
    /// What those who fill tables have in place of their store.
    pub read: ReadBy,
}

/// Puts something around a read store.
pub type ReadBy = Arc<dyn Fn(Arc<dyn ReadStore>) -> Arc<dyn ReadStore>>;

/// A wall clock that a test sets ahead or back; time goes by as it does.
#[derive(Default)]
pub struct Wall {
    pub ahead_us: AtomicI64,
}

impl Time for Wall {
    fn wall_us(&self) -> i64 {
        Clock::system().wall_us() + self.ahead_us.load(Ordering::Acquire)
    }

    fn monotonic_us(&self) -> u64 {
        static SYSTEM: LazyLock<Clock> = LazyLock::new(Clock::system);
        SYSTEM.monotonic_us()
    }
}

impl World {
    pub fn new(payments: Arc<dyn PaymentProvider>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (limits, options) = (Limits::default(), CheckoutOptions::default());
        let (clock, retention) = (Clock::system(), RetentionOptions::default());
        let read: ReadBy = Arc::new(|store| store);
        Self { directory, payments, limits, options, clock, retention, read_file: None, read }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("emporium.db")
    }

    /// Where nodes keep their files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    async fn open(&self) -> sqlite::Database {
        open(&self.path()).await
    }

    /// The store that tables are filled in.
    async fn read_store(&self, beside: Arc<dyn ReadStore>) -> Arc<dyn ReadStore> {
        let Some(path) = &self.read_file else { return (self.read)(beside) };
        let database = open(path).await;
        database.make_read_tables().await.expect("its tables are made");
        (self.read)(Arc::new(ReadTablesOf::of(Arc::new(database))))
    }

    /// The file beside a node, or while there is none.
    pub async fn database(&self) -> Stores {
        stores(self.open().await)
    }

    /// Starts a node with its followers and waits until they have read everything.
    pub fn begin(&self) -> Life {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let crash = Arc::new(Crash::default());
        let starting = async {
            self.open().await.migrate().await.expect("the file can be migrated");
            let database = self.database().await;
            let journal = Arc::new(Intercepted::new(database.journal.clone(), Arc::clone(&crash)));
            let node = NodeSection {
                name: Some("test-node".to_owned()),
                shards: Some(SHARDS),
                lanes: Some(1),
            };
            let settings = Settings {
                node,
                limits: self.limits.clone(),
                checkout: self.options.clone(),
                retention: self.retention,
                ..Settings::default()
            };
            let vault = vault(Arc::clone(&database.secrets)).await;
            let read = self.read_store(Arc::clone(&database.read)).await;
            let builder = NodeBuilder::new(&settings, Stores { journal, read, ..database }, vault)
                .alone()
                .payments(Arc::clone(&self.payments))
                .keeping_in(self.directory.path().to_owned())
                .clock(self.clock.clone());
            let node = builder.start().await.expect("a node starts");
            assert!(node.all_served(PATIENCE).await, "every shard is taken");
            let program = builder.complete(node).await.expect("the followers start");
            program.followers.caught_up().await;
            (program.node, program.followers)
        };
        let (node, followers) = runtime.block_on(within("a start", starting));
        let engine = node.engine.clone();
        Life { engine, node, followers: Arc::new(followers), crash, runtime }
    }
}

async fn open(path: &Path) -> sqlite::Database {
    let database = sqlite::Database::open(path, sqlite::Options::default()).await;
    database.expect("the file can be opened")
}

pub struct Life {
    pub engine: Engine,
    node: Node,
    pub followers: Arc<Followers>,
    pub crash: Arc<Crash>,
    runtime: Runtime,
}

impl Life {
    /// Runs on the node's own runtime; fails the test if it takes too long.
    pub fn run<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(within(what, future))
    }

    /// Stops in good order.
    pub fn drain(self) {
        self.run("a drain", async {
            self.followers.stop().await;
            self.node.drain(PATIENCE).await;
        });
        self.crash();
    }

    /// Ends every task wherever it is.
    pub fn crash(self) {
        let Self { engine, node, followers, crash, runtime } = self;
        runtime.shutdown_timeout(Duration::from_secs(5));
        drop((engine, node, followers, crash));
    }

    /// Sends a command that must succeed.
    pub async fn done<A: Aggregate>(&self, id: AggregateId, command: A::Command) -> Committed {
        done::<A>(&self.engine, id, command).await
    }
}

/// Sends a command that must succeed.
pub async fn done<A: Aggregate>(
    engine: &Engine,
    id: AggregateId,
    command: A::Command,
) -> Committed {
    match engine.aggregate::<A>(id).ask(command.clone(), meta(None)).await {
        Ok(committed) => committed,
        Err(AskError::Refused(refusal)) => panic!("{command:?} was refused: {refusal}"),
        Err(AskError::Fault(fault)) => panic!("{command:?} met a fault: {fault}"),
    }
}

/// Where a command's events stand.
pub fn position(committed: Committed) -> Position {
    Position::of(committed.shard, committed.seq)
}

/// Waits; fails the test, naming `what`, if it takes too long.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

/// When the node dies, told in appends, and what was read from the logs meanwhile.
pub struct Crash {
    /// Appends that are still let through; negative while nothing is to happen.
    left: AtomicI64,
    /// The last append is executed before the node dies.
    executed: AtomicI64,
    happened: watch::Sender<bool>,
    /// The lowest position from which a page of a shard's log was read.
    pub lowest_read: AtomicU64,
}

impl Default for Crash {
    fn default() -> Self {
        Self {
            left: AtomicI64::new(-1),
            executed: AtomicI64::new(0),
            happened: watch::channel(false).0,
            lowest_read: AtomicU64::new(u64::MAX),
        }
    }
}

impl Crash {
    /// Lets so many appends through; then the node hears nothing from its database any more. With
    /// `executed` the next append is executed first, and only its answer is lost.
    pub fn after(&self, appends: i64, executed: bool) {
        self.executed.store(i64::from(executed), Ordering::SeqCst);
        self.left.store(appends, Ordering::SeqCst);
    }

    pub fn has_happened(&self) -> bool {
        *self.happened.borrow()
    }

    pub async fn happened(&self) {
        let mut happened = self.happened.subscribe();
        happened.wait_for(|happened| *happened).await.expect("the sender is here");
    }

    /// Nothing is to happen any more.
    pub fn disarm(&self) {
        self.left.store(-1, Ordering::SeqCst);
    }

    fn is_now(&self) -> bool {
        self.left.load(Ordering::SeqCst) >= 0 && self.left.fetch_sub(1, Ordering::SeqCst) == 0
    }
}

#[async_trait]
impl Hooks for Crash {
    async fn before(&self, call: Call<'_>) -> Result<(), JournalError> {
        if let Call::ReadShard { after, .. } = call {
            self.lowest_read.fetch_min(after, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn append(&self, appender: &mut dyn Appender, entries: &[Entry]) -> Appended {
        if !self.is_now() {
            return appender.append(entries).await;
        }
        if self.executed.load(Ordering::SeqCst) == 1 {
            assert_eq!(appender.append(entries).await, Appended::Committed);
        }
        self.happened.send_replace(true);
        std::future::pending().await
    }
}
