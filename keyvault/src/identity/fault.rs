//! Why an identity gets no token, each fault by its own name.

use serde::Deserialize;

use super::{Identity, UserAssigned};
use crate::{
    Error, Secret,
    failure::{Cause, Failure, causes},
    http::Answer,
    said::reason,
    transport::Outcome,
};

const LOGIN: &str = "Entra ID's login host";
/// Entra ID does not trust the service account: no federated credential has its issuer, subject or
/// audience.
const NOT_FEDERATED: [&str; 4] =
    ["AADSTS70021:", "AADSTS700211:", "AADSTS700212:", "AADSTS700213:"];
/// The service account's token has ended or is not valid yet.
const ASSERTION_OUT_OF_TIME: [&str; 2] = ["AADSTS700024:", "AADSTS500133:"];
const APPLICATION_UNKNOWN: &str = "AADSTS700016:";
const TENANT_UNKNOWN: &str = "AADSTS90002:";
/// The resource that the token is for is unknown in the tenant.
const RESOURCE_UNKNOWN: [&str; 2] = ["AADSTS500011:", "AADSTS50001:"];

/// The body of an error of Entra ID and of identity endpoints.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    error: String,
    error_description: String,
}

/// Judges an answer of the machine's own endpoint; `None` if it is good so far.
pub(super) fn of_endpoint(outcome: &Outcome, identity: &Identity, endpoint: &str) -> Option<Error> {
    let who = name(identity);
    let answer = match outcome {
        Ok(answer) if answer.is_success() => return None,
        Ok(answer) => answer,
        Err(failure) => return Some(no_answer(failure, identity, endpoint)),
    };
    let (status, told) = (answer.status, told(answer));
    let said = reason(&told.error_description, &[]);
    let (code, message, remedy) = match status {
        400 if told.error == "invalid_resource" || is_one_of(&said, &RESOURCE_UNKNOWN) => (
            "TOKEN_SCOPE_UNKNOWN",
            format!("there are no tokens of {who} for that service{said}"),
            "check the scope",
        ),
        400 => (
            "IDENTITY_NOT_ASSIGNED",
            format!("{who} is not assigned to this machine{said}"),
            "assign it to the virtual machine, app or container app, and check its id",
        ),
        401 | 403 => (
            "IDENTITY_REFUSED",
            format!("the identity endpoint {endpoint} refuses the request ({status}){said}"),
            "on App Service and Container Apps, check that `IDENTITY_HEADER` is that of the platform; \
             elsewhere this may be no machine of Azure, or something keeps it from its identity: \
             choose the identity `workload` or `azureCli`",
        ),
        404 => (
            "IDENTITY_ENDPOINT_NOT_FOUND",
            format!("the identity endpoint {endpoint} gives no tokens (404){said}"),
            "check that this machine has an identity; just after one was assigned this passes",
        ),
        410 => (
            "IDENTITY_UPDATING",
            format!("the identity endpoint {endpoint} is being updated (410)"),
            "wait: it takes 70 seconds or more",
        ),
        429 => (
            "IDENTITY_THROTTLED",
            format!("the identity endpoint {endpoint} is asked too often (429)"),
            "wait; find what else on this machine asks for tokens",
        ),
        500.. => (
            "IDENTITY_FAILED",
            format!("the identity endpoint {endpoint} has failed ({status})"),
            "wait; if it stays, look at the health of the machine's agent",
        ),
        _ => (
            "IDENTITY_UNEXPECTED_ANSWER",
            format!("the identity endpoint {endpoint} answers {status}{said}"),
            "check what `IDENTITY_ENDPOINT` names",
        ),
    };
    Some(Error::new(code, message, remedy).later(answer.retry_after()))
}

