//! The login: the mechanism, and PLAIN and OAUTHBEARER to their end.
//!
//! A diagnosis leaves SCRAM to librdkafka, whose text says plainly what is wrong there.

use std::collections::BTreeMap;

use keyvault::Secret;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::{
    certificate::{listed, quoted},
    connection_string::{connection_string_faults, is_connection_string, repeats_key},
    listener::Spoken,
    report::{Facts, Finding, StepName, Steps},
    scram::{Scram, Wrong},
    target::{Depth, Login, Mechanism, Target, protocol},
    token,
    wire::{Apis, Authentication, Broken, ILLEGAL_STATE, Link, NONE},
};

/// Logs in as the target says.
pub(super) async fn login(
    target: &Target,
    login: &Login,
    spoken: &mut Spoken,
    depth: Depth,
    steps: &mut Steps,
) -> Option<()> {
    match spoken {
        Spoken::Plaintext(link, apis) => over(target, login, link, (*apis, depth), steps).await,
        Spoken::Tls(link, apis) => over(target, login, link, (*apis, depth), steps).await,
    }
}

async fn over<S: AsyncRead + AsyncWrite + Unpin>(
    target: &Target,
    login: &Login,
    link: &mut Link<S>,
    (apis, depth): (Apis, Depth),
    steps: &mut Steps,
) -> Option<()> {
    if !(apis.handshake && apis.authenticate) {
        let why = "the broker is older than Kafka 1.0, which this check does not log in to";
        return steps.unknown(StepName::Mechanism, why);
    }
    mechanism(target, login, link, steps).await?;
    let refused = match login {
        Login::Password { mechanism: Mechanism::Plain, username, password } => {
            let message = plain(username, password);
            let answer = link.authenticate(&message).await;
            refusal_of(target, login, answer, |said| wrong_password(target, login, said))
        }
        Login::Password { .. } if depth != Depth::Connection => {
            let why = "SCRAM is proven by librdkafka, not here";
            return steps.unknown(StepName::Login, why);
        }
        Login::Password { mechanism, username, password } => {
            let answer = prove(link, *mechanism, username, password).await;
            match answer {
                Ok(answer) => {
                    refusal_of(target, login, answer, |said| wrong_password(target, login, said))
                }
                Err(wrong) => Some(Finding::new(
                    "LOGIN_REFUSED",
                    format!("the login at {} was given up: {wrong}", target.place()),
                    "check that this is the broker",
                )),
            }
        }
        Login::Token { token, extensions } => {
            let mut answer = link.authenticate(&bearer(token, extensions)).await;
            // RFC 7628, 3.2.2: a refusal comes as a challenge, which is answered by one byte; the
            // answer to that is the error.
            if answer.as_ref().is_ok_and(|a| a.code == NONE && !a.answer.is_empty()) {
                answer = link.authenticate(b"\x01").await;
            }
            refusal_of(target, login, answer, |said| token::refused(target, token, said))
        }
    };
    match refused {
        None => {
            let facts = Facts::new(format!("{} accepted", login.mechanism()));
            steps.passed(StepName::Login, facts);
            Some(())
        }
        Some(finding) => steps.failed(StepName::Login, finding),
    }
}

/// Proves a password with SCRAM. The last answer of the broker comes back.
async fn prove<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut Link<S>,
    mechanism: Mechanism,
    username: &Secret,
    password: &Secret,
) -> Result<Result<Authentication, Broken>, Wrong> {
    let mut scram = Scram::new(mechanism, username)?;
    let challenge = match link.authenticate(scram.first().as_bytes()).await {
        Ok(challenge) if challenge.code == NONE => challenge,
        refused => return Ok(refused),
    };
    let last = scram.last(&challenge.answer, password)?;
    let end = match link.authenticate(last.as_bytes()).await {
        Ok(end) if end.code == NONE => end,
        refused => return Ok(refused),
    };
    scram.verify(&end.answer)?;
    Ok(Ok(end))
}

/// Says which mechanism comes.
async fn mechanism<S: AsyncRead + AsyncWrite + Unpin>(
    target: &Target,
    login: &Login,
    link: &mut Link<S>,
    steps: &mut Steps,
) -> Option<()> {
    let (place, name) = (target.place(), login.mechanism());
    let answer = match link.handshake(name).await {
        Ok(answer) => answer,
        Err(broken) => return steps.failed(StepName::Mechanism, broken_off(target, &broken)),
    };
    let offered = listed(answer.mechanisms.iter().map(String::as_str));
    match answer.code {
        NONE => {
            let facts = Facts::new(format!("{name}, of {}", answer.mechanisms.join(", ")))
                .with("mechanism", name)
                .with("offered", answer.mechanisms);
            steps.passed(StepName::Mechanism, facts);
            Some(())
        }
        ILLEGAL_STATE => {
            let right = protocol(target.tls.is_some(), false);
            let finding = Finding::new(
                "LISTENER_WITHOUT_LOGIN",
                format!("{place} takes no logins, and `sasl` has one"),
                format!(
                    "use the port of a listener with logins, or write `securityProtocol: {right}` \
                     and take `sasl` out"
                ),
            );
            steps.failed(StepName::Mechanism, finding)
        }
        _ => {
            let finding = Finding::new(
                "SASL_MECHANISM_OFF",
                format!("{place} does not offer the SASL mechanism {name}, but {offered}"),
                "write one of these as `mechanism`, or switch it on at the broker \
                 (`sasl.enabled.mechanisms`)",
            );
            steps.failed(StepName::Mechanism, finding)
        }
    }
}

