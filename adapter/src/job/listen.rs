//! From `listen` as it is written to where the service listens, and for whom.

use std::{net::SocketAddr, time::Duration};

use super::{
    convert::Section,
    model::{AdminListen, GrpcListen},
    raw::{RawAdmin, RawGrpc, default},
    security::{self, Vaults},
    text,
};

/// Bounds of `connectionAge`, where it is not zero. A stream that moves more often than every second
/// would do little else.
const CONNECTION_AGE: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(168 * 3600));

/// Makes the gRPC server. Nothing comes back only if a fault was reported.
pub(super) fn grpc(
    section: &mut Section<'_>,
    raw: Option<&RawGrpc>,
    vaults: &Vaults,
) -> Option<GrpcListen> {
    let nothing = RawGrpc::default();
    let raw = raw.unwrap_or(&nothing);
    let text = raw.address.as_deref().unwrap_or(default::ADDRESS);
    let address = section.take("listen.grpc.address", text::socket_address(text));
    if let Some(address) = address {
        check_plaintext(section, raw, address);
    }
    let has_tokens = raw.tokens.is_some();
    let tls = security::tls(section, raw.tls.as_ref(), vaults, address, has_tokens);
    let tokens = security::tokens(section, raw.tokens.as_ref(), vaults, address);
    let connection_age = connection_age(section, raw);
    Some(GrpcListen {
        address: address?,
        tls: tls?,
        tokens: tokens?,
        reflection: raw.reflection.unwrap_or(false),
        max_writers: raw.max_writers.unwrap_or(default::WRITERS_MAX),
        max_idle_writers: raw.max_idle_writers.unwrap_or(default::IDLE_WRITERS_MAX),
        connection_age: connection_age?,
    })
}

/// The age at which connections end; zero says that none does.
fn connection_age(section: &mut Section<'_>, raw: &RawGrpc) -> Option<Option<Duration>> {
    let (path, raw) = ("listen.grpc.connectionAge", raw.connection_age.as_ref());
    let (min, max) = CONNECTION_AGE;
    let is_never = raw.is_none_or(|raw| text::duration(&raw.0).is_ok_and(|age| age.is_zero()));
    let min = if is_never { Duration::ZERO } else { min };
    let age = section.duration(path, raw, default::CONNECTION_AGE, (min, max))?;
    Some((!age.is_zero()).then_some(age))
}

/// Makes the admin server. Nothing comes back only if a fault was reported.
pub(super) fn admin(
    section: &mut Section<'_>,
    raw: Option<&RawAdmin>,
    grpc: Option<&GrpcListen>,
) -> Option<Option<AdminListen>> {
    let Some(raw) = raw else { return Some(None) };
    let path = "listen.admin.address";
    let text = raw.address.as_deref().unwrap_or(default::ADMIN_ADDRESS);
    let address = section.take(path, text::socket_address(text))?;
    if grpc.is_some_and(|grpc| grpc.address == address && address.port() != 0) {
        let message = format!("{address} is also `listen.grpc.address`");
        section.fault("CONFLICT", path, message, "choose another port");
    }
    Some(Some(AdminListen {
        address,
        remote_status: raw.remote_status.unwrap_or(false),
        tap: raw.tap.unwrap_or(true),
    }))
}

/// Reports what other machines could read on the network, unless it is asked for.
fn check_plaintext(section: &mut Section<'_>, raw: &RawGrpc, address: SocketAddr) {
    if section.is_wrong("listen.grpc.tls") || section.is_wrong("listen.grpc.allowPlaintext") {
        return;
    }
    let allowed = raw.allow_plaintext.unwrap_or(false);
    let reachable = !address.ip().is_loopback();
    if raw.tls.is_some() {
        if allowed {
            let message = "`allowPlaintext: true` contradicts `tls`: a listener speaks one of both";
            let help = "take `allowPlaintext` out";
            section.fault("CONFLICT", "listen.grpc.allowPlaintext", message.to_owned(), help);
        }
    } else if reachable && raw.tokens.is_some() {
        let message =
            format!("{address} can be reached by other machines, and `tokens` need encryption");
        let help = "add `tls`, or listen on 127.0.0.1 or [::1]";
        section.fault("PLAINTEXT_NOT_ALLOWED", "listen.grpc.address", message, help);
    } else if reachable && !allowed {
        let message = format!("{address} can be reached by other machines, without encryption");
        let help = "add `tls`, or listen on 127.0.0.1 or [::1], or set `allowPlaintext: true` \
            beside it if the network is closed";
        section.fault("PLAINTEXT_NOT_ALLOWED", "listen.grpc.address", message, help);
    }
}
