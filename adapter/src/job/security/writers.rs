//! From `writers` as they are written to who may write into an output.

use super::{
    super::{convert::Section, raw::RawGrpc, tree::Node, words},
    model::{CallerRule, WriterRule},
    raw::RawWriter,
    text::{guid, line},
};

/// The most bytes of a writer's id.
const PREFIX_BYTES_MAX: usize = crate::writers::WRITER_ID_BYTES_MAX;

/// What callers show to the listener.
pub(in crate::job) struct Callers {
    certificates: bool,
    tokens: bool,
    /// The client ids that are let in, if not all are.
    applications: Option<Vec<String>>,
    /// Whether client ids are GUIDs.
    of_entra: bool,
}

/// What a rule says of a caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Certificate,
    Token,
}

impl Callers {
    /// What callers show, unless that has a fault.
    pub(in crate::job) fn read(section: &Section<'_>, raw: Option<&RawGrpc>) -> Option<Self> {
        if section.is_wrong("listen") {
            return None;
        }
        let tokens = raw.and_then(|raw| raw.tokens.as_ref());
        let tls = raw.and_then(|raw| raw.tls.as_ref());
        let listed = tokens.and_then(|tokens| tokens.applications.as_ref());
        Some(Self {
            certificates: tls.is_some_and(|tls| tls.client_ca.is_some()),
            tokens: tokens.is_some(),
            applications: listed
                .map(|list| list.iter().map(|id| id.to_ascii_lowercase()).collect()),
            of_entra: tokens.is_some_and(|tokens| tokens.tenant.is_some()),
        })
    }

    fn shows(&self, shown: Shown) -> bool {
        match shown {
            Shown::Certificate => self.certificates,
            Shown::Token => self.tokens,
        }
    }
}

/// Makes the list of who may write, if there is one. Without `callers` each rule is checked for
/// itself. Nothing comes back outside only if a fault was reported.
pub(in crate::job) fn writers(
    section: &mut Section<'_>,
    raw: Option<&[Option<RawWriter>]>,
    callers: Option<&Callers>,
) -> Option<Option<Vec<WriterRule>>> {
    let Some(raw) = raw else { return Some(None) };
    if let Some(Callers { certificates: false, tokens: false, .. }) = callers {
        let message = "`writers` names callers, but the listener does not ask who they are";
        let help = "add `clientCa` under `listen.grpc.tls`, or `listen.grpc.tokens`; or take \
            `writers` out";
        section.fault("CONFLICT", "writers", message.to_owned(), help);
        return None;
    }
    let list = section.node("writers")?;
    let mut rules: Vec<(WriterRule, u32)> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        // What is not a map is reported.
        let (Some(raw), Some(node)) = (raw, list.item(index)) else { continue };
        let mut section = Section::new(node, None, section.folder, section.faults);
        let Some(rule) = rule(&mut section, raw, callers) else { continue };
        let line = node.place().line;
        if let Some((_, first)) = rules.iter().find(|(other, _)| *other == rule) {
            let message = format!("`{}` says the same as the rule on line {first}", node.name);
            section.fault_here("DUPLICATE_VALUE", message, "take one of the two out");
        } else {
            rules.push((rule, line));
        }
    }
    (rules.len() == raw.len()).then(|| Some(rules.into_iter().map(|(rule, _)| rule).collect()))
}

fn rule(
    section: &mut Section<'_>,
    raw: &RawWriter,
    callers: Option<&Callers>,
) -> Option<WriterRule> {
    let RawWriter { subject, name, application, role, prefix } = raw;
    let given = [
        ("subject", subject, Shown::Certificate),
        ("name", name, Shown::Certificate),
        ("application", application, Shown::Token),
        ("role", role, Shown::Token),
    ];
    let mut given = given
        .into_iter()
        .filter_map(|(key, text, shown)| text.as_deref().map(|text| (key, text, shown)));
    let prefix = prefix.as_deref().unwrap_or_default();
    let prefix_fits = check_prefix(section, prefix);
    let Some((key, text, shown)) = given.next() else {
        let node = section.whole();
        if !section.faults.touches(node) {
            let message = format!("`{}` does not say who may write", node.name);
            let help = "add `subject`, `name`, `application` or `role`";
            section.missing("subject", message, help);
        }
        return None;
    };
    if let Some((second, ..)) = given.next() {
        let message = format!("`{}` has both `{key}` and `{second}`", section.whole().name);
        let help = "keep one of the two; another rule may have the other";
        section.fault("CONFLICT", second, message, help);
        return None;
    }
    if let Some(callers) = callers.filter(|callers| !callers.shows(shown)) {
        report_unshown(section, key, shown, callers);
        return None;
    }
    let caller = match key {
        "subject" => {
            CallerRule::Subject(section.take(key, line(text).and_then(|text| text.parse()))?)
        }
        "name" => CallerRule::Name(section.take(key, line(text))?),
        "application" => {
            let of_entra = callers.is_some_and(|callers| callers.of_entra);
            let id = section.take(key, if of_entra { guid(text) } else { line(text) })?;
            check_application(section, &id, callers)?;
            CallerRule::Application(id)
        }
        _ => CallerRule::Role(section.take(key, line(text))?),
    };
    prefix_fits.then(|| WriterRule { caller, prefix: prefix.to_owned() })
}

fn check_prefix(section: &mut Section<'_>, prefix: &str) -> bool {
    let why = if prefix.len() > PREFIX_BYTES_MAX {
        format!("has {} bytes, more than any writer's id", prefix.len())
    } else if prefix.chars().any(char::is_control) {
        "holds a control character, which no writer's id does".to_owned()
    } else {
        return true;
    };
    let help = format!("write at most {PREFIX_BYTES_MAX} bytes, such as `engine-1/`");
    section.fault("INVALID_VALUE", "prefix", format!("`prefix` {why}"), &help);
    false
}

/// Reports a rule for what callers are not asked for.
fn report_unshown(section: &mut Section<'_>, key: &str, shown: Shown, callers: &Callers) {
    let (what, add, instead) = match shown {
        Shown::Certificate => {
            ("client certificate", "`clientCa` under `listen.grpc.tls`", "`application` or `role`")
        }
        Shown::Token => ("token", "`listen.grpc.tokens`", "`subject` or `name`"),
    };
    debug_assert!(callers.certificates != callers.tokens, "one of both is asked for");
    let message = format!("`{key}` is of a {what}, but the listener asks for none");
    let help = format!("add {add}, or name the caller by {instead}");
    section.fault("CONFLICT", key, message, &help);
}

/// Checks that an application is one that is let in.
fn check_application(section: &mut Section<'_>, id: &str, callers: Option<&Callers>) -> Option<()> {
    let listed = callers.and_then(|callers| callers.applications.as_ref());
    if listed.is_none_or(|listed| listed.iter().any(|listed| listed.eq_ignore_ascii_case(id))) {
        return Some(());
    }
    let shown = match section.node("application") {
        Some(Node { hidden: false, .. }) => format!("`{}`", words::excerpt(id)),
        _ => "an application".to_owned(),
    };
    let message = format!("`application` is {shown}, which `listen.grpc.tokens` does not let in");
    let help = "add it to `applications` there, or take the rule out";
    section.fault("CONFLICT", "application", message, help);
    None
}
