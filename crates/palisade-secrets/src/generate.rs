//! Good secrets, and the files to keep them in.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::{Environment, Error};

/// A token of `bytes` random bytes, in base64url without padding: letters, digits, `-` and `_`.
///
/// # Errors
///
/// [`Error::Generate`] when the operating system gives no random bytes.
///
/// # Example
///
/// ```
/// use palisade_secrets::{ExposeSecret, generate};
///
/// assert_eq!(generate::token_urlsafe(32)?.expose_secret().len(), 43);
/// # Ok::<(), palisade_secrets::Error>(())
/// ```
pub fn token_urlsafe(bytes: usize) -> Result<SecretString, Error> {
    let mut random = Zeroizing::new(vec![0; bytes]);
    fill(&mut random)?;
    Ok(URL_SAFE_NO_PAD.encode(&*random).into())
}

/// A key of 32 random bytes in base64, as `ENCRYPTION_KEY` wants it.
///
/// # Errors
///
/// [`Error::Generate`] when the operating system gives no random bytes.
pub fn key() -> Result<SecretString, Error> {
    let mut random = Zeroizing::new([0; 32]);
    fill(&mut *random)?;
    Ok(STANDARD.encode(random.as_slice()).into())
}

fn fill(out: &mut [u8]) -> Result<(), Error> {
    palisade_core::random::fill(out)
        .map_err(|error| failed("a random value", io::Error::other(error)))
}

/// Writes a file of variables with fresh secrets for an environment, for its owner alone to read.
///
/// The file is whole or not there, and an existing one is never touched.
///
/// # Errors
///
/// [`Error::Generate`], among others when there is a file already.
pub fn env_file(environment: Environment, path: impl AsRef<Path>) -> Result<(), Error> {
    let text = env_text(environment)?;
    let path = path.as_ref();
    write_new(path, text.as_bytes()).map_err(|error| failed(&path.display(), error))
}

fn env_text(environment: Environment) -> Result<Zeroizing<String>, Error> {
    // Room for all of it, because a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(1024));
    let mut line = |name: &str, value: &str| {
        for part in [name, "=", value, "\n"] {
            text.push_str(part);
        }
    };
    line("ENVIRONMENT", environment.as_str());
    line("JWT_SECRET_KEY", token_urlsafe(48)?.expose_secret());
    line("ENCRYPTION_KEY", key()?.expose_secret());
    line("DB_PASSWORD", token_urlsafe(24)?.expose_secret());
    line("CRM_BEARER_TOKEN", token_urlsafe(32)?.expose_secret());
    line("BACKEND_SERVICE_TOKEN", token_urlsafe(32)?.expose_secret());
    Ok(text)
}

/// The directory that a file is in, as a path that can be opened.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes beside the place, then links it there: a link, unlike a rename, fails when there is something already.
fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let random: [u8; 8] = palisade_core::random::bytes().map_err(io::Error::other)?;
    let temporary = TemporaryFile(directory.join(format!(
        ".{}.{:016x}",
        name.to_string_lossy(),
        u64::from_be_bytes(random)
    )));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary.0)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::hard_link(&temporary.0, path)?;
    drop(temporary);
    #[cfg(unix)]
    std::fs::File::open(directory)?.sync_all()?;
    Ok(())
}

/// A file that goes when this does.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn failed(what: &(impl ToString + ?Sized), source: io::Error) -> Error {
    Error::Generate {
        what: what.to_string(),
        source: Arc::new(source),
    }
}

#[cfg(test)]
mod tests {
    use palisade_core::secret;

    use super::*;

    #[test]
    fn a_file_of_variables_is_for_its_owner_alone_and_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env.staging");
        env_file(Environment::Staging, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let again = env_file(Environment::Staging, &path).unwrap_err();
        assert!(
            matches!(&again, Error::Generate { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1, "nothing else is left behind");
    }

    #[test]
    fn every_value_of_the_file_is_good_and_differs_from_the_last_file() {
        let texts = [Environment::Production, Environment::Production].map(|environment| {
            env_text(environment)
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        assert_eq!(texts[0][0], "ENVIRONMENT=production");
        assert_eq!(texts[0].len(), 6);
        for (line, other) in texts[0].iter().zip(&texts[1]).skip(1) {
            let (_, value) = line.split_once('=').unwrap();
            assert_eq!(secret::check(value.as_bytes(), 32), Ok(()), "{line}");
            assert_ne!(line, other);
        }
    }

    #[test]
    fn a_file_is_written_in_the_directory_that_it_is_for() {
        for (path, directory) in [
            (".env.staging", "."),
            ("config/.env.staging", "config"),
            ("/etc/app/.env", "/etc/app"),
            ("/.env", "/"),
        ] {
            assert_eq!(
                directory_of(Path::new(path)),
                Path::new(directory),
                "{path}"
            );
        }
    }
}
