//! From references as they are written to where secrets stand.

use std::{
    collections::BTreeMap,
    fmt,
    path::{self, Path, PathBuf},
};

use keyvault::{ObjectKind, Reference, Secret, VaultObject, VaultUrl};

use super::{
    super::{
        convert::Section,
        names,
        raw::RawJob,
        text::InvalidText,
        tree::{Node, join},
        words,
    },
    model::{CertificateSource, Material},
    raw::{RawCertificate, RawSecret},
    text::{is_object_name, is_variable, is_version},
};

const VAULT_HELP: &str = "write `https://NAME.vault.azure.net`";
/// The most characters in the name that the job gives a vault.
const VAULT_NAME_CHARS_MAX: usize = 64;

/// The vaults of a job, and whether it may ask them.
pub(in crate::job) struct Vaults {
    main: Named,
    others: BTreeMap<String, Named>,
    /// Whether no other name can be meant.
    is_whole: bool,
    /// Whether there is an identity, and be it one with a fault.
    pub(super) has_identity: bool,
}

/// A vault that the file names.
#[derive(Clone)]
enum Named {
    Vault(VaultUrl),
    /// What is written has a fault, which is reported.
    Wrong,
    Nothing,
}

impl Vaults {
    /// Those of a job that cannot be read: nothing is said about them.
    pub(in crate::job) fn unknown() -> Self {
        Self { main: Named::Wrong, others: BTreeMap::new(), is_whole: false, has_identity: true }
    }

    /// Reads the job's vaults.
    pub(in crate::job) fn read(section: &mut Section<'_>, raw: &RawJob) -> Self {
        let main = match &raw.vault {
            Some(text) => {
                let read = text.parse().map_err(|error| InvalidText::new(error, VAULT_HELP));
                section.take("vault", read).map_or(Named::Wrong, Named::Vault)
            }
            None if section.is_wrong("vault") => Named::Wrong,
            None => Named::Nothing,
        };
        let mut others = BTreeMap::new();
        let nodes = section.node("vaults");
        for (name, node) in nodes.into_iter().flat_map(Node::entries) {
            let url = raw.vaults.as_ref().and_then(|vaults| vaults.get(name));
            let url = url.and_then(|text| {
                let legal = names::plain_name(name, "a name for a vault", VAULT_NAME_CHARS_MAX);
                let read = text.parse().map_err(|error| InvalidText::new(error, VAULT_HELP));
                let url = legal.and(read).map_err(|error| {
                    let message = format!("`{}` {error}", node.name);
                    let mark = node.key.unwrap_or(node.mark);
                    section.faults.add("INVALID_VALUE", mark, &node.path, message, error.help());
                });
                url.ok()
            });
            others.insert(name.to_owned(), url.map_or(Named::Wrong, Named::Vault));
        }
        let has_identity = raw.identity.is_some() || section.is_wrong("identity");
        Self { main, others, is_whole: !section.is_wrong("vaults"), has_identity }
    }
}

/// Where the secrets of a part of the file go: what decides whether one may stand in the file.
pub(super) struct References<'a> {
    pub(super) vaults: &'a Vaults,
    /// Whom other machines can be reached by, in words: the broker `kafka:9092`.
    pub(super) remote: Option<String>,
}

