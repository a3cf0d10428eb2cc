//! Lists the images of a folder, with the paths of their thumbnails.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::options::Options;

pub(crate) struct Image {
    /// Name of the file, for people.
    pub(crate) name: String,
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
}

pub(crate) fn images(Options { folder, out, copies, .. }: &Options) -> Result<Vec<Image>, String> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries =
        entries.map_err(|error| format!("could not read the folder {}: {error}", folder.display()))?;
    let mut sources: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    sources.retain(|source| {
        let extension = source.extension().unwrap_or_default().to_ascii_lowercase();
        source.is_file()
            && ["png", "jpg", "jpeg", "gif", "webp"].iter().any(|supported| extension == *supported)
    });
    sources.sort();
    if sources.is_empty() {
        return Err(format!(
            "found no images (png, jpg, jpeg, gif, webp) in the folder {}",
            folder.display()
        ));
    }
    fs::create_dir_all(out)
        .map_err(|error| format!("could not create the folder {}: {error}", out.display()))?;
    let image = |source: &PathBuf, copy: usize| {
        // Keeps the extension, so that the thumbnails of a.jpg and a.png have different names.
        let name = source.file_name().unwrap_or_default();
        let mut target = if copy == 0 { OsString::new() } else { format!("{copy}-").into() };
        target.push(name);
        target.push(".png");
        Image { name: name.display().to_string(), target: out.join(target), source: source.clone() }
    };
    Ok((0..*copies).flat_map(|copy| sources.iter().map(move |source| image(source, copy))).collect())
}
