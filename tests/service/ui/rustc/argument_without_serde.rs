use isolated_workers::service;

struct Point {
    x: i32,
    y: i32,
}

#[service]
trait Canvas {
    async fn draw(&self, at: Point);
}

fn main() {}
