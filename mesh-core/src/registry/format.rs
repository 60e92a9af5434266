//! The registry file: bytes to entries and back. Pure.
//!
//! A document keeps the JSON as it was read, and changes only what it means to change: fields
//! that this version does not know, of the file and of each entry, are written back. One entry
//! that is not valid hides no other. The format is in `docs/registry.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::entry::{Entry, Kind, LaunchPolicy};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{REGISTRY_BYTES_MAX, REGISTRY_ENTRIES_MAX};
use crate::name::AppName;
use crate::wire::manifest::MethodInfo;

/// The version of the format that is written; a file of a later one is read only.
pub(crate) const FORMAT: u64 = 1;

const VERSION_KEY: &str = "format";
const APPS_KEY: &str = "apps";
const LAUNCH_KEY: &str = "launch";
const DATE_KEY: &str = "registered_at";

/// The keys of an entry that this version owns.
const ENTRY_KEYS: [&str; 10] = [
    "kind",
    "command",
    "cwd",
    "env",
    DATE_KEY,
    "registered_by",
    "version",
    LAUNCH_KEY,
    "volume",
    "methods",
];
const LAUNCH_KEYS: [&str; 2] = ["ready_timeout_ms", "stop_grace_ms"];

/// A whole registry file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    version: u64,
    /// Fields of the file that this version does not know.
    others: Map<String, Json>,
    apps: Map<String, Json>,
}

/// An entry as it stands in the file.
#[derive(Serialize, Deserialize)]
struct Stored {
    kind: Kind,
    command: Vec<String>,
    cwd: PathBuf,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    registered_at: String,
    #[serde(default)]
    registered_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "StoredLaunch::is_default")]
    launch: StoredLaunch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volume: Option<String>,
    #[serde(default)]
    methods: Vec<MethodInfo>,
}

#[derive(Serialize, Deserialize, Default, PartialEq)]
struct StoredLaunch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ready_timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop_grace_ms: Option<u64>,
}

impl StoredLaunch {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Document {
    /// A registry without entries.
    pub(crate) fn empty() -> Self {
        Self { version: FORMAT, others: Map::new(), apps: Map::new() }
    }

    /// Reads a file; the failure is a fragment that says why it is no registry.
    pub(crate) fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let mut others: Map<String, Json> =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let version = others.shift_remove(VERSION_KEY).and_then(|version| version.as_u64());
        let Some(version) = version.filter(|version| *version > 0) else {
            return Err(format!("`{VERSION_KEY}` is missing or no version"));
        };
        match others.shift_remove(APPS_KEY) {
            Some(Json::Object(apps)) => Ok(Self { version, others, apps }),
            _ => Err(format!("`{APPS_KEY}` is missing or no object")),
        }
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// `registry` when it would be larger than a registry may be.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut root = Map::new();
        root.insert(VERSION_KEY.to_owned(), self.version.into());
        root.extend(self.others.clone());
        root.insert(APPS_KEY.to_owned(), Json::Object(self.apps.clone()));
        let failed = |what| Error::new(ErrorCode::Registry, what);
        let mut bytes = serde_json::to_vec_pretty(&root)
            .map_err(|error| failed("the registry cannot be encoded".to_owned()).source(error))?;
        bytes.push(b'\n');
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > REGISTRY_BYTES_MAX {
            return Err(failed(format!("the registry would exceed {REGISTRY_BYTES_MAX} bytes"))
                .hint("`mesh registry prune` and `mesh registry remove` make room."));
        }
        Ok(bytes)
    }

    /// Whether a later version wrote it.
    pub(crate) fn is_newer(&self) -> bool {
        self.version > FORMAT
    }

    /// The version that wrote it.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// All valid entries, and a warning for each other.
    pub(crate) fn entries(&self) -> (BTreeMap<AppName, Entry>, Vec<String>) {
        let (mut entries, mut warnings) = (BTreeMap::new(), Vec::new());
        for (key, stored) in &self.apps {
            let read = AppName::parse(key).map_err(|bad| bad.to_string());
            match read.and_then(|name| Ok((name, entry_from(stored)?))) {
                Ok((name, entry)) => drop(entries.insert(name, entry)),
                Err(why) => warnings.push(format!("the entry {key:?} is not valid: {why}")),
            }
        }
        (entries, warnings)
    }

