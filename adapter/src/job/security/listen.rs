//! From `tls` and `tokens` of a listener as they are written to what the server takes.

use std::{net::SocketAddr, time::Duration};

use super::{
    super::{convert::Section, text::InvalidText},
    model::{ListenTls, Material, Tokens},
    raw::{RawClientCertificate, RawListenTls, RawTexts, RawTokens, default},
    reference::{References, Vaults},
    text::{guid, line, web_address},
};

const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5 * 60);
/// Entra ID of the public cloud.
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// What references of a listener are resolved with.
fn references(vaults: &Vaults, address: Option<SocketAddr>) -> References<'_> {
    let remote = address.filter(|address| !address.ip().is_loopback());
    References { vaults, remote: remote.map(|address| format!("the address `{address}`")) }
}

/// Makes TLS to writers. Nothing comes back outside only if a fault was reported.
pub(in crate::job) fn tls(
    section: &mut Section<'_>,
    raw: Option<&RawListenTls>,
    vaults: &Vaults,
    address: Option<SocketAddr>,
    has_tokens: bool,
) -> Option<Option<ListenTls>> {
    let Some(raw) = raw else { return Some(None) };
    let path = |key: &str| format!("listen.grpc.tls.{key}");
    let references = references(vaults, address);
    let [certificate, key, password] = ["certificate", "key", "password"].map(path);
    let keys = if raw.certificate.is_some() {
        [raw.key.as_ref(), raw.password.as_ref()]
    } else {
        // That the certificate is missing is said already.
        [None, None]
    };
    let certificate = references.certificate_source(
        section,
        [&certificate, &key, &password],
        raw.certificate.as_ref(),
        keys,
    );
    let [ca, ca_password] = ["clientCa", "clientCaPassword"].map(path);
    let client_ca = references.material(
        section,
        [&ca, &ca_password],
        raw.client_ca.as_ref(),
        raw.client_ca_password.as_ref(),
    );
    if let Some(wanted) = raw.client_certificate {
        check_client_certificate(section, raw, wanted, has_tokens);
    }
    Some(Some(ListenTls {
        certificate: certificate??,
        client_ca: client_ca?,
        client_certificate_optional: raw.client_certificate == Some(RawClientCertificate::Optional),
    }))
}

fn check_client_certificate(
    section: &mut Section<'_>,
    raw: &RawListenTls,
    wanted: RawClientCertificate,
    has_tokens: bool,
) {
    let path = "listen.grpc.tls.clientCertificate";
    if raw.client_ca.is_none() {
        if !section.is_wrong("listen.grpc.tls.clientCa") {
            let message =
                "`clientCertificate` is given, but no `clientCa` whose certificates are taken";
            let help = "add `clientCa`, or take `clientCertificate` out";
            section.fault("CONFLICT", path, message.to_owned(), help);
        }
    } else if wanted == RawClientCertificate::Optional
        && !has_tokens
        && !section.is_wrong("listen.grpc.tokens")
    {
        let message =
            "`clientCertificate: Optional` lets anybody in, since no tokens are asked for";
        let help = "add `tokens` beside `tls`, or write `clientCertificate: Required`";
        section.fault("CONFLICT", path, message.to_owned(), help);
    }
}

