//! A web server that parses untrusted input in a pool of workers. A request that crashes or hangs
//! its worker gets an error, and the others are answered.
//!
//! ```text
//! cargo run -p web_server                       # makes five requests and ends
//! cargo run -p web_server -- 127.0.0.1:8080     # serves until Ctrl-C
//! curl --data '1 + 2' http://127.0.0.1:8080/sum
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use isolated_workers::host::{OnCrash, OnTimeout};
use isolated_workers::pool::WhenFull;
use isolated_workers::prelude::*;
use isolated_workers::service::BoxService;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[service]
trait Calculator {
    /// Adds the numbers of a text such as "1 + 2".
    #[message(idempotent, timeout = "1s")]
    async fn sum(&self, text: String) -> Result<i64, SumError>;
}

/// Error of the handler, which arrives as this type.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
enum SumError {
    #[error("{0:?} is not a number")]
    NotANumber(String),
    #[error("the sum is too large")]
    TooLarge,
}

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn sum(&self, text: String) -> Result<i64, SumError> {
        match text.trim() {
            // Bugs of a parser, which cost one request each.
            "crash" => std::process::abort(),
            "hang" => loop {
                std::thread::park();
            },
            _ => {}
        }
        text.split('+').try_fold(0_i64, |sum, word| {
            let number: i64 =
                word.trim().parse().map_err(|_| SumError::NotANumber(word.trim().to_owned()))?;
            sum.checked_add(number).ok_or(SumError::TooLarge)
        })
    }
}

/// State of the server. Its clones share the pool.
#[derive(Clone)]
struct App {
    pool: Pool<BoxService>,
}

async fn sum(State(app): State<App>, text: String) -> Result<String, (StatusCode, String)> {
    match CalculatorClient::new(&app.pool).sum(text).await {
        Ok(sum) => Ok(format!("{sum}\n")),
        Err(CallError::Service(error)) => Err((StatusCode::BAD_REQUEST, format!("{error}\n"))),
        Err(CallError::Call(error)) => {
            let status = match error.kind() {
                ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
                ErrorKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            // The details, such as paths and process ids, are for the log and not for a client.
            eprintln!("{error}");
            Err((status, format!("{status}\n")))
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if is_worker() {
        return Ok(serve(MyCalculator.into_service()).await?);
    }
    // The handler never awaits, so only a kill ends one that hangs.
    let pool = Pool::builder(Program::current_exe()?)
        .workers(2)
        .queue(1000, WhenFull::Reject)
        .on_crash(OnCrash::reject())
        .on_timeout(OnTimeout::Kill)
        .spawn()
        .await
        .context("could not start the pool")?;
    let app = App { pool: pool.clone().boxed() };
    let router = Router::new().route("/sum", post(sum)).with_state(app);

    match std::env::args().nth(1) {
        Some(address) => {
            let listener = TcpListener::bind(&address).await.context(address)?;
            run(listener, router, async { _ = tokio::signal::ctrl_c().await }).await?;
        }
        None => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            run(listener, router, async move {
                for text in ["1 + 2", "1 + two", "crash", "hang", "3 + 4"] {
                    match request(address, text).await {
                        Ok(answer) => println!("{text}: {answer}"),
                        Err(error) => println!("{text}: {error:#}"),
                    }
                }
            })
            .await?;
        }
    }
    // No request is left. The workers finish and end.
    Ok(pool.drain().await?)
}

/// Serves until `end`, and then finishes the requests that have arrived.
async fn run(
    listener: TcpListener,
    router: Router,
    end: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, router).with_graceful_shutdown(end).await?)
}

/// Makes a request. Returns the status and the first line of the body.
async fn request(address: SocketAddr, body: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let head = format!(
        "POST /sum HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).await?;
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await??;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("not an answer: {answer:?}") };
    let status = head.split(' ').nth(1).context("a status")?;
    Ok(format!("{status} {}", body.lines().next().unwrap_or_default()))
}
