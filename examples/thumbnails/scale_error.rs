//! What a worker answers about a file that it can do nothing with.

use std::fmt;
use std::io::ErrorKind::UnexpectedEof;

use image::ImageError;
use serde::{Deserialize, Serialize};

use crate::service::{EDGE, MEMORY};

/// What is wrong with a file. The errors of `image` cannot travel to another process, but their texts can.
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
            Self::Unreadable(why) => write!(f, "the file cannot be read: {why}"),
            Self::Undecodable(why) => write!(f, "the file cannot be decoded: {why}"),
            Self::TooLarge => write!(f, "the image is too large: over {EDGE}x{EDGE} pixels or {MEMORY} MiB"),
            Self::Unwritable(why) => write!(f, "the thumbnail cannot be written: {why}"),
        }
    }
}
