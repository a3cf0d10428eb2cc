use isolated_workers::{Program, Worker};

fn main() {
    let _builder = Worker::builder(Program::new("./calculator")).ids(17);
}
