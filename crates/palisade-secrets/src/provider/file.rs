use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::ProviderError;

/// The most bytes that a file with a secret may have.
const MAX_FILE: u64 = 1024 * 1024;

/// The secret in a file. `None` if there is no such file.
///
/// A byte order mark at its start, which some editors leave there, and line breaks at its end are not part of it.
pub(super) fn read(path: &Path) -> Result<Option<SecretString>, ProviderError> {
    let wrong = |what: &str| ProviderError::new(format!("{} {what}", path.display()));
    let failed = |error: io::Error| wrong(&format!("cannot be read: {}", error.kind()));
    // It is looked at first, because opening a pipe waits until somebody writes to it.
    let len = match std::fs::metadata(path) {
        Ok(found) if found.is_file() => found.len(),
        Ok(found) if found.is_dir() => return Err(wrong("is a directory")),
        Ok(_) => return Err(wrong("is not a regular file")),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Room for all of it, because a buffer that grows leaves copies behind.
    let room = usize::try_from(len.min(MAX_FILE)).unwrap_or(0) + 1;
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(wrong("is larger than 1 MiB"));
    }
    let value = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let value = value.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(wrong("is empty"));
    }
    if value.trim().is_empty() {
        return Err(wrong("holds nothing but blanks"));
    }
    if value.contains('\0') {
        return Err(wrong("holds a NUL byte"));
    }
    Ok(Some(value.into()))
}
