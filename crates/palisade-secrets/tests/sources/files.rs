//! Contents and names of files of secrets.

use std::fs;

use palisade_secrets::{EnvVars, Environment, Error, ExposeSecret, MountedDirectory, Secrets};

/// The secret in a mounted file, or in a file that a variable names, which are read alike.
async fn read(content: &[u8]) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("TOKEN");
    fs::write(&path, content).unwrap();
    let named = path.to_str().unwrap().to_owned();
    let variables = EnvVars::from_fn(move |name| (name == "TOKEN_FILE").then(|| named.clone()))
        .file_suffix("_FILE");
    let mounted = value(
        Secrets::builder(Environment::Development)
            .provider(MountedDirectory::new(directory.path())),
    )
    .await;
    let by_name = value(Secrets::builder(Environment::Development).provider(variables)).await;
    assert_eq!(mounted.as_ref().ok(), by_name.as_ref().ok());
    assert_eq!(mounted.is_err(), by_name.is_err());
    mounted
}

async fn value(secrets: palisade_secrets::SecretsBuilder) -> Result<String, String> {
    let secret = secrets.build().await.unwrap().secret("TOKEN").await;
    secret
        .map(|secret| secret.expose_secret().to_owned())
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn marks_and_line_breaks_around_a_secret_are_no_part_of_it() {
    for content in [
        "kD2vGq0y",
        "kD2vGq0y\n",
        "kD2vGq0y\r\n",
        "kD2vGq0y\n\n",
        "kD2vGq0y\r\n\r\n",
        "\u{feff}kD2vGq0y",
        "\u{feff}kD2vGq0y\n\n",
    ] {
        assert_eq!(
            read(content.as_bytes()).await.unwrap(),
            "kD2vGq0y",
            "{content:?}"
        );
    }
    // Line breaks inside belong to it, as in a key in PEM.
    assert_eq!(
        read(b"-----BEGIN\nx\n-----END\n").await.unwrap(),
        "-----BEGIN\nx\n-----END"
    );
}

#[tokio::test]
async fn a_file_that_holds_no_secret_is_an_error_that_says_why() {
    for (content, said) in [
        (&b""[..], "is empty"),
        (b"\n\n", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"  \t \n", "holds nothing but blanks"),
        (b"kD2v\0Gq0y", "holds a NUL byte"),
        (b"kD2vGq0y\0\0", "holds a NUL byte"),
        // UTF-16, with its mark.
        (b"\xff\xfek\0D\0", "cannot be read: invalid data"),
    ] {
        let error = read(content).await.unwrap_err();
        assert!(error.ends_with(said), "{content:?}: {error}");
        assert!(!error.contains("kD2v"));
    }
}

#[tokio::test]
async fn a_variable_of_blanks_is_an_error() {
    let variables = EnvVars::from_fn(|_| Some(" \t ".into()));
    let error = value(Secrets::builder(Environment::Development).provider(variables)).await;
    assert!(
        error
            .unwrap_err()
            .ends_with("variable TOKEN holds nothing but blanks")
    );
}

/// Opening a pipe that nobody writes to waits for ever, and the start with it.
#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_does_not_hold_up_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("TOKEN");
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let (told, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mounted = MountedDirectory::new(directory.path());
        let read = runtime.block_on(value(
            Secrets::builder(Environment::Development).provider(mounted),
        ));
        let _ = told.send(read);
    });
    let read = answer
        .recv_timeout(std::time::Duration::from_secs(10))
        .expect("it waits");
    assert!(read.unwrap_err().ends_with("is not a regular file"));
}

#[tokio::test]
async fn files_have_the_names_that_a_closure_gives_them() {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("db_password", "a"),
        ("db_password_previous", "b"),
        ("jwt-secret", "c"),
        ("jwt-secret-previous", "d"),
    ] {
        fs::write(directory.path().join(name), content).unwrap();
    }
    let secrets = async |mounted: MountedDirectory| {
        let builder = Secrets::builder(Environment::Development).provider(mounted);
        builder.build().await.unwrap()
    };
    let mounted = MountedDirectory::new(directory.path());
    let lower = secrets(mounted.clone().names(str::to_ascii_lowercase)).await;
    let hyphens = secrets(
        mounted
            .clone()
            .names(|name| name.to_ascii_lowercase().replace('_', "-")),
    )
    .await;
    for (secrets, name, current, previous) in [
        (&lower, "DB_PASSWORD", "a", "b"),
        (&hyphens, "JWT_SECRET", "c", "d"),
    ] {
        let pair = secrets.pair(name).await.unwrap();
        assert_eq!(pair.current.expose_secret(), current);
        assert_eq!(pair.previous.unwrap().expose_secret(), previous);
    }
    // A name that leads elsewhere is refused, and one without a file is absence.
    let outside = secrets(mounted.names(|name| format!("../{name}"))).await;
    let name = directory.path().file_name().unwrap().to_str().unwrap();
    assert!(matches!(
        outside.secret(name).await,
        Err(Error::Provider { .. })
    ));
    assert!(matches!(
        lower.secret("NONE").await,
        Err(Error::Missing { .. })
    ));
}
