//! Makes a folder of images for the example `thumbnails`: valid ones in four formats, and three
//! that cannot be decoded. Every run makes the same images.
//!
//! `cargo run --release -p thumbnails --bin make_images -- <folder> [count]`
//!
//! Without a count it makes the twelve small images of `examples/thumbnails/images`. With a count
//! it makes as many images of about 1500x1000 pixels, which take noticeable time to scale.

mod bomb;
mod scenes;

use std::io::Cursor;
use std::path::Path;
use std::{env, error, fs};

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, ExtendedColorType, ImageFormat, RgbaImage};
use scenes::{SCENES, mandelbrot, paint};

type Result<T> = std::result::Result<T, Box<dyn error::Error>>;

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
            // Four files with the same stem, whose thumbnails must not overwrite each other.
            None => (format!("{name}.{extension}"), SMALL[index % SMALL.len()]),
            Some(_) => (format!("{name}-{index:04}.{extension}"), LARGE[index % LARGE.len()]),
        };
        let image = paint(scene, width, height, index as f64 * 0.1);
        fs::write(folder.join(file), encode(image, extension)?)?;
    }

    let complete = encode(paint(mandelbrot, 320, 200, 0.0), "png")?;
    fs::write(folder.join("broken.png"), &complete[..complete.len() / 2])?;
    fs::write(folder.join("not-an-image.jpg"), "This is a text, despite its name.\n")?;
    fs::write(folder.join("bomb.png"), bomb::bomb()?)?;
    Ok(())
}

fn encode(image: RgbaImage, extension: &str) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let image = DynamicImage::from(image);
    match extension {
        // JPEG has no alpha channel.
        "jpg" => image.to_rgb8().write_to(&mut bytes, ImageFormat::Jpeg)?,
        "webp" => image.write_to(&mut bytes, ImageFormat::WebP)?,
        // The fastest color quantization: the scenes have few colors.
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
