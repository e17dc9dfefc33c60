//! Completions and manual pages, as a shell and a typesetter take them.

use std::{fs, process::Command};

use tests::{cache, process, service::program};

fn print(arguments: &[&str]) -> String {
    let done = process::command(program()).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(done.stdout).unwrap()
}

/// What bash would write behind these words.
fn completed(script: &str, words: &[&str]) -> Vec<String> {
    let dir = cache::run_dir("completions-");
    let file = dir.path().join("kafka-output.bash");
    fs::write(&file, script).unwrap();
    let ask = r#"
        set -u
        source "$1"; shift
        words=$(complete -p kafka-output)
        [[ $words =~ -F\ ([^ ]+) ]] || exit 9
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        COMPREPLY=()
        "${BASH_REMATCH[1]}" kafka-output "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", ask, "bash"]).arg(&file).args(words);
    let done = bash.output().unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && stderr.is_empty(), "{words:?}: {stderr}");
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    let script = print(&["completions", "bash"]);
    for (words, expected) in [
        (vec!["kafka-output", "sup"], vec!["support-bundle"]),
        (vec!["kafka-output", "config", "pr"], vec!["print"]),
        (vec!["kafka-output", "top", "--onc"], vec!["--once"]),
        (vec!["kafka-output", "completions", "z"], vec!["zsh"]),
    ] {
        assert_eq!(completed(&script, &words), expected, "{words:?}");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = print(&["completions", shell]);
        assert!(script.contains("support-bundle"), "{shell}");
    }
}

#[test]
fn every_command_has_a_page_that_is_set_without_a_warning() {
    let dir = cache::run_dir("man-");
    let folder = dir.path().join("man1");
    let said = print(&["man", "--to", folder.to_str().unwrap()]);
    let pages: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(said.starts_with(&format!("{} pages in ", pages.len())), "{said}");
    assert!(pages.len() >= 15, "{pages:?}");
    for page in &pages {
        let mut groff = Command::new("groff");
        // Characters of what is no ASCII come as they are.
        let set = groff.args(["-man", "-Tutf8", "-ww", "-Kutf8", "-P-cbou"]).arg(page).output();
        let set = set.expect("groff is installed: scripts/packages");
        let (text, warned) = (
            String::from_utf8_lossy(&set.stdout).into_owned(),
            String::from_utf8_lossy(&set.stderr).into_owned(),
        );
        assert!(set.status.success() && warned.is_empty(), "{}: {warned}", page.display());
        assert!(text.contains("NAME") && text.contains("kafka-output"), "{text}");
    }
    let text = |page: &str| {
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tutf8", "-Kutf8", "-P-cbou"]).arg(folder.join(page));
        let set = groff.output().unwrap();
        String::from_utf8(set.stdout).unwrap()
    };
    let all = text("kafka-output.1");
    for command in ["serve", "config", "top", "support-bundle", "completions", "man"] {
        assert!(all.contains(&format!("kafka-output-{command}(1)")), "{command}: {all}");
    }
    // What was laid out in lines stays so.
    let top = text("kafka-output-top.1");
    assert!(top.lines().any(|line| line.trim_start().starts_with("STATE CODE     ")), "{top}");
    // One page alone.
    let alone = print(&["man", "config", "print"]);
    assert_eq!(alone, fs::read_to_string(folder.join("kafka-output-config-print.1")).unwrap());
    let wrong = process::command(program()).args(["man", "nothing"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}
