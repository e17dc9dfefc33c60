//! Where the secrets of a job stand.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use tests::{
    azure::{Azure, Object},
    cache,
};

/// What Key Vault says of a certificate in PKCS#12.
pub const PFX: &str = "application/x-pkcs12";
/// What it says of one in PEM.
pub const PEM: &str = "application/x-pem-file";

/// The vault's name.
const VAULT: &str = "matrix";

/// A kind of place for secrets, and what was put there.
#[derive(Debug)]
pub struct Source {
    kind: Kind,
    /// How many secrets there are: each has a number.
    count: usize,
    variables: Vec<(String, String)>,
}

#[derive(Debug)]
enum Kind {
    Files(TempDir),
    Environment,
    /// Key Vault's stand-in, reached under the vault's real name.
    Vault(Azure),
}

impl Source {
    /// Files.
    pub fn files() -> Self {
        Self::new(Kind::Files(cache::run_dir("secrets-")))
    }

    /// Environment variables.
    pub fn environment() -> Self {
        Self::new(Kind::Environment)
    }

    /// Key Vault, through the identity of the machine.
    pub fn vault() -> Self {
        let azure = Azure::start();
        let variables = azure.environment();
        Self { variables, ..Self::new(Kind::Vault(azure)) }
    }

    fn new(kind: Kind) -> Self {
        Self { kind, count: 0, variables: Vec::new() }
    }

    /// Puts a text there; returns the reference of a job file to it.
    pub fn text(&mut self, text: &str) -> String {
        self.put(text.as_bytes())
    }

    /// Puts bytes there, in base64 where only text can stand.
    pub fn bytes(&mut self, bytes: &[u8]) -> String {
        match self.kind {
            Kind::Files(_) => self.put(bytes),
            Kind::Environment | Kind::Vault(_) => self.put(STANDARD.encode(bytes).as_bytes()),
        }
    }

    /// Puts a certificate with its key there, as Key Vault keeps one that it has made: as a secret
    /// of that type (PFX without a password, or PEM) beside the certificate.
    pub fn certificate(&mut self, content_type: &str, bytes: &[u8]) -> String {
        let is_text = content_type == PEM;
        let Kind::Vault(azure) = &self.kind else {
            return if is_text { self.put(bytes) } else { self.bytes(bytes) };
        };
        self.count += 1;
        let name = format!("certificate-{}", self.count);
        let text = if is_text { str::from_utf8(bytes).unwrap() } else { &STANDARD.encode(bytes) };
        azure.vault(VAULT).put(&name, Object::text(text).of_type(content_type));
        format!("{{ certificate: {name} }}")
    }

    fn put(&mut self, bytes: &[u8]) -> String {
        self.count += 1;
        match &self.kind {
            Kind::Files(dir) => {
                let path = dir.path().join(self.count.to_string());
                fs::write(&path, bytes).unwrap();
                format!("{{ file: '{}' }}", path.display())
            }
            Kind::Environment => {
                let name = format!("MATRIX_SECRET_{}", self.count);
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                self.variables.push((name.clone(), text));
                format!("{{ env: {name} }}")
            }
            Kind::Vault(azure) => {
                let name = format!("secret-{}", self.count);
                azure.vault(VAULT).set(&name, str::from_utf8(bytes).unwrap());
                format!("{{ secret: {name} }}")
            }
        }
    }

    /// What the job says of all its secrets.
    pub fn job_head(&self) -> String {
        match self.kind {
            Kind::Files(_) | Kind::Environment => String::new(),
            Kind::Vault(_) => format!(
                "identity: {{ type: systemAssigned }}\nvault: https://{VAULT}.vault.azure.net\n"
            ),
        }
    }

    /// The variables of the service's process.
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }
}
