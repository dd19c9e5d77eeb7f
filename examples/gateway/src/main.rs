//! A hardened booking API: the seven layers of palisade around an axum router, on embedded defaults.
//!
//! `cargo run -p gateway` needs no server and no configuration. What it serves, and how it is configured, stands in
//! this package's README.

mod app;
mod body;
mod booking;
mod bookings;
mod cache;
mod config_file;
mod counts;
mod hardening;
mod keys;
mod quotes;
mod reload;
mod routes;
mod settings;
mod shared;
mod store;
mod upstream;
mod uri;
mod users;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use palisade::Problems;
use palisade::audit::Guard;
use palisade::auth::AuthLayer;
use palisade::axum::{ProtectedRouter, protect, serve};
use palisade::secrets::{BearerLayer, Environment, ExposeSecret, generate};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::App;
use crate::bookings::Bookings;
use crate::cache::AnswerCache;
use crate::config_file::problems_of;
use crate::counts::Counts;
use crate::keys::Keys;
use crate::quotes::Quotes;
use crate::reload::{ConfigState, Reloader};
use crate::settings::Settings;
use crate::store::Store;
use crate::users::Users;

/// The time that requests under way get to end once the process is told to stop.
const DRAIN: Duration = Duration::from_secs(15);

/// The time that Vault gets to revoke what it gave.
const REVOKE: Duration = Duration::from_secs(2);

