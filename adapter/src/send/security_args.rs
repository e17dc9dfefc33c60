//! How `send` shows who it is, and whom it trusts.
use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use keyvault::{Reference, read_local};

use crate::client::{Error, OwnCertificate, Security, TokenFrom};

/// The largest file with certificates.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Certificates and tokens for an address that begins with `https`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SecurityArgs {
    /// The authority to trust, with an https address: a PEM file. Default: those that the system
    /// trusts.
    #[arg(long, help_heading = "Security", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// A client certificate and its chain to show: a PEM file.
    #[arg(long, help_heading = "Security", value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,

    /// The key of the client certificate: a PEM file, not encrypted.
    #[arg(long, help_heading = "Security", value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,

    /// An access token to show: a file that holds it, read anew for each connection.
    #[arg(long, help_heading = "Security", value_name = "FILE", conflicts_with = "token_env")]
    token_file: Option<PathBuf>,

    /// An access token to show: the environment variable that holds it.
    #[arg(long, help_heading = "Security", value_name = "NAME")]
    token_env: Option<String>,
}

impl SecurityArgs {
    /// Reads what the files hold.
    pub(super) fn read(&self) -> Result<Security, Error> {
        let authorities_pem = self.ca.as_deref().map(read).transpose()?;
        let certificate = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some(OwnCertificate {
                chain_pem: read(certificate)?,
                key_pem: read_local(&Reference::File(key.clone()))
                    .map_err(|error| Error::Credentials(error.to_string()))?
                    .secret,
            }),
            _ => None,
        };
        let token = match (&self.token_file, &self.token_env) {
            (Some(file), _) => Some(TokenFrom::File(file.clone())),
            (None, Some(name)) => Some(TokenFrom::Env(name.clone())),
            (None, None) => None,
        };
        Ok(Security { authorities_pem, certificate, token })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Error::Credentials(format!("the file {} cannot be read: {why}", path.display()))
    };
    let file = fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(&"it is larger than 1 MiB"));
    }
    Ok(bytes)
}
