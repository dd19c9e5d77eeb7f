use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use palisade::Name;
use palisade::secrets::{
    Error, ExposeSecret, Fetched, Provider, ProviderError, Secret, SecretString, Stage, generate,
};

/// Makes the secrets of a development machine once, and keeps them in files that only their owner can read.
///
/// So a restart reads what it wrote, and `cargo run` needs no configuration. Never part of a production start.
pub(super) struct KeptKeys {
    folder: PathBuf,
}

impl KeptKeys {
    pub(super) const fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn read_or_make(&self, name: &str) -> std::io::Result<Option<SecretString>> {
        let path = self.folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some(text.trim_end().into())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let Some(make) = maker(name) else {
            return Ok(None);
        };
        let secret = make().map_err(std::io::Error::other)?;
        std::fs::create_dir_all(&self.folder)?;
        std::fs::set_permissions(&self.folder, Permissions::from_mode(0o700))?;
        keep(&path, &secret)?;
        // Another process may have been first: what lies there now is what counts.
        Ok(Some(std::fs::read_to_string(&path)?.trim_end().into()))
    }
}

type Make = fn() -> Result<SecretString, Error>;

fn maker(name: &str) -> Option<Make> {
    match name {
        "ENCRYPTION_KEY" => Some(generate::key),
        "JWT_SECRET_KEY" | "CRM_BEARER_TOKEN" | "BACKEND_SERVICE_TOKEN" => {
            Some(|| generate::token_urlsafe(32))
        }
        "GATEWAY_DEMO_PASSWORD" => Some(|| generate::token_urlsafe(12)),
        _ => None,
    }
}

/// Writes the file whole or not at all, and never over another one.
fn keep(path: &Path, secret: &SecretString) -> std::io::Result<()> {
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let written = writeln!(file, "{}", secret.expose_secret()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match std::fs::hard_link(&unfinished, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result,
    });
    std::fs::remove_file(&unfinished)?;
    linked
}

impl Provider for KeptKeys {
    fn name(&self) -> Name {
        Name::from_static("data directory")
    }

    async fn fetch(&self, name: &str, stage: Stage) -> Result<Option<Fetched>, ProviderError> {
        if stage != Stage::Current {
            return Ok(None);
        }
        let secret = self
            .read_or_make(name)
            .map_err(|error| ProviderError::new(format!("{}: {error}", self.folder.display())))?;
        Ok(secret.map(|secret| Fetched::fixed(Secret::new(secret))))
    }
}