/// The time that the trail gets to write the rest, once the last request has ended.
const FLUSH: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, service, scopes @ ..] = &arguments[..]
        && command == "new-api-key"
    {
        return print_new_api_key(service, scopes);
    }
    // On a thread of its own: nobody waits for an answer because nobody reads the log.
    let (log, _written) = tracing_appender::non_blocking(std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(log)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Settings(problems)) => {
            for problem in problems.iter() {
                eprintln!("gateway: {problem}");
            }
            ExitCode::from(2)
        }
        Err(StartError::Other(error)) => {
            eprintln!("gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints an API key, which is kept nowhere, and its entry in the list of them.
fn print_new_api_key(service: &str, scopes: &[String]) -> ExitCode {
    match keys::new_api_key(service, scopes) {
        Ok((key, entry)) => {
            println!("api key: {key}\nentry: {entry}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The reason why the gateway did not start.
enum StartError {
    /// The operator's to mend: exit code 2.
    Settings(Problems),
    Other(Box<dyn std::error::Error>),
}

impl From<Problems> for StartError {
    fn from(problems: Problems) -> Self {
        Self::Settings(problems)
    }
}

fn other(error: impl std::error::Error + 'static) -> StartError {
    StartError::Other(Box::new(error))
}

async fn run() -> Result<(), StartError> {
    let (settings, mut problems) = Settings::read(|name| std::env::var(name).ok());
    // In development a start that fails anyway must not leave keys behind.
    if !problems.is_empty() && settings.environment == Environment::Development {
        return Err(problems.into());
    }
    let keys = match Keys::load(&settings).await {
        Ok(keys) if problems.is_empty() => keys,
        Ok(_) => return Err(problems.into()),
        Err(part) => {
            problems.append("", part);
            return Err(problems.into());
        }
    };
    std::fs::create_dir_all(&settings.data_dir).map_err(other)?;
    let listener = TcpListener::bind(settings.addr).await.map_err(other)?;
    let addr = listener.local_addr().map_err(other)?;
    let welcome = welcome(addr, &keys);
    let stopping = stopping().map_err(other)?;
    // Layers take the handles of their metrics when they are made, so the recorder comes first.
    let metrics = PrometheusBuilder::new().install_recorder().map_err(other)?;
    let (service, trail) = assemble(&settings, keys, addr, metrics, stopping.clone()).await?;

    // A closed standard output is no reason not to serve.
    let _ = std::io::stdout().write_all(welcome.as_bytes());
    let served = serve(listener, service)
        .drain(DRAIN)
        .with_graceful_shutdown(told_to_stop(stopping))
        .await;
    if served.cut_off > 0 {
        tracing::warn!(
            connections = served.cut_off,
            "connections were still open when the time to drain was over"
        );
    }
    if let Some(vault) = &settings.secrets.vault
        && let Ok(Err(error)) = tokio::time::timeout(REVOKE, vault.shutdown()).await
    {
        tracing::warn!(%error, "the token of Vault was not revoked, and ends by itself");
    }
    let lost = trail.shutdown(FLUSH).lost;
    if lost > 0 {
        tracing::error!(lost, "records of the trail were lost");
    }
    Ok(())
}

/// The name of this gateway among those on one Redis: the machine, and where it listens.
fn instance(addr: SocketAddr) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}/{addr}", machine.trim())
}

/// Puts everything together: the database, the users, the layers, the routes.
async fn assemble(
    settings: &Settings,
    keys: Keys,
    addr: SocketAddr,
    metrics: PrometheusHandle,
    stopping: watch::Receiver<bool>,
) -> Result<(ProtectedRouter, Guard), StartError> {
    let (audit, trail) = hardening::open_trail(settings)?;
    let upstream_token = generate::token_urlsafe(32).map_err(other)?;
    let upstream_token = upstream_token.expose_secret();
    let upstream_auth = AuthLayer::new()
        .service_token("gateway", upstream_token)
        .map_err(other)?;
    let (upstream_addr, upstream) = upstream::start(upstream_auth.leak()).await.map_err(other)?;
    let assembly = hardening::assembly(settings, &audit, keys.auth, keys.cipher.clone())?;
    let assembly = Arc::new(assembly);
    let stack = assembly.stack(&settings.config);
    let (stack, stack_reload) = stack.map_err(|error| problems_of(&error))?.reloadable();
    let (ping, ping_reload) = Reloader::ping(&assembly).reloadable();
    let bearer = BearerLayer::fixed(upstream_token).map_err(other)?;
    let mut quotes = Quotes::new(upstream_addr, bearer, settings).map_err(StartError::Other)?;
    if let Some(redis) = &settings.redis {
        quotes = quotes.shared(redis.clone(), &instance(addr));
    }
    let config = ConfigState::default();
    let reloader = Reloader {
        file: settings.config_file.clone(),
        current: settings.config.clone(),
        assembly: Arc::clone(&assembly),
        stack: stack_reload,
        ping: ping_reload,
        breaker: quotes.breaker().clone(),
        audit: audit.clone(),
        state: config.clone(),
    };
    reloader.spawn().map_err(other)?;
    let app = App {
        bookings: Bookings::new(Store::open(&settings.data_dir).map_err(other)?, keys.cipher),
        users: Users::demo(keys.demo_password.as_ref())
            .await
            .map_err(other)?,
        tokens: keys.tokens,
        verifier: keys.verifier,
        refresh: keys.refresh,
        roles: keys::roles().map_err(other)?,
        assembly: Arc::clone(&assembly),
        config: config.clone(),
        counts: Counts::of(&audit, quotes.breaker()),
        public: AnswerCache::new(settings.public_cache),
        quotes,
        upstream,
        audit,
        metrics,
        stopping,
    };
    let open_dashboard =
        addr.ip().is_loopback() && settings.environment == Environment::Development;
    Ok((
        protect(
            routes::router(Box::leak(Box::new(app)), ping, open_dashboard),
            stack,
        ),
        trail,
    ))
}

/// Becomes true when the process is told to stop, by SIGTERM or from the terminal.
fn stopping() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let (tell, stopping) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tell.send_replace(true);
        // Whoever waits is still told after this task has ended.
        tell.closed().await;
    });
    Ok(stopping)
}

/// Requests under way are then answered, new ones are not accepted.
async fn told_to_stop(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Prints how to try the gateway. In production it prints the address alone.
fn welcome(addr: SocketAddr, keys: &Keys) -> String {
    let mut text = format!("listening on http://{addr}\n");
    let (Some(password), Some(api_key)) = (&keys.demo_password, &keys.api_key) else {
        return text;
    };
    let password = password.expose_secret();
    text += "\nname    password          role         scopes\n";
    for user in users::DEMO {
        text += &format!(
            "{:6}  {password}  {:11}  {}\n",
            user.name,
            user.role,
            user.scopes.join(" ")
        );
    }
    text += &format!(
        "\napi key: {api_key}\n\n\
         curl -i http://{addr}/v1/ping\n\
         curl -i http://{addr}/api/me -H 'X-API-Key: {api_key}'\n\
         curl -s http://{addr}/auth/token --json '{{\"username\":\"alice\",\"password\":\"{password}\"}}'\n\
         curl -i http://{addr}/api/quote\n"
    );
    text
}