/// What keeps the login from passing. `explain` has the broker's own words, if it said any.
fn refusal_of(
    target: &Target,
    login: &Login,
    answer: Result<Authentication, Broken>,
    explain: impl FnOnce(&str) -> Finding,
) -> Option<Finding> {
    match answer {
        Ok(answer) if answer.code == NONE => None,
        Ok(answer) => Some(explain(&harmless(&answer.message, login))),
        Err(broken) => Some(broken_off(target, &broken)),
    }
}

fn wrong_password(target: &Target, login: &Login, said: &str) -> Finding {
    let place = target.place();
    let said = if said.is_empty() { String::new() } else { format!(": {}", quoted(said)) };
    let connection_string = is_connection_string(login);
    let remedy = if let Some(Finding { text, remedy, .. }) =
        connection_string_faults(target, None).into_iter().next()
    {
        format!("{text}: {remedy}")
    } else if connection_string {
        "the connection string looks right: check that its policy has the right Send and that its \
         key was not regenerated"
            .to_owned()
    } else if target.is_event_hubs() {
        "write `username: $ConnectionString`, and a connection string as the password".to_owned()
    } else {
        "check user name and password, and that the broker knows this user".to_owned()
    };
    Finding::new("PASSWORD_WRONG", format!("{place} refuses user name or password{said}"), remedy)
}

fn broken_off(target: &Target, broken: &Broken) -> Finding {
    let place = target.place();
    match broken {
        Broken::Silent => Finding::new(
            "LOGIN_TIMED_OUT",
            format!("{place} does not answer the login"),
            "check that the broker reaches what it asks about users (LDAP, the issuer's keys)",
        ),
        Broken::Closed | Broken::Tls(_) | Broken::NotKafka => Finding::new(
            "LOGIN_CLOSED",
            format!("{place} closes the connection instead of answering the login"),
            "check user name and password; the broker's log says why it closes the connection",
        ),
    }
}

/// RFC 4616.
#[expect(clippy::disallowed_methods, reason = "the broker wants the password itself")]
fn plain(username: &Secret, password: &Secret) -> Zeroizing<Vec<u8>> {
    let length = 2 + username.len() + password.len();
    let mut message = Zeroizing::new(Vec::with_capacity(length));
    message.push(0);
    message.extend(username.expose());
    message.push(0);
    message.extend(password.expose());
    message
}

/// RFC 7628, 3.1.
#[expect(clippy::disallowed_methods, reason = "the broker wants the token itself")]
fn bearer(token: &Secret, extensions: &BTreeMap<String, String>) -> Zeroizing<Vec<u8>> {
    const START: &[u8] = b"n,,\x01auth=Bearer ";
    let extended: usize = extensions.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    let length = START.len() + token.len() + extended + 2;
    let mut message = Zeroizing::new(Vec::with_capacity(length));
    message.extend(START);
    message.extend(token.expose());
    message.push(1);
    for (key, value) in extensions {
        message.extend(format!("{key}={value}\x01").as_bytes());
    }
    message.push(1);
    message
}

/// The broker's own words, unless they repeat what it was sent.
#[expect(clippy::disallowed_methods, reason = "a secret must not be repeated")]
fn harmless(said: &str, login: &Login) -> String {
    let secrets = match login {
        Login::Password { username, password, .. } => [username, password].to_vec(),
        Login::Token { token, .. } => vec![token],
    };
    let repeats = |secret: &&Secret| {
        secret.expose_text().is_some_and(|secret| {
            !secret.is_empty() && said.contains(secret) || repeats_key(said, secret)
        })
    };
    if secrets.iter().any(repeats) { String::new() } else { said.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_repeats_a_secret_is_not_quoted() {
        let string = "Endpoint=sb://ns/;SharedAccessKeyName=k;SharedAccessKey=c2VjcmV0";
        let signed = "Endpoint=sb://ns/;SharedAccessSignature=SharedAccessSignature sr=ns&sig=x";
        let login = |password: &str| Login::Password {
            mechanism: Mechanism::Plain,
            username: "$ConnectionString".to_owned().into(),
            password: password.to_owned().into(),
        };
        assert_eq!(harmless("no such namespace", &login(string)), "no such namespace");
        assert_eq!(harmless("`c2VjcmV0` has expired", &login(string)), "");
        assert_eq!(harmless("SharedAccessSignature sr=ns&sig=x: no", &login(signed)), "");
        assert_eq!(harmless("wrong: pass-word", &login("pass-word")), "");
    }

    #[test]
    fn event_hubs_wants_a_connection_string() {
        let remedy = |username: &str, password: &str| {
            let (username, password) = (username.to_owned().into(), password.to_owned().into());
            let login = Login::Password { mechanism: Mechanism::Plain, username, password };
            let target = Target {
                host: "ns.servicebus.windows.net".to_owned(),
                port: 9093,
                tls: None,
                login: Some(login.clone()),
            };
            wrong_password(&target, &login, "").remedy
        };
        assert_eq!(
            remedy("writer", "x"),
            "write `username: $ConnectionString`, and a connection string as the password"
        );
        let told = remedy("$ConnectionString", "x");
        let missing = "the password is no connection string: it has no `Endpoint=sb://…`, no";
        assert!(told.starts_with(missing), "{told}");
        assert_eq!(
            remedy(
                "$ConnectionString",
                "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey=v"
            ),
            "the connection string looks right: check that its policy has the right Send and that \
             its key was not regenerated"
        );
    }
}
