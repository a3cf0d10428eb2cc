//! Worker that serves `Calculator`. Its argument selects a variant.
//!
//! `exit`, `return` and `sleep` do not serve. `auth` requires a token, `frugal` has low limits,
//! `configured` expects startup data, and `stdio` accepts only one transport.

mod service;

use std::collections::BTreeMap;
use std::future::pending;

use isolated_workers::codec::Json;
use isolated_workers::layer::Auth;
use isolated_workers::protocol::Limits;
use isolated_workers::service::Context;
use isolated_workers::transport::Stdio;
use isolated_workers::{Error, serve, serve_with};
use service::{Calculator, CalculatorClient, DivideError};

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError> {
        a.checked_div(b).ok_or(DivideError::ByZero)
    }
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }
    async fn root(&self, number: i64) -> i64 {
        number.checked_isqrt().expect("a number that has a root")
    }
    async fn table(&self) -> BTreeMap<(i64, i64), i64> {
        [((2, 3), 6)].into()
    }
    async fn pi(&self) {
        pending().await
    }
    async fn pi_soon(&self) {
        pending().await
    }
    async fn brood(&self) {
        loop {
            std::thread::park();
        }
    }
    async fn delegate(&self, context: Context) -> i64 {
        let host = context.host::<Json>().expect("a host that serves");
        CalculatorClient::new(host).add(2, 3).await.unwrap_or_default()
    }
    async fn exit(&self, code: i32) {
        eprintln!("the battery is empty");
        std::process::exit(code)
    }
    async fn halt(&self) {
        std::process::exit(4)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let calculator = serve(MyCalculator.into_service());
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "exit" => {
            eprintln!("calculator: no display found");
            std::process::exit(3)
        }
        "return" => Ok(()),
        "sleep" => pending().await,
        "stdio" => calculator.transport(Stdio).await,
        "configured" => {
            serve_with(async |digits: u8| match digits {
                0 => Err("a calculator needs a digit"),
                _ => Ok(MyCalculator.into_service()),
            })
            .await
        }
        "auth" => calculator.layer(Auth::new("the token")).await,
        "frugal" => calculator.limits(Limits::default().elements(100)).await,
        _ => calculator.await,
    }
}
