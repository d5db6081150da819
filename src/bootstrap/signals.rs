//! The signals that mean stop. They are heard on a thread of their own, so that a process that was
//! told to stop ends within its bound whatever the rest of it does.

use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use cli::Failure;

/// See the module.
#[derive(Clone)]
pub struct Signals(watch::Receiver<bool>);

impl Signals {
    /// From here on a first signal says stop, and the process ends `within` that time after it; a
    /// second one ends it at once.
    pub fn listen(within: Duration) -> Result<Self, Failure> {
        let failed = |error| Failure::failed("listening for signals", error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (mut terminate, mut interrupt, hangup) = {
            let _guard = runtime.enter();
            let listen = |kind| signal(kind).map_err(failed);
            let hangup = listen(SignalKind::hangup())?;
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, hangup)
        };
        let (stop, stopping) = watch::channel(false);
        let listening = move || {
            runtime.spawn(live_on(hangup));
            runtime.block_on(async {
                either(&mut terminate, &mut interrupt).await;
                stop.send_replace(true);
                tokio::select! {
                    () = either(&mut terminate, &mut interrupt) => {
                        eprintln!("emporium: told to stop again; ending at once");
                    }
                    () = tokio::time::sleep(within) => {
                        eprintln!("emporium: not stopped within {} s; ending", within.as_secs());
                    }
                }
            });
            std::process::exit(1);
        };
        let thread = std::thread::Builder::new().name("signals".to_owned());
        thread.spawn(listening).map_err(failed)?;
        Ok(Self(stopping))
    }

    /// No signal says stop: for what is ended otherwise.
    pub fn none() -> Self {
        Self(watch::channel(false).1)
    }

    /// Waits until the process is told to stop.
    pub async fn stop(&self) {
        let mut stopping = self.0.clone();
        if stopping.wait_for(|stopping| *stopping).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A terminal that went away, or a script that wants files reopened, ends nothing: there are no
/// files to reopen, the log goes to standard error.
async fn live_on(mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: nothing to reopen, the configuration is read at the start only");
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
