//! Makes a folder of images for the example `thumbnails`: good ones in four formats, and three that no worker can do.
//! They are the same on every run.
//!
//! `cargo run --release --example make_images -- <folder> [count]`
//!
//! Without a count it makes the twelve small images of `examples/images`, with one that is as many images of about
//! 1500x1000, each of which is real work.

use std::f64::consts::TAU;
use std::io::Cursor;
use std::path::Path;
use std::{env, error, fs};

use image::codecs::gif::GifEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgba, RgbaImage};

type Result<T> = std::result::Result<T, Box<dyn error::Error>>;

/// A picture as a function: the shorter edge is from -0.5 to 0.5, and `turn` makes each picture another one.
type Scene = fn(x: f64, y: f64, turn: f64) -> [u8; 4];

const SCENES: [(&str, Scene); 3] = [("gradient", gradient), ("julia", julia), ("mandelbrot", mandelbrot)];
const EXTENSIONS: [&str; 4] = ["png", "jpg", "gif", "webp"];
const SMALL: [(u32, u32); 5] = [(400, 280), (280, 420), (320, 320), (520, 200), (180, 440)];
const LARGE: [(u32, u32); 3] = [(1500, 1000), (1000, 1500), (1280, 1170)];

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let (folder, count) = match args.as_slice() {
        [folder] => (Path::new(folder), None),
        [folder, count] => (Path::new(folder), Some(count.parse()?)),
        _ => return Err("usage: make_images <folder> [count]".into()),
    };
    fs::create_dir_all(folder)?;
    for index in 0..count.unwrap_or(SCENES.len() * EXTENSIONS.len()) {
        let extension = EXTENSIONS[index % EXTENSIONS.len()];
        let (name, scene) = SCENES[index / EXTENSIONS.len() % SCENES.len()];
        let (file, (width, height)) = match count {
            // Four files of one stem, which must not become one thumbnail.
            None => (format!("{name}.{extension}"), SMALL[index % SMALL.len()]),
            Some(_) => (format!("{name}-{index:04}.{extension}"), LARGE[index % LARGE.len()]),
        };
        let image = paint(scene, width, height, index as f64 * 0.1);
        fs::write(folder.join(file), encode(image, extension)?)?;
    }

    let whole = encode(paint(mandelbrot, 320, 200, 0.0), "png")?;
    fs::write(folder.join("broken.png"), &whole[..whole.len() / 2])?;
    fs::write(folder.join("not-an-image.jpg"), "This is a text, whatever its name says.\n")?;
    fs::write(folder.join("bomb.png"), bomb()?)?;
    Ok(())
}

fn paint(scene: Scene, width: u32, height: u32, turn: f64) -> RgbaImage {
    let edge = f64::from(width.min(height));
    let place = |at: u32, of: u32| (f64::from(at) - f64::from(of) / 2.0) / edge;
    RgbaImage::from_fn(width, height, |x, y| Rgba(scene(place(x, width), place(y, height), turn)))
}

fn encode(image: RgbaImage, extension: &str) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let image = DynamicImage::from(image);
    match extension {
        // It has no alpha.
        "jpg" => image.to_rgb8().write_to(&mut bytes, ImageFormat::Jpeg)?,
        "webp" => image.write_to(&mut bytes, ImageFormat::WebP)?,
        // The fastest choice of colours: the scenes have few.
        "gif" => {
            let (width, height) = (image.width(), image.height());
            GifEncoder::new_with_speed(&mut bytes, 30).encode(
                image.as_bytes(),
                width,
                height,
                ExtendedColorType::Rgba8,
            )?;
        }
        _ => image.write_to(&mut bytes, ImageFormat::Png)?,
    }
    Ok(bytes.into_inner())
}

/// A sunset that becomes transparent towards its end.
fn gradient(x: f64, y: f64, turn: f64) -> [u8; 4] {
    let level = ((0.5 + y + x * x * 0.2) * 48.0).floor() / 48.0;
    let [red, green, blue, _] = color(turn + level * 0.5);
    [red, green, blue, (255.0 * (1.2 - level).clamp(0.0, 1.0)) as u8]
}

fn julia(x: f64, y: f64, turn: f64) -> [u8; 4] {
    let (sin, cos) = (2.0 + turn).sin_cos();
    escape((2.4 * x, 2.4 * y), (0.7885 * cos, 0.7885 * sin), turn)
}

fn mandelbrot(x: f64, y: f64, turn: f64) -> [u8; 4] {
    escape((0.0, 0.0), (2.6 * x - 0.7, 2.6 * y), turn)
}

/// The color of how soon `z² + c` leaves the circle of radius 2; transparent where it does not.
fn escape((mut re, mut im): (f64, f64), c: (f64, f64), turn: f64) -> [u8; 4] {
    const STEPS: u32 = 28;
    for step in 0..STEPS {
        if re * re + im * im > 4.0 {
            return color(turn + f64::from(step) / f64::from(STEPS));
        }
        (re, im) = (re * re - im * im + c.0, 2.0 * re * im + c.1);
    }
    [0, 0, 0, 0]
}

fn color(at: f64) -> [u8; 4] {
    let channel = |shift: f64| (127.5 * (1.0 + (TAU * (at + shift)).sin())) as u8;
    [channel(0.9), channel(0.0), channel(0.35), 255]
}

/// A decompression bomb: a valid file of 110 KB that is 30000x30000 pixels, 900 MB when decoded to a byte each.
fn bomb() -> Result<Vec<u8>> {
    const EDGE: u32 = 30_000;
    let mut bytes = Vec::new();
    let black = vec![0; (EDGE / 8 * EDGE) as usize];
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter).write_image(
        &black,
        EDGE / 8,
        EDGE,
        ExtendedColorType::L8,
    )?;
    // A gray pixel of 8 bits has the same data as 8 pixels of 1 bit: only the header is to say so. It is at 12 to 29,
    // with its checksum behind it.
    bytes[16..20].copy_from_slice(&EDGE.to_be_bytes());
    bytes[24] = 1;
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    Ok(bytes)
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    })
}
