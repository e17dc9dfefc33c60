//! From the job file to what a broker is shown, through the command `check`.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use super::broker::{Answer, Broker};

/// A tool of Azure that has a token for everybody.
const AZ: &str = r#"#!/bin/sh
echo '{"accessToken":"canary","expires_on":32503680000,"tokenType":"Bearer"}'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_identity_goes_with_extensions() {
    let broker = Broker::default().offering(&["OAUTHBEARER"], Answer::Close).listen().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    fs::write(path.join("az"), AZ).unwrap();
    fs::set_permissions(path.join("az"), Permissions::from_mode(0o755)).unwrap();
    let job = format!(
        "name: t\nidentity: {{ type: azureCli }}\noutputs:\n  - alias: a\n    topic: t\n    \
         bootstrapServers: localhost:{}\n    securityProtocol: SASL_PLAINTEXT\n    sasl:\n      \
         mechanism: OAUTHBEARER\n      token:\n        scope: api://kafka/.default\n        \
         extensions: {{ logicalCluster: lkc-1, identityPoolId: pool-1 }}\n",
        broker.port
    );
    fs::write(path.join("job.yaml"), job).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_kafka-output"));
    check.args(["check", "job.yaml"]).current_dir(&path);
    check.env("PATH", format!("{}:/usr/bin:/bin", path.display()));
    let ran = tokio::task::spawn_blocking(move || check.output()).await.unwrap().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.contains("LOGIN_CLOSED"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    let shown =
        "n,,\x01auth=Bearer canary\x01identityPoolId=pool-1\x01logicalCluster=lkc-1\x01\x01";
    assert_eq!(*broker.logins.lock().unwrap(), [shown.as_bytes().to_vec()]);
}
