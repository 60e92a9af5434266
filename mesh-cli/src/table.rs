//! Lists of maps as columns, for people.
//!
//! Rows never wrap: a cell that is too long is cut, and `-o json` has all of it.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value as Json;

use crate::escape;

/// Characters of one cell.
const CELL_MAX: usize = 60;

/// One column: its title, and the key whose values stand below it.
pub(crate) type Column<'a> = (&'a str, &'a str);

/// The rows under the given columns; nothing where there are no rows.
pub(crate) fn of(columns: &[Column<'_>], rows: &[Json]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|(title, _)| *title));
    for row in rows {
        table.add_row(columns.iter().map(|(_, key)| cell(row.get(*key))));
    }
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim().to_owned()).collect();
    lines.join("\n")
}

/// The rows under all of their keys, if this is a list of maps.
pub(crate) fn of_any(value: &Json) -> Option<String> {
    let rows = value.as_array()?;
    let mut keys: Vec<&str> = Vec::new();
    for row in rows {
        for key in row.as_object()?.keys() {
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
    }
    let titles: Vec<String> = keys.iter().map(|key| escape::line(key).into_owned()).collect();
    let columns: Vec<Column<'_>> =
        titles.iter().map(String::as_str).zip(keys.iter().copied()).collect();
    Some(of(&columns, rows))
}

fn cell(value: Option<&Json>) -> String {
    let text = match value {
        None | Some(Json::Null) => "-".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Bool(truth)) => if *truth { "yes" } else { "no" }.to_owned(),
        Some(Json::Array(items)) if items.iter().all(Json::is_string) => {
            let words: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            words.join(" ")
        }
        Some(other) => other.to_string(),
    };
    let text = escape::line(&text);
    if text.chars().count() <= CELL_MAX {
        return text.into_owned();
    }
    let kept: String = text.chars().take(CELL_MAX - 3).collect();
    format!("{kept}...")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_in_the_order_of_their_first_row() {
        let rows = json!([{"name": "a", "pid": 1}, {"name": "bb", "pid": null, "x": true}]);
        let table = of_any(&rows).unwrap();
        let words: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words, [["name", "pid", "x"], ["a", "1", "-"], ["bb", "-", "yes"]]);
    }

    #[test]
    fn only_lists_of_maps_are_tables() {
        assert_eq!(of_any(&json!([1, 2])), None);
        assert_eq!(of_any(&json!({"a": 1})), None);
        assert_eq!(of_any(&json!([])).as_deref(), Some(""));
    }

    #[test]
    fn a_cell_is_cut_and_harmless() {
        let rows = json!([{"a": format!("{}\u{1b}[2J\n", "x".repeat(500))}]);
        let table = of_any(&rows).unwrap();
        assert_eq!(table.lines().count(), 2);
        assert!(table.lines().all(|line| line.chars().count() <= CELL_MAX));
        let rows = json!([{"a\u{1b}": "\u{1b}[2J\n"}]);
        assert!(!of_any(&rows).unwrap().contains('\u{1b}'));
    }
}
