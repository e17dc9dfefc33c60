//! Who may write into an output, and as which writers.
use super::Caller;
use crate::job::{CallerRule, Subject, WriterRule};

/// The rules of an output that has some.
pub struct Rules(Vec<Rule>);

struct Rule {
    who: Who,
    prefix: String,
}

/// Whom a rule is for.
enum Who {
    /// The owner of a certificate of this subject.
    Subject(Subject),
    /// The owner of a certificate with this common name, whatever else its subject says.
    CommonName(String),
    /// The owner of a certificate with this subject alternative name.
    Name(String),
    /// An application that shows a token.
    Application(String),
    /// Whoever shows a token with this role.
    Role(String),
}

impl Rules {
    /// The rules of a job file.
    pub fn new(rules: &[WriterRule]) -> Self {
        let rule = |rule: &WriterRule| Rule { who: who(&rule.caller), prefix: rule.prefix.clone() };
        Self(rules.iter().map(rule).collect())
    }

    /// Whether a caller may write into the output at all. A batch without a writer id needs no
    /// more: it is nobody's progress.
    pub fn allow(&self, caller: &Caller) -> bool {
        self.0.iter().any(|rule| rule.who.is(caller))
    }

    /// Whether a caller may use a writer id.
    pub fn allow_writer(&self, caller: &Caller, writer_id: &str) -> bool {
        self.0.iter().any(|rule| writer_id.starts_with(&rule.prefix) && rule.who.is(caller))
    }
}

fn who(caller: &CallerRule) -> Who {
    match caller {
        CallerRule::Subject(subject) if subject.is_common_name_alone() => {
            Who::CommonName(subject.common_name().unwrap_or_default().to_owned())
        }
        CallerRule::Subject(subject) => Who::Subject(subject.clone()),
        CallerRule::Name(name) => Who::Name(name.clone()),
        CallerRule::Application(id) => Who::Application(id.clone()),
        CallerRule::Role(role) => Who::Role(role.clone()),
    }
}

impl Who {
    fn is(&self, caller: &Caller) -> bool {
        let (certificate, token) = (caller.certificate.as_deref(), caller.token.as_deref());
        match self {
            Self::Subject(subject) => certificate.is_some_and(|shown| shown.subject.is(subject)),
            Self::CommonName(name) => {
                certificate.is_some_and(|shown| shown.subject.common_name() == Some(name))
            }
            Self::Name(name) => certificate.is_some_and(|shown| shown.has_name(name)),
            Self::Application(id) => {
                token.is_some_and(|shown| shown.application.as_ref() == Some(id))
            }
            Self::Role(role) => token.is_some_and(|shown| shown.roles.contains(role)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use super::*;
    use crate::grpc::callers::{Claims, ClientCertificate, Name};

    fn rules(rules: &[(CallerRule, &str)]) -> Rules {
        let rule = |(caller, prefix): &(CallerRule, &str)| WriterRule {
            caller: caller.clone(),
            prefix: (*prefix).to_owned(),
        };
        Rules::new(&rules.iter().map(rule).collect::<Vec<_>>())
    }

    fn with_certificate(subject: &str, names: Vec<Name>) -> Caller {
        let subject = subject.parse().unwrap();
        let certificate = Some(Arc::new(ClientCertificate { subject, names }));
        Caller { address: "192.0.2.1:1".parse().unwrap(), certificate, token: None }
    }

    fn with_token(application: &str, roles: &[&str]) -> Caller {
        let token = Claims {
            application: Some(application.to_owned()),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            subject: None,
            expires: SystemTime::now() + Duration::from_secs(60),
        };
        let token = Some(Arc::new(token));
        Caller { address: "192.0.2.1:1".parse().unwrap(), certificate: None, token }
    }

    #[test]
    fn each_kind_of_rule_is_for_its_own_callers() {
        let engine = with_certificate("CN=engine,O=Contoso", Vec::new());
        let named = with_certificate(
            "O=x",
            vec![Name::Dns("Engine.example".into()), Name::Uri("spiffe://x/engine".into())],
        );
        let app = with_token("app-1", &["Writer"]);
        let subject = |text: &str| CallerRule::Subject(text.parse().unwrap());
        let name = |text: &str| CallerRule::Name(text.to_owned());
        let cases = [
            (subject("CN=engine,O=Contoso"), [true, false, false]),
            (subject("O=Contoso, CN=engine"), [true, false, false]),
            (subject("CN=engine"), [true, false, false]),
            (subject("engine"), [true, false, false]),
            (subject("O=Contoso"), [false, false, false]),
            (subject("CN=engine,O=Other"), [false, false, false]),
            (name("engine.EXAMPLE"), [false, true, false]),
            (name("spiffe://x/engine"), [false, true, false]),
            (name("SPIFFE://x/engine"), [false, false, false]),
            (name("engine"), [false, false, false]),
            (CallerRule::Application("app-1".into()), [false, false, true]),
            (CallerRule::Application("APP-1".into()), [false, false, false]),
            (CallerRule::Role("Writer".into()), [false, false, true]),
            (CallerRule::Role("app-1".into()), [false, false, false]),
        ];
        for (rule, expected) in cases {
            let rules = rules(&[(rule.clone(), "")]);
            let allowed = [&engine, &named, &app].map(|caller| rules.allow(caller));
            assert_eq!(allowed, expected, "{rule:?}");
        }
    }

    #[test]
    fn a_prefix_belongs_to_its_own_rule() {
        let (app, other) = (with_token("app", &["R"]), with_token("other", &["R"]));
        let rules = rules(&[
            (CallerRule::Application("app".into()), "own/"),
            (CallerRule::Role("R".into()), "all/"),
        ]);
        for (id, expected) in
            [("own/1", [true, false]), ("all/1", [true, true]), ("1", [false, false])]
        {
            assert_eq!([&app, &other].map(|caller| rules.allow_writer(caller, id)), expected);
        }
        assert!(!rules.allow_writer(&app, "own"), "the prefix is whole");
    }

    #[test]
    fn without_a_rule_nobody_may_write() {
        assert!(!rules(&[]).allow(&with_token("app", &[])));
    }
}
