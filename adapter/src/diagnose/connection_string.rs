//! The password of Event Hubs, a connection string: what is wrong with it, never what it says.
//!
//! `Endpoint=sb://NAMESPACE.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…`, and
//! `;EntityPath=HUB` if it is of one event hub; or a `SharedAccessSignature` in place of the key
//! (<https://learn.microsoft.com/azure/event-hubs/event-hubs-get-connection-string>).

use keyvault::Secret;

use super::{
    certificate::quoted,
    report::Finding,
    target::{Login, Target},
};

/// The user name of logins by connection string.
const USER: &[u8] = b"$ConnectionString";

/// Where a whole one is found.
const WHERE: &str = "copy the whole connection string (`Endpoint=sb://…;SharedAccessKeyName=…;\
                     SharedAccessKey=…`) of a policy with the right Send, under Shared access \
                     policies of the namespace or event hub";

/// What of a connection string is looked at. All of it is part of a secret.
#[derive(Default)]
struct Parts<'a> {
    endpoint: Option<&'a str>,
    key_name: Option<&'a str>,
    key: Option<&'a str>,
    signature: Option<&'a str>,
    event_hub: Option<&'a str>,
}

/// Whether a login is one by connection string.
#[expect(clippy::disallowed_methods, reason = "a user name that everybody knows")]
pub(super) fn is_connection_string(login: &Login) -> bool {
    match login {
        Login::Password { username, .. } => username.expose() == USER,
        Login::Token { .. } => false,
    }
}

/// Whether a text repeats the key or the signature of a connection string.
pub(super) fn repeats_key(said: &str, connection_string: &str) -> bool {
    let parts = Parts::of(connection_string);
    [parts.key, parts.signature].into_iter().flatten().any(|secret| said.contains(secret))
}

/// What is wrong with the connection string that a target is shown as the password, for rows of
/// this topic if one is known. Nothing is wrong with another login.
pub fn connection_string_faults(target: &Target, topic: Option<&str>) -> Vec<Finding> {
    match &target.login {
        Some(login @ Login::Password { password, .. }) if is_connection_string(login) => {
            faults(password, target, topic)
        }
        _ => Vec::new(),
    }
}

#[expect(clippy::disallowed_methods, reason = "its parts are judged, and none is told")]
fn faults(password: &Secret, target: &Target, topic: Option<&str>) -> Vec<Finding> {
    let parts = Parts::of(password.expose_text().unwrap_or_default());
    let missing = parts.missing();
    if !missing.is_empty() {
        let text = format!("the password is no connection string: it has no {missing}");
        return vec![Finding::new("CONNECTION_STRING_MALFORMED", text, WHERE)];
    }
    let host = target.host.trim_end_matches('.');
    let mut faults = Vec::new();
    let is_other = |named: &str| !named.eq_ignore_ascii_case(host);
    if target.is_event_hubs() && parts.endpoint.map(host_of).is_some_and(is_other) {
        faults.push(Finding::new(
            "CONNECTION_STRING_OTHER_NAMESPACE",
            format!("the connection string is of another namespace than {}", quoted(host)),
            "take the one of this namespace, or write the other's host name in `bootstrapServers`",
        ));
    }
    if let (Some(hub), Some(topic)) = (parts.event_hub, topic)
        && !hub.eq_ignore_ascii_case(topic)
    {
        faults.push(Finding::new(
            "CONNECTION_STRING_OTHER_TOPIC",
            format!(
                "the connection string is of another event hub (`EntityPath`) than {}",
                quoted(topic)
            ),
            "take the one of this event hub or of the whole namespace, or write the other event \
             hub as `topic`",
        ));
    }
    faults
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = Self::default();
        for (name, value) in text.split(';').filter_map(|part| part.split_once('=')) {
            let place = match name.trim().to_ascii_lowercase().as_str() {
                "endpoint" => &mut parts.endpoint,
                "sharedaccesskeyname" => &mut parts.key_name,
                "sharedaccesskey" => &mut parts.key,
                "sharedaccesssignature" => &mut parts.signature,
                "entitypath" => &mut parts.event_hub,
                _ => continue,
            };
            *place = Some(value.trim()).filter(|value| !value.is_empty());
        }
        parts
    }

    /// What every connection string has and this one has not, in words.
    fn missing(&self) -> String {
        let is_endpoint = |text: &str| text.contains("://") && !host_of(text).is_empty();
        let signed = self.signature.is_some();
        let missing: Vec<&str> = [
            ("`Endpoint=sb://…`", self.endpoint.is_some_and(is_endpoint)),
            ("`SharedAccessKeyName`", signed || self.key_name.is_some()),
            ("`SharedAccessKey`", signed || self.key.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, there)| (!there).then_some(name))
        .collect();
        missing.join(", no ")
    }
}

