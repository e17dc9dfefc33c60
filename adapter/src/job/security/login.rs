//! From `sasl` as it is written to who the service is for the brokers.

use keyvault::Reference;

use super::{
    super::convert::Section,
    brokers::Brokers,
    model::{Login, PasswordMechanism, Profile, Username},
    raw::{RawMechanism, RawSasl, RawUsername},
    reference::{References, says},
    text::line,
    token,
};

/// The user name of everybody whose password is a connection string.
const CONNECTION_STRING_USER: &str = "$ConnectionString";

/// What stands under `sasl`, each value for itself. `None` outside is a fault.
struct Values {
    username: Option<Option<Username>>,
    password: Option<Option<Reference>>,
    token: token::Values,
}

/// Makes the login. Nothing comes back only if a fault was reported.
pub(super) fn login(
    section: &mut Section<'_>,
    raw: &RawSasl,
    brokers: Brokers<'_>,
    references: &References<'_>,
) -> Option<Login> {
    let Values { username, password, token } = values(section, raw, references);
    let Some(mechanism) = raw.mechanism else {
        if !section.is_wrong("sasl.mechanism") {
            let message = "`sasl` has no `mechanism`".to_owned();
            section.missing("sasl.mechanism", message, "add `mechanism: PLAIN`, or another one");
        }
        return None;
    };
    check_keys(section, raw, mechanism);
    let is_event_hubs = brokers.profile == Some(Profile::EventHubs);
    let mechanism = match mechanism {
        RawMechanism::OAuthBearer => {
            return token
                .source(section, raw.token.as_ref(), brokers, references.vaults)
                .map(Login::Token);
        }
        RawMechanism::Plain => PasswordMechanism::Plain,
        RawMechanism::ScramSha256 => PasswordMechanism::ScramSha256,
        RawMechanism::ScramSha512 => PasswordMechanism::ScramSha512,
    };
    if is_event_hubs && mechanism != PasswordMechanism::Plain {
        let says = says(section, "sasl.mechanism", &mechanism.name());
        let message = format!("Event Hubs takes `OAUTHBEARER` and `PLAIN` alone, but {says}");
        let help = "write `mechanism: OAUTHBEARER` for the job's `identity`, or `PLAIN` for a \
            connection string";
        section.fault("CONFLICT", "sasl.mechanism", message, help);
        return None;
    }
    let username = match username? {
        None if is_event_hubs => Some(Username::Text(CONNECTION_STRING_USER.to_owned())),
        Some(Username::Text(text)) if is_event_hubs && text != CONNECTION_STRING_USER => {
            let message =
                "`username` is of no use for Event Hubs, which has one for all".to_owned();
            let help = "take it out, or write `username: $ConnectionString`";
            section.fault("CONFLICT", "sasl.username", message, help);
            return None;
        }
        other => other,
    };
    for (key, missing, help) in [
        ("username", username.is_none(), "add `username: NAME`"),
        ("password", raw.password.is_none(), "add `password: { secret: NAME }`"),
    ] {
        let path = format!("sasl.{key}");
        if missing && !section.is_wrong(&path) {
            section.missing(&path, format!("`sasl` has no `{key}`"), help);
        }
    }
    Some(Login::Password { mechanism, username: username?, password: password?? })
}

/// Checks what of `defaults` can be checked without an output.
pub(super) fn check_defaults(
    section: &mut Section<'_>,
    raw: &RawSasl,
    references: &References<'_>,
) {
    values(section, raw, references);
    if let Some(mechanism) = raw.mechanism {
        check_keys(section, raw, mechanism);
    }
}

fn values(section: &mut Section<'_>, raw: &RawSasl, references: &References<'_>) -> Values {
    let path = "sasl.username";
    let username = match &raw.username {
        Some(RawUsername::Text(text)) => {
            section.take(path, line(text)).map(|text| Some(Username::Text(text)))
        }
        Some(RawUsername::Secret(raw)) => {
            let reference = references.secret(section, path, Some(raw));
            reference.map(|reference| reference.map(Username::Reference))
        }
        None => Some(None),
    };
    Values {
        username,
        password: references.secret(section, "sasl.password", raw.password.as_ref()),
        token: token::Values::read(section, raw.token.as_ref(), references),
    }
}

/// Reports the keys that belong to another mechanism.
fn check_keys(section: &mut Section<'_>, raw: &RawSasl, mechanism: RawMechanism) {
    const PASSWORD: [&str; 2] =
        ["a mechanism with a password", "`mechanism: PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`"];
    const TOKEN: [&str; 2] = ["`mechanism: OAUTHBEARER`", "`mechanism: OAUTHBEARER`"];
    // Whoever adds a key is told by the compiler to say here what it belongs to.
    let RawSasl { mechanism: _, username, password, token } = raw;
    let is_token = mechanism == RawMechanism::OAuthBearer;
    for (key, wrong, [home, instead]) in [
        ("username", username.is_some() && is_token, PASSWORD),
        ("password", password.is_some() && is_token, PASSWORD),
        ("token", token.is_some() && !is_token, TOKEN),
    ] {
        if wrong {
            let says = says(section, "sasl.mechanism", &name(mechanism));
            let message = format!("`{key}` belongs to {home}, but {says}");
            let help = format!("take `{key}` out, or write {instead}");
            section.fault("CONFLICT", &format!("sasl.{key}"), message, &help);
        }
    }
}

fn name(mechanism: RawMechanism) -> &'static str {
    match mechanism {
        RawMechanism::Plain => PasswordMechanism::Plain.name(),
        RawMechanism::ScramSha256 => PasswordMechanism::ScramSha256.name(),
        RawMechanism::ScramSha512 => PasswordMechanism::ScramSha512.name(),
        RawMechanism::OAuthBearer => "OAUTHBEARER",
    }
}
