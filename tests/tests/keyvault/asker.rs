//! A `keyvault::Store` in a process of its own, since variables of the environment decide where
//! Azure is. Every error and every line of its log is searched for secrets.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use keyvault::{
    Error, Found, Identity, ObjectKind, Reference, Retry, Store, UserAssigned, VaultObject,
    token::AccessToken,
};
use serde_json::{Value, json};
use tests::{azure::Azure, process, wait::DEADLINE};

const PORT: &str = "KEYVAULT_TEST_PORT";
const IDENTITY: &str = "KEYVAULT_TEST_IDENTITY";
/// Variables that lead elsewhere, if they are set where the tests run.
const INHERITED: [&str; 9] = [
    "ALL_PROXY",
    "AZURE_AUTHORITY_HOST",
    "HTTPS_PROXY",
    "IDENTITY_ENDPOINT",
    "NO_PROXY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// Whoever asks hears within this time, whatever happens.
pub const HEARD_WITHIN: Duration = Duration::from_secs(15);
/// In every secret that a test puts anywhere.
pub const CANARY: &str = "CANARY";

/// Asks a store in a child process.
pub struct Asker<'a> {
    azure: &'a Azure,
    stream: BufReader<TcpStream>,
    log: PathBuf,
    _process: process::Process,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// A secret: vault, name, version.
    Secret(String, String, Option<String>),
    /// A certificate: vault, name.
    Certificate(String, String),
    /// A token for a scope.
    Token(String),
}

/// A secret or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Good {
    pub text: String,
    pub version: String,
    pub content_type: Option<String>,
    pub not_before: Option<u64>,
    pub expires: Option<u64>,
    pub principal: Option<String>,
    /// The code of why there is no newer token.
    pub trouble: Option<String>,
}

/// An error.
#[derive(Clone, Debug, PartialEq)]
pub struct Bad {
    pub code: String,
    pub text: String,
    /// `None`: never. Else the seconds that the other side asked for.
    pub retry: Option<Option<f64>>,
}

pub type Answer = Result<Good, Bad>;

/// A question about a secret.
pub fn secret(vault: &str, name: &str) -> Question {
    Question::Secret(vault.to_owned(), name.to_owned(), None)
}

/// A question about a token.
pub fn token(scope: &str) -> Question {
    Question::Token(scope.to_owned())
}

impl<'a> Asker<'a> {
    /// Starts a process with the variables of `environment` as `identity`: `system`, `client ID`,
    /// `object ID`, `resource ID`, `workload`, `cli` or `none`.
    pub fn start(azure: &'a Azure, environment: &[(String, String)], identity: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // `env` sets the variables: one of them may be the PATH, by which the command is found.
        let mut command = process::command("env");
        command.args(INHERITED.iter().map(|name| format!("--unset={name}")));
        command.args(environment.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(format!("{PORT}={}", listener.local_addr().unwrap().port()));
        command.arg(format!("{IDENTITY}={identity}"));
        command.arg(env::current_exe().unwrap());
        command.args(["--exact", "child_answers", "--nocapture"]);
        let log = tempfile::Builder::new().prefix("asker-").tempfile_in(azure.dir()).unwrap();
        let log = log.into_temp_path().keep().unwrap();
        process::log_to(&mut command, &log);
        let process = process::Process::spawn(command);
        let (stream, _) = accept(&listener, &log);
        stream.set_read_timeout(Some(2 * DEADLINE)).unwrap();
        Self { azure, stream: BufReader::new(stream), log, _process: process }
    }

    /// The same on a machine of Azure.
    pub fn on_azure(azure: &'a Azure) -> Self {
        Self::start(azure, &azure.environment(), "system")
    }

    /// Asks one question.
    #[track_caller]
    pub fn ask(&mut self, question: Question) -> Answer {
        self.ask_all(&[question]).pop().unwrap()
    }

    /// The error to a question.
    #[track_caller]
    pub fn fault(&mut self, question: Question) -> Bad {
        let expected = format!("{question:?} should fail");
        self.ask(question).expect_err(&expected)
    }

    /// Asks all at the same time.
    #[track_caller]
    pub fn ask_all(&mut self, questions: &[Question]) -> Vec<Answer> {
        for (id, question) in questions.iter().enumerate() {
            let line = json!({ "id": id, "ask": to_json(question) });
            writeln!(self.stream.get_mut(), "{line}").unwrap();
        }
        let mut answers = vec![None; questions.len()];
        for _ in questions {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let told: Value = serde_json::from_str(&line)
                .unwrap_or_else(|_| panic!("no answer:\n{}", process::tail(&self.log, 40)));
            let took = Duration::from_secs_f64(told["took"].as_f64().unwrap());
            assert!(took < HEARD_WITHIN, "heard after {took:?}: {told}");
            if let Some(text) = told["shown"].as_str() {
                self.assert_no_secret(text);
            }
            let id = usize::try_from(told["id"].as_u64().unwrap()).unwrap();
            answers[id] = Some(from_json(&told));
        }
        answers.into_iter().map(Option::unwrap).collect()
    }

    #[track_caller]
    fn assert_no_secret(&self, text: &str) {
        assert!(!text.contains(CANARY), "a secret is in: {text}");
        for token in self.azure.given_tokens() {
            // The signature makes a token of its parts.
            let (_, signature) = token.rsplit_once('.').unwrap();
            assert!(!text.contains(signature), "a token is in: {text}");
        }
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap();
            assert!(log.contains("running 1 test"), "the log is that of the child:\n{log}");
            self.assert_no_secret(&log);
        }
    }
}

