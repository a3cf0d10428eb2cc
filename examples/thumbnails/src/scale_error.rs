//! Error of a file that cannot be scaled.

use std::fmt;
use std::io::ErrorKind::UnexpectedEof;

use image::ImageError;
use serde::{Deserialize, Serialize};

use crate::service::{MAX_EDGE_PX, MAX_MEMORY_MIB};

/// Error of `scale`. Holds the texts of the errors of `image`, which cannot be serialized.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ScaleError {
    Unreadable(String),
    Undecodable(String),
    TooLarge,
    Unwritable(String),
}

impl From<ImageError> for ScaleError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::IoError(error) if error.kind() != UnexpectedEof => {
                Self::Unreadable(error.to_string())
            }
            ImageError::Limits(_) => Self::TooLarge,
            error => Self::Undecodable(error.to_string()),
        }
    }
}

pub(crate) fn unwritable(error: impl fmt::Display) -> ScaleError {
    ScaleError::Unwritable(error.to_string())
}

impl fmt::Display for ScaleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "could not read the file: {why}"),
            Self::Undecodable(why) => write!(f, "could not decode the file: {why}"),
            Self::TooLarge => write!(
                f,
                "the image is too large: over {MAX_EDGE_PX}x{MAX_EDGE_PX} pixels or {MAX_MEMORY_MIB} MiB"
            ),
            Self::Unwritable(why) => write!(f, "could not write the thumbnail: {why}"),
        }
    }
}
