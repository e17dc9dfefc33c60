//! Why a vault gives nothing, each fault by its own name.

use std::time::{Duration, SystemTime};

use azure_core::{
    error::ErrorKind,
    http::{
        RawResponse,
        headers::{HeaderName, WWW_AUTHENTICATE},
    },
};
use serde::Deserialize;

use crate::{
    Error, VaultUrl,
    claims::Claims,
    failure::{Cause, Failure, causes},
    http,
    said::{reason, repeatable},
    token::AccessToken,
};

/// Clocks that differ by more make tokens invalid.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(300);
const DATE: HeaderName = HeaderName::from_static("date");
const RETRY_AFTER: HeaderName = HeaderName::from_static("retry-after");

/// The body of an error of Key Vault.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Told,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    message: String,
    innererror: Option<Inner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner {
    code: String,
}

/// A failed request in the words of the person who must act.
pub(super) fn of(
    error: &azure_core::Error,
    vault: &VaultUrl,
    place: &str,
    token: Option<&AccessToken>,
) -> Error {
    for cause in causes(error) {
        if let Some(told) = cause.downcast_ref::<Error>() {
            return told.clone();
        }
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            if failure.cause == Cause::Silent {
                return slow(vault);
            }
            return failure.tell(&format!("the vault {vault}"));
        }
        if let Some(error) = cause.downcast_ref::<azure_core::Error>()
            && let ErrorKind::HttpResponse { raw_response: Some(response), .. } = error.kind()
        {
            return Answer { response, vault, place, token }.tell();
        }
    }
    // The crate's own refusals carry nothing but a text; there is one kind that is not ours.
    match causes(error).any(|cause| cause.to_string().contains("challenge")) {
        true => challenge(vault),
        false => malformed(place),
    }
}

/// An answer that is none.
pub(super) fn malformed(place: &str) -> Error {
    Error::new(
        "VAULT_MALFORMED_ANSWER",
        format!("the answer for {place} is not one of Key Vault"),
        "check what answers there; a proxy may stand between",
    )
    .later(None)
}

/// The vault wants a token that is not for vaults.
pub(super) fn challenge(vault: &VaultUrl) -> Error {
    Error::new(
        "VAULT_CHALLENGE_MISMATCH",
        format!("{vault} asks for a token for something else than the vaults of its cloud"),
        "check what answers there: it is no vault, or a proxy stands between; no token was sent",
    )
    .later(None)
}

/// There is no answer.
pub(super) fn slow(vault: &VaultUrl) -> Error {
    Error::new(
        "VAULT_SLOW",
        format!("the vault {vault} has not answered in time"),
        "it is tried again; if it stays, check the way to it",
    )
    .later(None)
}

/// Whether another try makes sense at once: a hiccup, and nobody who wants to be left alone.
pub(super) fn passes_by_itself(error: &Error) -> bool {
    let is_hiccup = matches!(error.code, "VAULT_FAILED" | "CONNECTION_RESET");
    is_hiccup && error.retry_after().is_none()
}

struct Answer<'a> {
    response: &'a RawResponse,
    vault: &'a VaultUrl,
    place: &'a str,
    token: Option<&'a AccessToken>,
}

