//! From `sasl.token` as it is written to where access tokens come from.

use std::collections::BTreeMap;

use keyvault::Reference;

use super::{
    super::{convert::Section, text::InvalidText},
    brokers::Brokers,
    model::{Material, Profile, TokenSource},
    profile,
    raw::RawToken,
    reference::{References, Vaults},
    text::{line, web_address},
};

/// What stands under `token`, each value for itself. `None` outside is a fault.
pub(super) struct Values {
    scope: Option<Option<String>>,
    endpoint: Option<Option<String>>,
    client_id: Option<Option<String>>,
    client_secret: Option<Option<Reference>>,
    truststore: Option<Option<Material>>,
    extensions: Option<BTreeMap<String, String>>,
}

impl Values {
    pub(super) fn read(
        section: &mut Section<'_>,
        raw: Option<&RawToken>,
        references: &References<'_>,
    ) -> Self {
        let nothing = RawToken::default();
        let RawToken { scope, endpoint, client_id, client_secret, truststore, extensions } =
            raw.unwrap_or(&nothing);
        let mut text = |key: &str, raw: &Option<String>, read: fn(&str) -> Read| match raw {
            Some(text) => section.take(&path(key), read(text)).map(Some),
            None if section.is_wrong(&path(key)) => None,
            None => Some(None),
        };
        let scope = text("scope", scope, line);
        let endpoint = text("endpoint", endpoint, web_address);
        let client_id = text("clientId", client_id, line);
        if let Some(raw) = raw.filter(|_| endpoint == Some(None)) {
            refuse_client(section, raw);
        }
        let truststore = references.certificate(section, &path("truststore"), truststore.as_ref());
        Self {
            scope,
            endpoint,
            client_id,
            client_secret: references.secret(
                section,
                &path("clientSecret"),
                client_secret.as_ref(),
            ),
            truststore: truststore
                .map(|found| found.map(|source| Material { source, password: None })),
            extensions: read_extensions(section, extensions.as_ref()),
        }
    }

    /// Where tokens come from. Nothing comes back only if a fault was reported.
    pub(super) fn source(
        self,
        section: &mut Section<'_>,
        raw: Option<&RawToken>,
        brokers: Brokers<'_>,
        vaults: &Vaults,
    ) -> Option<TokenSource> {
        let Self { scope, endpoint, client_id, client_secret, truststore, extensions } = self;
        let namespace = brokers.servers.and_then(profile::scope);
        let namespace = namespace.filter(|_| brokers.profile == Some(Profile::EventHubs));
        let scope = scope.map(|scope| scope.or(namespace));
        let Some(token_endpoint) = endpoint? else {
            // What is wrong there may have been meant for the endpoint.
            if section.is_wrong("sasl.token") {
                return None;
            }
            if !vaults.has_identity && !section.faults.is_about("identity") {
                let mark = section.node("sasl.token").or(section.node("sasl.mechanism"));
                let mark = mark.unwrap_or(section.whole()).place();
                let message = "tokens without an `endpoint` are of the job's `identity`, which is \
                    not there";
                let help = "add `identity: { type: systemAssigned }` at the top of the file, or \
                    `endpoint`, `clientId` and `clientSecret` under `token`";
                section.faults.add("MISSING_KEY", mark, "identity", message, help);
            }
            let scope = scope?;
            if scope.is_none() {
                report_scope(section, raw, brokers);
            }
            return Some(TokenSource::Identity { scope: scope?, extensions: extensions? });
        };
        for (key, missing, help) in [
            ("clientId", client_id == Some(None), "add `clientId: ID`"),
            ("clientSecret", client_secret == Some(None), "add `clientSecret: { secret: NAME }`"),
        ] {
            if missing && !section.is_wrong(&path(key)) {
                let message = format!("`token` has an `endpoint`, but no `{key}`");
                section.missing(&path(key), message, help);
            }
        }
        Some(TokenSource::ClientCredentials {
            token_endpoint,
            truststore: truststore?,
            client_id: client_id??,
            client_secret: client_secret??,
            scope: scope?,
            extensions: extensions?,
        })
    }
}

type Read = Result<String, InvalidText>;

fn path(key: &str) -> String {
    format!("sasl.token.{key}")
}

/// Reports that nobody knows what tokens are for.
fn report_scope(section: &mut Section<'_>, raw: Option<&RawToken>, brokers: Brokers<'_>) {
    if raw.is_none() {
        if brokers.servers.is_some() {
            let message = "`OAUTHBEARER` needs `token`, which is not there".to_owned();
            let help = "add `token: { scope: SCOPE }` for the job's `identity`, or \
                `token: { endpoint: URL, clientId: ID, clientSecret: { secret: NAME } }`";
            section.missing("sasl.token", message, help);
        }
    } else if brokers.servers.is_some() {
        let message = "`token` does not say what tokens are for".to_owned();
        let help = "add `scope`, such as `https://NAMESPACE.servicebus.windows.net/.default`; or \
            `endpoint` for another issuer";
        section.missing(&path("scope"), message, help);
    }
}

/// Reports the keys of a client where no endpoint asks for one.
fn refuse_client(section: &mut Section<'_>, raw: &RawToken) {
    // Whoever adds a key is told by the compiler to say here whether it is of a client.
    let RawToken { scope: _, endpoint: _, client_id, client_secret, truststore, extensions: _ } =
        raw;
    for (key, given) in [
        ("clientId", client_id.is_some()),
        ("clientSecret", client_secret.is_some()),
        ("truststore", truststore.is_some()),
    ] {
        if given {
            let message = format!("`{key}` belongs to `endpoint`, which is not there");
            let help = format!(
                "add `endpoint`, or take `{key}` out to have tokens of the job's `identity`"
            );
            section.fault("CONFLICT", &path(key), message, &help);
        }
    }
}

/// Reads SASL extensions (RFC 7628, 3.1).
fn read_extensions(
    section: &mut Section<'_>,
    raw: Option<&BTreeMap<String, String>>,
) -> Option<BTreeMap<String, String>> {
    let Some(raw) = raw else { return Some(BTreeMap::new()) };
    let node = section.node(&path("extensions"));
    let mut is_whole = true;
    for (name, value) in raw {
        let letters = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic());
        let printable = |c: char| c == ' ' || c.is_ascii_graphic();
        let (why, help) = if !letters {
            ("is not the name of an extension", "use letters alone, such as `logicalCluster`")
        } else if name == "auth" {
            ("is an extension that the token itself takes", "take it out")
        } else if value.is_empty() || !value.chars().all(printable) {
            ("has a value that is no extension", "write letters, digits and signs of ASCII")
        } else {
            continue;
        };
        is_whole = false;
        let node = node.and_then(|node| node.get(name)).unwrap_or(section.whole());
        let mark = node.key.unwrap_or(node.mark);
        let message = format!("`{}` {why}", node.name);
        section.faults.add("INVALID_VALUE", mark, &node.path, message, help);
    }
    is_whole.then(|| raw.clone())
}
