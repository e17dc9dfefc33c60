//! Why a broker refuses a token, as far as the token itself tells: brokers have one text for all
//! causes.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keyvault::Secret;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    certificate::{date, listed, quoted},
    report::Finding,
    target::Target,
};

/// What a token says of itself (RFC 7519, 4.1). Nothing of it is verified here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    iss: Option<String>,
    aud: Audience,
    exp: Option<f64>,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
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

impl Audience {
    fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(all) => all,
        }
    }
}

/// Why the broker refuses it.
pub(super) fn refused(target: &Target, token: &Secret, said: &str) -> Finding {
    let place = target.place();
    let Some(claims) = claims(token) else {
        return Finding::new(
            "TOKEN_REFUSED",
            format!("{place} refuses the token, which is no JSON Web Token (RFC 7519)"),
            "have the issuer give tokens of this kind",
        );
    };
    let (now, audiences) = (SystemTime::now(), claims.aud.all());
    if let Some(expired) = claims.exp.and_then(time).filter(|expires| *expires <= now) {
        return Finding::new(
            "TOKEN_EXPIRED",
            format!("{place} refuses the token, which expired on {}", date(expired)),
            "check the clock of this machine, and that new tokens can be fetched",
        );
    }
    if let Some(start) = claims.nbf.and_then(time).filter(|start| *start > now) {
        return Finding::new(
            "TOKEN_NOT_YET_VALID",
            format!("{place} refuses the token, which is not valid before {}", date(start)),
            "compare the clocks of this machine and of the issuer",
        );
    }
    let shown = match audiences {
        [] => "nobody".to_owned(),
        _ => listed(audiences.iter().map(String::as_str)),
    };
    if target.is_event_hubs() && !audiences.iter().any(|audience| is_host(audience, &target.host)) {
        return Finding::new(
            "TOKEN_WRONG_AUDIENCE",
            format!("{place} refuses the token, which is for {shown}"),
            format!("ask for a token with the scope `https://{}/.default`", target.host),
        );
    }
    let issuer = claims.iss.as_deref().map_or("an issuer without a name".to_owned(), quoted);
    let until = claims.exp.and_then(time).map_or("no known end".to_owned(), date);
    let said = if said.is_empty() { String::new() } else { format!(" ({})", quoted(said)) };
    let remedy = if target.is_event_hubs() {
        "give the identity the role Azure Event Hubs Data Sender for this namespace or event hub; \
         a new role may take some minutes to act"
    } else {
        "compare issuer and audience with what the broker expects \
         (`sasl.oauthbearer.expected.issuer`, `…expected.audience`), and check that it knows the \
         issuer's keys"
    };
    Finding::new(
        "TOKEN_REFUSED",
        format!("{place} refuses the token{said} of {issuer} for {shown}, valid until {until}"),
        remedy,
    )
}

#[expect(clippy::disallowed_methods, reason = "the middle of a token says what it is for")]
fn claims(token: &Secret) -> Option<Claims> {
    let mut parts = token.expose_text()?.trim().split('.');
    let (_, body, _) = (parts.next()?, parts.next()?, parts.next()?);
    let body = Zeroizing::new(URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).ok()?);
    serde_json::from_slice(&body).ok()
}

fn time(seconds: f64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// Whether an audience is `https://HOST`, with a slash, a port or neither.
fn is_host(audience: &str, host: &str) -> bool {
    let Some(rest) = audience.strip_prefix("https://") else { return false };
    let named = rest.split(['/', ':']).next().unwrap_or_default();
    named.eq_ignore_ascii_case(host.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_a_host() {
        let host = "ns.servicebus.windows.net";
        assert!(is_host("https://ns.servicebus.windows.net", host));
        assert!(is_host("https://NS.servicebus.windows.net/", host));
        assert!(is_host("https://ns.servicebus.windows.net:9093", host));
        assert!(!is_host("https://other.servicebus.windows.net", host));
        assert!(!is_host("ns.servicebus.windows.net", host));
    }

    #[test]
    fn event_hubs_wants_tokens_for_itself_and_a_role() {
        let target = Target {
            host: "ns.servicebus.windows.net".to_owned(),
            port: 9093,
            tls: None,
            login: None,
        };
        let told = |audience: &str| {
            let claims = format!(r#"{{"iss":"i","aud":"{audience}","exp":32503680000}}"#);
            let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
            let finding = refused(&target, &Secret::from(token), "");
            format!("{}: {finding}", finding.code)
        };
        assert_eq!(
            told("https://vault.azure.net"),
            "TOKEN_WRONG_AUDIENCE: ns.servicebus.windows.net:9093 refuses the token, which is for \
             `https://vault.azure.net`; ask for a token with the scope \
             `https://ns.servicebus.windows.net/.default`"
        );
        assert_eq!(
            told("https://ns.servicebus.windows.net"),
            "TOKEN_REFUSED: ns.servicebus.windows.net:9093 refuses the token of `i` for \
             `https://ns.servicebus.windows.net`, valid until 3000-01-01 00:00 UTC; give the \
             identity the role Azure Event Hubs Data Sender for this namespace or event hub; a new \
             role may take some minutes to act"
        );
    }
}
