//! Identity, secrets, TLS and logins as they are written. The doc comments here become the
//! descriptions in the JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::raw_values::RawDuration;

/// What holds where the file says nothing, written as the file would write it.
pub(in crate::job) mod default {
    pub(crate) const SECRET_REFRESH: &str = "1h";
    pub(crate) const CLOCK_SKEW: &str = "1m";
    pub(crate) const EVENT_HUBS_SOCKET_TIMEOUT: &str = "60s";
    /// A request may not outlast its transaction.
    pub(crate) const EVENT_HUBS_TRANSACTION_TIMEOUT: &str = EVENT_HUBS_SOCKET_TIMEOUT;
}

/// Who the service is for Entra ID. Nothing is guessed: `type` says where its tokens come from,
/// and which other keys may stand here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Identity", extend("required" = ["type"]))]
pub(in crate::job) struct RawIdentity {
    /// The kind of identity.
    #[serde(rename = "type")]
    #[schemars(example = &"systemAssigned")]
    pub(super) kind: Option<RawIdentityType>,
    /// userAssigned: the client id of the identity, a GUID; here exactly one of `clientId`,
    /// `objectId` and `resourceId` is needed. workload: that of the application or identity;
    /// without this key what `AZURE_CLIENT_ID` holds.
    #[schemars(length(min = 1), example = &"11111111-2222-3333-4444-555555555555")]
    pub(super) client_id: Option<String>,
    /// userAssigned: the object (principal) id of the identity, a GUID.
    #[schemars(length(min = 1), example = &"11111111-2222-3333-4444-555555555555")]
    pub(super) object_id: Option<String>,
    /// userAssigned: the resource id of the identity, which begins with `/subscriptions/`.
    #[schemars(length(min = 1))]
    pub(super) resource_id: Option<String>,
    /// workload and azureCli: the tenant, as a GUID or a domain. Without this key what
    /// `AZURE_TENANT_ID` holds, or the tenant of the CLI's login.
    #[schemars(length(min = 1), example = &"11111111-2222-3333-4444-555555555555")]
    pub(super) tenant_id: Option<String>,
    /// workload: the file with the service account's token. Without this key what
    /// `AZURE_FEDERATED_TOKEN_FILE` names. A relative path begins at the folder of the job file.
    #[schemars(length(min = 1))]
    pub(super) token_file: Option<String>,
}

/// A kind of identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "IdentityType")]
pub(super) enum RawIdentityType {
    /// The managed identity of the machine, App Service or Container App itself.
    SystemAssigned,
    /// A managed identity that was made apart and assigned to it.
    UserAssigned,
    /// A Kubernetes service account that Entra ID trusts.
    Workload,
    /// Whoever is logged in with the Azure CLI: for a developer's machine.
    AzureCli,
}

/// Where a secret stands: a map with `secret`, `file`, `env` or `clearTextForTests`. It is read
/// when the service starts and looked up again while it runs, as `secretRefresh` says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Secret", extend("examples" = [{ "secret": "kafka-password" }]))]
pub(in crate::job) enum RawSecret {
    /// A secret of Key Vault.
    Vault {
        /// Its name: 1 to 127 letters, digits or `-`.
        #[schemars(regex(pattern = r"^[0-9A-Za-z-]{1,127}$"))]
        secret: String,
        /// The vault, by its name under `vaults` or by its address; else the job's `vault`.
        #[schemars(length(min = 1))]
        vault: Option<String>,
        /// The version to stay with; else always the newest.
        #[schemars(regex(pattern = r"^[0-9A-Za-z]{32}$"))]
        version: Option<String>,
    },
    /// A file.
    File {
        /// Its path; a relative one begins at the folder of the job file. One newline at the end
        /// of a password is not part of it.
        #[schemars(length(min = 1))]
        file: String,
    },
    /// An environment variable.
    Env {
        /// Its name.
        #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
        env: String,
    },
    /// The secret itself.
    ClearTextForTests {
        /// The text. Only for tests: it is refused unless every bootstrap server is on this
        /// machine (`localhost` or a loopback address), or the address listened on.
        #[schemars(length(min = 1))]
        clear_text_for_tests: String,
    },
}

