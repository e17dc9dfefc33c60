//! What a diagnosis found, step by step.

use std::fmt;

use serde_json::{Map, Value};

use super::target::{Depth, Target};

/// What a diagnosis found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The host that was asked for.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The steps in order; each that the target has is there, those that were not reached as well.
    pub steps: Vec<Step>,
}

/// One step of making a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// What became of it.
    pub outcome: Outcome,
}

/// The steps of making a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepName {
    /// The host name has addresses.
    Name,
    /// One of them takes a connection.
    Tcp,
    /// What the listener speaks is what the client speaks.
    Listener,
    /// TLS, and the server's certificate.
    Tls,
    /// The client's own certificate.
    ClientCertificate,
    /// The broker offers the mechanism of the login.
    Mechanism,
    /// The broker takes the login.
    Login,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It works.
    Passed(Facts),
    /// It works, but somebody should know this.
    Warned(Facts, Finding),
    /// It does not work.
    Failed(Finding),
    /// It was not tried, and why.
    NotChecked(String),
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// For a person.
    pub text: String,
    /// For a script.
    pub values: Map<String, Value>,
}

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable, in capitals.
    pub code: &'static str,
    /// What happened, to which object.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

impl Report {
    /// Why the connection fails, if it does.
    pub fn cause(&self) -> Option<&Finding> {
        self.steps.iter().find_map(|step| match &step.outcome {
            Outcome::Failed(finding) => Some(finding),
            Outcome::Passed(_) | Outcome::Warned(..) | Outcome::NotChecked(_) => None,
        })
    }

    /// What became of a step.
    pub fn outcome(&self, name: StepName) -> Option<&Outcome> {
        self.steps.iter().find(|step| step.name == name).map(|step| &step.outcome)
    }
}

impl StepName {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Name,
        Self::Tcp,
        Self::Listener,
        Self::Tls,
        Self::ClientCertificate,
        Self::Mechanism,
        Self::Login,
    ];

    /// Stable, for scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Tcp => "TCP",
            Self::Listener => "LISTENER",
            Self::Tls => "TLS",
            Self::ClientCertificate => "CLIENT_CERTIFICATE",
            Self::Mechanism => "SASL_MECHANISM",
            Self::Login => "LOGIN",
        }
    }

    /// Whether a target has this step.
    fn belongs_to(self, target: &Target, depth: Depth) -> bool {
        match self {
            Self::Name | Self::Tcp | Self::Listener => true,
            Self::Tls => target.tls.is_some(),
            // Without one there is nothing to be said, unless the server asks for it.
            Self::ClientCertificate => {
                target.tls.as_ref().is_some_and(|tls| tls.client_certificate.is_some())
            }
            Self::Mechanism | Self::Login => target.login.is_some() && depth != Depth::Listener,
        }
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Tcp => "TCP",
            Self::Listener => "listener",
            Self::Tls => "TLS",
            Self::ClientCertificate => "client certificate",
            Self::Mechanism => "SASL mechanism",
            Self::Login => "login",
        })
    }
}

impl Facts {
    /// Facts that a person needs no values for.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Map::new() }
    }

    /// One value more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
}

impl Finding {
    /// A finding.
    pub fn new(code: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, text: text.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.text, self.remedy)
    }
}

impl From<keyvault::Error> for Finding {
    fn from(error: keyvault::Error) -> Self {
        Self { code: error.code, text: error.message, remedy: error.remedy }
    }
}

/// Outcomes as they come.
#[derive(Default)]
pub(super) struct Steps(Vec<Step>);

impl Steps {
    /// Notes an outcome.
    pub(super) fn note(&mut self, name: StepName, outcome: Outcome) {
        self.0.push(Step { name, outcome });
    }

    /// A step that works.
    pub(super) fn passed(&mut self, name: StepName, facts: Facts) {
        self.note(name, Outcome::Passed(facts));
    }

    /// A step that works, with a warning if there is one.
    pub(super) fn passed_but(&mut self, name: StepName, facts: Facts, warning: Option<Finding>) {
        self.note(
            name,
            match warning {
                None => Outcome::Passed(facts),
                Some(finding) => Outcome::Warned(facts, finding),
            },
        );
    }

    /// The step that ends the walk.
    pub(super) fn failed<T>(&mut self, name: StepName, finding: Finding) -> Option<T> {
        self.note(name, Outcome::Failed(finding));
        None
    }

    /// A step that cannot be judged from here; it ends the walk, too.
    pub(super) fn unknown<T>(&mut self, name: StepName, why: impl Into<String>) -> Option<T> {
        self.note(name, Outcome::NotChecked(why.into()));
        None
    }

    /// Why the walk has ended.
    pub(super) fn end(self, target: &Target) -> Finding {
        let why = match self.0.into_iter().next_back().map(|step| step.outcome) {
            Some(Outcome::Failed(finding)) => return finding,
            Some(Outcome::NotChecked(why)) => why,
            _ => "the connection was closed at once".to_owned(),
        };
        let text = format!("{} cannot be spoken to: {why}", target.place());
        Finding::new("BROKER_NOT_SPOKEN_TO", text, "ask it with Kafka's own tools")
    }

    /// All steps that the target has, in order.
    pub(super) fn finish(self, target: &Target, depth: Depth) -> Vec<Step> {
        let mut noted = self.0;
        let step = |name: StepName| match noted.iter().position(|step| step.name == name) {
            Some(index) => Some(noted.swap_remove(index)),
            None if name.belongs_to(target, depth) => {
                let why = "a step before it did not pass".to_owned();
                Some(Step { name, outcome: Outcome::NotChecked(why) })
            }
            None => None,
        };
        StepName::ALL.into_iter().filter_map(step).collect()
    }
}
