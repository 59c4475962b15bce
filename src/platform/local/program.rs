//! Whether a command can be run at all, checked before it is tried: the system's "no such file" does not say
//! whether the command or its interpreter is missing.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is wrong with a command that is to run in `directory`; none when nothing is.
pub(super) fn problem(
    command: &[String],
    directory: &Path,
    variables: &BTreeMap<String, String>,
) -> Option<String> {
    let Some(program) = command.first().filter(|program| !program.is_empty()) else {
        return Some(
            "there is no command: `command` under [run] in squad.toml is empty".to_owned(),
        );
    };
    let path = variables.get("PATH").map_or("", String::as_str);
    let file = match find(program, directory, path) {
        Found::At(file) => file,
        Found::NotExecutable(file) => {
            return Some(format!(
                "`{program}` is not executable{}",
                if program.contains('/') {
                    format!(": run `chmod +x {program}` in the sources")
                } else {
                    format!(": `{}`", file.display())
                }
            ));
        }
        Found::Directory => return Some(format!("`{program}` is a directory")),
        Found::Nowhere if Path::new(program).is_absolute() => {
            return Some(format!("`{program}` is not there"));
        }
        Found::Nowhere if program.contains('/') => {
            return Some(format!("`{program}` is not in the artifact"));
        }
        Found::Nowhere => return Some(format!("`{program}` is not installed, or not on PATH")),
    };
    let interpreter = interpreter_of(&file)?;
    let (interpreter, argument) = interpreter
        .split_once(char::is_whitespace)
        .map_or((interpreter.as_str(), ""), |(first, rest)| {
            (first, rest.trim())
        });
    if !matches!(find(interpreter, directory, path), Found::At(_)) {
        return Some(format!(
            "`{program}` is a script for `{interpreter}`, which is not there"
        ));
    }
    if interpreter.ends_with("/env") {
        let wanted = argument
            .split_whitespace()
            .find(|word| !word.starts_with('-') && !word.contains('='))?;
        if !matches!(find(wanted, directory, path), Found::At(_)) {
            return Some(format!(
                "`{program}` is a script for `{wanted}`, which is not installed, or not on PATH"
            ));
        }
    }
    None
}

/// Where a program was found.
enum Found {
    /// It can be run.
    At(PathBuf),
    /// It is there and cannot be run.
    NotExecutable(PathBuf),
    /// It is a directory.
    Directory,
    /// It is not there.
    Nowhere,
}

/// Looks as `execvp` does (exec(3)): with a slash it is a path, without one it is on `PATH`.
fn find(program: &str, directory: &Path, path: &str) -> Found {
    if program.contains('/') {
        return look(&directory.join(program));
    }
    let mut best = Found::Nowhere;
    for entry in path.split(':') {
        match look(&directory.join(entry).join(program)) {
            Found::At(file) => return Found::At(file),
            Found::NotExecutable(file) => best = Found::NotExecutable(file),
            Found::Directory | Found::Nowhere => {}
        }
    }
    best
}

fn look(file: &Path) -> Found {
    match file.metadata() {
        Err(_) => Found::Nowhere,
        Ok(metadata) if metadata.is_dir() => Found::Directory,
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
            Found::NotExecutable(file.to_owned())
        }
        Ok(_) => Found::At(file.to_owned()),
    }
}

/// What follows `#!` in the first line of a script.
fn interpreter_of(file: &Path) -> Option<String> {
    let mut start = Vec::new();
    std::fs::File::open(file)
        .ok()?
        .take(256)
        .read_to_end(&mut start)
        .ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line).trim().to_owned();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs;

    #[test]
    fn each_way_in_which_a_command_cannot_run_is_named() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, mode| {
            fs::write_durably(&home.path().join(name), text.as_bytes(), mode).unwrap();
        };
        write("good", "#!/bin/sh\n", 0o755);
        write("plain", "#!/bin/sh\n", 0o644);
        write("lost", "#!/usr/bin/pyton\n", 0o755);
        write("env", "#!/usr/bin/env -S pyton -u\n", 0o755);
        write("well", "#!/usr/bin/env sh\n", 0o755);
        std::fs::create_dir(home.path().join("dir")).unwrap();
        let variables = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        for (program, wanted) in [
            ("./good", None),
            ("./well", None),
            ("sh", None),
            (
                "",
                Some("there is no command: `command` under [run] in squad.toml is empty"),
            ),
            ("bin/serve", Some("`bin/serve` is not in the artifact")),
            ("/nowhere/x", Some("`/nowhere/x` is not there")),
            (
                "nosuchprogram",
                Some("`nosuchprogram` is not installed, or not on PATH"),
            ),
            (
                "./plain",
                Some("`./plain` is not executable: run `chmod +x ./plain` in the sources"),
            ),
            ("./dir", Some("`./dir` is a directory")),
            (
                "./lost",
                Some("`./lost` is a script for `/usr/bin/pyton`, which is not there"),
            ),
            (
                "./env",
                Some("`./env` is a script for `pyton`, which is not installed, or not on PATH"),
            ),
        ] {
            assert_eq!(
                problem(&[program.to_owned()], home.path(), &variables).as_deref(),
                wanted,
                "{program}"
            );
        }
    }
}
