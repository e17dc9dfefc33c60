//! Secrets on this machine: files, environment variables.

use std::{
    env,
    ffi::OsString,
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{ErrorKind, Read as _},
    path::Path,
};

use zeroize::Zeroizing;

use super::{Error, Found, Reference, Secret};

/// The most bytes in a file or variable that holds a secret or certificates.
pub const LOCAL_BYTES_MAX: usize = 256 * 1024;

/// Reads what stands on this machine: a file, a variable, or the reference itself.
///
/// # Errors
/// Names the place and what is wrong with it. A reference to a vault is a caller's mistake and an
/// error, too: a [`crate::Store`] reads those.
pub fn read_local(reference: &Reference) -> Result<Found, Error> {
    let place = reference.to_string();
    let bytes = match reference {
        Reference::Env(name) => {
            env::var_os(name).map(OsString::into_encoded_bytes).ok_or_else(|| {
                let message = format!("{place} is not set");
                Error::new("SECRET_ENV_UNSET", message, "set it for the process of the service")
            })?
        }
        Reference::File(path) => read_file(path, &place)?,
        Reference::ClearTextForTests(secret) => return Ok(found(place, secret.clone())),
        Reference::Vault(_) => {
            let message = format!("{place} is not on this machine");
            return Err(Error::new("SECRET_NOT_LOCAL", message, "ask the vault"));
        }
    };
    if bytes.is_empty() {
        let message = format!("{place} is empty");
        return Err(Error::new("SECRET_EMPTY", message, "put the secret there"));
    }
    Ok(found(place, Secret::new(bytes)))
}

/// Reads one byte more than is allowed at most, so that an endless device ends, too.
fn read_file(path: &Path, place: &str) -> Result<Vec<u8>, Error> {
    let unreadable = |error: std::io::Error| {
        let message = format!("{place} cannot be read: {error}");
        let remedy = match error.kind() {
            ErrorKind::NotFound => "check the path, and that it is mounted where the service runs",
            ErrorKind::PermissionDenied => "let the user of the service read it",
            _ => "check the path",
        };
        Error::new("SECRET_FILE_UNREADABLE", message, remedy)
    };
    // Reserved whole: a buffer that grows would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LOCAL_BYTES_MAX + 1));
    let file = File::open(path).map_err(unreadable)?;
    file.take(LOCAL_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LOCAL_BYTES_MAX {
        let message = format!("{place} is larger than 256 KiB, so it holds no secret");
        return Err(Error::new("SECRET_FILE_TOO_LARGE", message, "check the path"));
    }
    // Another vector of the right length: the large one is wiped and given back.
    Ok(bytes.to_vec())
}

/// What a place holds; its version is a digest of the bytes, of use inside this process alone.
fn found(place: String, secret: Secret) -> Found {
    let mut digest = DefaultHasher::new();
    digest_of(&secret, &mut digest);
    Found {
        place,
        version: format!("{:016x}", digest.finish()),
        secret,
        content_type: None,
        not_before: None,
        expires: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "a digest tells whether the content changed")]
fn digest_of(secret: &Secret, digest: &mut DefaultHasher) {
    secret.expose().hash(digest);
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at what was read")]
mod tests {
    use std::fs;

    use super::*;

    /// Writes a file and reads it; the file's own path is left out of an error.
    fn read(content: &[u8]) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        match read_local(&Reference::File(path.clone())) {
            Ok(found) => Ok(found.secret.expose().to_owned()),
            Err(error) => {
                let text = error.to_string().replace(&path.display().to_string(), "FILE");
                Err(format!("{}: {text}", error.code))
            }
        }
    }

    #[test]
    fn a_file_is_read_as_it_is() {
        assert_eq!(read(b"word\n").unwrap(), b"word\n");
        assert_eq!(read(b"\xff\xfe").unwrap(), b"\xff\xfe");
        assert_eq!(read(&[b'x'; LOCAL_BYTES_MAX]).unwrap().len(), LOCAL_BYTES_MAX);
    }

    #[test]
    fn a_file_that_holds_no_secret_is_named() {
        assert_eq!(
            read(b"").unwrap_err(),
            "SECRET_EMPTY: the file FILE is empty; put the secret there"
        );
        assert_eq!(
            read(&[b'x'; LOCAL_BYTES_MAX + 1]).unwrap_err(),
            "SECRET_FILE_TOO_LARGE: the file FILE is larger than 256 KiB, so it holds no secret; \
             check the path"
        );
        let absent = read_local(&Reference::File("/nowhere/secret".into())).unwrap_err();
        assert_eq!(
            absent.to_string(),
            "the file /nowhere/secret cannot be read: No such file or directory (os error 2); \
             check the path, and that it is mounted where the service runs"
        );
    }

    #[test]
    fn another_content_is_another_version() {
        let version = |text: &str| {
            let secret = Secret::from(text.to_owned());
            read_local(&Reference::ClearTextForTests(secret)).unwrap().version
        };
        assert_eq!(version("one"), version("one"));
        assert_ne!(version("one"), version("two"));
    }

    #[test]
    fn the_environment_is_read() {
        // Set by cargo for every test.
        let found = read_local(&Reference::Env("CARGO_MANIFEST_DIR".to_owned())).unwrap();
        let expected = env::var("CARGO_MANIFEST_DIR").unwrap();
        assert_eq!(found.secret.expose_text(), Some(expected.as_str()));
        let error = read_local(&Reference::Env("KAFKA_OUTPUT_NEVER_SET".to_owned())).unwrap_err();
        assert_eq!(error.code, "SECRET_ENV_UNSET");
    }
}