/// The host of `sb://HOST:PORT/`.
fn host_of(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::super::target::Mechanism;
    use super::*;

    const HOST: &str = "ns.servicebus.windows.net";

    fn told(host: &str, username: &str, password: &str) -> Vec<String> {
        let login = Login::Password {
            mechanism: Mechanism::Plain,
            username: username.to_owned().into(),
            password: password.to_owned().into(),
        };
        let target = Target { host: host.to_owned(), port: 9093, tls: None, login: Some(login) };
        let faults = connection_string_faults(&target, Some("Delays"));
        for fault in &faults {
            // Whatever it is made of, no part of it is told, but for names that the job file has.
            assert!(!fault.to_string().contains("canary"), "{fault}");
        }
        faults.iter().map(|fault| format!("{}: {}", fault.code, fault.text)).collect()
    }

    fn of(password: &str) -> Vec<String> {
        told(HOST, "$ConnectionString", password)
    }

    #[test]
    fn a_connection_string_of_the_namespace_or_the_event_hub_is_right() {
        let whole = "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=canary;\
                     SharedAccessKey=canary/+abc==";
        assert_eq!(of(whole), [""; 0]);
        assert_eq!(of(&format!("{whole};EntityPath=delays")), [""; 0]);
        assert_eq!(of(&whole.replace("/;", ":9093;").to_ascii_lowercase()), [""; 0]);
        let signed = "Endpoint=sb://NS.servicebus.windows.net/;SharedAccessSignature=sr=canary";
        assert_eq!(of(signed), [""; 0]);
        // A name of one's own for the namespace, as of a private endpoint.
        assert_eq!(told("kafka.example", "$ConnectionString", whole), [""; 0]);
        assert_eq!(told(HOST, "writer", "canary"), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let malformed = |missing: &str| {
            let text = "the password is no connection string: it has no";
            [format!("CONNECTION_STRING_MALFORMED: {text} {missing}")]
        };
        let all = "`Endpoint=sb://…`, no `SharedAccessKeyName`, no `SharedAccessKey`";
        assert_eq!(of("canary"), malformed(all));
        assert_eq!(of("canary=="), malformed(all));
        let key = "SharedAccessKeyName=canary;SharedAccessKey=canary";
        assert_eq!(of(key), malformed("`Endpoint=sb://…`"));
        assert_eq!(of(&format!("Endpoint=canary;{key}")), malformed("`Endpoint=sb://…`"));
        let without = "Endpoint=sb://canary/;SharedAccessKeyName=canary;SharedAccessKey=";
        assert_eq!(of(without), malformed("`SharedAccessKey`"));
    }

    #[test]
    fn both_the_namespace_and_the_event_hub_are_compared() {
        let other = "Endpoint=sb://canary.servicebus.windows.net/;SharedAccessKeyName=canary;\
                     SharedAccessKey=canary;EntityPath=canary";
        assert_eq!(
            of(other),
            [
                "CONNECTION_STRING_OTHER_NAMESPACE: the connection string is of another namespace \
                 than `ns.servicebus.windows.net`",
                "CONNECTION_STRING_OTHER_TOPIC: the connection string is of another event hub \
                 (`EntityPath`) than `Delays`",
            ]
        );
    }
}
