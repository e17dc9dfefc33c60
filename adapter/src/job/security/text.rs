//! Checks of single values: ids, addresses on the web, names in a vault.

use super::super::{
    names::{HostPort, is_name_character},
    text::InvalidText,
};

/// The most characters in the name of an object of a vault.
const OBJECT_NAME_CHARS_MAX: usize = 127;
/// The characters of a version of an object of a vault.
const VERSION_CHARS: usize = 32;
/// The groups of hex digits in a GUID.
const GUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Reads a GUID, and writes it as tokens do: in lower case.
pub(super) fn guid(text: &str) -> Result<String, InvalidText> {
    let groups = text.split('-').collect::<Vec<_>>();
    let lengths = groups.iter().map(|group| group.len()).eq(GUID_GROUPS);
    let digits = groups.iter().all(|group| group.chars().all(|c| c.is_ascii_hexdigit()));
    match lengths && digits {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(InvalidText::new(
            "is not a GUID",
            "write hex digits, such as `11111111-2222-3333-4444-555555555555`",
        )),
    }
}

/// Reads a tenant: its GUID or one of its domains.
pub(super) fn tenant(text: &str) -> Result<String, InvalidText> {
    let is_domain = text.contains('.') && text.chars().all(is_name_character);
    guid(text).or_else(|error| if is_domain { Ok(text.to_owned()) } else { Err(error) }).map_err(
        |_| {
            let help = "write its id, such as `11111111-2222-3333-4444-555555555555`, or a domain \
                such as `contoso.onmicrosoft.com`";
            InvalidText::new("is not a tenant", help)
        },
    )
}

/// Reads the resource id of a user-assigned identity.
pub(super) fn resource_id(text: &str) -> Result<String, InvalidText> {
    let lower = text.to_ascii_lowercase();
    let kind = "/providers/microsoft.managedidentity/userassignedidentities/";
    match lower.starts_with("/subscriptions/") && lower.contains(kind) {
        true => Ok(text.to_owned()),
        false => Err(InvalidText::new(
            "is not the resource id of a user-assigned identity",
            "write `/subscriptions/ID/resourceGroups/NAME/providers/Microsoft.ManagedIdentity/\
             userAssignedIdentities/NAME`",
        )),
    }
}

/// Reads an address on the web that secrets or keys are fetched from: `https`, or `http` on this
/// machine.
pub(super) fn web_address(text: &str) -> Result<String, InvalidText> {
    const HELP: &str = "write `https://HOST/PATH`; `http://` is for this machine alone";
    let invalid = |why: &str| Err(InvalidText::new(why, HELP));
    let (rest, port, plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, ":443", false),
        (None, Some(rest)) => (rest, ":80", true),
        (None, None) => return invalid("does not begin with `https://`"),
    };
    if text.contains('@') {
        return invalid("holds an `@`, which would send a password along");
    }
    if text.contains('#') || !text.chars().all(|c| c.is_ascii_graphic()) {
        return invalid("holds a character that an address on the web has not");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority.parse::<HostPort>().or_else(|_| format!("{authority}{port}").parse());
    match host {
        Err(_) => invalid("has no host, or a port that is no number"),
        Ok(host) if plain && !host.is_loopback() => {
            invalid("goes to another machine, and `http` is not encrypted")
        }
        Ok(_) => Ok(text.to_owned()),
    }
}

/// Whether a text is the name of an object of a vault.
pub(super) fn is_object_name(text: &str) -> bool {
    (1..=OBJECT_NAME_CHARS_MAX).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Whether a text is the version of an object of a vault.
pub(super) fn is_version(text: &str) -> bool {
    text.len() == VERSION_CHARS && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Whether a text is the name of an environment variable.
pub(super) fn is_variable(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads a text that is passed on: one line.
pub(super) fn line(text: &str) -> Result<String, InvalidText> {
    match text.chars().any(char::is_control) {
        true => Err(InvalidText::new("holds a control character", "write one line of text")),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(read: Result<String, InvalidText>, expected: &str) {
        let shown = read.unwrap_or_else(|error| format!("{error}; {}", error.help()));
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_guid_is_written_as_tokens_do() {
        let lower = "0a1b2c3d-2222-3333-4444-55555555555f";
        check(guid(&lower.to_ascii_uppercase()), lower);
        for text in ["", "0a1b2c3d", "0a1b2c3d-2222-3333-4444-55555555555g", &lower[1..]] {
            check(
                guid(text),
                "is not a GUID; write hex digits, such as `11111111-2222-3333-4444-555555555555`",
            );
        }
    }

    #[test]
    fn a_tenant_has_an_id_or_a_domain() {
        check(tenant("contoso.onmicrosoft.com"), "contoso.onmicrosoft.com");
        check(
            tenant("0A1B2C3D-2222-3333-4444-555555555555"),
            "0a1b2c3d-2222-3333-4444-555555555555",
        );
        for text in ["contoso", "contoso.com/x", "a b.c"] {
            check(
                tenant(text),
                "is not a tenant; write its id, such as `11111111-2222-3333-4444-555555555555`, \
                 or a domain such as `contoso.onmicrosoft.com`",
            );
        }
    }

    #[test]
    fn an_address_on_the_web_is_encrypted_or_of_this_machine() {
        for text in [
            "https://login.example.org",
            "https://login.example.org:8443/token?x=y",
            "https://[::1]/token",
            "https://[::1]:8443",
            "http://localhost:8080/token",
            "http://127.0.0.1/token",
            "http://[::1]:80/token",
        ] {
            check(web_address(text), text);
        }
        for (text, why) in [
            ("login.example.org", "does not begin with `https://`"),
            ("HTTPS://login.example.org", "does not begin with `https://`"),
            ("http://login.example.org", "goes to another machine, and `http` is not encrypted"),
            (
                "https://user:word@login.example.org",
                "holds an `@`, which would send a password along",
            ),
            (
                "https://login.example.org/a b",
                "holds a character that an address on the web has not",
            ),
            (
                "https://login.example.org/#x",
                "holds a character that an address on the web has not",
            ),
            ("https://", "has no host, or a port that is no number"),
            ("https:///token", "has no host, or a port that is no number"),
            ("https://login:x/", "has no host, or a port that is no number"),
            ("https://::1/", "has no host, or a port that is no number"),
        ] {
            let help = "write `https://HOST/PATH`; `http://` is for this machine alone";
            check(web_address(text), &format!("{why}; {help}"));
        }
    }
}
