//! Where a secret stands.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use super::Secret;

/// Where a secret stands. Nothing is read before a [`crate::Store`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// In the environment variable of this name.
    Env(String),
    /// In this file.
    File(PathBuf),
    /// In Key Vault.
    Vault(VaultObject),
    /// Here itself; only for tests.
    ClearTextForTests(Secret),
}

/// An object of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultObject {
    /// The vault.
    pub vault: VaultUrl,
    /// What it is.
    pub kind: ObjectKind,
    /// Its name: 1 to 127 of `[0-9A-Za-z-]`
    /// (<https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates>).
    pub name: String,
    /// The version, if not the newest is wanted.
    pub version: Option<String>,
}

/// What an object of a vault is. Both are read as a secret: a certificate with its key is there
/// under the same name, and so one right (Key Vault Secrets User) is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A secret.
    Secret,
    /// A certificate.
    Certificate,
}

/// The address of a vault: `https://NAME.vault.azure.net` or the same of a sovereign cloud.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VaultUrl(Arc<str>);

/// Suffixes of vaults, per cloud. A token for vaults goes nowhere else.
const SUFFIXES: [&str; 4] =
    [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".vault.microsoftazure.de"];

impl VaultUrl {
    /// `https://NAME.vault.azure.net`, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scope of tokens for it, such as `https://vault.azure.net/.default`.
    pub fn scope(&self) -> String {
        let host = self.0.trim_start_matches("https://");
        let cloud = host.split_once('.').map_or(host, |(_, cloud)| cloud);
        format!("https://{cloud}/.default")
    }
}

impl FromStr for VaultUrl {
    type Err = &'static str;

    /// The error says what is wrong, without the text.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(host) = text.strip_prefix("https://") else {
            return Err("does not begin with `https://`");
        };
        let host = host.strip_suffix('/').unwrap_or(host).to_ascii_lowercase();
        let Some(name) = SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix)) else {
            return Err(
                "is not the host of a vault (`NAME.vault.azure.net`, `.vault.azure.cn` or \
                        `.vault.usgovcloudapi.net`)",
            );
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !(3..=24).contains(&name.len()) || !name.chars().all(legal) {
            return Err("names no vault: its name has 3 to 24 letters, digits and `-`");
        }
        Ok(Self(format!("https://{host}").into()))
    }
}

impl fmt::Display for VaultUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VaultUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultUrl({})", self.0)
    }
}

impl fmt::Display for Reference {
    /// In words, as messages name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::ClearTextForTests(_) => f.write_str("the clear text in the job file"),
            Self::Vault(VaultObject { vault, kind, name, version }) => {
                let kind = match kind {
                    ObjectKind::Secret => "secret",
                    ObjectKind::Certificate => "certificate",
                };
                write!(f, "the {kind} `{name}`")?;
                if let Some(version) = version {
                    write!(f, " (version {version})")?;
                }
                write!(f, " of {vault}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_a_host_of_a_cloud() {
        let vault = "https://Contoso.vault.azure.net/".parse::<VaultUrl>().unwrap();
        assert_eq!(vault.as_str(), "https://contoso.vault.azure.net");
        assert_eq!(vault.scope(), "https://vault.azure.net/.default");
        let china = "https://contoso.vault.azure.cn".parse::<VaultUrl>().unwrap();
        assert_eq!(china.scope(), "https://vault.azure.cn/.default");
        for text in [
            "contoso",
            "http://contoso.vault.azure.net",
            "https://contoso.vault.azure.net.example.org",
            "https://vault.azure.net",
            "https://a.b.vault.azure.net",
            "https://contoso.vault.azure.net/secrets/x",
            "https://user@contoso.vault.azure.net",
            "https://contoso.vault.azure.net:8443",
        ] {
            assert!(text.parse::<VaultUrl>().is_err(), "{text}");
        }
    }
}