/// Judges an answer of Entra ID to a workload identity; `None` if it is good so far.
pub(super) fn of_entra(
    outcome: &Outcome,
    identity: &Identity,
    assertion: &Secret,
) -> Option<Error> {
    let answer = match outcome {
        Ok(answer) if answer.is_success() => return None,
        Ok(answer) => answer,
        Err(failure) if failure.cause == Cause::Silent => return Some(slow(identity)),
        Err(failure) => return Some(failure.tell(LOGIN)),
    };
    let status = answer.status;
    let said = reason(&told(answer).error_description, &[assertion]);
    let (code, message, remedy) = match status {
        429 => ("ENTRA_THROTTLED", format!("{LOGIN} is asked too often (429)"), "wait"),
        500.. => ("ENTRA_FAILED", format!("{LOGIN} has failed ({status}){said}"), "wait"),
        _ if is_one_of(&said, &NOT_FEDERATED) => (
            "WORKLOAD_NOT_TRUSTED",
            format!("Entra ID does not trust this service account{said}"),
            "make a federated credential with its issuer, subject and audience; a new one takes \
             some minutes",
        ),
        _ if is_one_of(&said, &ASSERTION_OUT_OF_TIME) => (
            "WORKLOAD_TOKEN_EXPIRED",
            format!("Entra ID calls the service account's token expired{said}"),
            "check the clock of this machine, and that the token is projected and not copied",
        ),
        _ if said.contains(APPLICATION_UNKNOWN) => (
            "IDENTITY_UNKNOWN",
            format!("Entra ID does not know the workload identity{said}"),
            "check the client id and the tenant",
        ),
        _ if said.contains(TENANT_UNKNOWN) => {
            ("TENANT_UNKNOWN", format!("Entra ID does not know the tenant{said}"), "check its id")
        }
        _ if is_one_of(&said, &RESOURCE_UNKNOWN) => (
            "TOKEN_SCOPE_UNKNOWN",
            format!("there are no tokens for that service{said}"),
            "check the scope, and that the tenant has the service",
        ),
        _ => (
            "ENTRA_REFUSED",
            format!("Entra ID gives no token ({status}){said}"),
            "look the number up at https://login.microsoftonline.com/error",
        ),
    };
    Some(Error::new(code, message, remedy).later(answer.retry_after()))
}

/// There is nothing to ask, or not in this way.
pub(super) fn unsupported(identity: &Identity, error: &azure_core::Error) -> Error {
    let said = causes(error).last().map_or_else(String::new, ToString::to_string);
    Error::new(
        "IDENTITY_UNSUPPORTED",
        format!("{} cannot be used here{}", name(identity), reason(&said, &[])),
        "check the identity in the job file and the variables that the platform sets",
    )
}

/// There is an answer, and it is no token.
pub(super) fn malformed(identity: &Identity) -> Error {
    Error::new(
        "TOKEN_MALFORMED",
        format!("the answer to a request for a token of {} is no token", name(identity)),
        "check what answers there; a proxy may stand between",
    )
    .later(None)
}

/// There is no answer yet.
pub(super) fn slow(identity: &Identity) -> Error {
    Error::new(
        "IDENTITY_SLOW",
        format!("there is no token of {} yet: nobody has answered", name(identity)),
        "wait; if it stays, check that this machine can reach what gives its tokens",
    )
    .later(None)
}

fn no_answer(failure: &Failure, identity: &Identity, endpoint: &str) -> Error {
    match failure.cause {
        Cause::Silent => slow(identity),
        Cause::Refused | Cause::Unreachable | Cause::NotResolved | Cause::Slow | Cause::Other => {
            Error::new(
                "IDENTITY_UNREACHABLE",
                format!("the identity endpoint {endpoint} does not answer: {}", failure.detail),
                "a managed identity is only there on an Azure machine; elsewhere choose \
                 `workload` or `azureCli`",
            )
            .later(None)
        }
        _ => failure.tell(&format!("the identity endpoint {endpoint} for {}", name(identity))),
    }
}

/// The identity in words.
fn name(identity: &Identity) -> String {
    match identity {
        Identity::SystemAssigned => "the system-assigned identity".to_owned(),
        Identity::UserAssigned(id) => match id {
            UserAssigned::ClientId(id) => format!("the user-assigned identity (client id {id})"),
            UserAssigned::ObjectId(id) => format!("the user-assigned identity (object id {id})"),
            UserAssigned::ResourceId(id) => format!("the user-assigned identity {id}"),
        },
        Identity::Workload { client_id: Some(id), .. } => format!("the workload identity {id}"),
        Identity::Workload { client_id: None, .. } => "the workload identity".to_owned(),
        Identity::AzureCli { .. } => "whoever is logged in with the Azure CLI".to_owned(),
    }
}

fn told(answer: &Answer) -> Told {
    answer.json().unwrap_or_default()
}

fn is_one_of(said: &str, codes: &[&str]) -> bool {
    codes.iter().any(|code| said.contains(code))
}
