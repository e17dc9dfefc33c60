//! Tokens of the one identity that was chosen, by the official crates.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use azure_core::{
    credentials::TokenCredential,
    http::{ClientMethodOptions, ClientOptions},
};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertion, ClientAssertionCredential,
    ClientAssertionCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId,
};
use reqwest::Client;

use super::{Identity, UserAssigned, command::Recorded, fault};
use crate::{
    Error, Reference, Secret,
    claims::Claims,
    files::Files,
    http,
    token::{AccessToken, Progress, Source},
    transport,
};

/// What managed identities of App Service and Container Apps are asked at; IMDS without it.
const ENDPOINT_VARIABLE: &str = "IDENTITY_ENDPOINT";

/// An identity with what is needed to get its tokens.
#[derive(Clone)]
pub(crate) struct Credential {
    identity: Identity,
    /// For Entra ID.
    outside: Client,
    /// For endpoints of this machine.
    inside: Client,
    files: Files,
}

/// The tokens of an identity for one scope.
pub(crate) struct Scoped {
    pub(crate) credential: Credential,
    pub(crate) scope: String,
}

impl Credential {
    pub(crate) fn new(identity: Identity, outside: Client, files: Files) -> Result<Self, Error> {
        Ok(Self { identity, outside, inside: http::inside()?, files })
    }

    /// A credential of the official crates, made anew for each fetch: so their caches never answer,
    /// and a workload's token file is read each time.
    async fn make(&self, progress: &Progress) -> Result<Arc<dyn TokenCredential>, Error> {
        match &self.identity {
            Identity::SystemAssigned => self.managed(None, progress),
            Identity::UserAssigned(id) => self.managed(Some(id), progress),
            Identity::Workload { client_id, tenant_id, token_file } => {
                let client_id = workload_setting(client_id.clone(), "AZURE_CLIENT_ID")?;
                let tenant_id = workload_setting(tenant_id.clone(), "AZURE_TENANT_ID")?;
                let file = token_file.as_ref().map(|file| file.to_string_lossy().into_owned());
                let file = workload_setting(file, "AZURE_FEDERATED_TOKEN_FILE")?;
                let assertion = read_assertion(&self.files, file.into()).await?;
                let (seen, known) = (progress.clone(), assertion.clone());
                let identity = self.identity.clone();
                let client_options = transport::options(self.outside.clone(), move |outcome| {
                    seen.set(fault::of_entra(outcome, &identity, &known));
                });
                let options = ClientAssertionCredentialOptions { client_options };
                let assertion = Assertion(assertion);
                let made =
                    ClientAssertionCredential::new(tenant_id, client_id, assertion, Some(options));
                Ok(made.map_err(|error| fault::unsupported(&self.identity, &error))?)
            }
            Identity::AzureCli { tenant_id } => {
                let options = AzureCliCredentialOptions {
                    tenant_id: tenant_id.clone(),
                    executor: Some(Arc::new(Recorded(progress.clone()))),
                    ..Default::default()
                };
                let made = AzureCliCredential::new(Some(options));
                Ok(made.map_err(|error| fault::unsupported(&self.identity, &error))?)
            }
        }
    }

    fn managed(
        &self,
        id: Option<&UserAssigned>,
        progress: &Progress,
    ) -> Result<Arc<dyn TokenCredential>, Error> {
        let user_assigned_id = id.map(|id| match id {
            UserAssigned::ClientId(id) => UserAssignedId::ClientId(id.clone()),
            UserAssigned::ObjectId(id) => UserAssignedId::ObjectId(id.clone()),
            UserAssigned::ResourceId(id) => UserAssignedId::ResourceId(id.clone()),
        });
        let (seen, identity) = (progress.clone(), self.identity.clone());
        let client_options: ClientOptions =
            transport::options(self.inside.clone(), move |outcome| {
                seen.set(fault::of_endpoint(outcome, &identity, &endpoint()));
            });
        let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
        let made = ManagedIdentityCredential::new(Some(options));
        Ok(made.map_err(|error| fault::unsupported(&self.identity, &error))?)
    }
}

impl Source for Scoped {
    async fn fetch(&self, progress: Progress) -> Result<AccessToken, Error> {
        let credential = self.credential.make(&progress).await?;
        match credential.get_token(&[&self.scope], None).await {
            Ok(token) => {
                let secret = Secret::from(token.token.secret().to_owned());
                Ok(AccessToken::new(secret, token.expires_on.into()))
            }
            // What the crates say of it is less than what was seen.
            Err(_) => {
                Err(progress.get().unwrap_or_else(|| fault::malformed(&self.credential.identity)))
            }
        }
    }

    fn slow(&self) -> Error {
        fault::slow(&self.credential.identity)
    }
}

/// Where this machine gives out tokens, in words.
fn endpoint() -> String {
    env::var(ENDPOINT_VARIABLE).unwrap_or_else(|_| "http://169.254.169.254 (IMDS)".to_owned())
}

fn workload_setting(given: Option<String>, variable: &str) -> Result<String, Error> {
    given.or_else(|| env::var(variable).ok()).filter(|value| !value.is_empty()).ok_or_else(|| {
        Error::new(
            "WORKLOAD_NOT_CONFIGURED",
            format!("the workload identity is not there: the variable `{variable}` is not set"),
            "label the pod `azure.workload.identity/use: \"true\"` and annotate its service \
             account with the client id, or state the values in the job file",
        )
    })
}

/// The service account's token: what Entra ID gets in place of a password.
struct Assertion(Secret);

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assertion")
    }
}

#[async_trait]
impl ClientAssertion for Assertion {
    #[expect(clippy::disallowed_methods, reason = "the token is what Entra ID is shown")]
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.expose_text().unwrap_or_default().trim().to_owned())
    }
}

async fn read_assertion(files: &Files, file: PathBuf) -> Result<Secret, Error> {
    let unreadable = |path: &Path, said: &str| {
        Error::new(
            "WORKLOAD_TOKEN_FILE",
            format!("the service account's token in {} cannot be used: {said}", path.display()),
            "check that the token is projected into the pod and that the service may read it",
        )
        .later(None)
    };
    let read = files.get(&Reference::File(file.clone())).await;
    let found = read.map_err(|error| unreadable(&file, &error.message))?;
    let claims = Claims::of(&found.secret);
    let claims = claims.ok_or_else(|| unreadable(&file, "it is not a JSON Web Token"))?;
    if claims.expires().is_some_and(|expires| expires <= SystemTime::now()) {
        return Err(Error::new(
            "WORKLOAD_TOKEN_EXPIRED",
            format!("the service account's token in {} has expired", file.display()),
            "the kubelet renews it: check the clock of this machine, and that the token is \
             projected and not copied",
        )
        .later(None));
    }
    Ok(found.secret)
}
