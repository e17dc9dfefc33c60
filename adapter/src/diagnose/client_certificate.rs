//! The client's own certificate: whether the server asked for it, and why it refused it.

use std::time::SystemTime;

use keyvault::material::CertificateInfo;
use rustls::AlertDescription;

use super::{
    certificate::{date, facts, listed, quoted, title},
    report::{Facts, Finding},
    target::{Target, Tls},
    tls::{Asked, alert_name},
};

/// What is to be said of a certificate that did not keep the server from answering, if there is one
/// or the server asked for one.
pub(super) fn taken(target: &Target, tls: &Tls, asked: Option<&Asked>) -> (Facts, Option<Finding>) {
    let place = target.place();
    let Some(pair) = &tls.client_certificate else {
        let facts = Facts::new("the server asks for one and does without");
        return (facts.with("asked", asked.is_some()), None);
    };
    let leaf = pair.leaf();
    let facts = facts(leaf).with("asked", asked.is_some());
    let warning = match asked {
        None => Some(Finding::new(
            "CLIENT_CERTIFICATE_NOT_ASKED",
            format!(
                "{place} does not ask for a client certificate, so it has not seen {}",
                title(leaf)
            ),
            "set `ssl.client.auth=required` for this listener if the certificate is to count",
        )),
        Some(asked) if !asked.sent => {
            let authorities = listed(asked.authorities.iter().map(String::as_str));
            let (title, issuer) = (title(leaf), quoted(&leaf.issuer));
            Some(Finding::new(
                "CLIENT_CERTIFICATE_NOT_SENT",
                format!(
                    "{place} takes client certificates of {authorities}, so {title}, which is \
                     signed by {issuer}, is not sent to it"
                ),
                "use a certificate of one of these, or leave `clientCertificate` out",
            ))
        }
        Some(_) => None,
    };
    (facts, warning)
}

/// Why a server that asked for a client certificate ended the connection, with this alert or
/// without a word.
pub(super) fn refused(
    target: &Target,
    tls: &Tls,
    asked: &Asked,
    alert: Option<AlertDescription>,
) -> Finding {
    let place = target.place();
    let Some(pair) = &tls.client_certificate else { return missing(&place, asked) };
    let leaf = pair.leaf();
    if !asked.sent {
        return not_sent(&place, asked, leaf);
    }
    let (shown, now) = (title(leaf), SystemTime::now());
    if leaf.not_after < now {
        return Finding::new(
            "CLIENT_CERTIFICATE_EXPIRED",
            format!(
                "{place} refuses the client certificate {shown}, which expired on {}",
                date(leaf.not_after)
            ),
            "renew it, and put the new one where `clientCertificate` points",
        );
    }
    if leaf.not_before > now {
        return Finding::new(
            "CLIENT_CERTIFICATE_NOT_YET_VALID",
            format!(
                "{place} refuses the client certificate {shown}, which is not valid before {}",
                date(leaf.not_before)
            ),
            "set the clock of this machine if that date has passed, else wait for it",
        );
    }
    by_alert(&place, leaf, alert)
}

/// The server wants one, and there is none.
fn missing(place: &str, asked: &Asked) -> Finding {
    let signed = match asked.authorities.as_slice() {
        [] => "signed by an authority that the broker trusts".to_owned(),
        authorities => {
            format!("signed by one of {}", listed(authorities.iter().map(String::as_str)))
        }
    };
    Finding::new(
        "CLIENT_CERTIFICATE_MISSING",
        format!("{place} asks for a client certificate, and the output has none"),
        format!("give it a `clientCertificate` that is {signed}"),
    )
}

/// The server says beforehand that it would not take ours.
fn not_sent(place: &str, asked: &Asked, leaf: &CertificateInfo) -> Finding {
    let authorities = listed(asked.authorities.iter().map(String::as_str));
    let (shown, issuer) = (title(leaf), quoted(&leaf.issuer));
    Finding::new(
        "CLIENT_CERTIFICATE_REFUSED",
        format!(
            "{place} takes client certificates of {authorities} alone, and {shown} is signed by \
             {issuer}, so it is not even sent"
        ),
        format!(
            "use a certificate of one of these, or add the certificate of {issuer} to the \
             broker's truststore"
        ),
    )
}

/// What the server says of a certificate that is valid by the clock of this machine.
fn by_alert(place: &str, leaf: &CertificateInfo, alert: Option<AlertDescription>) -> Finding {
    let (shown, issuer) = (title(leaf), quoted(&leaf.issuer));
    match alert {
        Some(AlertDescription::CertificateExpired) => Finding::new(
            "CLIENT_CERTIFICATE_EXPIRED",
            format!(
                "{place} refuses the client certificate {shown} as expired, but by this machine's \
                 clock it is valid until {}",
                date(leaf.not_after)
            ),
            "compare the clocks of this machine and of the broker",
        ),
        Some(AlertDescription::CertificateRevoked) => Finding::new(
            "CLIENT_CERTIFICATE_REVOKED",
            format!("{place} refuses the client certificate {shown}: it was revoked"),
            "have a new one issued, and put it where `clientCertificate` points",
        ),
        _ => {
            let said = alert.map_or("without a word".to_owned(), alert_name);
            Finding::new(
                "CLIENT_CERTIFICATE_REFUSED",
                format!(
                    "{place} refuses the client certificate {shown}, signed by {issuer} ({said})"
                ),
                format!(
                    "add the certificate of {issuer} to the broker's truststore, or use a \
                     certificate that is signed by an authority of it; it must be one for clients \
                     (clientAuth)"
                ),
            )
        }
    }
}
