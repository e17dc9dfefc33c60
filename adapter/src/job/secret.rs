//! Secrets of a job: where they stand, and the one type that holds what stands there.

use std::{env, fmt, fs::File, io::Read, path::PathBuf};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::secrecy::REDACTED;

/// The most bytes in a file that holds a secret.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// A secret text: never printed, and wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself. Whoever calls this says why.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Where a secret stands. It is read when the service starts, not when the job file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In the environment variable of this name.
    Env(String),
    /// In this file.
    File(PathBuf),
    /// In the job file itself; only for brokers on this machine.
    ClearTextForTests(Secret),
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not there.
    #[error("the environment variable `{name}` is not set")]
    EnvUnset {
        /// Name of the variable.
        name: String,
    },
    /// The file cannot be opened or read.
    #[error("the file {} cannot be read: {source}", path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than [`SECRET_BYTES_MAX`].
    #[error("the file {} is larger than 64 KiB, so it is hardly a password", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing there.
    #[error("{place} is empty")]
    Empty {
        /// The variable or file, in words.
        place: String,
    },
    /// The bytes are not text.
    #[error("{place} does not hold UTF-8 text")]
    NotUtf8 {
        /// The variable or file, in words.
        place: String,
    },
}

impl SecretError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EnvUnset { .. } => "SECRET_ENV_UNSET",
            Self::FileUnreadable { .. } => "SECRET_FILE_UNREADABLE",
            Self::FileTooLarge { .. } => "SECRET_FILE_TOO_LARGE",
            Self::Empty { .. } => "SECRET_EMPTY",
            Self::NotUtf8 { .. } => "SECRET_NOT_UTF8",
        }
    }
}

impl SecretRef {
    /// Reads the secret from where it stands; one newline at its end is not part of it.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let (bytes, place) = match self {
            Self::Env(name) => {
                let value = env::var_os(name)
                    .ok_or_else(|| SecretError::EnvUnset { name: name.clone() })?;
                (value.into_encoded_bytes(), format!("the environment variable `{name}`"))
            }
            Self::File(path) => (read_file(path)?, format!("the file {}", path.display())),
            Self::ClearTextForTests(secret) => return Ok(secret.clone()),
        };
        let mut bytes = Zeroizing::new(bytes);
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        match std::str::from_utf8(&bytes) {
            Ok("") => Err(SecretError::Empty { place }),
            Ok(text) => Ok(Secret::new(text.to_owned())),
            Err(_) => Err(SecretError::NotUtf8 { place }),
        }
    }

    /// The reference as the job file writes it, without the secret.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Env(name) => json!({ "env": name }),
            Self::File(path) => json!({ "file": path.to_string_lossy() }),
            Self::ClearTextForTests(_) => json!({ "clearTextForTests": REDACTED }),
        }
    }
}

/// Reads one byte more than is allowed at most, so that an endless device ends, too.
fn read_file(path: &PathBuf) -> Result<Vec<u8>, SecretError> {
    let unreadable = |source| SecretError::FileUnreadable { path: path.clone(), source };
    // Reserved whole: a buffer that grows would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 1));
    let file = File::open(path).map_err(unreadable)?;
    file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(SecretError::FileTooLarge { path: path.clone() });
    }
    Ok(std::mem::take(&mut *bytes))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at what was read")]
mod tests {
    use std::fs;

    use super::*;

    /// Writes a file and reads it as a secret; the file's own path is left out of an error.
    fn resolve(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        match SecretRef::File(path.clone()).resolve() {
            Ok(secret) => Ok(secret.expose().to_owned()),
            Err(error) => {
                let text = error.to_string().replace(&path.display().to_string(), "FILE");
                Err(format!("{}: {text}", error.code()))
            }
        }
    }

    #[test]
    fn a_file_is_read_without_its_last_newline() {
        assert_eq!(resolve(b"word").unwrap(), "word");
        assert_eq!(resolve(b"word\n").unwrap(), "word");
        assert_eq!(resolve(b"word\r\n").unwrap(), "word");
        assert_eq!(resolve(b"word\n\n").unwrap(), "word\n");
        assert_eq!(resolve(b" two words ").unwrap(), " two words ");
        assert_eq!(resolve(&[b'x'; SECRET_BYTES_MAX]).unwrap().len(), SECRET_BYTES_MAX);
    }

    #[test]
    fn a_file_that_holds_no_secret_is_named() {
        assert_eq!(resolve(b"").unwrap_err(), "SECRET_EMPTY: the file FILE is empty");
        assert_eq!(resolve(b"\n").unwrap_err(), "SECRET_EMPTY: the file FILE is empty");
        assert_eq!(
            resolve(b"\xff\xfe").unwrap_err(),
            "SECRET_NOT_UTF8: the file FILE does not hold UTF-8 text"
        );
        assert_eq!(
            resolve(&[b'x'; SECRET_BYTES_MAX + 1]).unwrap_err(),
            "SECRET_FILE_TOO_LARGE: the file FILE is larger than 64 KiB, so it is hardly a password"
        );
        let absent = SecretRef::File("/nowhere/secret".into()).resolve().unwrap_err();
        assert_eq!(
            absent.to_string(),
            "the file /nowhere/secret cannot be read: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn the_environment_is_read() {
        // Set by cargo for every test.
        let secret = SecretRef::Env("CARGO_MANIFEST_DIR".to_owned()).resolve().unwrap();
        assert_eq!(secret.expose(), env::var("CARGO_MANIFEST_DIR").unwrap());
        let error = SecretRef::Env("KAFKA_OUTPUT_NEVER_SET".to_owned()).resolve().unwrap_err();
        assert_eq!(error.code(), "SECRET_ENV_UNSET");
        assert_eq!(
            error.to_string(),
            "the environment variable `KAFKA_OUTPUT_NEVER_SET` is not set"
        );
    }

    #[test]
    fn a_secret_shows_itself_to_nobody() {
        let reference = SecretRef::ClearTextForTests(Secret::new("canary".to_owned()));
        let secret = reference.resolve().unwrap();
        let shown = format!("{reference:?} {secret:?} {secret} {}", reference.to_json());
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(secret.expose(), "canary");
    }
}
