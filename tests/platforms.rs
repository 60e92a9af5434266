//! Which test runs on which system. A test that is not for all says so with its reason, and
//! `docs/platforms.md` has the table of them.
//!
//! The reason stands behind the attribute: `#[cfg(unix)] // unix-only: REASON`, after `#[test]`, or
//! at the head of a file for all tests in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::support::programs::workspace;
use crate::tidy::{files, text};

/// The attribute, the word before its reason, its name in the table, and the systems that it
/// leaves: Linux, macOS, Windows.
const KINDS: [(&str, &str, &str, [bool; 3]); 4] = [
    ("cfg(unix)]", "// unix-only: ", "Unix", [true, true, false]),
    ("cfg(target_os = \"linux\")]", "// linux-only: ", "Linux", [true, false, false]),
    ("cfg(windows)]", "// windows-only: ", "Windows", [false, false, true]),
    ("cfg(target_os = \"macos\")]", "// macos-only: ", "macOS", [false, true, false]),
];

const EVERYWHERE: [bool; 3] = [true; 3];

/// What a line says of systems: name in the table, systems, reason.
type Only<'a> = (&'static str, [bool; 3], &'a str);

fn only(line: &str) -> Result<Option<Only<'_>>, String> {
    let line = line.trim();
    if !line.starts_with('#') || !line.contains("cfg(") || line.contains("cfg(test)") {
        return Ok(None);
    }
    for (attribute, word, name, systems) in KINDS {
        if let Some((_, after)) = line.split_once(attribute) {
            let reason = after.trim_start().strip_prefix(word);
            let reason = reason.ok_or_else(|| format!("`{line}` has no `{word}REASON`"))?;
            return Ok(Some((name, systems, reason)));
        }
    }
    Err(format!("`{line}` is none of those in tests/platforms.rs"))
}

/// A test with what restricts it.
struct Test<'a> {
    name: String,
    only: Option<Only<'a>>,
}

fn tests<'a>(module: &str, text: &'a str) -> Result<Vec<Test<'a>>, String> {
    let (mut of_file, mut of_test, mut is_test) = (None, None, false);
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(only) = only(line)? {
            let place = if line.starts_with("#!") { &mut of_file } else { &mut of_test };
            *place = Some(only);
        }
        if line.trim() == "#[test]" {
            (of_test, is_test) = (None, true);
        }
        if let Some(name) = line.trim().strip_prefix("fn ") {
            if is_test {
                let name = name.split('(').next().unwrap_or_default();
                let name = format!("{module}::{name}");
                found.push(Test { name, only: of_test.or(of_file) });
            }
            is_test = false;
        }
    }
    Ok(found)
}

#[test]
fn the_document_tells_which_tests_run_where() {
    let folder = workspace().join("tests");
    let mut sources: Vec<_> = files(&folder, &[".rs"])
        .into_iter()
        .filter(|path| path.parent() == Some(Path::new(&folder)))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), text(&path)))
        .filter(|(module, _)| !["main", "tidy", "platforms"].contains(&module.as_str()))
        .collect();
    sources.sort();
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut reasons = String::new();
    for (module, text) in &sources {
        for test in tests(module, text).unwrap_or_else(|fault| panic!("{module}: {fault}")) {
            let systems = test.only.map_or(EVERYWHERE, |(_, systems, _)| systems);
            let counts = counts.entry(module.as_str()).or_default();
            counts.iter_mut().zip(systems).for_each(|(count, runs)| *count += usize::from(runs));
            if let Some((name, _, reason)) = test.only {
                writeln!(reasons, "| `{}` | {name} | {reason} |", test.name).unwrap();
            }
        }
    }
    let mut table = "| area | Linux | macOS | Windows |\n|---|---|---|---|\n".to_owned();
    let mut all = [0; 3];
    for (module, counts) in &counts {
        writeln!(table, "| {module} | {} | {} | {} |", counts[0], counts[1], counts[2]).unwrap();
        all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    writeln!(table, "| all | {} | {} | {} |\n", all[0], all[1], all[2]).unwrap();
    write!(table, "| test | only on | because |\n|---|---|---|\n{reasons}").unwrap();
    let document = text(&workspace().join("docs/platforms.md"));
    assert!(document.contains(&table), "docs/platforms.md does not hold\n{table}");
}

#[test]
fn each_noun_of_sys_has_a_file_for_each_system() {
    let sys = workspace().join("mesh-core/src/sys");
    for path in files(&sys, &["mod.rs"]) {
        let text = text(&path);
        let mut left = EVERYWHERE;
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let named = lines.peek().and_then(|next| next.trim().strip_prefix("#[path = \""));
            let Some(file) = named.and_then(|file| file.strip_suffix("\"]")) else { continue };
            let file = path.with_file_name(file);
            assert!(file.is_file(), "{}: {} is missing", path.display(), file.display());
            let systems = KINDS.iter().find(|kind| line.contains(kind.0)).map(|kind| kind.3);
            let systems = systems.unwrap_or_else(|| panic!("{}: {line}", path.display()));
            left.iter_mut().zip(systems).for_each(|(left, here)| *left &= !here);
        }
        let has_platforms = left != EVERYWHERE;
        assert!(!has_platforms || left == [false; 3], "{}: not for all", path.display());
    }
}
