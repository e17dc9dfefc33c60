//! Values that other products use, and what this one says instead.

/// Values as letters and digits in lower case, by the path of their key.
const VALUES: [(&str, &[&str], &str); 7] = [
    (
        "outputs[].securityProtocol",
        &["ssl", "tls"],
        "write `mTLS` with a `clientCertificate`, or `SASL_SSL` with `sasl`",
    ),
    ("outputs[].securityProtocol", &["plaintext"], "write `None`"),
    (
        "outputs[].sasl.mechanism",
        &["oauth", "oauth2", "oidc", "jwt", "msi", "managedidentity"],
        "write `OAUTHBEARER`",
    ),
    (
        "identity.type",
        &["managedidentity", "msi", "systemassignedmanagedidentity", "system"],
        "write `systemAssigned`, or `userAssigned` with its `clientId`",
    ),
    (
        "identity.type",
        &["userassignedmanagedidentity", "user"],
        "write `userAssigned` with its `clientId`",
    ),
    ("identity.type", &["workloadidentity", "kubernetes", "federated"], "write `workload`"),
    ("identity.type", &["cli", "az", "azurecliidentity"], "write `azureCli`"),
];

/// What to write instead of a value of another product.
pub(super) fn instead(place: &str, value: &str) -> Option<&'static str> {
    let value = super::secrecy::plain(value);
    let known = VALUES.iter().find(|(key, values, _)| *key == place && values.contains(&&*value));
    known.map(|(.., help)| *help)
}
