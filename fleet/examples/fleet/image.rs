//! Images in the format PPM (P6), which needs no decoder.

use bytes::Bytes;

/// Width and height of the images.
const EDGE: usize = 256;

/// Draws an image that no other number has.
pub(crate) fn draw(number: usize) -> Bytes {
    let mut image = format!("P6\n{EDGE} {EDGE}\n255\n").into_bytes();
    for y in 0..EDGE {
        for x in 0..EDGE {
            let pixel = [x + number, y ^ (number / 7), (x * y) / 64 + number];
            image.extend(pixel.map(|channel| (channel % 256) as u8));
        }
    }
    image.into()
}

/// Scales an image to edges of `side` pixels. Each pixel is the mean of those that it stands for.
///
/// # Errors
/// It is no image of this format, or smaller than `side`.
pub(crate) fn scale(image: &[u8], side: u32) -> Result<Bytes, String> {
    let (width, height, pixels) =
        decode(image).ok_or("could not decode the image: it is no PPM of 8 bits")?;
    let side = side as usize;
    if side == 0 || width < side || height < side {
        return Err(format!("could not scale an image of {width}x{height} to {side}x{side}"));
    }
    let mut scaled = format!("P6\n{side} {side}\n255\n").into_bytes();
    for y in 0..side {
        for x in 0..side {
            let (rows, columns) =
                (y * height / side..(y + 1) * height / side, x * width / side..(x + 1) * width / side);
            for channel in 0..3 {
                let values = rows.clone().flat_map(|row| {
                    columns.clone().map(move |column| u32::from(pixels[(row * width + column) * 3 + channel]))
                });
                let count = (rows.len() * columns.len()) as u32;
                scaled.push((values.sum::<u32>() / count) as u8);
            }
        }
    }
    Ok(scaled.into())
}

/// Returns width, height and pixels.
fn decode(image: &[u8]) -> Option<(usize, usize, &[u8])> {
    let mut fields = image.splitn(4, |byte| byte.is_ascii_whitespace());
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<usize>().ok();
    if fields.next()? != b"P6" {
        return None;
    }
    let (width, height) = (number(fields.next()?)?, number(fields.next()?)?);
    let pixels = fields.next()?.strip_prefix(b"255\n")?;
    (pixels.len() == width.checked_mul(height)?.checked_mul(3)?).then_some((width, height, pixels))
}
