use isolated_workers::service;

fn main() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Point {
        x: i32,
    }

    #[service]
    trait Canvas {
        async fn draw(&self, at: Point);
    }
}
