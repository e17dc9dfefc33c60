//! Vaults: the part of Key Vault that reads secrets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    State,
    entra::{self, TENANT},
    faults::Fault,
    jwt, lock,
    message::{Reply, Request},
};

const RESOURCE: &str = "https://vault.azure.net";
/// The most versions of a page, as in Azure.
const PAGE_MAX: usize = 25;

/// A vault.
#[derive(Clone, Copy, Debug)]
pub struct Vault<'a> {
    state: &'a State,
    index: usize,
}

/// What is put into a vault.
#[derive(Clone, Debug)]
pub struct Object {
    /// The value.
    pub value: String,
    /// What it is said to be.
    pub content_type: Option<String>,
    /// Whether it can be read.
    pub enabled: bool,
    /// From when on it is said to be valid, in seconds since 1970.
    pub not_before: Option<i64>,
    /// Until when.
    pub expires: Option<i64>,
}

impl Object {
    /// A text without anything else.
    pub fn text(value: &str) -> Self {
        let (not_before, expires) = (None, None);
        Self { value: value.to_owned(), content_type: None, enabled: true, not_before, expires }
    }

    /// The same, said to be this.
    #[must_use]
    pub fn of_type(mut self, content_type: &str) -> Self {
        self.content_type = Some(content_type.to_owned());
        self
    }
}

#[derive(Debug)]
pub(super) struct VaultState {
    name: String,
    tenant: String,
    /// The object ids that have the role Key Vault Secrets User; everybody without them.
    readers: Option<Vec<String>>,
    secrets: BTreeMap<String, Secret>,
    versions: u128,
}

#[derive(Debug, Default)]
struct Secret {
    /// The newest last.
    versions: Vec<(String, Object)>,
    deleted: bool,
}

impl<'a> Vault<'a> {
    pub(super) fn new(state: &'a State, name: &str) -> Self {
        let mut vaults = lock(&state.vaults);
        let index = vaults.iter().position(|vault| vault.name == name).unwrap_or_else(|| {
            vaults.push(VaultState {
                name: name.to_owned(),
                tenant: TENANT.to_owned(),
                readers: None,
                secrets: BTreeMap::new(),
                versions: 0,
            });
            vaults.len() - 1
        });
        Self { state, index }
    }

    /// Puts a text into it; gives its version.
    pub fn set(self, name: &str, value: &str) -> String {
        self.put(name, Object::text(value))
    }

    /// Puts an object into it; gives its version.
    pub fn put(self, name: &str, object: Object) -> String {
        self.change(|vault| {
            vault.versions += 1;
            let version = format!("{:032x}", vault.versions);
            let secret = vault.secrets.entry(name.to_owned()).or_default();
            secret.versions.push((version.clone(), object));
            version
        })
    }

    /// Switches the newest version off.
    ///
    /// # Panics
    /// When there is none.
    pub fn disable(self, name: &str) {
        self.change(|vault| {
            let secret = vault.secrets.get_mut(name).expect("it is there");
            secret.versions.last_mut().expect("it has a version").1.enabled = false;
        });
    }

    /// Deletes an object; it can be recovered.
    ///
    /// # Panics
    /// When there is none.
    pub fn delete(self, name: &str) {
        self.change(|vault| vault.secrets.get_mut(name).expect("it is there").deleted = true);
    }

    /// Recovers a deleted object.
    ///
    /// # Panics
    /// When there is none.
    pub fn recover(self, name: &str) {
        self.change(|vault| vault.secrets.get_mut(name).expect("it is there").deleted = false);
    }

    /// Only these object ids may read.
    pub fn allow_only(self, object_ids: &[&str]) {
        let ids = object_ids.iter().map(ToString::to_string).collect();
        self.change(|vault| vault.readers = Some(ids));
    }

    /// Moves it to another tenant.
    pub fn move_to_tenant(self, tenant: &str) {
        self.change(|vault| vault.tenant = tenant.to_owned());
    }

    /// From now on this happens to every request.
    pub fn fault(self, fault: Fault) {
        let place = self.change(|vault| format!("{}.vault.azure.net/", vault.name));
        self.state.faults.add(&place, fault, None);
    }

    /// How many requests came.
    pub fn requests(self) -> usize {
        let place = self.change(|vault| format!("{}.vault.azure.net/", vault.name));
        self.state.faults.requests(&place)
    }

    fn change<T>(self, change: impl FnOnce(&mut VaultState) -> T) -> T {
        change(&mut lock(&self.state.vaults)[self.index])
    }
}

pub(super) fn answer(request: &Request, name: &str, state: &State) -> Reply {
    let vaults = lock(&state.vaults);
    let Some(vault) = vaults.iter().find(|vault| vault.name == name) else {
        return Reply::vault_error(404, "VaultNotFound", "The vault was not found.", None);
    };
    if request.query("api-version").is_none_or(str::is_empty) {
        let message = "The request URI contains an invalid or missing api-version.";
        return Reply::vault_error(400, "BadParameter", message, None);
    }
    let principal = match authenticate(request, vault, state) {
        Ok(principal) => principal,
        Err(message) => return unauthorized(vault, message, state),
    };
    if vault.readers.as_ref().is_some_and(|readers| !readers.contains(&principal)) {
        let message = format!(
            "Caller is not authorized to perform action on resource.\r\nCaller: oid={principal}\
             \r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'"
        );
        return Reply::vault_error(403, "Forbidden", &message, Some("ForbiddenByRbac"));
    }
    let parts: Vec<_> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    match (request.method.as_str(), &parts[..]) {
        ("GET", ["secrets", secret, "versions"]) => list(request, vault, secret),
        ("GET", ["secrets", secret]) => get(vault, secret, None),
        ("GET", ["secrets", secret, version]) => get(vault, secret, Some(version)),
        _ => Reply::vault_error(405, "MethodNotAllowed", "Only reading is here.", None),
    }
}

