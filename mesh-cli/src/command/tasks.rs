//! `mesh tasks [APP]`: what runs just now, of one app or of all.

use mesh_core::{AppName, Value, json};
use serde_json::{Value as Json, json};

use crate::command::live;
use crate::context::Context;
use crate::failure::{Result, app_name};
use crate::near;

pub(crate) fn run(context: &Context, app: Option<&str>) -> Result {
    let client = context.client()?;
    let mut rows = Vec::new();
    if let Some(app) = app {
        let app = app_name(app)?;
        let answer = context.ask(&client, &app, "mesh.tasks");
        let answer =
            answer.map_err(|error| near::improve(error, context, &client, &app, "mesh.tasks"))?;
        rows.extend(of(&app, &answer));
    } else {
        // One that does not answer is told, and does not hide the others.
        for (app, answer) in live::ask_all(context, &client, "mesh.tasks")? {
            match answer {
                Ok(answer) => rows.extend(of(&app, &answer)),
                Err(error) => context.message.notice(&format!("{app} is left out: {error}")),
            }
        }
    }
    let columns = [
        ("APP", "app"),
        ("TASK", "task"),
        ("METHOD", "method"),
        ("SHAPE", "shape"),
        ("CALLER", "caller_text"),
        ("MS", "age_ms"),
        ("ITEMS", "items"),
    ];
    let people: Vec<Json> = rows.iter().map(for_people).collect();
    if rows.is_empty() {
        context.nothing("no task runs");
    }
    let text = crate::table::of(&columns, &people);
    Ok(context.output.report(&Json::Array(rows), || text)?)
}

fn of(app: &AppName, answer: &Value) -> Vec<Json> {
    let Json::Array(tasks) = json::to_json(answer) else { return Vec::new() };
    let mut rows = Vec::new();
    for task in tasks {
        let Json::Object(task) = task else { continue };
        // The question itself runs as well; nobody asks for that.
        if task.get("method").and_then(Json::as_str) == Some("mesh.tasks") {
            continue;
        }
        let mut row = serde_json::Map::new();
        row.insert("app".to_owned(), json!(app.as_str()));
        row.extend(task);
        rows.push(Json::Object(row));
    }
    rows
}

fn for_people(row: &Json) -> Json {
    let mut row = row.clone();
    let caller = &row["caller"];
    let name = caller.get("name").and_then(Json::as_str).unwrap_or("?");
    let pid = caller.get("pid").map(Json::to_string).unwrap_or_default();
    row["caller_text"] = json!(format!("{name} ({pid})"));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_their_app_and_leave_out_the_question() {
        let answer = json::from_json(&json!([
            {"task": "t1", "method": "mesh.tasks", "shape": "value"},
            {"task": "t2", "method": "scan", "shape": "stream", "age_ms": 3,
             "caller": {"name": "mesh", "pid": 7, "user": "0"}},
        ]))
        .unwrap();
        let rows = of(&AppName::parse("scanner").unwrap(), &answer);
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0]["app"], &rows[0]["task"]), (&json!("scanner"), &json!("t2")));
        assert_eq!(for_people(&rows[0])["caller_text"], json!("mesh (7)"));
    }
}
