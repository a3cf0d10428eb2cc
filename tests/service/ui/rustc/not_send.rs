use std::rc::Rc;

use isolated_workers::service;

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: i64) -> i64 {
        let sum = Rc::new(a + b);
        std::future::ready(()).await;
        *sum
    }
}

fn main() {}