/// Where certificates stand, and the private key if it is with them: a map like that of a secret,
/// or one with `certificate`. PEM in any order, PFX (PKCS#12) and Java key stores are read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Certificate", extend("examples" = [{ "secret": "kafka-ca" }]))]
pub(in crate::job) enum RawCertificate {
    /// A certificate of Key Vault, with its chain and its key.
    Vault {
        /// Its name: 1 to 127 letters, digits or `-`.
        #[schemars(regex(pattern = r"^[0-9A-Za-z-]{1,127}$"))]
        certificate: String,
        /// The vault, by its name under `vaults` or by its address; else the job's `vault`.
        #[schemars(length(min = 1))]
        vault: Option<String>,
        /// The version to stay with; else always the newest.
        #[schemars(regex(pattern = r"^[0-9A-Za-z]{32}$"))]
        version: Option<String>,
    },
    /// Like a secret.
    Secret(RawSecret),
}

/// A user name: text, or where it stands.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Username", title = "a user name", example = &"kafka-writer")]
pub(super) enum RawUsername {
    /// As it is.
    Text(#[schemars(length(min = 1))] String),
    /// Where it stands, to be renewed together with the password.
    Secret(RawSecret),
}

/// One text, or a list of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Texts", title = "text or a list of texts")]
pub(super) enum RawTexts {
    /// One.
    One(#[schemars(length(min = 1))] String),
    /// Several.
    List(#[schemars(length(min = 1), inner(length(min = 1)))] Vec<String>),
}

/// Who the service is for the brokers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Sasl")]
pub(in crate::job) struct RawSasl {
    /// How the service proves who it is. Needed.
    pub(super) mechanism: Option<RawMechanism>,
    /// PLAIN and SCRAM: the user name. Needed there, but for Event Hubs, which has one for all:
    /// `$ConnectionString`.
    pub(super) username: Option<RawUsername>,
    /// PLAIN and SCRAM: where the password stands. Needed there. For Event Hubs it is the whole
    /// connection string.
    pub(super) password: Option<RawSecret>,
    /// OAUTHBEARER: where tokens come from. Needed there, but for Event Hubs.
    pub(super) token: Option<RawToken>,
}

/// How the service proves to the brokers who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Mechanism")]
pub(super) enum RawMechanism {
    /// User name and password as they are.
    #[serde(rename = "PLAIN")]
    Plain,
    /// User name and a proof of the password.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with a longer digest.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// An access token: of the job's `identity`, or of another issuer.
    #[serde(rename = "OAUTHBEARER")]
    OAuthBearer,
}

/// Where access tokens come from: from Entra ID for the job's `identity`, or with `endpoint` from
/// another issuer, for a client with a secret.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Token")]
pub(super) struct RawToken {
    /// What tokens are for. Needed without `endpoint`, but for Event Hubs, where it is
    /// `https://NAMESPACE.servicebus.windows.net/.default`.
    #[schemars(length(min = 1), example = &"https://contoso.servicebus.windows.net/.default")]
    pub(super) scope: Option<String>,
    /// Where another issuer gives tokens for a client id and secret (OAuth 2.0 client
    /// credentials): `https://…`, or `http://…` on this machine.
    #[schemars(length(min = 1), example = &"https://login.example.org/token")]
    pub(super) endpoint: Option<String>,
    /// With `endpoint`: the client. Needed there.
    #[schemars(length(min = 1))]
    pub(super) client_id: Option<String>,
    /// With `endpoint`: where the client's secret stands. Needed there.
    pub(super) client_secret: Option<RawSecret>,
    /// With `endpoint`: the authorities to trust there; without this key those of the system.
    pub(super) truststore: Option<RawCertificate>,
    /// What else the brokers want to know (SASL extensions), such as `logicalCluster` and
    /// `identityPoolId` for Confluent Cloud.
    pub(super) extensions: Option<BTreeMap<String, String>>,
}

/// TLS to writers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ListenTls", extend("required" = ["certificate"]))]
pub(in crate::job) struct RawListenTls {
    /// The server's certificate with its chain, and its key unless `key` says where that is.
    #[schemars(extend("examples" = [{ "certificate": "grpc-server" }]))]
    pub(super) certificate: Option<RawCertificate>,
    /// Where the key stands, if not with the certificate.
    pub(super) key: Option<RawSecret>,
    /// The password of an encrypted key, of a PFX or of a key store.
    pub(super) password: Option<RawSecret>,
    /// The authorities whose client certificates are taken. With this key callers need one.
    pub(super) client_ca: Option<RawCertificate>,
    /// The password of `clientCa`, if it is a PFX or a key store.
    pub(super) client_ca_password: Option<RawSecret>,
    /// Whether callers need a client certificate. Only with `clientCa`.
    #[schemars(extend("default" = "Required"))]
    pub(super) client_certificate: Option<RawClientCertificate>,
}

/// Whether callers need a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "ClientCertificate")]
pub(super) enum RawClientCertificate {
    /// They do.
    Required,
    /// They do not, if they show a token instead. Only with `tokens`.
    Optional,
}

/// The tokens that callers must show, such as those of Entra ID. `tenant` alone is enough to
/// check its tokens of version 2.0; for those of version 1.0 add
/// `issuer: https://sts.windows.net/TENANT/`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Tokens", extend("required" = ["audiences"]))]
pub(in crate::job) struct RawTokens {
    /// The tenant of Entra ID that callers belong to, a GUID.
    #[schemars(length(min = 1), example = &"11111111-2222-3333-4444-555555555555")]
    pub(super) tenant: Option<String>,
    /// Who issues the tokens, exactly as they say (`iss`). Without this key
    /// `https://login.microsoftonline.com/TENANT/v2.0`. Needed without `tenant`.
    #[schemars(length(min = 1), example = &"https://login.example.org/")]
    pub(super) issuer: Option<String>,
    /// Where the issuer's keys are (JWKS). Without this key
    /// `https://login.microsoftonline.com/TENANT/discovery/v2.0/keys`. Needed without `tenant`.
    #[schemars(length(min = 1), example = &"https://login.example.org/keys")]
    pub(super) keys_url: Option<String>,
    /// The authorities to trust at `keysUrl`; without this key those of the system.
    pub(super) truststore: Option<RawCertificate>,
    /// Whom the tokens are for (`aud`): any one of these.
    #[schemars(example = &"api://kafka-output")]
    pub(super) audiences: Option<RawTexts>,
    /// The applications that are let in, by client id (`azp` or `appid`). This or `roles` is
    /// needed: without, any application of the tenant could write.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub(super) applications: Option<Vec<String>>,
    /// The roles of which a caller needs one (`roles`).
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub(super) roles: Option<Vec<String>>,
    /// How far the clocks of issuer and service may differ, up to 5m.
    #[schemars(extend("default" = default::CLOCK_SKEW))]
    pub(super) clock_skew: Option<RawDuration>,
}

/// Who may write into an output: exactly one of `subject`, `name`, `application` and `role`, and
/// as which writers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Writer", extend("examples" = [{ "subject": "CN=engine" }]))]
pub(in crate::job) struct RawWriter {
    /// A caller with a client certificate of this subject, such as `CN=engine,O=Contoso`; a common
    /// name alone, `CN=engine`, is of any certificate with it.
    #[schemars(length(min = 1), example = &"CN=engine")]
    pub(super) subject: Option<String>,
    /// A caller whose client certificate has this DNS name or URI (subject alternative name).
    #[schemars(length(min = 1), example = &"engine.example.org")]
    pub(super) name: Option<String>,
    /// A caller with a token of this application, by client id.
    #[schemars(length(min = 1), example = &"11111111-2222-3333-4444-555555555555")]
    pub(super) application: Option<String>,
    /// A caller with this role in its token.
    #[schemars(length(min = 1), example = &"Rows.Write")]
    pub(super) role: Option<String>,
    /// What the ids of the writers begin with that it may write as; without this key any.
    #[schemars(extend("default" = ""))]
    pub(super) prefix: Option<String>,
}

/// What kind of service the brokers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Profile")]
pub(in crate::job) enum RawProfile {
    /// Kafka.
    Kafka,
    /// Azure Event Hubs: `SASL_SSL`, no codec but Gzip, batches up to 1 MB, patient timeouts.
    EventHubs,
}

/// How the connection to the brokers is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "SecurityProtocol")]
pub(in crate::job) enum RawProtocol {
    /// Plaintext, without a login.
    None,
    /// Plaintext, with a login as `sasl` says.
    #[serde(rename = "SASL_PLAINTEXT")]
    SaslPlaintext,
    /// TLS, with a login as `sasl` says. A client certificate may be shown, too.
    #[serde(rename = "SASL_SSL")]
    SaslSsl,
    /// TLS, with a client certificate.
    #[serde(rename = "mTLS")]
    Mtls,
}
