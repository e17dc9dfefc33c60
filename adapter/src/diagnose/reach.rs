//! From a host name to a TCP connection.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use super::{
    report::{Facts, Finding, StepName, Steps},
    target::Target,
};

/// How long the system may take to resolve a name.
const RESOLVE_MAX: Duration = Duration::from_secs(3);

/// How long all addresses together may take to answer. A firewall that drops packets never does.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Finds the addresses of the host.
pub(super) async fn resolve(
    target: &Target,
    end: Instant,
    steps: &mut Steps,
) -> Option<Vec<SocketAddr>> {
    let host = &target.host;
    let end = end.min(Instant::now() + RESOLVE_MAX);
    let remedy = "check the host name in `bootstrapServers` and the DNS of this network";
    let found = match timeout_at(end, lookup_host((host.as_str(), target.port))).await {
        Ok(Ok(found)) => found.collect::<Vec<_>>(),
        Ok(Err(error)) => {
            // `failed to lookup address information: Name or service not known`
            let error = error.to_string();
            let why = error.rsplit(": ").next().unwrap_or_default();
            let text = format!("the name `{host}` cannot be resolved: {why}");
            return steps.failed(StepName::Name, Finding::new("NAME_NOT_RESOLVED", text, remedy));
        }
        Err(_) => {
            let text = format!("the name `{host}` was not resolved within {RESOLVE_MAX:?}");
            let remedy = "check that this machine reaches its DNS server";
            return steps.failed(StepName::Name, Finding::new("NAME_NOT_RESOLVED", text, remedy));
        }
    };
    if found.is_empty() {
        let text = format!("the name `{host}` has no addresses");
        return steps.failed(StepName::Name, Finding::new("NAME_NOT_RESOLVED", text, remedy));
    }
    let addresses: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
    let facts = Facts::new(addresses.join(", ")).with("addresses", addresses);
    steps.passed(StepName::Name, facts);
    Some(found)
}

/// Connects to the first address that takes a connection.
pub(super) async fn connect(
    target: &Target,
    addresses: &[SocketAddr],
    end: Instant,
    steps: &mut Steps,
) -> Option<TcpStream> {
    let end = end.min(Instant::now() + CONNECT_MAX);
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        // Those that are left share the time that is left.
        let share = (end - Instant::now()) / (addresses.len() - index) as u32;
        let failure = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Frames are small, and each waits for the answer to the one before.
                let _ = stream.set_nodelay(true);
                let facts = Facts::new(address.to_string()).with("address", address.to_string());
                steps.passed(StepName::Tcp, facts);
                return Some(stream);
            }
            Ok(Err(error)) => error,
            Err(_) => ErrorKind::TimedOut.into(),
        };
        failures.push((*address, failure));
    }
    // Who refuses is there, which says more than silence.
    let said = |(_, error): &&(SocketAddr, io::Error)| match error.kind() {
        ErrorKind::ConnectionRefused => 0,
        ErrorKind::TimedOut => 2,
        _ => 1,
    };
    let (address, error) = failures.iter().min_by_key(said)?;
    steps.failed(StepName::Tcp, unreachable(target, *address, error))
}

/// Why nobody takes a connection.
fn unreachable(target: &Target, address: SocketAddr, error: &io::Error) -> Finding {
    let place = target.place();
    match error.kind() {
        ErrorKind::ConnectionRefused => Finding::new(
            "PORT_CLOSED",
            format!("nobody listens at {place} ({address}): the connection was refused"),
            "check the port in `bootstrapServers`, and that the broker runs",
        ),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            Finding::new(
                "HOST_UNREACHABLE",
                format!("there is no way from here to {place} ({address}): {error}"),
                "check routes, peerings and private endpoints between this network and the \
                 broker's",
            )
        }
        ErrorKind::TimedOut => Finding::new(
            "CONNECT_TIMED_OUT",
            format!("{place} ({address}) did not answer within {CONNECT_MAX:?}"),
            "a firewall drops the packets, or the address is not in use: check firewalls, \
             security groups and the address",
        ),
        _ => Finding::new(
            "CONNECT_FAILED",
            format!("no connection to {place} ({address}): {error}"),
            "check that this machine may make connections to the outside",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be had on loopback.
    #[test]
    fn networks_that_do_not_lead_there_are_told_apart() {
        let target = Target { host: "kafka".to_owned(), port: 9092, tls: None, login: None };
        let address = SocketAddr::from(([10, 0, 0, 7], 9092));
        let told = |kind: ErrorKind| {
            let finding = unreachable(&target, address, &kind.into());
            format!("{}: {}", finding.code, finding.text)
        };
        assert_eq!(
            told(ErrorKind::HostUnreachable),
            "HOST_UNREACHABLE: there is no way from here to kafka:9092 (10.0.0.7:9092): host \
             unreachable"
        );
        assert_eq!(
            told(ErrorKind::TimedOut),
            "CONNECT_TIMED_OUT: kafka:9092 (10.0.0.7:9092) did not answer within 2s"
        );
        assert_eq!(
            told(ErrorKind::PermissionDenied),
            "CONNECT_FAILED: no connection to kafka:9092 (10.0.0.7:9092): permission denied"
        );
    }
}