impl References<'_> {
    /// Where a secret stands, if the file says so. Nothing comes back outside only if a fault was
    /// reported.
    pub(super) fn secret(
        &self,
        section: &mut Section<'_>,
        path: &str,
        raw: Option<&RawSecret>,
    ) -> Option<Option<Reference>> {
        let Some(raw) = raw else { return Some(None) };
        let reference = match raw {
            RawSecret::Vault { secret, vault, version } => {
                let object = Object { kind: ObjectKind::Secret, name: secret, vault, version };
                Reference::Vault(self.object(section, path, object)?)
            }
            RawSecret::File { file } => Reference::File(absolute(section.folder, file)),
            RawSecret::Env { env } => {
                if !is_variable(env) {
                    let message = "`env` is not the name of an environment variable".to_owned();
                    let help = "use letters, digits and `_`, such as `KAFKA_PASSWORD`";
                    section.fault("INVALID_VALUE", &join(path, "env"), message, help);
                    return None;
                }
                Reference::Env(env.clone())
            }
            RawSecret::ClearTextForTests { clear_text_for_tests } => {
                if let Some(remote) = &self.remote {
                    let message = format!("`clearTextForTests` is not allowed with {remote}");
                    let help = "it is for this machine alone; write `{ secret: NAME }`, \
                        `{ file: PATH }` or `{ env: NAME }`";
                    section.fault("CLEAR_TEXT_NOT_ALLOWED", path, message, help);
                    return None;
                }
                Reference::ClearTextForTests(Secret::from(clear_text_for_tests.clone()))
            }
        };
        Some(Some(reference))
    }

    /// The same of certificates.
    pub(super) fn certificate(
        &self,
        section: &mut Section<'_>,
        path: &str,
        raw: Option<&RawCertificate>,
    ) -> Option<Option<Reference>> {
        match raw {
            None => Some(None),
            Some(RawCertificate::Secret(raw)) => self.secret(section, path, Some(raw)),
            Some(RawCertificate::Vault { certificate, vault, version }) => {
                let kind = ObjectKind::Certificate;
                let object = Object { kind, name: certificate, vault, version };
                Some(Some(Reference::Vault(self.object(section, path, object)?)))
            }
        }
    }

    /// Authorities, with their password.
    pub(super) fn material(
        &self,
        section: &mut Section<'_>,
        [path, password_path]: [&str; 2],
        raw: Option<&RawCertificate>,
        raw_password: Option<&RawSecret>,
    ) -> Option<Option<Material>> {
        let source = self.certificate(section, path, raw);
        let password = self.secret(section, password_path, raw_password);
        if raw.is_none() && raw_password.is_some() {
            belongs_to(section, password_path, path);
        }
        let (source, password) = (source?, password?);
        Some(source.map(|source| Material { source, password }))
    }

    /// A certificate, with its key and the key's password.
    pub(super) fn certificate_source(
        &self,
        section: &mut Section<'_>,
        [path, key_path, password_path]: [&str; 3],
        raw: Option<&RawCertificate>,
        [raw_key, raw_password]: [Option<&RawSecret>; 2],
    ) -> Option<Option<CertificateSource>> {
        let certificate = self.certificate(section, path, raw);
        let key = self.secret(section, key_path, raw_key);
        let password = self.secret(section, password_path, raw_password);
        for (path_of, given) in
            [(key_path, raw_key.is_some()), (password_path, raw_password.is_some())]
        {
            if raw.is_none() && given {
                belongs_to(section, path_of, path);
            }
        }
        let (certificate, key, password) = (certificate?, key?, password?);
        let source = |certificate| CertificateSource { certificate, key, password };
        Some(certificate.map(source))
    }

    fn object(
        &self,
        section: &mut Section<'_>,
        path: &str,
        object: Object<'_>,
    ) -> Option<VaultObject> {
        let Object { kind, name, vault, version } = object;
        let kind_name = object_kind_name(kind);
        let mut is_whole = true;
        if !is_object_name(name) {
            is_whole = false;
            let message = format!("`{kind_name}` is not the name of a {kind_name} in a vault");
            let help = "use 1 to 127 letters, digits and `-`";
            section.fault("INVALID_VALUE", &join(path, kind_name), message, help);
        }
        if version.as_deref().is_some_and(|version| !is_version(version)) {
            is_whole = false;
            let message = format!("`version` is not the version of a {kind_name} in a vault");
            let help = "write its 32 letters and digits, or take it out to have the newest";
            section.fault("INVALID_VALUE", &join(path, "version"), message, help);
        }
        if !self.vaults.has_identity {
            self.report_identity(section, path, kind_name);
        }
        let vault = self.vault(section, path, kind_name, vault.as_deref())?;
        is_whole.then(|| VaultObject {
            vault,
            kind,
            name: name.to_owned(),
            version: version.clone(),
        })
    }

    /// The vault of an object.
    fn vault(
        &self,
        section: &mut Section<'_>,
        path: &str,
        kind_name: &str,
        vault: Option<&str>,
    ) -> Option<VaultUrl> {
        let named = match vault {
            None => &self.vaults.main,
            Some(text) if text.contains("://") => match text.parse() {
                Ok(url) => return Some(url),
                Err(why) => {
                    let message = format!("`vault` {why}");
                    section.fault("INVALID_VALUE", &join(path, "vault"), message, VAULT_HELP);
                    return None;
                }
            },
            Some(name) => self.vaults.others.get(name).unwrap_or(&Named::Nothing),
        };
        match (named, vault) {
            (Named::Vault(url), _) => return Some(url.clone()),
            (Named::Wrong, _) => {}
            (Named::Nothing, None) => {
                let message = format!("`{kind_name}` is of a vault, but none is named");
                let help = "add `vault: https://NAME.vault.azure.net` at the top of the file, or \
                    `vault: NAME` here for one of `vaults`";
                let path = join(path, "vault");
                section.missing(&path, message, help);
            }
            (Named::Nothing, Some(_)) if !self.vaults.is_whole => {}
            (Named::Nothing, Some(_)) => {
                let message = "`vault` is neither an address nor a name under `vaults`".to_owned();
                let names = self.vaults.others.keys().map(String::as_str).collect::<Vec<_>>();
                let help = match names.as_slice() {
                    [] => format!("{VAULT_HELP}, or add `vaults` at the top of the file"),
                    names => format!("{VAULT_HELP}, or {}", words::list(names, "or")),
                };
                section.fault("INVALID_VALUE", &join(path, "vault"), message, &help);
            }
        }
        None
    }

    /// Reports that there is no identity to ask a vault with: once, at the first that needs one.
    fn report_identity(&self, section: &mut Section<'_>, path: &str, kind_name: &str) {
        if section.faults.is_about("identity") {
            return;
        }
        let mark = section.node(path).unwrap_or(section.whole()).place();
        let message = format!("a {kind_name} in a vault needs an `identity` that may read it");
        let help = "add `identity: { type: systemAssigned }` at the top of the file";
        section.faults.add("MISSING_KEY", mark, "identity", message, help);
    }
}