impl Answer<'_> {
    fn tell(&self) -> Error {
        let (vault, place) = (self.vault, self.place);
        let status = u16::from(self.response.status());
        let (code, message, remedy) = match status {
            401 => return self.tell_unauthorized(),
            403 => return self.tell_forbidden(),
            404 => (
                "VAULT_OBJECT_NOT_FOUND",
                format!("{place} does not exist, or was deleted"),
                "check the name and the version, create it, or recover it (`az keyvault secret \
                 recover`)",
            ),
            429 => (
                "VAULT_THROTTLED",
                format!("the vault {vault} is asked too often (429)"),
                "wait; let fewer services share the vault, or poll less often",
            ),
            500.. => (
                "VAULT_FAILED",
                format!("the vault {vault} has failed ({status})"),
                "it is tried again; look at the health of the vault in Azure",
            ),
            _ => (
                "VAULT_UNEXPECTED_ANSWER",
                format!("the vault {vault} answers {status} for {place}{}", self.reason()),
                "check what answers there; a proxy may stand between",
            ),
        };
        Error::new(code, message, remedy).later(self.retry_after())
    }

    /// The token is not taken: it tells itself why not, if anybody can.
    fn tell_unauthorized(&self) -> Error {
        let vault = self.vault;
        let claims = self.token.and_then(|token| Claims::of(&token.secret)).unwrap_or_default();
        let challenge = self.header(&WWW_AUTHENTICATE).unwrap_or_default();
        let theirs = self.header(&DATE).and_then(http::date);
        let apart = theirs.map(|theirs| apart(theirs, SystemTime::now())).unwrap_or_default();
        let audience = vault.scope().trim_end_matches("/.default").to_owned();
        let (code, message, remedy) = if apart > CLOCK_DIFFERENCE_MAX {
            let message = format!(
                "the vault {vault} does not take the token, and its clock differs from that of \
                 this machine by {} s",
                apart.as_secs()
            );
            ("CLOCK_WRONG", message, "set the clock of this machine")
        } else if !claims.audiences().is_empty()
            && !claims.audiences().iter().any(|of| of.trim_end_matches('/') == audience)
        {
            let message =
                format!("the vault {vault} does not take the token: it is not for vaults");
            ("VAULT_TOKEN_AUDIENCE", message, "check what gives the tokens of this identity")
        } else if let Some(tenant) = claims.tenant()
            && tenant_of(challenge).is_some_and(|wanted| wanted != tenant)
        {
            let message = format!(
                "the vault {vault} is in the tenant {}, the identity in {tenant}",
                repeatable(tenant_of(challenge).unwrap_or_default(), &[])
            );
            ("VAULT_TOKEN_TENANT", message, "use an identity of the vault's tenant")
        } else {
            let message = format!("the vault {vault} does not take the token{}", self.reason());
            ("VAULT_TOKEN_REFUSED", message, "check the clock, and the tenant of the identity")
        };
        Error::new(code, message, remedy).later(self.retry_after())
    }

    fn tell_forbidden(&self) -> Error {
        let (vault, place) = (self.vault, self.place);
        let told = self.told();
        let inner = told.innererror.unwrap_or_default().code;
        // Vaults of old API versions, and other ones, have the sentence alone.
        let says = |word: &str| inner.is_empty() && told.message.contains(word);
        let (code, message, remedy) = match inner.as_str() {
            "SecretDisabled" | "ObjectIsDisabled" => disabled(place),
            _ if says("disabled") => disabled(place),
            "SecretExpired" | "CertificateExpired" => expired(place),
            _ if says("expired") => expired(place),
            "SecretNotYetValid" => not_yet(place),
            _ if says("not yet valid") => not_yet(place),
            "ForbiddenByFirewall" => (
                "VAULT_FIREWALL",
                format!("the firewall of {vault} does not let this machine in"),
                "allow its network in the vault's firewall, or use a private endpoint".to_owned(),
            ),
            "ForbiddenByConnection" => (
                "VAULT_PRIVATE",
                format!("{vault} takes no connections from public networks"),
                "reach it by its private endpoint: check that its name resolves to a private \
                 address here"
                    .to_owned(),
            ),
            _ => {
                let principal = self.token.and_then(|token| token.principal.as_deref());
                let who = principal.map(|id| format!(" {id}")).unwrap_or_default();
                (
                    "VAULT_FORBIDDEN",
                    format!("the identity{who} may not read {place}"),
                    format!(
                        "grant it the role Key Vault Secrets User on {vault} (or, with access \
                         policies, the permission Get on secrets); it takes some minutes to show"
                    ),
                )
            }
        };
        Error::new(code, message, remedy).later(self.retry_after())
    }

    fn told(&self) -> Told {
        serde_json::from_slice::<Body>(self.response.body()).unwrap_or_default().error
    }

    fn reason(&self) -> String {
        let known = self.token.map(|token| &token.secret);
        reason(&self.told().message, known.as_slice())
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get_optional_str(name)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.header(&RETRY_AFTER).and_then(http::retry_after)
    }
}

fn disabled(place: &str) -> (&'static str, String, String) {
    ("VAULT_OBJECT_DISABLED", format!("{place} is disabled"), "enable it".to_owned())
}

fn expired(place: &str) -> (&'static str, String, String) {
    let remedy = "put a new version there".to_owned();
    ("VAULT_OBJECT_EXPIRED", format!("{place} has expired"), remedy)
}

fn not_yet(place: &str) -> (&'static str, String, String) {
    let remedy = "wait, or change the date from which on it is valid".to_owned();
    ("VAULT_OBJECT_NOT_YET_VALID", format!("{place} is not valid yet"), remedy)
}

/// The tenant in `Bearer authorization="https://login…/TENANT", …`.
fn tenant_of(challenge: &str) -> Option<&str> {
    let (_, rest) = challenge.split_once("authorization=\"")?;
    let (url, _) = rest.split_once('"')?;
    url.rsplit('/').find(|part| !part.is_empty())
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_names_the_tenant() {
        let challenge = "Bearer authorization=\"https://login.microsoftonline.com/t-1\", \
                         resource=\"https://vault.azure.net\"";
        assert_eq!(tenant_of(challenge), Some("t-1"));
        assert_eq!(tenant_of("Bearer"), None);
    }
}
