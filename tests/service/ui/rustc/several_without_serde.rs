use std::fmt;

use isolated_workers::service;

struct Point;

#[derive(Debug)]
struct Line;

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line")
    }
}

#[service]
trait Canvas {
    async fn draw(&self, from: Point, name: String, to: Vec<Line>) -> Result<Point, Line>;
}

fn main() {}