/// An object of a vault as it is written.
#[derive(Clone, Copy)]
struct Object<'a> {
    kind: ObjectKind,
    name: &'a str,
    vault: &'a Option<String>,
    version: &'a Option<String>,
}

/// The key by which a reference names an object.
pub(super) fn object_kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Secret => "secret",
        ObjectKind::Certificate => "certificate",
    }
}

/// A path as the job means it wherever the service is started.
pub(super) fn absolute(folder: &Path, file: &str) -> PathBuf {
    let found = folder.join(file);
    path::absolute(&found).unwrap_or(found)
}

/// Reports a key that says something of another one, which is not there.
fn belongs_to(section: &mut Section<'_>, path: &str, other: &str) {
    if section.is_wrong(other) {
        return;
    }
    let name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let (key, other) = (name(path), name(other));
    let message = format!("`{key}` belongs to `{other}`, which is not there");
    let help = format!("add `{other}`, or take `{key}` out");
    section.fault("CONFLICT", path, message, &help);
}

/// What the file says at a path, and where; or that it is so by default.
pub(super) fn says(section: &Section<'_>, path: &str, value: &dyn fmt::Display) -> String {
    let key = path.rsplit('.').next().unwrap_or(path);
    match section.node(path) {
        Some(node) => format!("line {} says `{key}: {value}`", node.place().line),
        None => format!("`{key}` is `{value}` by default"),
    }
}
