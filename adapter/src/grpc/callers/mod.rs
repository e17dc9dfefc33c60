//! Who calls, and whether they may.
//!
//! A caller shows a client certificate when it connects ([`certificate`]) or a token with each call
//! ([`token`]); [`Callers::admit`] finds out which, and [`rules`] say what they may write. A caller
//! learns no more than that it is not let in; what was missing stands in the log.
//!
//! Non-obvious:
//! - A token is checked when a call begins, and so is whether the certificate of the connection
//!   still holds. A stream goes on when either ends meanwhile: what an engine has sent is worth
//!   more than the hour, and whoever takes rights away takes the application out of the job file,
//!   too.
//! - Whose certificate does not hold any more is asked to leave the connection: the next one begins
//!   with the certificate that the caller has then.
//! - Where either is enough (`clientCertificate: Optional` with tokens), a token that does not hold
//!   counts as none.
mod certificate;
mod keys;
mod peer;
mod remembered;
mod rules;
mod token;

use std::{fmt, net::SocketAddr, sync::Arc};

use tonic::codegen::http::HeaderValue;

pub use self::{
    certificate::{ClientCertificate, Name, ShownCertificate},
    keys::{IssuerKeys, KeySource},
    peer::Peer,
    rules::Rules,
    token::{Claims, TokenCheck, TokenFault},
};
use super::{ClientCertificates, ServerTls, error::CallError, standing::Denied};

/// Who is let in.
pub struct Callers {
    tls: Option<Arc<ServerTls>>,
    tokens: Option<TokenCheck>,
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// From where.
    pub address: SocketAddr,
    /// The client certificate of the connection.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// The token of the call.
    pub token: Option<Arc<Claims>>,
}

impl Callers {
    /// Lets in whoever has what is asked for: a token with each call if `tokens` is there, or in
    /// its place a client certificate where that is optional. With neither, whoever can connect.
    pub fn new(tls: Option<Arc<ServerTls>>, tokens: Option<TokenCheck>) -> Self {
        Self { tls, tokens }
    }

    /// Finds out who calls, by the connection and the values of `authorization`.
    ///
    /// # Errors
    /// If the caller is not let in.
    pub async fn admit(
        &self,
        peer: &Peer,
        authorization: &[HeaderValue],
    ) -> Result<Caller, CallError> {
        if peer.standing.is_barred() {
            // So many were denied that nobody is looked at any more.
            peer.standing.deny();
            return Err(CallError::TooManyDenied);
        }
        let mut caller = Caller { address: peer.address, certificate: None, token: None };
        self.check_certificate(peer, &mut caller)?;
        let is_optional = self.asked() == ClientCertificates::Optional;
        let is_known = is_optional && caller.certificate.is_some();
        match &self.tokens {
            None if is_optional && !is_known => {
                let denied = CallError::CertificateMissing;
                Err(self.deny(peer, &caller, denied, &"no client certificate"))
            }
            None => Ok(caller),
            Some(_) if is_known && authorization.is_empty() => Ok(caller),
            Some(tokens) => match shown(tokens, authorization).await {
                Ok(claims) => {
                    caller.token = Some(claims);
                    Ok(caller)
                }
                Err(fault) if is_known => {
                    let what = format!("its token, not the call: {fault}");
                    tell(&caller, &fault.into(), &what);
                    Ok(caller)
                }
                Err(fault @ Fault::Token(TokenFault::NoKeys { .. })) => {
                    // It is not the caller's fault, and has cost nothing.
                    let what = fault.to_string();
                    let denied = fault.into();
                    tell(&caller, &denied, &what);
                    Err(denied)
                }
                Err(fault) => {
                    let what = fault.to_string();
                    Err(self.deny(peer, &caller, fault.into(), &what))
                }
            },
        }
    }

