//! Security as the job file would write it, without secrets: where one stands is shown, the secret
//! is not.

use std::collections::BTreeMap;

use keyvault::{Identity, REDACTED, Reference, UserAssigned, VaultObject};
use serde_json::{Map, Value, json};

use super::{
    super::{secrecy, text::show_duration},
    model::{
        CallerRule, CertificateSource, ListenTls, Login, Material, Security, Tls, TokenSource,
        Tokens, Username, WriterRule,
    },
    reference::object_kind_name,
};

/// The identity.
pub(in crate::job) fn identity_json(identity: &Identity) -> Value {
    given(match identity {
        Identity::SystemAssigned => json!({ "type": "systemAssigned" }),
        Identity::UserAssigned(named) => {
            let (key, id) = match named {
                UserAssigned::ClientId(id) => ("clientId", id),
                UserAssigned::ObjectId(id) => ("objectId", id),
                UserAssigned::ResourceId(id) => ("resourceId", id),
            };
            json!({ "type": "userAssigned", key: id })
        }
        Identity::Workload { client_id, tenant_id, token_file } => json!({
            "type": "workload",
            "clientId": client_id,
            "tenantId": tenant_id,
            "tokenFile": token_file.as_ref().map(|file| file.to_string_lossy()),
        }),
        Identity::AzureCli { tenant_id } => json!({ "type": "azureCli", "tenantId": tenant_id }),
    })
}

impl Security {
    /// The keys of an output that say how its connections are secured.
    pub(in crate::job) fn to_json(&self) -> Map<String, Value> {
        let Self { protocol, tls, login } = self;
        let mut keys = match tls {
            Some(tls) => tls.to_json(),
            None => json!({}),
        };
        keys["securityProtocol"] = protocol.name().into();
        keys["sasl"] = json!(login.as_ref().map(Login::to_json));
        match given(keys) {
            Value::Object(keys) => keys,
            _ => Map::new(),
        }
    }
}

impl Tls {
    fn to_json(&self) -> Value {
        let Self {
            truststore,
            client_certificate,
            trust_any_server_certificate,
            trust_any_host_name,
        } = self;
        let [truststore, truststore_password] = material_json(truststore.as_ref());
        let [certificate, key, password] = certificate_json(client_certificate.as_ref());
        json!({
            "truststore": truststore,
            "truststorePassword": truststore_password,
            "clientCertificate": certificate,
            "clientKey": key,
            "clientKeyPassword": password,
            "trustAnyServerCertificate": trust_any_server_certificate,
            "trustAnyHostName": trust_any_host_name,
        })
    }
}

impl Login {
    fn to_json(&self) -> Value {
        match self {
            Self::Password { mechanism, username, password } => json!({
                "mechanism": mechanism.name(),
                "username": match username {
                    Username::Text(text) => json!(secrecy::shown("username", text)),
                    Username::Reference(reference) => reference_json(reference),
                },
                "password": reference_json(password),
            }),
            Self::Token(source) => {
                json!({ "mechanism": "OAUTHBEARER", "token": source.to_json() })
            }
        }
    }
}

impl TokenSource {
    fn to_json(&self) -> Value {
        match self {
            Self::Identity { scope, extensions } => {
                json!({ "scope": scope, "extensions": extensions_json(extensions) })
            }
            Self::ClientCredentials {
                token_endpoint,
                truststore,
                client_id,
                client_secret,
                scope,
                extensions,
            } => given(json!({
                "endpoint": secrecy::shown_address(token_endpoint),
                "clientId": client_id,
                "clientSecret": reference_json(client_secret),
                "scope": scope,
                "truststore": material_json(truststore.as_ref())[0],
                "extensions": extensions_json(extensions),
            })),
        }
    }
}

impl ListenTls {
    /// As the job file would write it.
    pub(in crate::job) fn to_json(&self) -> Value {
        let Self { certificate, client_ca, client_certificate_optional } = self;
        let [certificate, key, password] = certificate_json(Some(certificate));
        let [ca, ca_password] = material_json(client_ca.as_ref());
        let demand = if *client_certificate_optional { "Optional" } else { "Required" };
        given(json!({
            "certificate": certificate,
            "key": key,
            "password": password,
            "clientCa": ca,
            "clientCaPassword": ca_password,
            "clientCertificate": client_ca.as_ref().map(|_| demand),
        }))
    }
}

impl Tokens {
    /// As the job file would write it.
    pub(in crate::job) fn to_json(&self) -> Value {
        let Self {
            issuer,
            keys_url,
            truststore,
            audiences,
            tenant,
            applications,
            roles,
            clock_skew,
        } = self;
        let listed = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        given(json!({
            "tenant": tenant,
            "issuer": issuer,
            "keysUrl": secrecy::shown_address(keys_url),
            "truststore": material_json(truststore.as_ref())[0],
            "audiences": audiences,
            "applications": listed(applications),
            "roles": listed(roles),
            "clockSkew": show_duration(*clock_skew),
        }))
    }
}

impl WriterRule {
    /// As the job file would write it.
    pub(in crate::job) fn to_json(&self) -> Value {
        let (key, text) = match &self.caller {
            CallerRule::Subject(subject) => ("subject", &subject.to_string()),
            CallerRule::Name(text) => ("name", text),
            CallerRule::Application(text) => ("application", text),
            CallerRule::Role(text) => ("role", text),
        };
        json!({ key: text, "prefix": self.prefix })
    }
}

fn extensions_json(extensions: &BTreeMap<String, String>) -> Value {
    let shown = |(name, value): (&String, &String)| {
        (name.clone(), Value::from(secrecy::shown(name, value)))
    };
    Value::Object(extensions.iter().map(shown).collect())
}

fn material_json(material: Option<&Material>) -> [Value; 2] {
    let Some(Material { source, password }) = material else { return [Value::Null, Value::Null] };
    [reference_json(source), json!(password.as_ref().map(reference_json))]
}

fn certificate_json(source: Option<&CertificateSource>) -> [Value; 3] {
    let Some(CertificateSource { certificate, key, password }) = source else {
        return [Value::Null, Value::Null, Value::Null];
    };
    let optional = |reference: &Option<Reference>| json!(reference.as_ref().map(reference_json));
    [reference_json(certificate), optional(key), optional(password)]
}

/// A reference without the secret.
fn reference_json(reference: &Reference) -> Value {
    match reference {
        Reference::Env(name) => json!({ "env": name }),
        Reference::File(path) => json!({ "file": path.to_string_lossy() }),
        Reference::ClearTextForTests(_) => json!({ "clearTextForTests": REDACTED }),
        Reference::Vault(VaultObject { vault, kind, name, version }) => given(json!({
            object_kind_name(*kind): name,
            "vault": vault.as_str(),
            "version": version,
        })),
    }
}

/// A map without the keys that have nothing behind them.
fn given(mut map: Value) -> Value {
    if let Value::Object(map) = &mut map {
        map.retain(|_, value| !value.is_null());
    }
    map
}
