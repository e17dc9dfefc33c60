//! The endpoints at which a machine of Azure gives out the tokens of its identities.

use serde_json::json;

use super::{
    IDENTITY_HEADER, State,
    entra::{self, Principal, SYSTEM, USER},
    message::{Reply, Request},
};

/// App Service and Container Apps
/// (<https://learn.microsoft.com/azure/app-service/overview-managed-identity>).
pub(super) fn app_service(request: &Request, state: &State) -> Reply {
    if request.header("x-identity-header") != Some(IDENTITY_HEADER) {
        let message = "The X-IDENTITY-HEADER is missing or wrong.";
        return Reply::json(401, &json!({ "statusCode": 401, "message": message }));
    }
    token(request, "2019-08-01", state)
}

/// The metadata service of virtual machines (Microsoft Learn, "How to use managed identities for
/// Azure resources on an Azure VM to acquire an access token").
pub(super) fn imds(request: &Request, state: &State) -> Reply {
    let is_forwarded = request.header("x-forwarded-for").is_some();
    if request.header("metadata") != Some("true") || is_forwarded {
        return refused("bad_request_102", "Required metadata header not specified");
    }
    token(request, "2018-02-01", state)
}

fn token(request: &Request, oldest: &str, state: &State) -> Reply {
    if request.query("api-version").is_none_or(|version| version < oldest) {
        return refused("invalid_request", "The api-version is missing or not supported");
    }
    let Some(resource) = request.query("resource") else {
        return refused("invalid_request", "Required query variable 'resource' is missing");
    };
    let ids = ["client_id", "object_id", "principal_id", "msi_res_id", "mi_res_id"];
    let given: Vec<_> = ids.iter().filter_map(|id| request.query(id)).collect();
    let principal = match given[..] {
        [] => Some(SYSTEM),
        [id] => Some(USER).filter(|user| is_named(user, id)),
        _ => None,
    };
    let Some(principal) = principal else {
        return refused("invalid_request", "Identity not found");
    };
    if resource.contains("unknown") {
        let message = format!(
            "AADSTS500011: The resource principal named {resource} was not found in the tenant. \
             Trace ID: 0 Correlation ID: 0"
        );
        return refused("invalid_resource", &message);
    }
    let (token, expires) = entra::issue(&principal, resource, state);
    // The crates refuse a number here: Azure sends text.
    Reply::json(
        200,
        &json!({
            "access_token": token,
            "expires_on": expires.to_string(),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": principal.client_id,
        }),
    )
}

fn is_named(principal: &Principal, id: &str) -> bool {
    [principal.client_id, principal.object_id, principal.resource_id].contains(&id)
}

fn refused(error: &str, description: &str) -> Reply {
    Reply::json(400, &json!({ "error": error, "error_description": description }))
}