    /// Finds out who probes; nobody needs to be let in for that, and without anything to show it is
    /// nobody.
    pub async fn probe(&self, peer: &Peer, authorization: &[HeaderValue]) -> Option<Caller> {
        let is_optional = self.asked() == ClientCertificates::Optional;
        let shows_enough = match &self.tokens {
            Some(_) => is_optional && peer.certificate.is_some(),
            None => !is_optional || peer.certificate.is_some(),
        };
        let shows_nothing = authorization.is_empty() && !shows_enough;
        if shows_nothing || peer.standing.is_barred() {
            return None;
        }
        self.admit(peer, authorization).await.ok()
    }

    /// Notes a caller that is not let in, and says in the log what it lacks. Hands back what the
    /// caller is told.
    pub fn deny(
        &self,
        peer: &Peer,
        caller: &Caller,
        denied: CallError,
        what: &dyn fmt::Display,
    ) -> CallError {
        tell(caller, &denied, what);
        if peer.standing.deny() == Denied::Barred {
            let code = CallError::TooManyDenied.reason();
            tracing::warn!(code, %caller, "too many denied calls: the connection ends");
        }
        denied
    }

    fn asked(&self) -> ClientCertificates {
        self.tls.as_ref().map_or(ClientCertificates::No, |tls| tls.client_certificates())
    }

    /// Notes the certificate of the connection, if it still holds.
    fn check_certificate(&self, peer: &Peer, caller: &mut Caller) -> Result<(), CallError> {
        let (Some(tls), Some(shown)) = (&self.tls, &peer.certificate) else { return Ok(()) };
        caller.certificate = Some(shown.certificate().clone());
        let Err(fault) = shown.check(tls) else { return Ok(()) };
        peer.standing.leave();
        let denied = self.deny(peer, caller, CallError::CertificateInvalid, &fault);
        caller.certificate = None;
        match self.asked() {
            ClientCertificates::Required => Err(denied),
            // As good as none.
            ClientCertificates::Optional | ClientCertificates::No => Ok(()),
        }
    }
}

fn tell(caller: &Caller, denied: &CallError, what: &dyn fmt::Display) {
    let code = denied.reason();
    tracing::warn!(code, %caller, missing = %what, "a caller is denied");
}

/// Why nothing is known of a caller.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no token (`authorization: Bearer …`)")]
    Missing,
    #[error("the token: {0}")]
    Token(TokenFault),
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Missing => Self::TokenMissing,
            Fault::Token(TokenFault::NoKeys { .. }) => Self::KeysUnavailable,
            Fault::Token(_) => Self::TokenInvalid,
        }
    }
}

async fn shown(tokens: &TokenCheck, authorization: &[HeaderValue]) -> Result<Arc<Claims>, Fault> {
    let value = match authorization {
        [] => return Err(Fault::Missing),
        [value] => value.as_bytes(),
        _ => return Err(Fault::Token(TokenFault::Malformed("there is more than one"))),
    };
    let token = value.split_at_checked(7).filter(|(scheme, _)| {
        scheme.eq_ignore_ascii_case(b"bearer ") // RFC 6750, 2.1; schemes have no case
    });
    let (_, token) = token.ok_or(Fault::Missing)?;
    let token = str::from_utf8(token).map_err(|_| TokenFault::Malformed("it is no text"));
    tokens.check(token.map_err(Fault::Token)?).await.map_err(Fault::Token)
}

impl fmt::Display for Caller {
    /// For the log: all that is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(certificate) = &self.certificate {
            write!(f, " with the certificate of {}", certificate.subject)?;
            for name in certificate.names.iter().take(4) {
                let (Name::Dns(name) | Name::Uri(name)) = name;
                write!(f, ", {}", name.escape_debug())?;
            }
        }
        if let Some(token) = &self.token {
            let of = |text: &Option<String>| text.clone().unwrap_or_default();
            let (application, subject) = (of(&token.application), of(&token.subject));
            write!(f, " with a token of application {application:?}, subject {subject:?}, ")?;
            write!(f, "roles {:?}", token.roles.iter().take(8).collect::<Vec<_>>())?;
        }
        Ok(())
    }
}
