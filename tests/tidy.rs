//! The house style where a program can check it: layers, purity, file heads and sizes, and that
//! documents and code say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mesh_core::{ErrorCode, limits};

use crate::support::programs::workspace;

/// Each layer of mesh-core may use only those to its left; names of one rank do not use each
/// other.
const LAYERS: [&[&str]; 11] = [
    &["limits"],
    &["name", "value"],
    &["error"],
    &["wire"],
    &["proto"],
    &["sys"],
    &["transport", "registry"],
    &["runtime"],
    &["launch"],
    &["client"],
    &["app"],
];

/// What bytes and rules may not touch.
const WORLD: [&str; 6] = ["io", "net", "fs", "thread", "process", "os"];

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&layer))
}

pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of the tree with one of the endings, without what is built.
pub(crate) fn files(below: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if !["target", ".git", "node_modules"].iter().any(|&skipped| name == skipped) {
                found.extend(files(&path, endings));
            }
        } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            found.push(path);
        }
    }
    found
}

/// The text without comments; good enough for code that has no `//` in its strings but URLs.
fn code(path: &Path) -> String {
    let text = text(path);
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The names that follow `root::` in the code, those in braces too.
fn names_below(code: &str, root: &str) -> Vec<String> {
    let start = format!("{root}::");
    let mut names = Vec::new();
    for (at, _) in code.match_indices(&start) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$' || c == ':') {
            continue;
        }
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(top_names(group)),
            None => names.push(identifier(rest)),
        }
    }
    names
}

