use isolated_workers::service;

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: i64) -> Result<i64, String> {
        a.checked_add(b).ok_or("overflow".to_owned())
    }
}

fn main() {}
