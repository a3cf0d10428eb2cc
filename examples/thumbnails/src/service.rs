//! The service and its handler, which work in any process.

use std::ffi::OsString;
use std::fs;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use isolated_workers::service;
use serde::{Deserialize, Serialize};

use crate::scale_error::{ScaleError, unwritable};

#[service]
pub(crate) trait Thumbnailer {
    /// Scales `source` to edges of at most `size` pixels, and writes it to `target` as a PNG.
    ///
    /// Safe to run twice, so it is retried up to three times if its worker crashes.
    ///
    /// The paths are `OsString`s, because serde refuses a `PathBuf` that is not UTF-8.
    #[message(retry = 3, timeout = "60s")]
    async fn scale(&self, source: OsString, target: OsString, size: u32) -> Result<Thumbnail, ScaleError>;
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Thumbnail {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Maximum edge of an image.
pub(crate) const MAX_EDGE_PX: u32 = 16_384;
/// Maximum memory of a decoded image.
pub(crate) const MAX_MEMORY_MIB: u64 = 256;

pub(crate) struct Scaler;

impl Thumbnailer for Scaler {
    /// Blocks the worker's runtime. This is fine, as each worker handles one image at a time.
    async fn scale(&self, source: OsString, target: OsString, size: u32) -> Result<Thumbnail, ScaleError> {
        let (source, target) = (Path::new(&source), Path::new(&target));
        let mut image = decode(source)?;
        if image.width().max(image.height()) > size {
            image = image.thumbnail(size, size);
        }
        let mut png = Cursor::new(Vec::new());
        image.write_to(&mut png, ImageFormat::Png).map_err(unwritable)?;
        // Renames the complete file, so that no crash leaves a truncated thumbnail.
        let partial = partial(target);
        fs::write(&partial, png.into_inner()).map_err(unwritable)?;
        fs::rename(&partial, target).map_err(unwritable)?;
        Ok(Thumbnail { width: image.width(), height: image.height() })
    }
}

/// Path of an incomplete thumbnail. It is the same for each attempt, so that a retry overwrites the
/// file of a crashed worker.
pub(crate) fn partial(target: &Path) -> PathBuf {
    target.with_extension("png.part")
}

fn decode(source: &Path) -> Result<DynamicImage, ScaleError> {
    let file = BufReader::new(fs::File::open(source).map_err(ImageError::from)?);
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_EDGE_PX), Some(MAX_EDGE_PX));
    limits.max_alloc = Some(MAX_MEMORY_MIB << 20);
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(ImageError::from)?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}
