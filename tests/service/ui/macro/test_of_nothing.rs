#[isolated_workers::test]
async fn adds(worker: isolated_workers::Worker) {
    drop(worker);
}

#[isolated_workers::test]
fn blocks() {}

fn main() {}
