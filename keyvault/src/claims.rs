//! What a token says of itself. Nobody is let in by it: nothing is verified here.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::Secret;

/// What a JSON Web Token says of itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct Claims {
    aud: Audience,
    /// A number of seconds, perhaps with a fraction.
    exp: Option<f64>,
    tid: Option<String>,
    oid: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
    sub: Option<String>,
}

/// One or several.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Claims {
    /// `None` if the token is none of this kind; it may be good all the same.
    #[expect(clippy::disallowed_methods, reason = "the middle of a token says what it is for")]
    pub(crate) fn of(token: &Secret) -> Option<Self> {
        let mut parts = token.expose_text()?.trim().split('.');
        let (_, body, _) = (parts.next()?, parts.next()?, parts.next()?);
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
    }

    /// Whose token it is.
    pub(crate) fn principal(&self) -> Option<&str> {
        [&self.oid, &self.appid, &self.azp, &self.sub].into_iter().find_map(Option::as_deref)
    }

    /// Until when it holds.
    pub(crate) fn expires(&self) -> Option<SystemTime> {
        let since = Duration::try_from_secs_f64(self.exp?).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    /// The tenant of Entra ID that gave it.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tid.as_deref()
    }

    /// What it is for.
    pub(crate) fn audiences(&self) -> &[String] {
        match &self.aud {
            Audience::One(audience) => std::slice::from_ref(audience),
            Audience::Several(audiences) => audiences,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(claims: &str) -> Option<Claims> {
        Claims::of(&Secret::from(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))))
    }

    #[test]
    fn a_token_tells_whose_it_is() {
        let claims =
            of(r#"{"oid":"o","appid":"a","sub":"s","aud":"x","exp":10,"tid":"t"}"#).unwrap();
        assert_eq!(claims.principal(), Some("o"));
        assert_eq!(claims.audiences(), ["x"]);
        assert_eq!(claims.tenant(), Some("t"));
        assert_eq!(claims.expires(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(10)));
        let claims = of(r#"{"sub":"s","aud":["x","y"]}"#).unwrap();
        assert_eq!((claims.principal(), claims.audiences().len()), (Some("s"), 2));
    }

    #[test]
    fn another_token_says_nothing() {
        for token in ["", "opaque", "a.b.c", "a.e30"] {
            assert_eq!(Claims::of(&Secret::from(token.to_owned())), None, "{token}");
        }
        assert_eq!(of(r#"{"exp":"soon"}"#), None);
    }
}
