use isolated_workers::Worker;

fn main() {
    let _builder = Worker::builder("./calculator");
}