/// The object id of whom the token is, or why it is not taken.
fn authenticate(
    request: &Request,
    vault: &VaultState,
    state: &State,
) -> Result<String, &'static str> {
    let Some(token) = request.header("authorization").and_then(|h| h.strip_prefix("Bearer "))
    else {
        return Err("AKV10000: Request is missing a Bearer or PoP token.");
    };
    let claims = jwt::verify(token, &lock(&state.entra_keys))
        .map_err(|_| "AKV10046: Unable to resolve the key used for signature validation.")?;
    if claims["iss"] != entra::issuer().as_str() || claims["tid"] != vault.tenant.as_str() {
        return Err("AKV10032: Invalid issuer. Expected that of the tenant of the vault.");
    }
    if !jwt::is_for(&claims, RESOURCE) {
        return Err("AKV10022: Invalid audience. Expected https://vault.azure.net.");
    }
    if !jwt::is_in_time(&claims, state.vault_now() - super::now()) {
        return Err("[TokenExpired] Error validating token: 'S2S12086'.");
    }
    Ok(claims["oid"].as_str().unwrap_or_default().to_owned())
}

fn unauthorized(vault: &VaultState, message: &str, state: &State) -> Reply {
    let tenant = &vault.tenant;
    let challenge = format!(
        "Bearer authorization=\"https://login.microsoftonline.com/{tenant}\", \
         resource=\"{RESOURCE}\""
    );
    Reply::vault_error(401, "Unauthorized", message, None)
        .with("WWW-Authenticate", challenge)
        .with("Date", date(state.vault_now()))
}

fn find<'a>(vault: &'a VaultState, name: &str) -> Result<&'a Secret, Reply> {
    vault.secrets.get(name).filter(|secret| !secret.deleted).ok_or_else(|| {
        let message = format!(
            "A secret with (name/id) {name} was not found in this key vault. If you recently \
             deleted this secret you may be able to recover it using the correct recovery command."
        );
        Reply::vault_error(404, "SecretNotFound", &message, None)
    })
}

fn get(vault: &VaultState, name: &str, version: Option<&str>) -> Reply {
    let secret = match find(vault, name) {
        Ok(secret) => secret,
        Err(reply) => return reply,
    };
    let found = match version {
        None => secret.versions.last(),
        Some(version) => secret.versions.iter().find(|(of, _)| of == version),
    };
    let Some((version, object)) = found else {
        let message = format!("A secret with (name/id) {name} was not found in this key vault.");
        return Reply::vault_error(404, "SecretNotFound", &message, None);
    };
    if !object.enabled {
        let message = "Operation get is not allowed on a disabled secret.";
        return Reply::vault_error(403, "Forbidden", message, Some("SecretDisabled"));
    }
    let mut body = properties(vault, name, version, object);
    body["value"] = object.value.as_str().into();
    Reply::json(200, &body)
}

/// A page of versions, as `maxresults` wants it.
fn list(request: &Request, vault: &VaultState, name: &str) -> Reply {
    let secret = match find(vault, name) {
        Ok(secret) => secret,
        Err(reply) => return reply,
    };
    let number = |name: &str| request.query(name).and_then(|text| text.parse::<usize>().ok());
    let (skip, page) =
        (number("$skiptoken").unwrap_or(0), number("maxresults").unwrap_or(PAGE_MAX));
    let page = page.clamp(1, PAGE_MAX);
    let shown = secret.versions.iter().skip(skip).take(page);
    let shown: Vec<_> = shown.map(|(version, of)| properties(vault, name, version, of)).collect();
    let next = skip + shown.len();
    let next = (next < secret.versions.len()).then(|| {
        let host = &vault.name;
        format!(
            "https://{host}.vault.azure.net/secrets/{name}/versions?api-version=2025-07-01\
             &$skiptoken={next}&maxresults={page}"
        )
    });
    Reply::json(200, &json!({ "value": shown, "nextLink": next }))
}

fn properties(vault: &VaultState, name: &str, version: &str, object: &Object) -> Value {
    let id = format!("https://{}.vault.azure.net/secrets/{name}/{version}", vault.name);
    let mut attributes = json!({
        "enabled": object.enabled,
        "created": 1_700_000_000,
        "updated": 1_700_000_000,
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    });
    if let Some(not_before) = object.not_before {
        attributes["nbf"] = not_before.into();
    }
    if let Some(expires) = object.expires {
        attributes["exp"] = expires.into();
    }
    let mut properties = json!({ "id": id, "attributes": attributes, "tags": {} });
    if let Some(content_type) = &object.content_type {
        properties["contentType"] = content_type.as_str().into();
    }
    properties
}

/// A date as headers write it.
fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).expect("a sensible time");
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
