//! What `check` tells, and sometimes the log: warnings, and that it has not ended.
use super::{Entry, Place, Retry, RowsWritten};

/// Nothing is at fault yet, and no row is concerned.
const fn warning(code: &'static str, cause: &'static str, remedy: &'static str) -> Entry {
    let (rows_written, retry) = (RowsWritten::NotApplicable, Retry::AfterChange);
    Entry::new(code, &[Place::Check], rows_written, retry, cause, remedy)
}

/// The same, which the log of the service tells as well.
const fn logged(code: &'static str, cause: &'static str, remedy: &'static str) -> Entry {
    let (rows_written, retry) = (RowsWritten::NotApplicable, Retry::AfterChange);
    Entry::new(code, &[Place::Check, Place::Log], rows_written, retry, cause, remedy)
}

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    logged(
        "AUTHORITY_EXPIRES_SOON",
        "An authority in a truststore ends soon.",
        "Put the one that follows it there in time.",
    ),
    logged(
        "CERTIFICATE_EXPIRES_SOON",
        "The certificate of the gRPC listener ends soon.",
        "Renew it; the service takes the new one over while it runs.",
    ),
    warning("CHECK_UNFINISHED", "The check of this part has not ended.", "Check it again."),
    logged(
        "CLIENT_CERTIFICATE_EXPIRES_SOON",
        "The client certificate of an output ends soon.",
        "Renew it; the service takes the new one over while it runs.",
    ),
    warning(
        "CLIENT_CERTIFICATE_NOT_ASKED",
        "The broker does not ask for a client certificate, so it has not seen the output's.",
        "Set `ssl.client.auth=required` for this listener if the certificate is to count.",
    ),
    warning(
        "CLIENT_CERTIFICATE_NOT_SENT",
        "The broker takes client certificates of other authorities, so the output's is not sent to \
         it.",
        "Use a certificate of one of these, or leave `clientCertificate` out.",
    ),
    Entry::new(
        "MATERIAL_NOTE",
        &[Place::Check, Place::Log],
        RowsWritten::NotApplicable,
        Retry::AfterChange,
        "Something about key material is no fault, and may surprise.",
        "Read the note; it says what others may make of it.",
    ),
    warning(
        "NO_REPLICA_TO_SPARE",
        "All replicas of the topic must be in sync, so rows wait whenever one broker is away.",
        "Lower `min.insync.replicas` of the topic to one less than its replicas.",
    ),
    warning(
        "SECRET_EXPIRED",
        "A secret has expired, as the vault says, which hands it out anyway.",
        "Renew it in the vault.",
    ),
    warning(
        "SERVER_CERTIFICATE_EXPIRES_SOON",
        "The certificate of a broker ends soon.",
        "Renew it at the broker in time.",
    ),
    warning(
        "SERVER_NOT_PROVEN",
        "The broker's authority or host name is not checked, since the job file says so.",
        "Give a `truststore` instead: whoever stands between can read and change rows.",
    ),
    warning(
        "SIZE_BEYOND_LIMIT",
        "A size in the job file is beyond what the topic takes, so the topic's limit holds.",
        "Raise `max.message.bytes` of the topic, or lower the setting.",
    ),
];
