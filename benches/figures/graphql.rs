//! The same through the door: the real server as a process of its own, GraphQL over HTTP on kept
//! connections. What is compared was sent to the same server within the same minute.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use uuid::Uuid;

use crate::http::{Ask, Connection, Site, load};
use crate::place::{Kind, MASTER_KEY, Place, Places};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

pub const SELL: &str = "sellStock through GraphQL";
pub const NO_OP: &str = "noOp through GraphQL";
pub const READ: &str = "stockItem through GraphQL";
pub const CONSTANT: &str = "serverInfo through GraphQL";

/// Connections at once; each side is measured at the number that suits it best.
const CALLERS: [usize; 4] = [16, 64, 256, 1_000];

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let server = Server::of_program(&place).await;
    let asks = asks(&server).await;
    for _ in 0..settings.rounds() {
        for callers in CALLERS {
            for (name, ask) in &asks {
                let window = Window::after(settings.warm_up(), settings.short_window());
                let tally = load(&server.site, ask, callers, window).await;
                samples.push(kind, &format!("{name}: {callers} callers"), tally.rate(&window));
                let p99 = format!("{name}, p99: {callers} callers");
                samples.push(kind, &p99, tally.quantile_ms(0.99));
            }
        }
    }
    drop(server);
    place.remove().await;
}

/// The two fields that name a stock item, as JSON.
#[derive(Clone)]
pub struct Item(String);

impl Item {
    pub fn of(variant: Uuid, location: Uuid) -> Self {
        Self(format!("\"variantId\":\"variant_{variant}\",\"locationId\":\"location_{location}\""))
    }
}

/// The body of a question for what is on hand.
pub fn stock(Item(item): &Item) -> String {
    asked_of(item, "onHand")
}

/// The same for its id.
pub fn stock_id(Item(item): &Item) -> String {
    asked_of(item, "id")
}

fn asked_of(item: &str, field: &str) -> String {
    format!(
        "{{\"query\":\"query Stock($variantId: ID!, $locationId: ID!) {{ stockItem(variantId: \
         $variantId, locationId: $locationId) {{ {field} }} }}\",\"variables\":{{{item}}}}}"
    )
}

/// A location with an id that the server gave.
async fn location(connection: &mut Connection) -> String {
    let body = "{\"query\":\"mutation { createLocation(input: {name: \\\"Shelf\\\", timeZone: \
                \\\"UTC\\\"}) { id } }\"}";
    let reply = String::from_utf8_lossy(connection.post(body).await).into_owned();
    let id = reply.split('"').find(|word| word.starts_with("location_"));
    id.unwrap_or_else(|| panic!("{body} was answered {reply}")).to_owned()
}

/// Opens so many stock items and fills them.
pub async fn prepare(site: &Site, count: usize) -> Vec<Item> {
    let mut connection = Connection::open(site).await;
    let location = location(&mut connection).await;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let variant = Uuid::now_v7();
        let item = format!("\"variantId\":\"variant_{variant}\",\"locationId\":\"{location}\"");
        for (field, input, more) in [
            ("openStock", "OpenStockInput", ""),
            ("receiveStock", "ReceiveStockInput", ",\"quantity\":\"100000000000\""),
        ] {
            let body = format!(
                "{{\"query\":\"mutation Prepare($input: {input}!) {{ {field}(input: $input) {{ \
                 userErrors {{ code }} }} }}\",\"variables\":{{\"input\":{{{item},\
                 \"idempotencyKey\":\"{field}-{variant}\"{more}}}}}}}"
            );
            connection.done(&body).await;
        }
        items.push(Item(item));
    }
    items
}

/// The body of a sale of one unit.
pub fn sell(Item(item): &Item, key: &str) -> String {
    format!(
        "{{\"query\":\"mutation Sell($input: SellStockInput!) {{ sellStock(input: $input) {{ \
         userErrors {{ code }} }} }}\",\"variables\":{{\"input\":{{{item},\"quantity\":\"1\",\
         \"idempotencyKey\":\"{key}\"}}}}}}"
    )
}

/// A stock item is opened and filled; then what is measured.
async fn asks(server: &Server) -> Vec<(&'static str, Arc<Ask>)> {
    let sold = prepare(&server.site, 1).await.remove(0);
    let question = stock(&sold);
    let mutation = |body: Box<dyn Fn(usize, u64) -> String + Send + Sync>| {
        Arc::new(Ask { body, expected: b"\"userErrors\":[]" })
    };
    let sell = mutation(Box::new(move |_, _| sell(&sold, &Uuid::now_v7().to_string())));
    let no_op = mutation(Box::new(|_, _| {
        format!(
            "{{\"query\":\"mutation Nothing($input: NoOpInput) {{ noOp(input: $input) {{ \
             userErrors {{ code }} }} }}\",\"variables\":{{\"input\":{{\"idempotencyKey\":\"{}\"}}\
             }}}}",
            Uuid::now_v7()
        )
    }));
    let read = Ask { body: Box::new(move |_, _| question.clone()), expected: b"\"onHand\":" };
    vec![(NO_OP, no_op), (SELL, sell), (CONSTANT, constant()), (READ, Arc::new(read))]
}