    /// One entry.
    ///
    /// # Errors
    /// `registry` when it is there and not valid.
    pub(crate) fn entry(&self, name: &AppName) -> Result<Option<Entry>> {
        let Some(stored) = self.apps.get(name.as_str()) else { return Ok(None) };
        entry_from(stored).map(Some).map_err(|why| {
            Error::new(ErrorCode::Registry, format!("the entry of {name} is not valid: {why}"))
                .hint(format!("Correct it, or `mesh registry remove {name}`."))
        })
    }

    /// Whether this entry, but for its date, is what is stored.
    pub(crate) fn holds(&self, name: &AppName, entry: &Entry) -> bool {
        let Some(stored) = self.apps.get(name.as_str()) else { return false };
        let Ok(Json::Object(mut merged)) = merged(Some(stored), entry) else { return false };
        if let Some(date) = stored.get(DATE_KEY) {
            merged.insert(DATE_KEY.to_owned(), date.clone());
        }
        stored.as_object() == Some(&merged)
    }

    /// Stores an entry; answers whether anything changed.
    ///
    /// # Errors
    /// `registry` when there are too many.
    pub(crate) fn set(&mut self, name: &AppName, entry: &Entry) -> Result<bool> {
        if self.holds(name, entry) {
            return Ok(false);
        }
        let stored = self.apps.get(name.as_str());
        if stored.is_none() && self.apps.len() >= REGISTRY_ENTRIES_MAX {
            let what = format!("{name} cannot be registered: {REGISTRY_ENTRIES_MAX} apps are");
            return Err(Error::new(ErrorCode::Registry, what)
                .hint("`mesh registry prune` and `mesh registry remove` make room."));
        }
        let merged = merged(stored, entry).map_err(|error| {
            let what = format!("the entry of {name} cannot be encoded");
            Error::new(ErrorCode::Registry, what).source(error)
        })?;
        self.apps.insert(name.as_str().to_owned(), merged);
        Ok(true)
    }

    /// Removes an entry, valid or not; answers whether there was one.
    pub(crate) fn remove(&mut self, name: &AppName) -> bool {
        self.apps.shift_remove(name.as_str()).is_some()
    }
}

fn entry_from(stored: &Json) -> std::result::Result<Entry, String> {
    let stored = Stored::deserialize(stored).map_err(|error| error.to_string())?;
    let entry = Entry {
        kind: stored.kind,
        command: stored.command,
        cwd: stored.cwd,
        env: stored.env,
        registered_at: stored.registered_at,
        registered_by: stored.registered_by,
        version: stored.version,
        launch: LaunchPolicy {
            ready_timeout: stored.launch.ready_timeout_ms.map(Duration::from_millis),
            stop_grace: stored.launch.stop_grace_ms.map(Duration::from_millis),
        },
        methods: stored.methods,
        volume: stored.volume,
    };
    entry.check()?;
    Ok(entry)
}

/// The entry as JSON, with the unknown fields of what is stored.
fn merged(stored: Option<&Json>, entry: &Entry) -> serde_json::Result<Json> {
    let milliseconds =
        |time: Option<Duration>| time.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
    let new = serde_json::to_value(Stored {
        kind: entry.kind,
        command: entry.command.clone(),
        cwd: entry.cwd.clone(),
        env: entry.env.clone(),
        registered_at: entry.registered_at.clone(),
        registered_by: entry.registered_by.clone(),
        version: entry.version.clone(),
        launch: StoredLaunch {
            ready_timeout_ms: milliseconds(entry.launch.ready_timeout),
            stop_grace_ms: milliseconds(entry.launch.stop_grace),
        },
        volume: entry.volume.clone(),
        methods: entry.methods.clone(),
    })?;
    let (Json::Object(mut new), Some(Json::Object(old))) = (new.clone(), stored) else {
        return Ok(new);
    };
    let others = unknown(old.get(LAUNCH_KEY).and_then(Json::as_object), &LAUNCH_KEYS);
    if !others.is_empty() {
        let launch = new.entry(LAUNCH_KEY).or_insert_with(|| Json::Object(Map::new()));
        launch.as_object_mut().into_iter().for_each(|launch| launch.extend(others.clone()));
    }
    new.extend(unknown(Some(old), &ENTRY_KEYS));
    Ok(Json::Object(new))
}

