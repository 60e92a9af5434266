//! `mesh describe APP[.METHOD]`: the methods with their docs and parameters.
//!
//! Never launches: an app that is off, or does not answer, is described from its registry entry.
//! Names of apps may hold dots, so the longest name that is known wins.

use std::fmt::Write;

use mesh_core::{AppName, Client, Error, ErrorCode, MethodInfo, Shape, Value, json};
use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::failure::{Result, app_name};
use crate::{escape, near};

/// What an app says of itself.
#[derive(Debug)]
pub(crate) struct Description {
    /// The app's own version.
    pub(crate) version: Option<String>,
    /// Its methods.
    pub(crate) methods: Vec<MethodInfo>,
}

pub(crate) fn run(context: &Context, target: &str) -> Result {
    let client = context.client()?;
    let (app, method) = split(target, &near::apps(&client))?;
    let (description, live) = described(context, &client, &app)?;
    let Some(method) = method else {
        let json = json!({
            "name": app.as_str(),
            "live": live,
            "version": description.version,
            "methods": methods_json(&description.methods),
        });
        return Ok(context.output.report(&json, || people(&app, live, &description))?);
    };
    match description.methods.iter().find(|known| known.name == method) {
        Some(info) => Ok(context.output.report(&method_json(info), || of_method(info))?),
        None => {
            let error =
                Error::new(ErrorCode::NoSuchMethod, format!("{app} has no method {method:?}"));
            Err(near::no_such_method(error, &description.methods, app.as_str(), &method).into())
        }
    }
}

/// Asks a live app.
pub(crate) fn ask(
    context: &Context,
    client: &Client,
    app: &AppName,
) -> mesh_core::Result<Description> {
    let answer = context.ask(client, app, "mesh.describe")?;
    let methods = answer.get("methods").map_or(Json::Array(Vec::new()), json::to_json);
    let methods = serde_json::from_value(methods).map_err(|error| {
        Error::new(ErrorCode::BadValue, format!("{app} describes itself unreadably")).source(error)
    })?;
    let version = answer.get("version").and_then(Value::as_str).map(str::to_owned);
    Ok(Description { version, methods })
}

/// The methods as `-o json` shows them.
pub(crate) fn methods_json(methods: &[MethodInfo]) -> Json {
    Json::Array(methods.iter().map(method_json).collect())
}

/// The methods as lines for people.
pub(crate) fn methods_text(methods: &[MethodInfo]) -> String {
    if methods.is_empty() {
        return "  (no methods known)\n".to_owned();
    }
    let mut text = String::new();
    for info in methods {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}", signature(info));
        for line in info.doc.lines() {
            let _ = writeln!(text, "      {line}");
        }
    }
    text
}

fn described(context: &Context, client: &Client, app: &AppName) -> Result<(Description, bool)> {
    let live = match ask(context, client, app) {
        Ok(description) => return Ok((description, true)),
        Err(error) => error,
    };
    let off = matches!(
        live.code(),
        ErrorCode::NotRunning | ErrorCode::NoSuchApp | ErrorCode::ConnectFailed
    );
    match client.registry().entry(app)? {
        Some(entry) => {
            if !off {
                context.message.notice(&format!("described from the registry: {live}"));
            }
            Ok((Description { version: entry.version, methods: entry.methods }, !off))
        }
        None if off => Err(near::unknown_app(client, app).into()),
        None => Err(live.into()),
    }
}

/// Cuts `APP.METHOD` at the longest name of a known app; an unknown one is cut at the first dot,
/// so that the error is about the app.
fn split(target: &str, known: &[AppName]) -> Result<(AppName, Option<String>)> {
    let cuts = target.char_indices().rev().filter(|(_, c)| *c == '.').map(|(at, _)| at);
    for end in std::iter::once(target.len()).chain(cuts) {
        if let Some(app) = known.iter().find(|app| app.as_str() == &target[..end]) {
            let method = target[end..].strip_prefix('.').map(str::to_owned);
            return Ok((app.clone(), method));
        }
    }
    match target.split_once('.') {
        Some((app, method)) => Ok((app_name(app)?, Some(method.to_owned()))),
        None => Ok((app_name(target)?, None)),
    }
}

fn method_json(info: &MethodInfo) -> Json {
    json!({
        "name": info.name,
        "doc": info.doc,
        "params": info.params,
        "open": info.open,
        "shape": info.shape,
        "idempotent": info.idempotent,
    })
}

fn people(app: &AppName, live: bool, description: &Description) -> String {
    let version = description.version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
    let version = escape::line(&version);
    let state = if live { "running" } else { "off" };
    format!("{app}{version} ({state})\n{}", methods_text(&description.methods))
}

fn of_method(info: &MethodInfo) -> String {
    methods_text(std::slice::from_ref(info)).trim_start().to_owned()
}

fn signature(info: &MethodInfo) -> String {
    let mut params = info.params.clone();
    if info.open {
        params.push("...".to_owned());
    }
    let stream = if info.shape == Shape::Stream { " -> stream" } else { "" };
    // A name that goes on in the next line would look like a method of its own.
    escape::line(&format!("{}({}){stream}", info.name, params.join(", "))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(target: &str) -> (String, Option<String>) {
        let known = ["scanner", "a.b", "a"].map(|name| AppName::parse(name).unwrap());
        let (app, method) = split(target, &known).unwrap();
        (app.as_str().to_owned(), method)
    }

    #[test]
    fn the_longest_known_name_is_the_app() {
        assert_eq!(cut("scanner"), ("scanner".to_owned(), None));
        assert_eq!(cut("scanner.deep_scan"), ("scanner".to_owned(), Some("deep_scan".to_owned())));
        assert_eq!(cut("a.b.c.d"), ("a.b".to_owned(), Some("c.d".to_owned())));
        assert_eq!(cut("a.c"), ("a".to_owned(), Some("c".to_owned())));
        assert_eq!(cut("gretter.hello"), ("gretter".to_owned(), Some("hello".to_owned())));
        assert!(split("Scanner", &[]).is_err());
    }

    #[test]
    fn a_method_is_shown_as_it_is_called() {
        let mut info = MethodInfo::new("deep_scan", Shape::Stream);
        info.params = vec!["folder".to_owned()];
        info.open = true;
        info.doc = "Walks a folder.".to_owned();
        assert_eq!(of_method(&info), "deep_scan(folder, ...) -> stream\n      Walks a folder.\n");
    }

    #[test]
    fn a_peers_names_stay_on_their_line() {
        let mut info = MethodInfo::new("a\n  b", Shape::Value);
        info.params = vec!["c\nd".to_owned()];
        assert_eq!(of_method(&info), "a\\n  b(c\\nd)\n");
        let description = Description { version: Some("1\n  x()".to_owned()), methods: Vec::new() };
        let text = people(&AppName::parse("a").unwrap(), true, &description);
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn every_key_of_a_method_is_in_its_json() {
        let json = method_json(&MethodInfo::new("hello", Shape::Value));
        for key in ["name", "doc", "params", "open", "shape", "idempotent"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["shape"], json!("value"));
    }
}
