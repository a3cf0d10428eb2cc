struct MyCalculator;

#[isolated_workers::main]
async fn main() -> MyCalculator {
    MyCalculator
}
