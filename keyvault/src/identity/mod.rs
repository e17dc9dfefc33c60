//! Who the service is for Entra ID. Chosen by whoever writes the job file; nothing is guessed.

mod command;
mod credential;
mod fault;

use std::path::PathBuf;

pub(crate) use self::credential::{Credential, Scoped};

/// Who the service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The identity that the machine, App Service or Container App has of its own.
    SystemAssigned,
    /// One that was made apart and assigned.
    UserAssigned(UserAssigned),
    /// A Kubernetes service account that Entra ID trusts (workload identity). What is not given
    /// comes from the variables that the platform injects: `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    Workload {
        /// The application or managed identity.
        client_id: Option<String>,
        /// Its tenant.
        tenant_id: Option<String>,
        /// The file with the service account's token; read each time.
        token_file: Option<PathBuf>,
    },
    /// Whoever is logged in with the Azure CLI; for a developer's machine.
    AzureCli {
        /// The tenant, if not the CLI's own.
        tenant_id: Option<String>,
    },
}

/// How a user-assigned identity is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserAssigned {
    /// By its client id.
    ClientId(String),
    /// By its object (principal) id.
    ObjectId(String),
    /// By its resource id.
    ResourceId(String),
}
