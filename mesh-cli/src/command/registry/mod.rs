//! `mesh registry ...`: what can be launched, and how.

mod add;

use std::collections::BTreeMap;

use mesh_core::{AppName, Client, Entry, Error, ErrorCode, Home, Kind, Missing, Pruned};
use serde_json::{Map, Value as Json, json};

use crate::args::RegistryCommand;
use crate::command::describe::{methods_json, methods_text};
use crate::command::live;
use crate::context::Context;
use crate::failure::{Result, app_name};
use crate::near;

pub(crate) fn run(context: &Context, command: RegistryCommand) -> Result {
    match command {
        RegistryCommand::List => list(context, &context.client()?),
        RegistryCommand::Show { app } => show(context, &context.client()?, &app_name(&app)?),
        RegistryCommand::Prune { dry_run } => prune(context, &context.client()?, dry_run),
        RegistryCommand::Add(add) => add::run(context, &context.client()?, &add),
        RegistryCommand::Remove { app } => remove(context, &context.client()?, &app_name(&app)?),
        RegistryCommand::Path => path(context),
    }
}

/// How an app is launched, under the keys that `-o json` promises; nulls for an app that is not
/// registered.
pub(crate) fn how_launched(entry: Option<&Entry>) -> Map<String, Json> {
    let mut map = Map::new();
    map.insert("kind".to_owned(), entry.map_or(Json::Null, |entry| json!(kind(entry.kind))));
    map.insert("command".to_owned(), entry.map_or(Json::Null, |entry| json!(entry.command)));
    let cwd = |entry: &Entry| json!(entry.cwd.display().to_string());
    map.insert("cwd".to_owned(), entry.map_or(Json::Null, cwd));
    map
}

fn list(context: &Context, client: &Client) -> Result {
    let snapshot = client.registry().read()?;
    for warning in &snapshot.warnings {
        context.message.notice(warning);
    }
    if snapshot.entries.is_empty() {
        context.nothing("no app is registered");
    }
    let live = live::stats(context, client)?;
    let rows = snapshot.entries.iter();
    let rows = rows.map(|(name, entry)| full(client, name, entry, &live)).collect();
    let columns = [
        ("NAME", "name"),
        ("LIVE", "live"),
        ("PID", "pid"),
        ("KIND", "kind"),
        ("COMMAND", "command"),
        ("CWD", "cwd"),
    ];
    Ok(context.output.rows(&columns, rows)?)
}

fn show(context: &Context, client: &Client, app: &AppName) -> Result {
    let Some(entry) = client.registry().entry(app)? else {
        return Err(not_registered(client, app));
    };
    let live = live::stats(context, client)?;
    let json = full(client, app, &entry, &live);
    Ok(context.output.report(&json, || people(&json, &entry))?)
}

fn prune(context: &Context, client: &Client, dry_run: bool) -> Result {
    let pruned = client.registry().prune(dry_run)?;
    let rows = pruned.iter().map(|gone| {
        json!({
            "name": gone.name.as_str(),
            "path": gone.path.display().to_string(),
            "missing": missing(gone.missing),
            "removed": gone.removed,
        })
    });
    let text = || pruned.iter().map(|gone| told(gone, dry_run)).collect();
    context.output.report(&Json::Array(rows.collect()), text)?;
    if pruned.is_empty() {
        context.nothing("nothing to prune");
    }
    Ok(())
}

fn remove(context: &Context, client: &Client, app: &AppName) -> Result {
    if !client.registry().remove(app)? {
        return Err(not_registered(client, app));
    }
    let json = json!({"name": app.as_str(), "removed": true});
    Ok(context.output.report(&json, || format!("removed {app}"))?)
}

/// Needs no home that can be used: one that cannot is where a person looks for the file.
fn path(context: &Context) -> Result {
    let path = Home::from_env()?.registry_path().display().to_string();
    Ok(context.output.report(&json!(path), || path.clone())?)
}

fn not_registered(client: &Client, app: &AppName) -> crate::failure::Failure {
    let error = Error::new(ErrorCode::NoSuchApp, format!("no app {app} is registered"));
    near::no_such_app(error, client, app.as_str()).into()
}

/// All of an entry, and whether its app lives.
fn full(
    client: &Client,
    name: &AppName,
    entry: &Entry,
    live: &BTreeMap<AppName, Option<Json>>,
) -> Json {
    let stats = live.get(name);
    let pid = stats.map_or(Json::Null, |stats| live::pid(client, name, stats.as_ref()));
    let mut map = Map::new();
    map.insert("name".to_owned(), json!(name.as_str()));
    map.insert("live".to_owned(), json!(stats.is_some()));
    map.insert("pid".to_owned(), pid);
    map.extend(how_launched(Some(entry)));
    let millis = |span: Option<std::time::Duration>| {
        span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    };
    let rest = json!({
        "env": entry.env,
        "version": entry.version,
        "registered_at": entry.registered_at,
        "registered_by": entry.registered_by,
        "ready_timeout_ms": millis(entry.launch.ready_timeout),
        "stop_grace_ms": millis(entry.launch.stop_grace),
        "methods": methods_json(&entry.methods),
    });
    if let Json::Object(rest) = rest {
        map.extend(rest);
    }
    Json::Object(map)
}

fn people(json: &Json, entry: &Entry) -> String {
    let mut text = String::new();
    for (key, value) in json.as_object().into_iter().flatten() {
        let shown = match value {
            Json::Null => continue,
            Json::Object(map) if map.is_empty() => continue,
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        if key != "methods" {
            text.push_str(&format!("{key:<17} {shown}\n"));
        }
    }
    text + "methods\n" + &methods_text(&entry.methods)
}

fn told(gone: &Pruned, dry_run: bool) -> String {
    let (name, what, path) = (&gone.name, missing(gone.missing), gone.path.display());
    match (gone.removed, gone.missing) {
        (true, _) => format!("removed {name}: its {what} {path} is gone\n"),
        (false, Missing::Volume) => format!("kept {name}: the volume of {path} is not mounted\n"),
        (false, _) if dry_run => format!("would remove {name}: its {what} {path} is gone\n"),
        (false, _) => format!("kept {name}: its {what} {path} is gone\n"),
    }
}

fn missing(missing: Missing) -> &'static str {
    match missing {
        Missing::Script => "script",
        Missing::Volume => "volume",
        _ => "program",
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Script => "script",
        _ => "binary",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promised_keys_are_there_for_an_unregistered_app_too() {
        let map = how_launched(None);
        assert_eq!(map.keys().collect::<Vec<_>>(), ["kind", "command", "cwd"]);
    }
}