/// A question whose answer is always the same.
pub fn constant() -> Arc<Ask> {
    Arc::new(Ask {
        body: Box::new(|_, _| "{\"query\":\"query Constant { serverInfo { name } }\"}".to_owned()),
        expected: b"\"name\":\"emporium\"",
    })
}

/// A running server; ended when dropped.
pub struct Server {
    process: Child,
    pub site: Site,
    /// Goes with it.
    home: Option<TempDir>,
    /// Where its data are, as commands are told.
    storage: Vec<OsString>,
}

impl Server {
    /// The program itself.
    pub async fn of_program(place: &Place) -> Self {
        Self::with(place, "").await
    }

    /// The same with what a configuration says beside the defaults.
    pub async fn with(place: &Place, configuration: &str) -> Self {
        Self::serving(&["serve", "--demo"], place, configuration).await
    }

    /// The same with nothing on its shelves.
    pub async fn plain(place: &Place, configuration: &str) -> Self {
        Self::serving(&["serve"], place, configuration).await
    }

    async fn serving(how: &[&str], place: &Place, configuration: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emporium"));
        command.args(how).args(["--listen", "127.0.0.1:0"]);
        let home = tempfile::tempdir().expect("a temporary directory");
        let data = match place.for_program().directory() {
            Some(directory) => directory.to_owned(),
            None => home.path().to_owned(),
        };
        let digits: String = MASTER_KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        let (key, owner) = (data.join("master.key"), Permissions::from_mode(0o600));
        std::fs::write(&key, digits).expect("the directory can be written");
        std::fs::set_permissions(&key, owner).expect("the file is ours");
        let mut storage: Vec<OsString> = vec!["--data".into(), data.into_os_string()];
        if let Some(url) = place.url() {
            storage.extend(["--database".into(), url.into()]);
        }
        command.args(&storage);
        let file = home.path().join("figures.toml");
        std::fs::write(&file, configuration).expect("the directory can be written");
        command.arg("--config").arg(&file);
        let mut server = Self::start(command.env("RUST_LOG", "warn")).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_emporium"));
        command.args(["user", "token", "administrator", "--seconds", "86400"]).args(&storage);
        let told = command.output().expect("the program is built");
        let token = String::from_utf8(told.stdout).expect("a token is text");
        server.site.token = token.trim_end().to_owned();
        server.home = Some(home);
        server.storage = storage;
        server
    }

    /// Lets somebody sign in; his password.
    pub fn somebody(&self, login: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emporium"));
        command.args(["user", "create", login, "--json"]).args(&self.storage);
        let told = command.output().expect("the program is built").stdout;
        let told: serde_json::Value = serde_json::from_slice(&told).expect("one JSON object");
        told["password"].as_str().expect("a password").to_owned()
    }

    /// A child of this program that serves.
    pub async fn of_child(name: &str, place: &Place, connections: u32) -> Self {
        let program = std::env::current_exe().expect("a program knows where it is");
        let mut command = Command::new(program);
        command.args(["--child", name, "--address", &place.address()]);
        command.args(["--connections", &connections.to_string()]);
        Self::start(&mut command).await
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Tells it to stop, and waits until it has.
    pub async fn stop(mut self) {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.pid().to_string()]);
        let told = kill.status().expect("a process can be told to stop");
        assert!(told.success(), "it runs");
        let waiting = tokio::task::spawn_blocking(move || {
            self.process.wait().expect("it was started here").success()
        });
        assert!(waiting.await.expect("waiting does not fail"), "it stops in good order");
    }

    /// Whatever serves and says where; nobody asks yet.
    pub async fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the server is built beside this program");
        let output = process.stdout.take().expect("its output is piped");
        let reading = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(output).lines();
            lines.find_map(|line| {
                let line = line.ok()?;
                let url = line.strip_prefix("listening on http://")?;
                Some(url.strip_suffix("/graphql")?.to_owned())
            })
        });
        let found = reading.await.expect("reading does not fail");
        let Some(address) = found else {
            let _ = process.kill();
            panic!("the server ended without saying where it listens");
        };
        let site = Site { address, token: String::new() };
        Self { process, site, home: None, storage: Vec::new() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
