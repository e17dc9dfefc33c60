//! Who calls, and whether they may.
//!
//! A caller shows a client certificate when it connects ([`certificate`]) or a token with each call
//! ([`token`]); [`gate`] stands before every call and finds out which; [`rules`] say what they may
//! write. A caller learns no more than that it is not let in; what was missing stands in the log.
//!
//! Non-obvious:
//! - A token is checked when a call begins. A stream goes on when its token ends meanwhile, as it
//!   does when its certificate ends: what an engine has sent is worth more than the hour, and whoever
//!   takes rights away takes the token's application out of the job file, too.
//! - Where either is enough (`clientCertificate: Optional` with tokens), a token that does not hold
//!   counts as none.
mod certificate;
pub mod gate;
mod rules;
mod subject;
mod token;
mod verified;

use std::{fmt, net::SocketAddr, sync::Arc};

use tonic::codegen::http::HeaderValue;

pub use self::{
    certificate::{ClientCertificate, Name, Peer},
    rules::Rules,
    subject::Subject,
    token::{Claims, KeySource, TokenCheck, TokenFault},
};
use super::{ClientCertificates, error::CallError, quiet_log::QuietLog};

/// Who is let in.
pub struct Callers {
    certificates: ClientCertificates,
    tokens: Option<TokenCheck>,
    log: QuietLog,
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
    /// Lets in whoever has what is asked for: a token with each call if `tokens` is there, or in its
    /// place a client certificate where that is optional. With neither, whoever can connect.
    pub fn new(certificates: ClientCertificates, tokens: Option<TokenCheck>) -> Self {
        Self { certificates, tokens, log: QuietLog::new() }
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
        let Peer { address, certificate, .. } = peer.clone();
        let mut caller = Caller { address, certificate, token: None };
        let is_optional = self.certificates == ClientCertificates::Optional;
        let is_known = is_optional && caller.certificate.is_some();
        match &self.tokens {
            None if is_optional && !is_known => {
                self.deny(&caller, &"no client certificate");
                Err(CallError::CertificateMissing)
            }
            None => Ok(caller),
            Some(_) if is_known && authorization.is_empty() => Ok(caller),
            Some(tokens) => match shown(tokens, authorization).await {
                Ok(claims) => {
                    caller.token = Some(claims);
                    Ok(caller)
                }
                Err(fault) if is_known => {
                    self.deny(&caller, &format_args!("its token, not the call: {fault}"));
                    Ok(caller)
                }
                Err(fault) => {
                    self.deny(&caller, &fault);
                    Err(fault.into())
                }
            },
        }
    }

    /// Says in the log what a caller lacks.
    pub fn deny(&self, caller: &Caller, what: &dyn fmt::Display) {
        self.log.warn(|suppressed| {
            tracing::warn!(%caller, missing = %what, suppressed, "a caller is denied");
        });
    }
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
