//! Why an identity or an issuer gives no token.
use super::{Entry, Retry, secrets::credential};

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    credential(
        "AZURE_CLI_FAILED",
        Retry::ByItself,
        "The Azure CLI gives no token.",
        "Try `az account get-access-token` as the user of the service, and mend what it says.",
    ),
    credential(
        "AZURE_CLI_LOGGED_OUT",
        Retry::AfterChange,
        "Nobody is logged in with the Azure CLI.",
        "Run `az login` as the user of the service.",
    ),
    credential(
        "AZURE_CLI_MISSING",
        Retry::AfterChange,
        "The Azure CLI (`az`) is not installed, or not on the PATH of the service.",
        "Install it, or choose another identity: this one is for a developer's machine.",
    ),
    credential(
        "CLIENT_NOT_ALLOWED",
        Retry::AfterChange,
        "The issuer of tokens does not allow the grant of client credentials to this client.",
        "Allow that grant for the client at the issuer.",
    ),
    credential(
        "CLIENT_REFUSED",
        Retry::AfterChange,
        "The issuer of tokens does not take the client's id and secret.",
        "Check both; the secret may have expired.",
    ),
    credential(
        "ENTRA_FAILED",
        Retry::ByItself,
        "Entra ID's login host has failed.",
        "Wait; it is tried again. If it stays, look at the health of Azure.",
    ),
    credential(
        "ENTRA_REFUSED",
        Retry::AfterChange,
        "Entra ID gives no token, for a reason that its number tells.",
        "Look the number (`AADSTS…`) up at https://login.microsoftonline.com/error.",
    ),
    credential(
        "ENTRA_THROTTLED",
        Retry::ByItself,
        "Entra ID's login host is asked too often.",
        "Wait; find what else asks for tokens with this identity.",
    ),
    credential(
        "IDENTITY_ENDPOINT_NOT_FOUND",
        Retry::AfterChange,
        "The machine's identity endpoint gives no tokens.",
        "Check that this machine has an identity. Just after one was assigned, this passes.",
    ),
    credential(
        "IDENTITY_FAILED",
        Retry::ByItself,
        "The machine's identity endpoint has failed.",
        "Wait; if it stays, look at the health of the machine's agent.",
    ),
    credential(
        "IDENTITY_NOT_ASSIGNED",
        Retry::AfterChange,
        "The identity is not assigned to this machine.",
        "Assign it to the virtual machine, app or container app, and check its id in `identity`.",
    ),
    credential(
        "IDENTITY_NOT_CHOSEN",
        Retry::AfterChange,
        "The job refers to a vault or asks for tokens, and has no identity.",
        "State `identity` in the job file.",
    ),
    credential(
        "IDENTITY_REFUSED",
        Retry::AfterChange,
        "The machine's identity endpoint refuses the request.",
        "On App Service and Container Apps, check that `IDENTITY_HEADER` is that of the platform. \
         Elsewhere this may be no machine of Azure: choose `workload` or `azureCli`.",
    ),
    credential(
        "IDENTITY_SLOW",
        Retry::ByItself,
        "Whoever gives the identity's tokens has not answered in time.",
        "It is tried again; if it stays, check the way there.",
    ),
    credential(
        "IDENTITY_THROTTLED",
        Retry::ByItself,
        "The machine's identity endpoint is asked too often.",
        "Wait; find what else on this machine asks for tokens.",
    ),
    credential(
        "IDENTITY_UNEXPECTED_ANSWER",
        Retry::AfterChange,
        "The machine's identity endpoint answers with something that it should not.",
        "Check what `IDENTITY_ENDPOINT` names.",
    ),
    credential(
        "IDENTITY_UNKNOWN",
        Retry::AfterChange,
        "Entra ID does not know the workload identity.",
        "Check the client id and the tenant.",
    ),
    credential(
        "IDENTITY_UNREACHABLE",
        Retry::AfterChange,
        "There is no way to the machine's identity endpoint.",
        "Check that this is a machine of Azure and that nothing keeps the service from the \
         endpoint; else choose `workload` or `azureCli`.",
    ),
    credential(
        "IDENTITY_UNSUPPORTED",
        Retry::AfterChange,
        "There is nothing to ask for tokens of this kind of identity here, or not in this way.",
        "Check `identity` in the job file, and the variables that the platform sets.",
    ),
    credential(
        "IDENTITY_UPDATING",
        Retry::ByItself,
        "The machine's identity endpoint is being updated.",
        "Wait: it takes 70 seconds or more.",
    ),
    credential(
        "TENANT_UNKNOWN",
        Retry::AfterChange,
        "Entra ID does not know the tenant.",
        "Check its id.",
    ),
    credential(
        "TOKEN_ENDPOINT_FAILED",
        Retry::ByItself,
        "The issuer's token endpoint has failed.",
        "It is tried again; look at the health of the issuer.",
    ),
    credential(
        "TOKEN_ENDPOINT_ILLEGAL",
        Retry::AfterChange,
        "The address of the token endpoint is no `https` address.",
        "State its `https` address in `sasl.token`.",
    ),
    credential(
        "TOKEN_ENDPOINT_NOT_FOUND",
        Retry::AfterChange,
        "There is no token endpoint at this address.",
        "Take its address from the issuer's `.well-known/openid-configuration`.",
    ),
    credential(
        "TOKEN_ENDPOINT_SLOW",
        Retry::ByItself,
        "The issuer's token endpoint has not answered in time.",
        "It is tried again; if it stays, check the way to it.",
    ),
    credential(
        "TOKEN_ENDPOINT_THROTTLED",
        Retry::ByItself,
        "The issuer's token endpoint is asked too often.",
        "Wait; find what else asks for tokens.",
    ),
    credential(
        "TOKEN_EXPIRED_ON_ARRIVAL",
        Retry::AfterChange,
        "An access token had ended before it came.",
        "Set the clock of this machine; if it is right, whoever gives the tokens is wrong.",
    ),
    credential(
        "TOKEN_MALFORMED",
        Retry::AfterChange,
        "What answers the question for a token gives none.",
        "Check the address; a proxy may stand between.",
    ),
    credential("TOKEN_MISSING", Retry::ByItself, "No issuer was asked for a token yet.", "Wait."),
    credential(
        "TOKEN_REFUSED",
        Retry::AfterChange,
        "The issuer gives no token, for a reason of its own.",
        "Look into the issuer's log.",
    ),
    credential(
        "TOKEN_SCOPE_UNKNOWN",
        Retry::AfterChange,
        "There are no tokens for that scope: the tenant or the issuer does not know the service.",
        "Check the scope, and that the tenant has the service.",
    ),
    credential(
        "WORKLOAD_NOT_CONFIGURED",
        Retry::AfterChange,
        "The workload identity is not there: one of its variables is not set.",
        "Label the pod `azure.workload.identity/use: \"true\"` and annotate its service account \
         with the client id, or state the values in the job file.",
    ),
    credential(
        "WORKLOAD_NOT_TRUSTED",
        Retry::AfterChange,
        "Entra ID does not trust this service account.",
        "Make a federated credential with its issuer, subject and audience; a new one takes some \
         minutes.",
    ),
    credential(
        "WORKLOAD_TOKEN_EXPIRED",
        Retry::AfterChange,
        "The service account's token has expired.",
        "The kubelet renews it: check the clock of this machine, and that the token is projected \
         and not copied.",
    ),
    credential(
        "WORKLOAD_TOKEN_FILE",
        Retry::AfterChange,
        "The file of the service account's token cannot be read, or holds no token.",
        "Check that the token is projected into the pod and that the service may read it.",
    ),
];