/// Makes the check of tokens. Nothing comes back outside only if a fault was reported.
pub(in crate::job) fn tokens(
    section: &mut Section<'_>,
    raw: Option<&RawTokens>,
    vaults: &Vaults,
    address: Option<SocketAddr>,
) -> Option<Option<Tokens>> {
    let Some(raw) = raw else { return Some(None) };
    let path = |key: &str| format!("listen.grpc.tokens.{key}");
    let mut optional = |key: &str, raw: Option<&str>, read: fn(&str) -> Read| match raw {
        Some(text) => section.take(&path(key), read(text)).map(Some),
        None if section.is_wrong(&path(key)) => None,
        None => Some(None),
    };
    let tenant = optional("tenant", raw.tenant.as_deref(), guid);
    let issuer = optional("issuer", raw.issuer.as_deref(), web_address);
    let keys_url = optional("keysUrl", raw.keys_url.as_deref(), web_address);
    let source = match (tenant, issuer, keys_url) {
        (Some(tenant), Some(issuer), Some(keys)) => source(section, tenant, issuer, keys),
        _ => None,
    };
    let truststore = references(vaults, address).certificate(
        section,
        &path("truststore"),
        raw.truststore.as_ref(),
    );
    let truststore =
        truststore.map(|found| found.map(|source| Material { source, password: None }));
    let audiences = match &raw.audiences {
        Some(RawTexts::One(text)) => texts(section, "audiences", std::slice::from_ref(text), line),
        Some(RawTexts::List(list)) => texts(section, "audiences", list, line),
        // It is reported, since the schema requires it.
        None => None,
    };
    // Client ids of Entra ID are GUIDs, those of others need not be.
    let read = if raw.tenant.is_some() { guid } else { line };
    let listed = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let applications = texts(section, "applications", &listed(&raw.applications), read);
    let roles = texts(section, "roles", &listed(&raw.roles), line);
    if raw.applications.is_none()
        && raw.roles.is_none()
        && !["applications", "roles"].iter().any(|key| section.is_wrong(&path(key)))
    {
        let message = "`tokens` has neither `applications` nor `roles`: any application that can \
            get a token for these `audiences` could write";
        let help = "add `applications: [CLIENT-ID]`, or `roles: [ROLE]`";
        section.missing(&path("applications"), message.to_owned(), help);
    }
    let range = (Duration::ZERO, CLOCK_SKEW_MAX);
    let clock_skew =
        section.duration(&path("clockSkew"), raw.clock_skew.as_ref(), default::CLOCK_SKEW, range);
    let Source { tenant, issuer, keys_url } = source?;
    Some(Some(Tokens {
        issuer,
        keys_url,
        truststore: truststore?,
        audiences: audiences?,
        tenant,
        applications: applications?,
        roles: roles?,
        clock_skew: clock_skew?,
    }))
}

type Read = Result<String, InvalidText>;

/// Who issues tokens, and where the keys are.
struct Source {
    tenant: Option<String>,
    issuer: String,
    keys_url: String,
}

/// A tenant has an issuer and keys; what is given beside it goes first.
fn source(
    section: &mut Section<'_>,
    tenant: Option<String>,
    issuer: Option<String>,
    keys_url: Option<String>,
) -> Option<Source> {
    if let Some(id) = &tenant {
        let issuer = issuer.unwrap_or_else(|| format!("{AUTHORITY}/{id}/v2.0"));
        let keys_url = keys_url.unwrap_or_else(|| format!("{AUTHORITY}/{id}/discovery/v2.0/keys"));
        return Some(Source { tenant, issuer, keys_url });
    }
    let (key, message, help) = match (issuer, keys_url) {
        (Some(issuer), Some(keys_url)) => return Some(Source { tenant, issuer, keys_url }),
        (None, None) => (
            "tenant",
            "`tokens` does not say who issues them",
            "add `tenant: TENANT-ID` for Entra ID, or `issuer` and `keysUrl` for another issuer",
        ),
        (Some(_), None) => (
            "keysUrl",
            "`tokens` has an `issuer`, but no `keysUrl`",
            "add `keysUrl`, where the issuer's keys are (JWKS); or `tenant` for Entra ID",
        ),
        (None, Some(_)) => (
            "issuer",
            "`tokens` has a `keysUrl`, but no `issuer`",
            "add `issuer`, exactly as tokens say it (`iss`); or `tenant` for Entra ID",
        ),
    };
    section.missing(&format!("listen.grpc.tokens.{key}"), message.to_owned(), help);
    None
}

/// Texts of a list, each checked, none twice.
fn texts(
    section: &mut Section<'_>,
    key: &str,
    texts: &[String],
    read: fn(&str) -> Read,
) -> Option<Vec<String>> {
    let path = format!("listen.grpc.tokens.{key}");
    if texts.is_empty() {
        return (!section.is_wrong(&path)).then(Vec::new);
    }
    let node = section.node(&path)?;
    let mut taken = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let item = node.item(index).unwrap_or(node);
        let (code, message, help) = match read(text) {
            Ok(text) if taken.contains(&text) => (
                "DUPLICATE_VALUE",
                format!("`{}` is there already", item.name),
                "take one of the two out".to_owned(),
            ),
            Ok(text) => {
                taken.push(text);
                continue;
            }
            Err(error) => {
                ("INVALID_VALUE", format!("`{}` {error}", item.name), error.help().to_owned())
            }
        };
        section.faults.add(code, item.mark, &item.path, message, help);
    }
    (taken.len() == texts.len()).then_some(taken)
}
