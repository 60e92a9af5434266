//! `mesh ps`: the live apps, registered or not.

use std::time::Duration;

use mesh_core::{AppName, Entry};
use serde_json::{Map, Value as Json, json};

use crate::command::{live, registry};
use crate::context::Context;
use crate::failure::Result;
use crate::{duration, table};

pub(crate) fn run(context: &Context) -> Result {
    let client = context.client()?;
    let entries = match client.registry().read() {
        Ok(snapshot) => snapshot.entries,
        Err(error) => {
            // Who lives is known without the registry.
            context.message.notice(&error.to_string());
            Default::default()
        }
    };
    let live = live::stats(context, &client)?;
    let row = |(name, stats): (&AppName, &Option<Json>)| {
        let pid = live::pid(&client, name, stats.as_ref());
        row(name, pid, stats.as_ref(), entries.get(name))
    };
    let rows: Vec<Json> = live.iter().map(row).collect();
    let columns = [
        ("NAME", "name"),
        ("PID", "pid"),
        ("UP SINCE", "up"),
        ("VERSION", "version"),
        ("CALLS", "calls"),
        ("IN FLIGHT", "in_flight"),
    ];
    let people: Vec<Json> = rows.iter().map(for_people).collect();
    if rows.is_empty() {
        context.nothing("no app is live");
    }
    let text = table::of(&columns, &people);
    Ok(context.output.report(&Json::Array(rows), || text)?)
}

/// What the promise of `-o json` names comes first; then all that the app says.
fn row(name: &AppName, pid: Json, stats: Option<&Json>, entry: Option<&Entry>) -> Json {
    let mut row = Map::new();
    row.insert("name".to_owned(), json!(name.as_str()));
    row.insert("live".to_owned(), json!(true));
    row.insert("responding".to_owned(), json!(stats.is_some()));
    row.insert("pid".to_owned(), pid);
    row.extend(registry::how_launched(entry));
    if let Some(Json::Object(stats)) = stats {
        for (key, value) in stats {
            if !row.contains_key(key) {
                row.insert(key.clone(), value.clone());
            }
        }
    }
    Json::Object(row)
}

fn for_people(row: &Json) -> Json {
    let mut row = row.clone();
    let up = row["uptime_ms"].as_u64().map(|ms| duration::humane(Duration::from_millis(ms)));
    row["up"] = match (row["started_at"].as_str(), up) {
        (Some(since), Some(up)) => json!(format!("{since} ({up})")),
        _ if row["responding"] == json!(false) => json!("does not answer"),
        _ => Json::Null,
    };
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_what_is_promised_even_from_a_silent_app() {
        let name = AppName::parse("greeter").unwrap();
        let row = row(&name, Json::Null, None, None);
        for key in ["name", "live", "pid", "kind", "command", "cwd"] {
            assert!(row.get(key).is_some(), "{key}");
        }
        assert_eq!(for_people(&row)["up"], json!("does not answer"));
    }

    #[test]
    fn an_app_cannot_speak_over_what_is_known() {
        let name = AppName::parse("greeter").unwrap();
        let stats = json!({
            "name": "other",
            "live": false,
            "pid": 6,
            "calls": 2,
            "uptime_ms": 61_000,
            "started_at": "2026-01-01T00:00:00Z",
        });
        let row = row(&name, json!(5), Some(&stats), None);
        assert_eq!((&row["name"], &row["live"]), (&json!("greeter"), &json!(true)));
        assert_eq!((&row["pid"], &row["calls"]), (&json!(5), &json!(2)));
        assert_eq!(for_people(&row)["up"], json!("2026-01-01T00:00:00Z (1 m 1 s)"));
    }
}
