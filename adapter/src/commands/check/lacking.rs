//! What cannot be had, which is told once: whoever needs it refers to that.

use keyvault::Reference;

use super::finding::Line;
use crate::{
    diagnose::{Finding, Outcome},
    exit::Exit,
    job::{Login, Security, TokenSource},
};

/// Tokens of the identity, by scope, and what the job file refers to.
#[derive(Clone, Default)]
pub(super) struct Lacking {
    pub(super) tokens: Vec<(String, Missing)>,
    pub(super) references: Vec<(Reference, Missing)>,
}

/// Something that cannot be had.
#[derive(Clone)]
pub(super) struct Missing {
    title: String,
    code: &'static str,
    exit: Exit,
}

impl Missing {
    /// What a line says is missing, if it says so.
    pub(super) fn of(line: &Line) -> Option<Self> {
        let Outcome::Failed(Finding { code, .. }) = &line.outcome else { return None };
        Some(Self { title: line.title.clone(), code, exit: line.exit })
    }
}

impl Lacking {
    /// The token that is missing to read a reference.
    pub(super) fn token_of(&self, reference: &Reference) -> Option<&Missing> {
        match reference {
            Reference::Vault(object) => self.token(&object.vault.scope()),
            Reference::Env(_) | Reference::File(_) | Reference::ClearTextForTests(_) => None,
        }
    }

    /// What is missing for the security of an output, or for a part of it.
    pub(super) fn for_security(&self, title: &str, security: &Security) -> Option<Line> {
        let token = match &security.login {
            Some(Login::Token(TokenSource::Identity { scope, .. })) => self.token(scope),
            _ => None,
        };
        token
            .map(|missing| refers("CREDENTIALS", title, missing))
            .or_else(|| self.for_references("CREDENTIALS", title, security.references()))
    }

    /// What is missing of what is referred to.
    pub(super) fn for_references<'a>(
        &self,
        step: &'static str,
        title: &str,
        mut references: impl Iterator<Item = &'a Reference>,
    ) -> Option<Line> {
        let missing = references.find_map(|reference| {
            let found = self.references.iter().find(|(known, _)| known == reference);
            found.map(|(_, missing)| missing)
        });
        missing.map(|missing| refers(step, title, missing))
    }

    fn token(&self, scope: &str) -> Option<&Missing> {
        self.tokens.iter().find(|(known, _)| known == scope).map(|(_, missing)| missing)
    }
}

fn refers(step: &'static str, title: &str, missing: &Missing) -> Line {
    let Missing { title: needed, code, exit } = missing;
    let text = format!("it needs {needed}, which cannot be had");
    let finding = Finding::new(code, text, "mend that first: see above");
    Line::fault(step, title, finding, *exit)
}

#[cfg(test)]
mod tests {
    use keyvault::{ObjectKind, VaultObject};

    use super::*;

    #[test]
    fn only_what_needs_a_token_lacks_it() {
        let scope = "https://vault.azure.net/.default".to_owned();
        let missing = Missing { title: "x".to_owned(), code: "X", exit: Exit::Unreachable };
        let lacking = Lacking { tokens: vec![(scope, missing)], references: Vec::new() };
        let object = |vault: &str| {
            Reference::Vault(VaultObject {
                vault: vault.parse().unwrap(),
                kind: ObjectKind::Secret,
                name: "word".to_owned(),
                version: None,
            })
        };
        assert!(lacking.token_of(&object("https://contoso.vault.azure.net")).is_some());
        assert!(lacking.token_of(&object("https://contoso.vault.azure.cn")).is_none());
        assert!(lacking.token_of(&Reference::Env("X".to_owned())).is_none());
    }
}
