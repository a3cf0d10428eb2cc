//! The image that is too large to decode.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError};

/// A decompression bomb: a valid file of 110 KB with 30000x30000 pixels, 900 MB if decoded to a
/// byte each.
pub(crate) fn bomb() -> Result<Vec<u8>, ImageError> {
    const EDGE_PX: u32 = 30_000;
    let mut bytes = Vec::new();
    let black = vec![0; (EDGE_PX / 8 * EDGE_PX) as usize];
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter).write_image(
        &black,
        EDGE_PX / 8,
        EDGE_PX,
        ExtendedColorType::L8,
    )?;
    // A gray pixel of 8 bits has the same data as 8 pixels of 1 bit, so only the header changes.
    // The header is in bytes 12 to 28, followed by its checksum.
    bytes[16..20].copy_from_slice(&EDGE_PX.to_be_bytes());
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
