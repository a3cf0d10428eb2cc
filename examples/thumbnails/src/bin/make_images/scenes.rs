//! The pictures of the valid images.

use std::f64::consts::TAU;

use image::{Rgba, RgbaImage};

/// Color of a picture at a point. The shorter edge is from -0.5 to 0.5. `phase` varies the picture.
pub(crate) type Scene = fn(x: f64, y: f64, phase: f64) -> [u8; 4];

pub(crate) const SCENES: [(&str, Scene); 3] =
    [("gradient", gradient), ("julia", julia), ("mandelbrot", mandelbrot)];

pub(crate) fn paint(scene: Scene, width: u32, height: u32, phase: f64) -> RgbaImage {
    let edge = f64::from(width.min(height));
    let coordinate = |at: u32, of: u32| (f64::from(at) - f64::from(of) / 2.0) / edge;
    RgbaImage::from_fn(width, height, |x, y| Rgba(scene(coordinate(x, width), coordinate(y, height), phase)))
}

/// A sunset that fades to transparent.
fn gradient(x: f64, y: f64, phase: f64) -> [u8; 4] {
    let level = ((0.5 + y + x * x * 0.2) * 48.0).floor() / 48.0;
    let [red, green, blue, _] = color(phase + level * 0.5);
    [red, green, blue, (255.0 * (1.2 - level).clamp(0.0, 1.0)) as u8]
}

fn julia(x: f64, y: f64, phase: f64) -> [u8; 4] {
    let (sin, cos) = (2.0 + phase).sin_cos();
    escape((2.4 * x, 2.4 * y), (0.7885 * cos, 0.7885 * sin), phase)
}

pub(crate) fn mandelbrot(x: f64, y: f64, phase: f64) -> [u8; 4] {
    escape((0.0, 0.0), (2.6 * x - 0.7, 2.6 * y), phase)
}

/// Color by the number of steps until `z² + c` leaves the circle of radius 2. Transparent if it
/// stays inside.
fn escape((mut re, mut im): (f64, f64), c: (f64, f64), phase: f64) -> [u8; 4] {
    const STEPS: u32 = 28;
    for step in 0..STEPS {
        if re * re + im * im > 4.0 {
            return color(phase + f64::from(step) / f64::from(STEPS));
        }
        (re, im) = (re * re - im * im + c.0, 2.0 * re * im + c.1);
    }
    [0, 0, 0, 0]
}

fn color(at: f64) -> [u8; 4] {
    let channel = |shift: f64| (127.5 * (1.0 + (TAU * (at + shift)).sin())) as u8;
    [channel(0.9), channel(0.0), channel(0.35), 255]
}