fn unknown(object: Option<&Map<String, Json>>, known: &[&str]) -> Map<String, Json> {
    let fields = object.into_iter().flatten();
    fields
        .filter(|(key, _)| !known.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "format": 1,
        "note": "by hand",
        "apps": {
            "good": {"kind": "binary", "command": ["/bin/good", "-x"], "cwd": "/", "colour": "red",
                     "launch": {"ready_timeout_ms": 7000, "idle": 5}},
            "bad": {"kind": "binary", "command": ["bad"], "cwd": "/"},
            "Wrong": {"kind": "binary", "command": ["/bin/wrong"], "cwd": "/"},
            "odd": 7
        }
    }"#;

    /// The file above with paths that are absolute on this system.
    fn file() -> String {
        FILE.replace("\"/", if cfg!(windows) { "\"C:/" } else { "\"/" })
    }

    fn name(text: &str) -> AppName {
        AppName::parse(text).unwrap()
    }

    fn again(document: &Document) -> Json {
        serde_json::from_slice(&document.to_bytes().unwrap()).unwrap()
    }

    #[test]
    fn one_bad_entry_hides_no_other_and_stays_in_the_file() {
        let document = Document::parse(file().as_bytes()).unwrap();
        let (entries, warnings) = document.entries();
        assert_eq!(entries.keys().map(AppName::as_str).collect::<Vec<_>>(), ["good"]);
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        let error = document.entry(&name("bad")).unwrap_err();
        assert!(error.message().contains("absolute"), "{error:?}");
        assert_eq!(again(&document), serde_json::from_str::<Json>(&file()).unwrap());
    }

    #[test]
    fn unknown_fields_survive_a_change() {
        let mut document = Document::parse(file().as_bytes()).unwrap();
        let mut entry = document.entry(&name("good")).unwrap().unwrap();
        assert_eq!(entry.launch.ready_timeout, Some(Duration::from_secs(7)));
        entry.version = Some("2".to_owned());
        entry.launch = LaunchPolicy::default();
        assert!(document.set(&name("good"), &entry).unwrap());
        let file = again(&document);
        assert_eq!(file["note"], "by hand");
        let good = &file["apps"]["good"];
        assert_eq!(good["colour"], "red");
        assert_eq!(good["launch"], serde_json::json!({"idle": 5}));
        assert_eq!(good["version"], "2");
        assert_eq!(document.entry(&name("good")).unwrap().unwrap(), entry);
    }

    #[test]
    fn an_entry_that_differs_in_its_date_only_is_the_same() {
        let mut document = Document::parse(file().as_bytes()).unwrap();
        let mut entry = document.entry(&name("good")).unwrap().unwrap();
        document.set(&name("good"), &entry).unwrap();
        entry.registered_at = "2030-01-01T00:00:00Z".to_owned();
        assert!(document.holds(&name("good"), &entry));
        assert!(!document.set(&name("good"), &entry).unwrap());
        entry.command.push("-y".to_owned());
        assert!(document.set(&name("good"), &entry).unwrap());
        assert!(document.remove(&name("good")) && !document.remove(&name("good")));
    }

    #[test]
    fn what_is_no_registry_is_told_apart_from_a_later_one() {
        for text in ["", "{", "[]", "{}", r#"{"format":0,"apps":{}}"#, r#"{"format":1}"#] {
            assert!(Document::parse(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!(r#"{{"format":1,"apps":{{}},"x":{}1"#, "[".repeat(100_000));
        assert!(Document::parse(deep.as_bytes()).is_err());
        let newer = Document::parse(br#"{"format":2,"apps":{}}"#).unwrap();
        assert!(newer.is_newer());
        assert_eq!(again(&newer)["format"], 2);
    }

    #[test]
    fn a_registry_is_bounded() {
        let mut document = Document::parse(file().as_bytes()).unwrap();
        let mut entry = document.entry(&name("good")).unwrap().unwrap();
        for number in 0..REGISTRY_ENTRIES_MAX - 4 {
            assert!(document.set(&name(&format!("app{number}")), &entry).unwrap());
        }
        let error = document.set(&name("one-more"), &entry).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Registry);
        entry.version = Some("x".repeat(1 << 20));
        document.set(&name("good"), &entry).unwrap();
        assert!(document.to_bytes().unwrap_err().message().contains("exceed"));
    }
}
