//! The same cases in several worlds: the stand-in of ours, and emulators that others wrote where
//! somebody has them.

use tests::{
    azure::{Azure, Fault, Object, SYSTEM},
    wait::{DEADLINE, wait_until},
};

use super::{
    asker::{Asker, Question, secret},
    emulators::Emulators,
};

/// The vault of all cases.
pub const VAULT: &str = "kv1";

/// Somewhere with a vault, seen from whoever may do anything in it.
pub trait World {
    /// The variables of a machine in it.
    fn environment(&self) -> Vec<(String, String)>;
    /// Puts a secret into the vault; gives its version.
    fn set(&self, name: &str, value: &str, content_type: Option<&str>) -> String;
    /// Switches the newest version off.
    fn disable(&self, name: &str, version: &str);
    /// Deletes a secret; it can be recovered.
    fn delete(&self, name: &str);
    /// Whether the machine's identity may read secrets.
    fn let_read(&self, may: bool);
    /// The next request is throttled.
    fn throttle_one(&self);
    /// The next request fails.
    fn fail_one(&self);
    /// The vault's clock is ahead by so many seconds.
    fn set_clock(&self, ahead_s: i64);
}

impl World for Azure {
    fn environment(&self) -> Vec<(String, String)> {
        Self::environment(self)
    }

    fn set(&self, name: &str, value: &str, content_type: Option<&str>) -> String {
        let object = Object::text(value);
        let object = content_type.map_or(object.clone(), |of| object.of_type(of));
        self.vault(VAULT).put(name, object)
    }

    fn disable(&self, name: &str, _: &str) {
        self.vault(VAULT).disable(name);
    }

    fn delete(&self, name: &str) {
        self.vault(VAULT).delete(name);
    }

    fn let_read(&self, may: bool) {
        self.vault(VAULT).allow_only(if may { &[SYSTEM.object_id] } else { &[] });
    }

    fn throttle_one(&self) {
        let fault = Fault::status(429, "{}").with("Retry-After", "1");
        self.spoil_times("kv1.vault.azure.net/", 1, fault);
    }

    fn fail_one(&self) {
        self.spoil_times("kv1.vault.azure.net/", 1, Fault::status(500, "{}"));
    }

    fn set_clock(&self, ahead_s: i64) {
        self.set_vault_clock(ahead_s);
    }
}

#[test]
fn the_stand_in_and_the_emulators_agree() {
    let azure = Azure::start();
    run(&azure, &azure);
    match Emulators::start_if_named() {
        Some(emulators) => run(emulators.azure(), &emulators),
        None => println!(
            "not run on emulators: ENTRA_EMULATOR and KEYVAULT_EMULATOR do not name their binaries"
        ),
    }
}

/// `azure` leads to the world and knows which tokens were given out.
fn run(azure: &Azure, world: &impl World) {
    let first = world.set("word", "CANARY-1", None);
    let second = world.set("word", "CANARY-2", None);
    let mut asker = Asker::start(azure, &world.environment(), "system");

    let found = asker.ask(secret(VAULT, "word")).unwrap();
    assert_eq!((found.text.as_str(), &found.version), ("CANARY-2", &second));
    let pinned = Question::Secret(VAULT.into(), "word".into(), Some(first.clone()));
    let found = asker.ask(pinned).unwrap();
    assert_eq!((found.text.as_str(), found.version), ("CANARY-1", first));

    let pem = "-----BEGIN CERTIFICATE-----\nCANARY\n-----END CERTIFICATE-----\n";
    for (name, value, of) in
        [("pfx", "Q0FOQVJZ", "application/x-pkcs12"), ("pem", pem, "application/x-pem-file")]
    {
        world.set(name, value, Some(of));
        let found = asker.ask(secret(VAULT, name)).unwrap();
        assert_eq!((found.text.as_str(), found.content_type.as_deref()), (value, Some(of)));
    }

    assert_eq!(asker.fault(secret(VAULT, "missing")).code, "VAULT_OBJECT_NOT_FOUND");
    let version = world.set("off", "CANARY", None);
    world.disable("off", &version);
    assert_eq!(asker.fault(secret(VAULT, "off")).code, "VAULT_OBJECT_DISABLED");
    world.delete("pem");
    assert_eq!(asker.fault(secret(VAULT, "pem")).code, "VAULT_OBJECT_NOT_FOUND");

    world.let_read(false);
    assert_eq!(asker.fault(secret(VAULT, "word")).code, "VAULT_FORBIDDEN");
    world.let_read(true);
    assert!(asker.ask(secret(VAULT, "word")).is_ok());

    world.throttle_one();
    let bad = asker.fault(secret(VAULT, "word"));
    assert_eq!((bad.code.as_str(), bad.retry), ("VAULT_THROTTLED", Some(Some(1.0))));
    world.fail_one();
    assert!(asker.ask(secret(VAULT, "word")).is_ok(), "a hiccup is tried again");

    world.set_clock(7200);
    let bad = asker.fault(secret(VAULT, "word"));
    // Not every vault says what its clock shows.
    assert!(["CLOCK_WRONG", "VAULT_TOKEN_REFUSED"].contains(&bad.code.as_str()), "{bad:?}");
    world.set_clock(0);
    wait_until("the vault takes tokens again", DEADLINE, || {
        asker.ask(secret(VAULT, "word")).is_ok()
    });
}
