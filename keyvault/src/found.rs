//! What was found where a reference points.

use std::time::SystemTime;

use super::{Error, Secret};

/// What a reference led to.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where, in words: `the secret `kafka-ca` of https://contoso.vault.azure.net`.
    pub place: String,
    /// The bytes as they are there. (Of a PFX in Key Vault: base64, as the vault gives it.)
    pub secret: Secret,
    /// What the vault says it is, such as `application/x-pkcs12`.
    pub content_type: Option<String>,
    /// Another version is another content: the vault's version, or a digest of a file or variable.
    pub version: String,
    /// From when on the vault calls it valid. For information: the vault hands it out anyway.
    pub not_before: Option<SystemTime>,
    /// Until when.
    pub expires: Option<SystemTime>,
}

impl Found {
    /// A password or a user name: text, without one newline at its end, which editors leave.
    ///
    /// # Errors
    /// If it is not UTF-8, or if nothing is left.
    #[expect(clippy::disallowed_methods, reason = "a secret made of a secret")]
    pub fn text(&self) -> Result<Secret, Error> {
        let bytes = self.secret.expose();
        let line = bytes.strip_suffix(b"\r\n").or(bytes.strip_suffix(b"\n")).unwrap_or(bytes);
        match str::from_utf8(line) {
            Ok("") => {
                let message = format!("{} is empty", self.place);
                Err(Error::new("SECRET_EMPTY", message, "put the secret there"))
            }
            Ok(text) => Ok(Secret::new(text.as_bytes())),
            Err(_) => {
                let message = format!("{} does not hold UTF-8 text", self.place);
                Err(Error::new("SECRET_NOT_UTF8", message, "put text there"))
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at what was read")]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<String, String> {
        let found = Found {
            place: "the file x".to_owned(),
            secret: Secret::new(bytes),
            content_type: None,
            version: String::new(),
            not_before: None,
            expires: None,
        };
        let text = found.text().map_err(|error| error.code.to_owned())?;
        Ok(text.expose_text().unwrap().to_owned())
    }

    #[test]
    fn a_password_has_no_newline_at_its_end() {
        assert_eq!(text(b"word").unwrap(), "word");
        assert_eq!(text(b"word\n").unwrap(), "word");
        assert_eq!(text(b"word\r\n").unwrap(), "word");
        assert_eq!(text(b"word\r").unwrap(), "word\r");
        assert_eq!(text(b"word\n\n").unwrap(), "word\n");
        assert_eq!(text(b" two words ").unwrap(), " two words ");
        assert_eq!(text(b"\n").unwrap_err(), "SECRET_EMPTY");
        assert_eq!(text(b"\xff\xfe").unwrap_err(), "SECRET_NOT_UTF8");
    }
}
