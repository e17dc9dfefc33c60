//! From `identity` and `secretRefresh` as they are written to what the service takes.

use std::time::Duration;

use keyvault::{Identity, UserAssigned};

use super::{
    super::{convert::Section, raw::RawJob, text::InvalidText, words},
    raw::{
        RawIdentity,
        RawIdentityType::{self, AzureCli, SystemAssigned, UserAssigned as Assigned, Workload},
        default,
    },
    reference::{absolute, says},
    text::{guid, resource_id, tenant},
};

/// Between two looks at a vault or a file.
const SECRET_REFRESH: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(7 * 24 * 3600));

/// How often secrets are looked up again.
pub(in crate::job) fn secret_refresh(section: &mut Section<'_>, raw: &RawJob) -> Option<Duration> {
    let raw = raw.secret_refresh.as_ref();
    section.duration("secretRefresh", raw, default::SECRET_REFRESH, SECRET_REFRESH)
}

/// Makes the identity, if the job has one. Nothing comes back outside only if a fault was reported.
pub(in crate::job) fn identity(
    section: &mut Section<'_>,
    raw: Option<&RawIdentity>,
) -> Option<Option<Identity>> {
    let Some(raw) = raw else { return Some(None) };
    let RawIdentity { kind, client_id, object_id, resource_id: resource, tenant_id, token_file } =
        raw;
    let client_id = value(section, "clientId", client_id.as_deref(), guid);
    let object_id = value(section, "objectId", object_id.as_deref(), guid);
    let resource = value(section, "resourceId", resource.as_deref(), resource_id);
    let tenant_id = value(section, "tenantId", tenant_id.as_deref(), tenant);
    let kind = (*kind)?;
    check_keys(section, raw, kind);
    let (client_id, tenant_id) = (client_id?, tenant_id?);
    Some(Some(match kind {
        SystemAssigned => Identity::SystemAssigned,
        Assigned => match (client_id, object_id?, resource?) {
            (Some(id), None, None) => Identity::UserAssigned(UserAssigned::ClientId(id)),
            (None, Some(id), None) => Identity::UserAssigned(UserAssigned::ObjectId(id)),
            (None, None, Some(id)) => Identity::UserAssigned(UserAssigned::ResourceId(id)),
            (client_id, object_id, resource) => {
                let given = [client_id.is_some(), object_id.is_some(), resource.is_some()];
                report_names(section, given);
                return None;
            }
        },
        Workload => Identity::Workload {
            client_id,
            tenant_id,
            token_file: token_file.as_deref().map(|file| absolute(section.folder, file)),
        },
        AzureCli => Identity::AzureCli { tenant_id },
    }))
}

/// The value of a key, if it is there. Nothing comes back outside only if a fault was reported.
fn value(
    section: &mut Section<'_>,
    key: &str,
    raw: Option<&str>,
    read: fn(&str) -> Result<String, InvalidText>,
) -> Option<Option<String>> {
    let path = format!("identity.{key}");
    match raw {
        Some(text) => section.take(&path, read(text)).map(Some),
        None if section.is_wrong(&path) => None,
        None => Some(None),
    }
}

/// Reports the keys that belong to another type.
fn check_keys(section: &mut Section<'_>, raw: &RawIdentity, kind: RawIdentityType) {
    // Whoever adds a key is told by the compiler to say here what it belongs to.
    let RawIdentity { kind: _, client_id, object_id, resource_id, tenant_id, token_file } = raw;
    let keys: [(&str, bool, &[RawIdentityType]); 5] = [
        ("clientId", client_id.is_some(), &[Assigned, Workload]),
        ("objectId", object_id.is_some(), &[Assigned]),
        ("resourceId", resource_id.is_some(), &[Assigned]),
        ("tenantId", tenant_id.is_some(), &[Workload, AzureCli]),
        ("tokenFile", token_file.is_some(), &[Workload]),
    ];
    for (key, _, kinds) in keys.iter().filter(|(_, given, kinds)| *given && !kinds.contains(&kind))
    {
        let kinds = kinds.iter().map(|kind| format!("type: {}", name(*kind))).collect::<Vec<_>>();
        let kinds = kinds.iter().map(String::as_str).collect::<Vec<_>>();
        let belongs = words::list(&kinds, "and");
        let says = says(section, "identity.type", &name(kind));
        let message = format!("`{key}` belongs to {belongs}, but {says}");
        let help = format!("take `{key}` out, or write {}", words::list(&kinds, "or"));
        section.fault("CONFLICT", &format!("identity.{key}"), message, &help);
    }
}

/// Reports that a user-assigned identity has no name, or several.
fn report_names(section: &mut Section<'_>, given: [bool; 3]) {
    let keys = ["clientId", "objectId", "resourceId"];
    let mut given = keys.into_iter().zip(given).filter(|(_, given)| *given).map(|(key, _)| key);
    match (given.next(), given.next()) {
        (Some(first), Some(second)) => {
            let message = format!("`identity` has both `{first}` and `{second}`");
            let help = "keep one: each names the identity by itself";
            section.fault("CONFLICT", &format!("identity.{second}"), message, help);
        }
        _ => {
            let message = "`type: userAssigned` does not say which identity".to_owned();
            let help = "add `clientId`, `objectId` or `resourceId`";
            section.missing("identity.clientId", message, help);
        }
    }
}

/// The type as the file names it.
fn name(kind: RawIdentityType) -> &'static str {
    match kind {
        SystemAssigned => "systemAssigned",
        Assigned => "userAssigned",
        Workload => "workload",
        AzureCli => "azureCli",
    }
}
