//! Words in capitals that are no codes.

/// Whether a text looks like a code.
pub fn is_capital(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    text.len() >= 4 && text.as_bytes()[0].is_ascii_uppercase() && text.split('_').all(is_part)
}

/// Words of the product that look like codes.
#[rustfmt::skip]
pub const OTHERS: [&str; 71] = [
    // Steps of `check`, and whole parts of `transactions`.
    "BROKER", "BROKERS", "CERTIFICATE", "CHECK", "CLIENT_CERTIFICATE", "CONNECTION_STRING",
    "CREDENTIALS", "DEAD_LETTERS", "IDENTITY", "KEY_PAIR", "LISTENER", "LOGIN", "MATERIAL", "NAME",
    "PROGRESS", "PROGRESS_PERMISSION", "PROGRESS_TOPIC", "REPLICAS", "SASL_MECHANISM", "SECRET",
    "SIZES", "TOKEN_KEYS", "TOPIC", "TRANSACTIONS", "TRUSTSTORE", "WRITE_PERMISSION",
    // Verdicts on transactions.
    "HANGING", "IDLE", "OPEN",
    // Values on the command line.
    "ALIAS", "BYTES", "CHAR", "CODE", "COUNT", "FILE", "FORMAT", "HOST", "NUMBER", "OFFSET", "OUTPUT", "ROWS",
    "ROWS_PER_S", "TIME",
    // Environment variables.
    "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "CARGO_PKG_VERSION",
    "IDENTITY_ENDPOINT", "KAFKA_OUTPUT_ADMIN", "KAFKA_OUTPUT_LOG", "NO_COLOR", "SSL_CERT_FILE",
    // Kafka's own.
    "OAUTHBEARER", "PLAIN", "SASL_PLAINTEXT", "SASL_SSL",
    // Frames of HTTP/2.
    "CONTINUATION", "DATA", "HEADERS", "PING", "PRIORITY", "RST_STREAM", "SETTINGS",
    "WINDOW_UPDATE",
    // Of OpenMetrics.
    "UNIT",
    // Names in certificates, and of formats.
    "ARROW1", "EMAIL", "GENERATION", "PKCS7", "STREET", "X509",
];