/// The first name of each part of a group, up to its closing brace.
fn top_names(group: &str) -> Vec<String> {
    let (mut depth, mut begins, mut names) = (1, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => begins = true,
            c if begins && depth == 1 && !c.is_whitespace() => {
                names.push(identifier(&group[at..]));
                begins = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '*').collect()
}

#[test]
fn each_layer_uses_only_those_to_its_left() {
    let source = workspace().join("mesh-core/src");
    let mut faults = Vec::new();
    for path in files(&source, &[".rs"]) {
        let inside = path.strip_prefix(&source).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
        let own = first.trim_end_matches(".rs");
        if own == "lib" {
            continue;
        }
        let Some(own_rank) = rank(own) else {
            faults.push(format!("{}: not in a layer", inside.display()));
            continue;
        };
        if code(&path).contains("super::super") {
            faults.push(format!("{}: leaves its layer by `super::super`", inside.display()));
        }
        for used in names_below(&code(&path), "crate") {
            if used != own && rank(&used).is_none_or(|rank| rank >= own_rank) {
                faults.push(format!("{}: {own} uses crate::{used}", inside.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn bytes_and_rules_do_not_touch_the_world() {
    for layer in ["wire", "proto"] {
        for path in files(&workspace().join("mesh-core/src").join(layer), &[".rs"]) {
            if ["tests.rs", "pair.rs", "model.rs"].iter().any(|test| path.ends_with(test)) {
                continue;
            }
            let code = code(&path);
            for used in names_below(&code, "std") {
                assert!(!WORLD.contains(&used.as_str()), "{}: std::{used}", path.display());
            }
            for clock in ["Instant::now", "SystemTime"] {
                assert!(!code.contains(clock), "{}: {clock}", path.display());
            }
        }
    }
}

#[test]
fn every_source_file_has_a_head_and_is_short_ascii() {
    let mut long = Vec::new();
    let sources = files(workspace(), &[".rs"]);
    for path in &sources {
        let text = text(path);
        assert!(text.starts_with("//! "), "{} has no head", path.display());
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
        if lines > 450 {
            long.push(path);
        }
        for (line, number) in text.lines().zip(1..) {
            assert!(line.len() <= 100, "{}:{number} is wide", path.display());
        }
    }
    assert!(long.len() * 10 <= sources.len(), "too many files above 450 lines: {long:?}");
    let endings = [".rs", ".toml", ".c", ".cpp", ".h", ".hpp", ".sh", ".py", ".yml", "justfile"];
    let mut all = files(workspace(), &endings);
    for folder in [".ci", "scripts", "bindings/c"] {
        all.extend(files(&workspace().join(folder), &[""]));
    }
    for path in all {
        let text = text(&path);
        let odd = text.lines().zip(1..).find(|(line, _)| !line.is_ascii());
        assert!(odd.is_none(), "{}: not ASCII: {odd:?}", path.display());
    }
}

#[test]
fn no_test_sleeps_or_is_left_out() {
    let sleep = ["thread", "sleep"].join("::");
    let ignored = ["#[", "ignore"].concat();
    for path in files(workspace(), &[".rs"]) {
        let code = code(&path);
        for word in [&sleep, &ignored] {
            assert!(!code.contains(word.as_str()), "{}: {word}", path.display());
        }
    }
}

/// The cells of the table rows of a document.
fn rows(document: &str) -> Vec<Vec<String>> {
    let text = text(&workspace().join(document));
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'));
    rows.map(|row| row.split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect()
}

#[test]
fn the_documented_error_codes_are_those_of_the_code() {
    let real: BTreeSet<(u16, String)> =
        ErrorCode::ALL.iter().map(|code| (code.number(), code.as_str().to_owned())).collect();
    let names: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let mut told = BTreeSet::new();
    for row in rows("docs/protocol.md") {
        if let (Ok(number), Some(name)) = (row[0].parse::<u16>(), row.get(1))
            && names.contains(name.as_str())
        {
            told.insert((number, name.clone()));
        }
    }
    assert_eq!(told, real);
}

#[test]
fn the_documented_limits_are_those_of_the_code() {
    let bytes = |n: u64| match n {
        n if n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        n => n.to_string(),
    };
    let size = |n: usize| bytes(n as u64);
    let time = |time: std::time::Duration| match time.as_millis() {
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    };
    let count = |n: usize| match n {
        0..=999 => n.to_string(),
        1_000..=999_999 => format!("{},{:03}", n / 1_000, n % 1_000),
        n => format!("{},{:03},{:03}", n / 1_000_000, n / 1_000 % 1_000, n % 1_000),
    };
    let real = [
        ("APP_NAME_MAX", size(limits::APP_NAME_MAX)),
        ("METHOD_NAME_MAX", count(limits::METHOD_NAME_MAX)),
        ("FRAME_BODY_MAX", size(limits::FRAME_BODY_MAX)),
        ("CONTROL_BODY_MAX", size(limits::CONTROL_BODY_MAX)),
        ("INITIAL_WINDOW", bytes(limits::INITIAL_WINDOW.into())),
        ("FRAME_COST", bytes(limits::FRAME_COST.into())),
        ("CALL_PATH_MAX", count(limits::CALL_PATH_MAX)),
        ("VALUE_DEPTH_MAX", count(limits::VALUE_DEPTH_MAX)),
        ("VALUE_ELEMENTS_MAX", count(limits::VALUE_ELEMENTS_MAX)),
        ("REGISTRY_BYTES_MAX", bytes(limits::REGISTRY_BYTES_MAX)),
        ("REGISTRY_ENTRIES_MAX", count(limits::REGISTRY_ENTRIES_MAX)),
        ("COMMAND_ARGS_MAX", count(limits::COMMAND_ARGS_MAX)),
        ("COMMAND_BYTES_MAX", size(limits::COMMAND_BYTES_MAX)),
        ("REGISTRY_WAIT", time(limits::REGISTRY_WAIT)),
        ("CLAIM_WAIT", time(limits::CLAIM_WAIT)),
        ("HELLO_TIMEOUT", time(limits::HELLO_TIMEOUT)),
        ("CALL_TIMEOUT", time(limits::CALL_TIMEOUT)),
        ("READY_TIMEOUT", time(limits::READY_TIMEOUT)),
        ("READY_TIMEOUT_MAX", time(limits::READY_TIMEOUT_MAX)),
        ("STOP_GRACE", time(limits::STOP_GRACE)),
        ("STARTS_MAX", count(limits::STARTS_MAX)),
        ("STARTS_WINDOW", time(limits::STARTS_WINDOW)),
        ("PRUNE_RECHECK", time(limits::PRUNE_RECHECK)),
        ("STDERR_TAIL_BYTES", size(limits::STDERR_TAIL_BYTES)),
        ("STDERR_TAIL_LINES", count(limits::STDERR_TAIL_LINES)),
    ];
    let told: Vec<String> =
        ["docs/protocol.md", "docs/registry.md"].into_iter().flat_map(rows).flatten().collect();
    for (name, _) in &real {
        assert!(told.iter().any(|cell| cell == name), "no document has a row for {name}");
    }
    for document in ["docs/protocol.md", "docs/registry.md"] {
        for row in rows(document) {
            if let Some((name, value)) = real.iter().find(|(name, _)| row.iter().any(|c| c == name))
            {
                let told = row.iter().any(|cell| cell.contains(value.as_str()));
                assert!(told, "{document}: {name} is {value}, not {row:?}");
            }
        }
    }
}

#[test]
fn every_requirement_names_tests_that_exist() {
    let tests: String = [workspace().join("tests"), workspace().join("mesh-core")]
        .iter()
        .flat_map(|folder| files(folder, &[".rs"]))
        .map(|path| text(&path))
        .collect();
    let rows = rows("docs/requirements.md");
    for row in rows.iter().skip(2).filter(|row| row.len() >= 3) {
        for name in row[2].split(", ").filter(|name| name.contains('_')) {
            let name = name.rsplit("::").next().unwrap_or(name);
            assert!(tests.contains(&format!("fn {name}(")), "{}: no test {name}", row[0]);
        }
    }
    for row in self::rows("SECURITY.md") {
        for name in row.iter().flat_map(|cell| cell.split(", ")) {
            if let Some((_, name)) = name.split_once("::") {
                assert!(tests.contains(&format!("fn {name}(")), "SECURITY.md: no test {name}");
            }
        }
    }
    for number in 1..=44 {
        let line = format!("S3-{number:02}");
        let row = rows.iter().find(|row| row[0] == line).unwrap_or_else(|| panic!("no {line}"));
        assert!(row[2].contains('_'), "{line} names no test");
    }
}

#[test]
fn the_readme_shows_the_program_that_is_tested() {
    let face = text(&workspace().join("tests/app/face.rs"));
    let program: String = face
        .lines()
        .skip_while(|line| !line.starts_with("use "))
        .map(|line| format!("{line}\n"))
        .collect();
    let readme = text(&workspace().join("README.md"));
    assert!(readme.contains(&format!("```rust\n{program}```")), "README.md shows another program");
}