/// Waits for the child, but not for ever.
fn accept(listener: &TcpListener, log: &Path) -> (TcpStream, std::net::SocketAddr) {
    listener.set_nonblocking(true).unwrap();
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, from)) => {
                stream.set_nonblocking(false).unwrap();
                return (stream, from);
            }
            Err(_) if start.elapsed() < DEADLINE => thread::sleep(Duration::from_millis(2)),
            Err(error) => panic!("the child does not come: {error}\n{}", process::tail(log, 40)),
        }
    }
}

fn to_json(question: &Question) -> Value {
    match question {
        Question::Secret(vault, name, version) => {
            json!({ "kind": "secret", "vault": vault, "name": name, "version": version })
        }
        Question::Certificate(vault, name) => {
            json!({ "kind": "certificate", "vault": vault, "name": name })
        }
        Question::Token(scope) => json!({ "kind": "token", "scope": scope }),
    }
}

fn from_json(told: &Value) -> Answer {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let good = &told["good"];
    if good.is_null() {
        return Err(Bad {
            code: text(&told["code"]).unwrap(),
            text: text(&told["text"]).unwrap(),
            retry: told["retry"].as_array().map(|retry| retry[0].as_f64()),
        });
    }
    Ok(Good {
        text: text(&good["text"]).unwrap(),
        version: text(&good["version"]).unwrap_or_default(),
        content_type: text(&good["contentType"]),
        not_before: good["notBefore"].as_u64(),
        expires: good["expires"].as_u64(),
        principal: text(&good["principal"]),
        trouble: text(&good["trouble"]),
    })
}

/// The child: answers until nobody asks any more.
pub fn serve() {
    let Ok(port) = env::var(PORT) else { return };
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_writer(std::io::stderr)
        .init();
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    let answers = Arc::new(Mutex::new(stream.try_clone().unwrap()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = {
        let _inside = runtime.enter();
        Store::new(identity(&env::var(IDENTITY).unwrap()))
    };
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let question: Value = serde_json::from_str(&line).unwrap();
        let (store, answers) = (store.clone(), answers.clone());
        runtime.spawn(async move {
            let start = Instant::now();
            let mut told = match store {
                Ok(store) => answer(&store, &question["ask"]).await,
                Err(error) => bad(&error),
            };
            told["id"] = question["id"].clone();
            told["took"] = start.elapsed().as_secs_f64().into();
            writeln!(answers.lock().unwrap(), "{told}").unwrap();
        });
    }
}

async fn answer(store: &Store, ask: &Value) -> Value {
    let text = |name: &str| ask[name].as_str().map(ToOwned::to_owned);
    let kind = match ask["kind"].as_str().unwrap() {
        "secret" => ObjectKind::Secret,
        "certificate" => ObjectKind::Certificate,
        _ => {
            let scope = text("scope").unwrap();
            let token = store.token(&scope).await;
            let trouble = store.token_trouble(&scope);
            return token.map_or_else(|error| bad(&error), |token| good_token(&token, trouble));
        }
    };
    let vault = format!("https://{}.vault.azure.net", text("vault").unwrap()).parse().unwrap();
    let (name, version) = (text("name").unwrap(), text("version"));
    let reference = Reference::Vault(VaultObject { vault, kind, name, version });
    store.get(&reference).await.map_or_else(|error| bad(&error), |found| good(&found))
}

#[expect(clippy::disallowed_methods, reason = "the test compares what was read")]
fn good(found: &Found) -> Value {
    assert!(!format!("{found:?}").contains(CANARY), "a secret shows itself");
    let seconds = |time: Option<std::time::SystemTime>| {
        time.map(|time| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs())
    };
    json!({ "good": {
        "text": found.secret.expose_text().unwrap(),
        "version": found.version,
        "contentType": found.content_type,
        "notBefore": seconds(found.not_before),
        "expires": seconds(found.expires),
    }})
}

#[expect(clippy::disallowed_methods, reason = "the test compares what was fetched")]
fn good_token(token: &AccessToken, trouble: Option<Error>) -> Value {
    let expires = token.expires.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    json!({ "good": {
        "text": token.secret.expose_text().unwrap(),
        "expires": expires,
        "principal": token.principal,
        "trouble": trouble.map(|error| error.code),
    }})
}

fn bad(error: &Error) -> Value {
    let retry = match error.retry {
        Retry::Never => Value::Null,
        Retry::Later(after) => json!([after.map(|after| after.as_secs_f64())]),
    };
    let shown = format!("{error} {error:?}");
    json!({ "code": error.code, "text": error.to_string(), "retry": retry, "shown": shown })
}

fn identity(text: &str) -> Option<Identity> {
    let (kind, id) = text.split_once(' ').unwrap_or((text, ""));
    let id = id.to_owned();
    Some(match kind {
        "none" => return None,
        "system" => Identity::SystemAssigned,
        "client" => Identity::UserAssigned(UserAssigned::ClientId(id)),
        "object" => Identity::UserAssigned(UserAssigned::ObjectId(id)),
        "resource" => Identity::UserAssigned(UserAssigned::ResourceId(id)),
        "workload" => Identity::Workload { client_id: None, tenant_id: None, token_file: None },
        "cli" => Identity::AzureCli { tenant_id: None },
        _ => panic!("no identity: {text}"),
    })
}
