//! The entrance stands open from the first moment of a server: probes are answered whatever the rest
//! still waits for, and requests are told to come back.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::metrics;
use super::node::Program;
use super::rates;
use super::readiness::Running;
use cli::Failure;
use config::Settings;
use http::{Book, Health, HttpOptions, Opening, ServerHandle};

/// See the module.
pub struct Entrance {
    pub address: SocketAddr,
    opening: Opening,
    running: Arc<Running>,
    handle: ServerHandle,
    /// What is asked for here, where other nodes are told of it.
    pub book: Option<Arc<Book>>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Entrance {
    /// Opens it on what is bound already.
    pub fn open(settings: &Settings, listener: TcpListener) -> Result<Self, Failure> {
        let address = listener.local_addr();
        let address = address.map_err(|error| Failure::failed("reading the address", error))?;
        let book = rates::are_shared(settings).then(Arc::<Book>::default);
        let options = HttpOptions {
            listener,
            workers: settings.http.threads(),
            demo: settings.general.demo,
            limits: settings.http.limits(),
            policy: settings.http.policy(settings.log.access_ratio),
            metrics: settings.telemetry.metrics_listen.is_none().then(metrics::page),
            book: book.clone(),
        };
        let (opening, running) = (Opening::default(), Running::observed());
        let health = Arc::clone(&running) as Arc<dyn Health>;
        let server = http::serve(options, opening.clone(), health)
            .map_err(|error| Failure::failed("serving HTTP", error))?;
        let handle = server.handle();
        Ok(Self { address, opening, running, handle, book, server: tokio::spawn(server) })
    }

    /// Lets requests in to what runs now.
    pub fn lead_to(&self, program: &Arc<Program>) -> Arc<Running> {
        self.running.begin(program);
        self.opening.fill(program.behind());
        Arc::clone(&self.running)
    }

    /// Waits until it has ended by itself, which it should not, and says why.
    pub async fn ended(&mut self) -> String {
        match (&mut self.server).await {
            Ok(Ok(())) => "it ended".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Lets nobody in any more and waits for those who are in.
    pub async fn close(&mut self) -> std::io::Result<()> {
        self.handle.stop(true).await;
        (&mut self.server).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        // Where the start failed: nobody waits for this.
        drop(self.handle.stop(false));
    }
}
