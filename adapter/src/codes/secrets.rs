//! Why a secret cannot be had, or is not what it must be.
use super::{Entry, Place, Retry, RowsWritten};

/// What is in place stays; without anything rows wait.
pub(super) const fn credential(
    code: &'static str,
    retry: Retry,
    cause: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry::new(code, &[Place::Credentials], RowsWritten::NotApplicable, retry, cause, remedy)
}

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    credential(
        "ANSWER_TOO_LARGE",
        Retry::AfterChange,
        "The answer is larger than one of a vault, an issuer or an identity endpoint can be.",
        "Check the address.",
    ),
    credential(
        "CERTIFICATE_EXPIRED",
        Retry::AfterChange,
        "A certificate has expired; of a truststore, all of them have.",
        "Renew it, and put the new one there.",
    ),
    credential(
        "CERTIFICATE_MISSING",
        Retry::AfterChange,
        "There is a private key, but no certificate.",
        "Put the certificate of the key there with what leads from it to its authority; into a \
         truststore, the authorities' certificates and no key.",
    ),
    credential(
        "CERTIFICATE_NOT_YET_VALID",
        Retry::AfterChange,
        "A certificate is not valid yet.",
        "Wait until it is, or set the clock of this machine if it is wrong.",
    ),
    credential(
        "CERTIFICATE_WRONG_USAGE",
        Retry::AfterChange,
        "A certificate is for another use than this one: a client's where a server's is needed, or \
         the other way round.",
        "Have one issued with clientAuth (to show to brokers) or serverAuth (for the listener), \
         and digitalSignature.",
    ),
    credential(
        "CLIENT_CA_UNUSABLE",
        Retry::AfterChange,
        "The authorities for callers' certificates (`clientCa`) are of no use.",
        "Replace them.",
    ),
    credential(
        "CLOCK_WRONG",
        Retry::AfterChange,
        "The vault does not take the token, and its clock differs much from that of this machine.",
        "Set the clock of this machine.",
    ),
    credential(
        "CONNECTION_FAILED",
        Retry::AfterChange,
        "A vault, an issuer or a login host cannot be asked.",
        "Check the network; the message says what it told.",
    ),
    credential(
        "CONNECTION_REFUSED",
        Retry::AfterChange,
        "A vault, an issuer or a login host refuses connections.",
        "Check the address, and what stands between.",
    ),
    credential(
        "CONNECTION_RESET",
        Retry::ByItself,
        "The connection ended before there was a whole answer.",
        "It is tried again; if it stays, look for a firewall or proxy in between.",
    ),
    credential(
        "CONNECTION_SLOW",
        Retry::AfterChange,
        "No connection to a vault, an issuer or a login host came about in time.",
        "Check routes, firewalls and, if one is set, the proxy.",
    ),
    credential(
        "CREDENTIALS_SLOW",
        Retry::ByItself,
        "What an output of a new job file shows its brokers could not be read in time, so the file is \
         not applied.",
        "Run `kafka-output check`: it says which of identity, vault and issuer does not answer.",
    ),
    credential(
        "KEYS_ADDRESS_ILLEGAL",
        Retry::AfterChange,
        "The address of the issuer's keys is no `https` address.",
        "State its `https` address in `listen.grpc.tokens`.",
    ),
    credential(
        "KEYS_MALFORMED",
        Retry::AfterChange,
        "What is at the address of the issuer's keys is no set of signing keys.",
        "Check the address; a proxy may stand between.",
    ),
    credential(
        "KEYS_SLOW",
        Retry::ByItself,
        "The issuer's keys do not come in time.",
        "It is tried again; if it stays, check the way there.",
    ),
    credential(
        "KEYS_TOO_OLD",
        Retry::AfterChange,
        "The issuer's keys could not be fetched for so long that those that are known do not count \
         any more.",
        "Mend what keeps the service from the issuer; the message says what it is.",
    ),
    credential(
        "KEYS_UNAVAILABLE",
        Retry::AfterChange,
        "The issuer has no keys at this address.",
        "Take the address from the issuer's `.well-known/openid-configuration`.",
    ),
    credential(
        "KEY_AMBIGUOUS",
        Retry::AfterChange,
        "There are several private keys that could be meant.",
        "Keep one there; of a Java key store one alias (`keytool -delete`).",
    ),
    credential(
        "KEY_MATERIAL_TOO_LARGE",
        Retry::AfterChange,
        "There are more bytes or certificates than key material can need.",
        "Leave only there what is needed.",
    ),
    credential(
        "KEY_MATERIAL_UNREADABLE",
        Retry::AfterChange,
        "The bytes are no certificate or key, or are damaged.",
        "Put the certificate or key there in PEM, PFX (PKCS#12), JKS or DER.",
    ),
    credential(
        "KEY_MATERIAL_UNSUPPORTED",
        Retry::AfterChange,
        "The key material is of a known kind that is not read, or that TLS cannot use.",
        "Convert or replace it as the message says.",
    ),
    credential(
        "KEY_MISMATCH",
        Retry::AfterChange,
        "The private key does not belong to the certificate.",
        "Put the key there that the certificate was requested with.",
    ),
    credential(
        "KEY_MISSING",
        Retry::AfterChange,
        "There is no private key, perhaps a certificate alone.",
        "Put the private key there, or say where it stands. A certificate of a vault brings its \
         key only if that may be exported.",
    ),
    credential(
        "KEY_TOO_WEAK",
        Retry::AfterChange,
        "A certificate, its key or its signature is weaker than TLS takes.",
        "Have one issued with RSA of 2048 bits or P-256 at least, signed with SHA-256.",
    ),
    credential(
        "LISTENER_CERTIFICATE_UNUSABLE",
        Retry::AfterChange,
        "The certificate of the gRPC listener is of no use.",
        "Replace it, with its key and chain.",
    ),
    credential(
        "NAME_NOT_RESOLVED",
        Retry::AfterChange,
        "DNS does not know the name of a vault, an issuer or a login host.",
        "Check the name, and the DNS of this machine; a private endpoint needs its private DNS \
         zone.",
    ),
    credential(
        "NETWORK_UNREACHABLE",
        Retry::AfterChange,
        "There is no way from here to a vault, an issuer or a login host.",
        "Check routes and firewalls.",
    ),
    credential(
        "NO_ANSWER",
        Retry::ByItself,
        "A vault, an issuer or a login host takes connections and has not answered in time.",
        "It is tried again; if it stays, look at its health and at what stands between.",
    ),
    credential(
        "PASSWORD_MISSING",
        Retry::AfterChange,
        "Key material is protected by a password, and none is given for it.",
        "Give its password beside it, as `{ secret: NAME }`, `{ file: PATH }` or `{ env: NAME }`.",
    ),
    credential(
        "PASSWORD_WRONG",
        Retry::AfterChange,
        "Key material cannot be opened with the password that is given for it.",
        "Give the password that it was made with; leave it out where there is none. In a Java key \
         store the key must have the password of the store.",
    ),
    credential(
        "PROXY_FAILED",
        Retry::AfterChange,
        "The proxy gives no way to a vault, an issuer or a login host.",
        "Check the proxy that `HTTPS_PROXY` names, or except the host by `NO_PROXY`.",
    ),
    credential(
        "SECRET_EMPTY",
        Retry::AfterChange,
        "What is referred to is empty.",
        "Put the secret there.",
    ),
    credential(
        "SECRET_ENV_UNSET",
        Retry::AfterChange,
        "The environment variable is not set.",
        "Set it for the process of the service.",
    ),
    credential(
        "SECRET_FILE_SLOW",
        Retry::ByItself,
        "The file of a secret does not answer.",
        "Check that it is a file, and the mount that it is on.",
    ),
    credential(
        "SECRET_FILE_TOO_LARGE",
        Retry::AfterChange,
        "The file is larger than 256 KiB, so it holds no secret.",
        "Check the path.",
    ),
    credential(
        "SECRET_FILE_UNREADABLE",
        Retry::AfterChange,
        "The file of a secret cannot be read.",
        "Check the path, that it is mounted where the service runs, and that the user of the \
         service may read it.",
    ),
    credential(
        "SECRET_NOT_LOCAL",
        Retry::AfterChange,
        "The secret is in a vault, and only what is on this machine was asked for.",
        "Ask the vault.",
    ),
    credential(
        "SECRET_NOT_UTF8",
        Retry::AfterChange,
        "A password or name is not UTF-8 text.",
        "Put text there; key material is given as a certificate or truststore.",
    ),
    credential(
        "SECRET_READ_FAILED",
        Retry::ByItself,
        "Reading a secret has failed inside the service, which is a mistake in it.",
        "Report it as a bug, with the log.",
    ),
    credential(
        "TLS_CERTIFICATE_EXPIRED",
        Retry::AfterChange,
        "The certificate of a vault, an issuer or a login host does not hold now.",
        "Check the clock of this machine; otherwise the certificate must be renewed there.",
    ),
    credential(
        "TLS_FAILED",
        Retry::AfterChange,
        "No TLS connection to a vault, an issuer or a login host came about.",
        "Check that it speaks TLS 1.2 or newer there.",
    ),
    credential(
        "TLS_NO_AUTHORITIES",
        Retry::AfterChange,
        "TLS to Azure or an issuer cannot be set up: this system has no authorities to trust.",
        "Install the system's certificate authorities (`ca-certificates`), or name a file of them \
         by `SSL_CERT_FILE`.",
    ),
    credential(
        "TLS_UNTRUSTED",
        Retry::AfterChange,
        "The certificate of a vault, an issuer or a login host is not trusted.",
        "Trust its authority (the system's certificates, or `SSL_CERT_FILE`); a proxy that opens \
         TLS shows its own.",
    ),
    credential(
        "TLS_WRONG_HOST",
        Retry::AfterChange,
        "The certificate of a vault, an issuer or a login host is for another host.",
        "Check the address, DNS and proxies.",
    ),
    credential(
        "TRUST_NOT_PEM",
        Retry::AfterChange,
        "The authorities to trust are not PEM certificates.",
        "Check the truststore that the job file names there.",
    ),
    credential(
        "VAULT_CHALLENGE_MISMATCH",
        Retry::AfterChange,
        "What answers at the vault's address asks for a token for something else than a vault, so \
         none was sent.",
        "Check what answers there: it is no vault, or a proxy stands between.",
    ),
    credential(
        "VAULT_FAILED",
        Retry::ByItself,
        "The vault has failed.",
        "It is tried again; look at the health of the vault in Azure.",
    ),
    credential(
        "VAULT_FIREWALL",
        Retry::AfterChange,
        "The firewall of the vault does not let this machine in.",
        "Allow its network in the vault's firewall, or use a private endpoint.",
    ),
    credential(
        "VAULT_FORBIDDEN",
        Retry::AfterChange,
        "The identity may not read the secret.",
        "Grant it the role Key Vault Secrets User on the vault (or, with access policies, the \
         permission Get on secrets); it takes some minutes to show.",
    ),
    credential(
        "VAULT_MALFORMED_ANSWER",
        Retry::AfterChange,
        "The answer is not one of Key Vault.",
        "Check what answers there; a proxy may stand between.",
    ),
    credential(
        "VAULT_OBJECT_DISABLED",
        Retry::AfterChange,
        "The secret or certificate is disabled in the vault.",
        "Enable it.",
    ),
    credential(
        "VAULT_OBJECT_EXPIRED",
        Retry::AfterChange,
        "The secret or certificate has expired in the vault.",
        "Put a new version there.",
    ),
    credential(
        "VAULT_OBJECT_NOT_FOUND",
        Retry::AfterChange,
        "The secret or certificate does not exist in the vault, or was deleted.",
        "Check the name and the version, create it, or recover it (`az keyvault secret recover`).",
    ),
    credential(
        "VAULT_OBJECT_NOT_YET_VALID",
        Retry::AfterChange,
        "The secret or certificate is not valid yet in the vault.",
        "Wait, or change the date from which on it is valid.",
    ),
    credential(
        "VAULT_PRIVATE",
        Retry::AfterChange,
        "The vault takes no connections from public networks.",
        "Reach it by its private endpoint: check that its name resolves to a private address here.",
    ),
    credential(
        "VAULT_SLOW",
        Retry::ByItself,
        "The vault has not answered in time.",
        "It is tried again; if it stays, check the way to it.",
    ),
    credential(
        "VAULT_THROTTLED",
        Retry::ByItself,
        "The vault is asked too often.",
        "Wait; let fewer services share the vault, or poll less often.",
    ),
    credential(
        "VAULT_TOKEN_AUDIENCE",
        Retry::AfterChange,
        "The vault does not take the token: it is not for vaults.",
        "Check what gives the tokens of this identity.",
    ),
    credential(
        "VAULT_TOKEN_REFUSED",
        Retry::AfterChange,
        "The vault does not take the token.",
        "Check the clock, and the tenant of the identity.",
    ),
    credential(
        "VAULT_TOKEN_TENANT",
        Retry::AfterChange,
        "The vault is in another tenant than the identity.",
        "Use an identity of the vault's tenant.",
    ),
    credential(
        "VAULT_UNEXPECTED_ANSWER",
        Retry::AfterChange,
        "The vault answers with something that it should not.",
        "Check what answers there; a proxy may stand between.",
    ),
];
