//! A mounted directory that is gone is an error, and not the absence of its secrets.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use palisade_secrets::{EnvVars, Environment, Error, ExposeSecret, MountedDirectory, Secrets};

/// A directory before the environment, which has an older value.
async fn read(mount: &Path) -> Result<String, Error> {
    let older = EnvVars::from_fn(|name| (name == "TOKEN").then(|| "older".into()));
    let secrets = Secrets::builder(Environment::Development)
        .provider(MountedDirectory::new(mount))
        .provider(older)
        .build()
        .await?;
    let secret = secrets.secret("TOKEN").await?;
    Ok(secret.expose_secret().to_owned())
}

/// As the kubelet lays it out.
fn mounted(at: &Path) {
    fs::create_dir_all(at.join("..1")).unwrap();
    fs::write(at.join("..1/TOKEN"), "newer").unwrap();
    symlink("..1", at.join("..data")).unwrap();
    symlink("..data/TOKEN", at.join("TOKEN")).unwrap();
}

#[tokio::test]
async fn a_mount_that_vanished_is_an_error_and_not_absence() {
    let directory = tempfile::tempdir().unwrap();
    let mount = directory.path().join("mount");
    mounted(&mount);
    assert_eq!(read(&mount).await.unwrap(), "newer");

    // `..data` leads nowhere, with and without the link of the secret.
    fs::remove_dir_all(mount.join("..1")).unwrap();
    assert!(matches!(read(&mount).await, Err(Error::Provider { .. })));
    fs::remove_file(mount.join("TOKEN")).unwrap();
    assert!(matches!(read(&mount).await, Err(Error::Provider { .. })));

    fs::remove_dir_all(&mount).unwrap();
    assert!(matches!(read(&mount).await, Err(Error::Provider { .. })));
    // A file stands in its place.
    fs::write(&mount, "").unwrap();
    assert!(matches!(read(&mount).await, Err(Error::Provider { .. })));
}

#[tokio::test]
async fn a_name_without_a_file_in_a_directory_that_is_there_is_absence() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(read(directory.path()).await.unwrap(), "older");
    mounted(directory.path());
    fs::remove_file(directory.path().join("TOKEN")).unwrap();
    assert_eq!(read(directory.path()).await.unwrap(), "older");
}
