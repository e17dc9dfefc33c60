//! Why brokers do not let the output in, as a handshake of our own finds out.
use super::{Entry, Place, Retry, RowsWritten};

/// Rows wait for it, `check` finds it, and `transactions` can ask nobody.
const EVERYWHERE: [Place; 3] = [Place::Waits, Place::Check, Place::Transactions];

/// Rows that were on their way when the connection ended may be written.
const fn refusal(
    code: &'static str,
    places: &'static [Place],
    cause: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry::new(code, places, RowsWritten::Maybe, Retry::AfterChange, cause, remedy)
}

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    refusal(
        "BROKER_ADDRESS_UNUSABLE",
        &[Place::Transactions],
        "A broker advertises an address that is no `host:port`, so it cannot be asked.",
        "Correct its `advertised.listeners`.",
    ),
    refusal(
        "BROKER_NOT_SPOKEN_TO",
        &EVERYWHERE,
        "A broker could not be spoken to, and the handshake does not tell why.",
        "Ask it with Kafka's own tools.",
    ),
    refusal(
        "BROKER_SILENT",
        &EVERYWHERE,
        "What listens there takes connections, but does not answer Kafka's first request.",
        "Check that this is the port of a broker, and that the broker is not overloaded.",
    ),
    refusal(
        "CLIENT_CERTIFICATE_EXPIRED",
        &EVERYWHERE,
        "The broker refuses the client certificate, which has expired.",
        "Renew it, and put the new one where `clientCertificate` points. If it is valid by this \
         machine's clock, compare the clocks.",
    ),
    refusal(
        "CLIENT_CERTIFICATE_MISSING",
        &EVERYWHERE,
        "The broker asks for a client certificate, and the output has none.",
        "Give it a `clientCertificate` that is signed by an authority that the broker trusts.",
    ),
    refusal(
        "CLIENT_CERTIFICATE_NOT_YET_VALID",
        &EVERYWHERE,
        "The broker refuses the client certificate, which is not valid yet.",
        "Set the clock of this machine if that date has passed, else wait for it.",
    ),
    refusal(
        "CLIENT_CERTIFICATE_REFUSED",
        &EVERYWHERE,
        "The broker refuses the client certificate, or takes only those of authorities that have \
         not signed it.",
        "Add the certificate of its authority to the broker's truststore, or use a certificate of \
         an authority that the broker names.",
    ),
    refusal(
        "CLIENT_CERTIFICATE_REVOKED",
        &EVERYWHERE,
        "The broker refuses the client certificate: it was revoked.",
        "Have a new one issued, and put it where `clientCertificate` points.",
    ),
    refusal(
        "CONNECTION_STRING_MALFORMED",
        &[Place::Check],
        "The password for Event Hubs is no connection string: a part is missing.",
        "Copy the whole connection string \
         (`Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…`).",
    ),
    refusal(
        "CONNECTION_STRING_OTHER_NAMESPACE",
        &[Place::Check],
        "The connection string is of another namespace than the output's brokers.",
        "Take the one of this namespace, or write the other's host name in `bootstrapServers`.",
    ),
    refusal(
        "CONNECTION_STRING_OTHER_TOPIC",
        &[Place::Check],
        "The connection string is of another event hub (`EntityPath`) than the output's topic.",
        "Take the one of this event hub or of the whole namespace, or write the other event hub as \
         `topic`.",
    ),
    refusal(
        "CONNECT_FAILED",
        &EVERYWHERE,
        "No connection to the broker comes about, for a reason of this machine.",
        "Check that this machine may make connections to the outside.",
    ),
    refusal(
        "CONNECT_TIMED_OUT",
        &EVERYWHERE,
        "The broker did not answer a connection in time.",
        "A firewall drops the packets, or the address is not in use: check firewalls, security \
         groups and the address.",
    ),
    refusal(
        "HOST_NAME_MISMATCH",
        &EVERYWHERE,
        "The certificate of the broker is for other names than the one that it was reached by.",
        "Write one of its names in `bootstrapServers` (and in the broker's \
         `advertised.listeners`), or give the broker a certificate with this name.",
    ),
    refusal(
        "HOST_UNREACHABLE",
        &EVERYWHERE,
        "There is no way from here to the broker.",
        "Check routes, peerings and private endpoints between this network and the broker's.",
    ),
    refusal(
        "LISTENER_CLOSED",
        &EVERYWHERE,
        "The broker closes the connection at Kafka's first request.",
        "Check that this is a port for clients, and the broker's limits of connections; its log \
         says why it closes them.",
    ),
    refusal(
        "LISTENER_WANTS_LOGIN",
        &EVERYWHERE,
        "The listener asks for a login, and the output's `securityProtocol` has none.",
        "Write the `securityProtocol` that the message names, and `sasl`.",
    ),
    refusal(
        "LISTENER_WITHOUT_LOGIN",
        &EVERYWHERE,
        "The listener takes no logins, and `sasl` has one.",
        "Use the port of a listener with logins, or write the `securityProtocol` that the message \
         names and take `sasl` out.",
    ),
    refusal(
        "LOGIN_CLOSED",
        &EVERYWHERE,
        "The broker closes the connection instead of answering the login.",
        "Check user name and password; the broker's log says why it closes the connection.",
    ),
    refusal(
        "LOGIN_REFUSED",
        &EVERYWHERE,
        "The login was given up, since the broker does not prove that it knows the password.",
        "Check that this is the broker.",
    ),
    refusal(
        "LOGIN_TIMED_OUT",
        &EVERYWHERE,
        "The broker does not answer the login.",
        "Check that the broker reaches what it asks about users (LDAP, the issuer's keys).",
    ),
    refusal(
        "NOT_KAFKA",
        &EVERYWHERE,
        "What answers there is no Kafka broker.",
        "Check host and port in `bootstrapServers`.",
    ),
    refusal(
        "PASSWORD_WRONG",
        &EVERYWHERE,
        "The broker refuses user name or password.",
        "Check both, and that the broker knows this user. Of Event Hubs: write `username: \
         $ConnectionString`, and a connection string as the password.",
    ),
    refusal(
        "PLAINTEXT_LISTENER",
        &EVERYWHERE,
        "The listener speaks plaintext, and the output's `securityProtocol` asks for TLS.",
        "Use the port of a TLS listener, or write the `securityProtocol` that the message names.",
    ),
    refusal(
        "PORT_CLOSED",
        &EVERYWHERE,
        "Nobody listens at the broker's address: the connection was refused.",
        "Check the port in `bootstrapServers`, and that the broker runs.",
    ),
    refusal(
        "SASL_MECHANISM_OFF",
        &EVERYWHERE,
        "The broker does not offer the SASL mechanism of the output.",
        "Write one of those that the message names as `mechanism`, or switch it on at the broker \
         (`sasl.enabled.mechanisms`).",
    ),
    refusal(
        "SERVER_CERTIFICATE_EXPIRED",
        &EVERYWHERE,
        "The certificate of the broker has expired.",
        "Renew it at the broker; if its end is still to come, set the clock of this machine.",
    ),
    refusal(
        "SERVER_CERTIFICATE_NOT_YET_VALID",
        &EVERYWHERE,
        "The certificate of the broker is not valid yet.",
        "Set the clock of this machine if that date has passed, else wait for it.",
    ),
    refusal(
        "SERVER_CERTIFICATE_REFUSED",
        &EVERYWHERE,
        "The certificate of the broker cannot be read, or is refused for a reason that the message \
         names.",
        "Have the broker show another certificate.",
    ),
    refusal(
        "SERVER_CERTIFICATE_WEAK",
        &EVERYWHERE,
        "The certificate of the broker, or of one above it, is too weak.",
        "Have one issued with RSA of 2048 bits or P-256 at least, signed with SHA-256.",
    ),
    refusal(
        "SERVER_CERTIFICATE_WRONG_USAGE",
        &EVERYWHERE,
        "The certificate of the broker is not for servers.",
        "Give the broker a certificate with the usage serverAuth.",
    ),
    refusal(
        "SERVER_NAME_UNKNOWN",
        &EVERYWHERE,
        "What answers there says that it is not this host.",
        "Check the host name in `bootstrapServers`; a proxy chooses the broker by it.",
    ),
    refusal(
        "TLS_CLOSED",
        &EVERYWHERE,
        "The broker closes the connection in the TLS handshake.",
        "Check that this is the port of a TLS listener, that a proxy in between knows this host \
         name, and the broker's limits of connections.",
    ),
    refusal(
        "TLS_HANDSHAKE_FAILED",
        &EVERYWHERE,
        "The TLS handshake with the broker failed.",
        "Check the TLS settings of the broker, and what stands between it and this machine.",
    ),
    refusal(
        "TLS_LISTENER",
        &EVERYWHERE,
        "The listener speaks TLS, and the output's `securityProtocol` does not.",
        "Write the `securityProtocol` that the message names, which this listener speaks.",
    ),
    refusal(
        "TLS_TIMED_OUT",
        &EVERYWHERE,
        "What listens there takes connections, but does not answer a TLS handshake.",
        "Check that this is the port of a TLS listener, and that the broker is not overloaded.",
    ),
    refusal(
        "TLS_VERSION_TOO_OLD",
        &EVERYWHERE,
        "The broker speaks neither TLS 1.2 nor TLS 1.3.",
        "Switch TLS 1.2 on at the broker (`ssl.enabled.protocols`).",
    ),
    refusal(
        "TOKEN_EXPIRED",
        &EVERYWHERE,
        "The broker refuses the token, which has expired.",
        "Check the clock of this machine, and that new tokens can be fetched.",
    ),
    refusal(
        "TOKEN_NOT_YET_VALID",
        &EVERYWHERE,
        "The broker refuses the token, which is not valid yet.",
        "Compare the clocks of this machine and of the issuer.",
    ),
    refusal(
        "TOKEN_REFUSED",
        &EVERYWHERE,
        "The broker refuses the token, which is valid by its time.",
        "Compare issuer and audience with what the broker expects, check that it knows the \
         issuer's keys, and that it gives this identity the right to log in.",
    ),
    refusal(
        "TOKEN_WRONG_AUDIENCE",
        &EVERYWHERE,
        "Event Hubs refuses the token, which is for another service.",
        "Ask for a token with the scope `https://NAMESPACE.servicebus.windows.net/.default`.",
    ),
    refusal(
        "UNKNOWN_CA",
        &EVERYWHERE,
        "The certificate of the broker is signed by an authority that is not trusted.",
        "Put the certificate of the authority into `truststore`, or have the broker show the whole \
         way up to one that is trusted.",
    ),
];
