//! What a worker is asked, and how it does it. Nothing here knows that it runs in another process.

use std::fs;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use isolated_workers::service;
use serde::{Deserialize, Serialize};

use crate::scale_error::{ScaleError, unwritable};

#[service]
pub(crate) trait Thumbnailer {
    /// Writes `source` to `target` as a PNG with no edge longer than `size`. To do it twice does no harm, so: `retry`.
    #[message(retry = 3, timeout = "60s")]
    async fn scale(&self, source: PathBuf, target: PathBuf, size: u32) -> Result<Thumbnail, ScaleError>;
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Thumbnail {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// The longest edge of an image, in pixels.
pub(crate) const EDGE: u32 = 16_384;
/// What a decoded image may take, in MiB.
pub(crate) const MEMORY: u64 = 256;

pub(crate) struct Scaler;

impl Thumbnailer for Scaler {
    /// Computes without a pause and so blocks the worker's runtime, which is right: it does one image at a time.
    async fn scale(&self, source: PathBuf, target: PathBuf, size: u32) -> Result<Thumbnail, ScaleError> {
        let mut image = decode(&source)?;
        if image.width().max(image.height()) > size {
            image = image.thumbnail(size, size);
        }
        let mut png = Cursor::new(Vec::new());
        image.write_to(&mut png, ImageFormat::Png).map_err(unwritable)?;
        // Whoever finds the thumbnail finds all of it, however this process ends.
        let partial = partial(&target);
        fs::write(&partial, png.into_inner()).map_err(unwritable)?;
        fs::rename(&partial, &target).map_err(unwritable)?;
        Ok(Thumbnail { width: image.width(), height: image.height() })
    }
}

/// Where a thumbnail is until it is complete: always the same, so that the next attempt overwrites what is left there.
pub(crate) fn partial(target: &Path) -> PathBuf {
    target.with_extension("png.part")
}

fn decode(source: &Path) -> Result<DynamicImage, ScaleError> {
    let file = BufReader::new(fs::File::open(source).map_err(ImageError::from)?);
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(EDGE), Some(EDGE));
    limits.max_alloc = Some(MEMORY << 20);
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(ImageError::from)?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}
