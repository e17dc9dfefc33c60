//! Entra ID: tokens for applications and workloads, and the keys that they are signed with.

use serde_json::{Value, json};

use super::{
    SERVICE_ACCOUNT, State, jwt, lock,
    message::{Form, Reply, Request},
};

/// The only tenant.
pub const TENANT: &str = "8f0a4f9c-1c4a-4a53-9a51-3f7f3a3f0c11";

/// Who can have tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The application.
    pub client_id: &'static str,
    /// Its object in the tenant: what roles are granted to.
    pub object_id: &'static str,
    /// The resource, of a managed identity.
    pub resource_id: &'static str,
}

/// The system-assigned identity of the machine.
pub const SYSTEM: Principal = Principal {
    client_id: "11111111-0000-4000-8000-000000000001",
    object_id: "11111111-0000-4000-8000-000000000002",
    resource_id: "",
};
/// An identity that is assigned to the machine.
pub const USER: Principal = Principal {
    client_id: "22222222-0000-4000-8000-000000000001",
    object_id: "22222222-0000-4000-8000-000000000002",
    resource_id: "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/\
                  userAssignedIdentities/kafka",
};
/// An identity that a Kubernetes service account may use.
pub const WORKLOAD: Principal = Principal {
    client_id: "33333333-0000-4000-8000-000000000001",
    object_id: "33333333-0000-4000-8000-000000000002",
    resource_id: "",
};
/// An application with a secret.
pub const APP: Principal = Principal {
    client_id: "44444444-0000-4000-8000-000000000001",
    object_id: "44444444-0000-4000-8000-000000000002",
    resource_id: "",
};
/// Its secret.
const APP_SECRET: &str = "app~secret+with/special=characters";

const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// Who signs tokens for vaults and Event Hubs.
pub(super) fn issuer() -> String {
    format!("https://sts.windows.net/{TENANT}/")
}

pub(super) fn answer(request: &Request, state: &State) -> Reply {
    let mut parts = request.path.trim_start_matches('/').splitn(2, '/');
    let (tenant, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match (request.method.as_str(), rest) {
        _ if tenant != TENANT => {
            let text = format!("AADSTS90002: Tenant '{tenant}' not found.");
            refused(400, "invalid_request", 90002, &text)
        }
        ("POST", "oauth2/v2.0/token") => token(&request.form(), state),
        ("GET", "discovery/v2.0/keys") => {
            let body = jwt::jwks(&lock(&state.entra_keys));
            Reply { status: 200, headers: vec![], body }
        }
        ("GET", "v2.0/.well-known/openid-configuration") => {
            let host = "https://login.microsoftonline.com";
            Reply::json(
                200,
                &json!({
                    "issuer": issuer(),
                    "token_endpoint": format!("{host}/{TENANT}/oauth2/v2.0/token"),
                    "jwks_uri": format!("{host}/{TENANT}/discovery/v2.0/keys"),
                }),
            )
        }
        _ => Reply::json(404, &json!({})),
    }
}

/// Makes a token for a resource; also says when it ends.
pub(super) fn issue(principal: &Principal, resource: &str, state: &State) -> (String, i64) {
    let issued = state.entra_now();
    let expires = issued + state.token_life();
    let token = lock(&state.entra_keys)[0].sign(&json!({
        "aud": resource,
        "iss": issuer(),
        "iat": issued,
        "nbf": issued,
        "exp": expires,
        "appid": principal.client_id,
        "oid": principal.object_id,
        "sub": principal.object_id,
        "tid": TENANT,
        "ver": "1.0",
    }));
    lock(&state.given).push(token.clone());
    (token, expires)
}

fn token(form: &Form, state: &State) -> Reply {
    if form.get("grant_type") != "client_credentials" {
        let text = "AADSTS70003: The grant type is not supported.";
        return refused(400, "unsupported_grant_type", 70003, text);
    }
    let Some(resource) = form.get("scope").strip_suffix("/.default") else {
        let text = "AADSTS1002012: The scope must end with '/.default'.";
        return refused(400, "invalid_scope", 1_002_012, text);
    };
    let client = form.get("client_id");
    let known = [APP, WORKLOAD].into_iter().find(|known| known.client_id == client);
    let Some(principal) = known else {
        let text = format!("AADSTS700016: Application with identifier '{client}' was not found.");
        return refused(400, "unauthorized_client", 700_016, &text);
    };
    let proven = match form.get("client_assertion_type") {
        BEARER if principal == WORKLOAD => check_assertion(form.get("client_assertion"), state),
        "" if principal == APP && form.get("client_secret") == APP_SECRET => Ok(()),
        _ => Err((7_000_215, "Invalid client secret provided.".to_owned())),
    };
    if let Err((number, text)) = proven {
        return refused(401, "invalid_client", number, &format!("AADSTS{number}: {text}"));
    }
    if resource.contains("unknown") {
        let text = format!("AADSTS500011: The resource principal named {resource} was not found.");
        return refused(400, "invalid_resource", 500_011, &text);
    }
    let (token, _) = issue(&principal, resource, state);
    Reply::json(
        200,
        &json!({
            "token_type": "Bearer",
            "expires_in": state.token_life(),
            "ext_expires_in": state.token_life(),
            "access_token": token,
        }),
    )
}

/// The trust in service accounts of the cluster that the OIDC issuer plays.
fn check_assertion(assertion: &str, state: &State) -> Result<(), (u32, String)> {
    let (keys, cluster) = {
        let issuer = lock(&state.issuer);
        (issuer.keys().to_vec(), issuer.url().to_owned())
    };
    let claims: Value = jwt::verify(assertion, &keys)
        .map_err(|fault| (5_002_723, format!("Invalid JWT token: {fault}.")))?;
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    let nobody = |number, what: &str| {
        Err((number, format!("No matching federated identity record found for presented {what}.")))
    };
    if text("iss") != cluster {
        return nobody(700_211, &format!("assertion issuer '{}'", text("iss")));
    }
    if text("sub") != SERVICE_ACCOUNT {
        return nobody(700_213, &format!("assertion subject '{}'", text("sub")));
    }
    if !jwt::is_for(&claims, EXCHANGE) {
        return nobody(700_212, "assertion audience");
    }
    let ahead = state.entra_now() - super::now();
    if !jwt::is_in_time(&claims, ahead) {
        return Err((700_024, "Client assertion is not within its valid time range.".to_owned()));
    }
    Ok(())
}

fn refused(status: u16, error: &str, number: u32, text: &str) -> Reply {
    let noise = "Trace ID: 5a1e0c1d-0000-0000-0000-000000000000 Correlation ID: \
                 7f0c7a52-0000-0000-0000-000000000000 Timestamp: 2026-11-20 10:00:00Z";
    Reply::json(
        status,
        &json!({
            "error": error,
            "error_description": format!("{text} {noise}"),
            "error_codes": [number],
            "trace_id": "5a1e0c1d-0000-0000-0000-000000000000",
        }),
    )
}
