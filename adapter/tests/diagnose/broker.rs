//! A listener that speaks as much Kafka as a login needs, and says what the case wants.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
    client::danger::HandshakeSignatureValid,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Leaf};

pub const TLS_1_2: &SupportedProtocolVersion = &TLS12;
pub const TLS_1_3: &SupportedProtocolVersion = &TLS13;

const API_VERSIONS: i16 = 18;
const SASL_HANDSHAKE: i16 = 17;
const SASL_AUTHENTICATE: i16 = 36;

/// What a listener does.
#[derive(Clone)]
pub struct Broker {
    pub tls: Option<Arc<ServerConfig>>,
    /// The mechanisms that it offers; without it, it takes no logins.
    pub mechanisms: Option<&'static [&'static str]>,
    pub login: Answer,
    /// The requests that it says it knows.
    pub apis: &'static [i16],
}

/// What it answers to a login.
#[derive(Clone, Copy)]
pub enum Answer {
    Welcome,
    /// Kafka's error 58, with this text.
    Refused(&'static str),
    /// The same, after a challenge.
    Challenge(&'static str),
    /// Kafka's error 58, with what it was sent.
    Echo,
    Close,
}

/// A listener of the tests; it ends with the test's runtime.
pub struct Listening {
    pub port: u16,
    /// What logins brought.
    pub logins: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            tls: None,
            mechanisms: None,
            login: Answer::Welcome,
            apis: &[API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE],
        }
    }
}

impl Broker {
    pub fn with_tls(config: ServerConfig) -> Self {
        Self { tls: Some(Arc::new(config)), ..Self::default() }
    }

    pub fn offering(self, mechanisms: &'static [&'static str], login: Answer) -> Self {
        Self { mechanisms: Some(mechanisms), login, ..self }
    }

    pub async fn listen(self) -> Listening {
        let logins = Arc::new(Mutex::new(Vec::new()));
        let seen = logins.clone();
        let port = listen(move |stream| {
            let (broker, logins) = (self.clone(), seen.clone());
            async move {
                match &broker.tls {
                    None => broker.serve(stream, &logins).await,
                    Some(config) => {
                        let accepted = TlsAcceptor::from(config.clone()).accept(stream).await;
                        if let Ok(stream) = accepted {
                            broker.serve(stream, &logins).await;
                        }
                    }
                }
            }
        })
        .await
        .port();
        Listening { port, logins }
    }

    async fn serve(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        logins: &Mutex<Vec<Vec<u8>>>,
    ) {
        while let Ok(size) = stream.read_i32().await {
            // As Kafka does with a request beyond `socket.request.max.bytes`.
            if !(10..=100 << 20).contains(&size) {
                return;
            }
            let mut request = vec![0; size as usize];
            if stream.read_exact(&mut request).await.is_err() {
                return;
            }
            let api = i16::from_be_bytes(request[..2].try_into().unwrap());
            let Some(body) = self.answer(api, &request[10..], logins) else { return };
            let mut answer = ((body.len() + 4) as i32).to_be_bytes().to_vec();
            answer.extend(&request[4..8]);
            answer.extend(body);
            if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }

    /// `None` closes the connection.
    fn answer(&self, api: i16, body: &[u8], logins: &Mutex<Vec<Vec<u8>>>) -> Option<Vec<u8>> {
        match api {
            API_VERSIONS => {
                let mut answer = vec![0, 0];
                answer.extend((self.apis.len() as i32).to_be_bytes());
                for api in self.apis {
                    answer.extend([*api, 0, 3].map(i16::to_be_bytes).concat());
                }
                Some(answer)
            }
            SASL_HANDSHAKE => {
                let asked = str::from_utf8(&body[2..]).unwrap();
                let offered = self.mechanisms.unwrap_or_default();
                let code: i16 = match self.mechanisms {
                    None => 34,
                    Some(_) if offered.contains(&asked) => 0,
                    Some(_) => 33,
                };
                let mut answer = code.to_be_bytes().to_vec();
                answer.extend((offered.len() as i32).to_be_bytes());
                offered.iter().for_each(|name| text(&mut answer, name));
                Some(answer)
            }
            SASL_AUTHENTICATE => {
                let sent = body[4..].to_vec();
                logins.lock().unwrap().push(sent.clone());
                let (code, said, challenge): (i16, _, &[u8]) = match self.login {
                    Answer::Welcome => (0, String::new(), b""),
                    Answer::Refused(said) => (58, said.to_owned(), b""),
                    Answer::Challenge(said) if sent == b"\x01" => (58, said.to_owned(), b""),
                    Answer::Challenge(said) => (0, String::new(), said.as_bytes()),
                    Answer::Echo => (58, String::from_utf8_lossy(&sent).into_owned(), b""),
                    Answer::Close => return None,
                };
                let mut answer = code.to_be_bytes().to_vec();
                text(&mut answer, &said);
                answer.extend((challenge.len() as i32).to_be_bytes());
                answer.extend(challenge);
                Some(answer)
            }
            _ => None,
        }
    }
}

fn text(answer: &mut Vec<u8>, text: &str) {
    answer.extend((text.len() as i16).to_be_bytes());
    answer.extend(text.as_bytes());
}

/// Takes connections on loopback and has each served by a task of its own.
pub async fn listen<F: Future<Output = ()> + Send>(
    serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serve = serve.clone();
            tokio::spawn(async move { serve(stream).await });
        }
    });
    address
}

/// TLS with this certificate, which asks for no client certificate.
pub fn tls(leaf: &Leaf) -> ServerConfig {
    versioned(leaf, TLS_1_3, None)
}

/// TLS that asks for client certificates.
pub fn mutual(
    leaf: &Leaf,
    version: &'static SupportedProtocolVersion,
    clients: Clients,
) -> ServerConfig {
    versioned(leaf, version, Some(Arc::new(clients)))
}

fn versioned(
    leaf: &Leaf,
    version: &'static SupportedProtocolVersion,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(clients),
    };
    builder.with_single_cert(leaf.chain.clone(), leaf.key.clone_key()).unwrap()
}

/// How a listener judges client certificates.
#[derive(Debug)]
pub struct Clients {
    judge: Arc<dyn ClientCertVerifier>,
    hints: Vec<DistinguishedName>,
    mandatory: bool,
    /// What it says instead of its own verdict: brokers in Java have few alerts.
    pub says: Option<CertificateError>,
}

impl Clients {
    /// It takes clients of this authority, and tells so.
    pub fn of(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        let judge =
            WebPkiClientVerifier::builder_with_provider(roots.into(), default_provider().into())
                .build()
                .unwrap();
        let hints = judge.root_hint_subjects().to_vec();
        Self { judge, hints, mandatory: true, says: None }
    }

    /// It does not tell whom it takes.
    pub fn silent(mut self) -> Self {
        self.hints.clear();
        self
    }

    /// It takes clients without a certificate, too.
    pub fn optional(mut self) -> Self {
        self.mandatory = false;
        self
    }

    pub fn saying(mut self, error: CertificateError) -> Self {
        self.says = Some(error);
        self
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge
            .verify_client_cert(end_entity, intermediates, now)
            .map_err(|error| self.says.clone().map_or(error, Error::InvalidCertificate))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
