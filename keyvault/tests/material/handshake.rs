//! OpenSSL and rustls both take what is made, and each trusts the other by it.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, Read, Write},
    rc::Rc,
    sync::Arc,
};

use keyvault::{
    Secret,
    material::{KeyPair, TrustStore, Usage, key_pair},
};
use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion},
    x509::{X509, store::X509StoreBuilder},
};
use rustls::{
    ClientConfig, Connection, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};

use crate::make::{ISSUING, KINDS, Kind, ROOT, found, key, leaf, now, shown, trusted};

/// More than any handshake takes.
const ROUNDS_MAX: usize = 20;

/// Bytes that are on their way to one end and from it.
#[derive(Clone, Default)]
struct Wire {
    incoming: Rc<RefCell<VecDeque<u8>>>,
    outgoing: Rc<RefCell<VecDeque<u8>>>,
}

impl Wire {
    fn other_end(&self) -> Self {
        Self { incoming: self.outgoing.clone(), outgoing: self.incoming.clone() }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.borrow_mut().read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            length => Ok(length),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn made(kind: Kind, usage: Usage) -> KeyPair {
    let leaf = leaf("writer").issue(key(kind), Some(&ISSUING));
    let found = found("the file x", leaf.both() + &ISSUING.pem() + &ROOT.pem());
    key_pair(&found, None, None, usage, now()).unwrap()
}

/// What OpenSSL takes as its own certificate, and whom it trusts; it asks the peer for one.
fn openssl(pair: &KeyPair, trust: &TrustStore, version: SslVersion) -> SslContext {
    let mut context = SslContext::builder(SslMethod::tls()).unwrap();
    let mut chain = X509::stack_from_pem(pair.chain_pem.as_bytes()).unwrap().into_iter();
    context.set_certificate(&chain.next().unwrap()).unwrap();
    chain.for_each(|issuer| context.add_extra_chain_cert(issuer).unwrap());
    let key = PKey::private_key_from_pem(pair.key_pem.expose()).unwrap();
    context.set_private_key(&key).unwrap();
    context.check_private_key().unwrap();
    let mut store = X509StoreBuilder::new().unwrap();
    for certificate in X509::stack_from_pem(trust.pem.as_bytes()).unwrap() {
        store.add_cert(certificate).unwrap();
    }
    context.set_cert_store(store.build());
    context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    context.set_min_proto_version(Some(version)).unwrap();
    context.set_max_proto_version(Some(version)).unwrap();
    // A ticket would need an id of the sessions.
    context.set_options(SslOptions::NO_TICKET);
    context.build()
}

fn rustls_server(
    pair: &KeyPair,
    trust: &TrustStore,
    version: &'static SupportedProtocolVersion,
) -> Connection {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = Arc::new(trust.roots().unwrap());
    let clients = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
    let (chain, key) = pair.certified().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    rustls::ServerConnection::new(Arc::new(config)).unwrap().into()
}

fn rustls_client(
    pair: &KeyPair,
    trust: &TrustStore,
    version: &'static SupportedProtocolVersion,
) -> Connection {
    let (chain, key) = pair.certified().unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(trust.roots().unwrap())
        .with_client_auth_cert(chain, key)
        .unwrap();
    let name = "localhost".try_into().unwrap();
    rustls::ClientConnection::new(Arc::new(config), name).unwrap().into()
}

/// Shakes hands and sends a word each way: only then both ends have accepted the other.
fn check(mut openssl: SslStream<Wire>, mut rustls: Connection, mut wire: Wire, shown: &KeyPair) {
    let mut received = (Vec::new(), Vec::new());
    let (mut sent, mut answered) = (false, false);
    for _ in 0..ROUNDS_MAX {
        if sent {
            let mut buffer = [0; 16];
            match openssl.ssl_read(&mut buffer) {
                Ok(length) => received.0.extend_from_slice(&buffer[..length]),
                Err(error) => assert!(error.io_error().is_some(), "{error}"),
            }
        } else {
            match openssl.do_handshake() {
                Ok(()) => {
                    assert_eq!(openssl.ssl_write(b"ping").unwrap(), 4);
                    sent = true;
                }
                Err(error) => assert!(error.io_error().is_some(), "{error}"),
            }
        }
        while rustls.read_tls(&mut wire).is_ok() {
            rustls.process_new_packets().unwrap();
        }
        let _ = rustls.reader().read_to_end(&mut received.1);
        if !rustls.is_handshaking() && !answered {
            rustls.writer().write_all(b"pong").unwrap();
            answered = true;
        }
        while rustls.wants_write() {
            rustls.write_tls(&mut wire).unwrap();
        }
        if received == (b"pong".to_vec(), b"ping".to_vec()) {
            let chain = rustls.peer_certificates().unwrap();
            assert_eq!(chain, shown.certified().unwrap().0);
            return;
        }
    }
    panic!("the handshake does not end; received {received:?}");
}

/// The writer's certificate is shown by OpenSSL, as to a broker, and that of the service by rustls,
/// as to its callers; then the other way round.
#[test]
fn both_libraries_trust_each_other_by_every_kind_of_key() {
    let trust = trusted(ROOT.pem(), None).unwrap();
    for kind in KINDS {
        let (client, server) = (made(kind, Usage::Client), made(kind, Usage::Server));
        for (old, new) in [(SslVersion::TLS1_2, &TLS12), (SslVersion::TLS1_3, &TLS13)] {
            let wire = Wire::default();
            let mut ssl = Ssl::new(&openssl(&client, &trust, old)).unwrap();
            ssl.set_connect_state();
            ssl.set_hostname("localhost").unwrap();
            ssl.param_mut().set_host("localhost").unwrap();
            let stream = SslStream::new(ssl, wire.other_end()).unwrap();
            check(stream, rustls_server(&server, &trust, new), wire, &client);

            // Until TLS 1.2 the curve of a certificate is one of the key exchange, too, and rustls
            // exchanges no keys on P-521.
            if (kind, old) == (Kind::P521, SslVersion::TLS1_2) {
                continue;
            }
            let wire = Wire::default();
            let mut ssl = Ssl::new(&openssl(&server, &trust, old)).unwrap();
            ssl.set_accept_state();
            let stream = SslStream::new(ssl, wire.other_end()).unwrap();
            check(stream, rustls_client(&client, &trust, new), wire, &server);
        }
    }
}

/// Whoever makes one of these by hand may make it wrong.
#[test]
fn what_rustls_cannot_use_is_named_without_its_content() {
    let block = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
    let trust = trusted(ROOT.pem(), None).unwrap();
    let wrong = TrustStore { pem: block.to_owned(), ..trust };
    let text = shown(wrong.roots());
    assert!(
        text.starts_with(
            "KEY_MATERIAL_UNSUPPORTED: the authority `CN=root,O=Contoso` cannot be used for TLS: "
        ),
        "{text}"
    );
    let pair = made(Kind::P256, Usage::Client);
    let keyless = KeyPair { key_pem: Secret::new(*b"canary"), ..pair.clone() };
    assert_eq!(
        shown(keyless.certified()),
        "KEY_MATERIAL_UNSUPPORTED: the key of the certificate `CN=writer,O=Contoso` cannot be used \
         for TLS: it is not in PEM; replace it"
    );
    let cut = KeyPair { chain_pem: pair.chain_pem[..100].to_owned(), ..pair };
    let text = shown(cut.certified());
    assert!(text.contains("the certificate `CN=writer,O=Contoso` cannot be used"), "{text}");
}
