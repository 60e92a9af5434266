//! `{"methods":[..]}`: what a worker says of itself, in its first line. Pure.

use mesh_core::{MethodName, Shape};
use serde_json::Value as Json;

/// Bytes of an announcement, methods in it, and parameters of one: the registry keeps them.
const BYTES: usize = 64 << 10;
const METHODS: usize = 256;
const PARAMS: usize = 64;

/// A method that a worker has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) shape: Shape,
    /// The names of its parameters; it takes any arguments where it names none.
    pub(crate) params: Option<Vec<String>>,
}

impl Announced {
    /// A method of which only the name and the shape are known.
    pub(crate) fn named(name: &str, shape: Shape) -> Self {
        Self { name: name.to_owned(), doc: String::new(), shape, params: None }
    }
}

/// Reads an announcement; nothing if the line is none.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(line: &str) -> Option<Result<Vec<Announced>, String>> {
    // Some programs on Windows begin with a mark of the encoding.
    let line = line.trim_start_matches('\u{feff}');
    if line.len() > BYTES {
        let told = line.trim_start().starts_with("{\"methods\"");
        return told.then(|| Err(format!("it is longer than {} KiB", BYTES >> 10)));
    }
    let object = serde_json::from_str::<Json>(line).ok()?;
    Some(all(object.as_object()?.get("methods")?))
}

fn all(methods: &Json) -> Result<Vec<Announced>, String> {
    let list = methods.as_array().ok_or("`methods` is no list")?;
    if list.is_empty() {
        return Err("it names no method".to_owned());
    }
    if list.len() > METHODS {
        return Err(format!("it names more than {METHODS} methods"));
    }
    let mut found: Vec<Announced> = Vec::new();
    for method in list {
        let method = one(method)?;
        if found.iter().any(|given| given.name == method.name) {
            return Err(format!("it names {:?} twice", method.name));
        }
        found.push(method);
    }
    Ok(found)
}

fn one(method: &Json) -> Result<Announced, String> {
    let object = match method {
        Json::String(name) => {
            return checked(name).map(|name| Announced::named(name, Shape::Value));
        }
        Json::Object(object) => object,
        other => return Err(format!("a method is a text or an object, not {other}")),
    };
    let name = match object.get("name") {
        Some(Json::String(name)) => checked(name)?,
        _ => return Err("a method has no `name`".to_owned()),
    };
    let shape = match object.get("stream") {
        None | Some(Json::Bool(false)) => Shape::Value,
        Some(Json::Bool(true)) => Shape::Stream,
        Some(_) => return Err(format!("`stream` of {name:?} is neither true nor false")),
    };
    let doc = match object.get("doc") {
        None => "",
        Some(Json::String(doc)) => doc,
        Some(_) => return Err(format!("`doc` of {name:?} is no text")),
    };
    let params = match object.get("params") {
        None => None,
        Some(params) => Some(names(name, params)?),
    };
    Ok(Announced { name: name.to_owned(), doc: doc.to_owned(), shape, params })
}

fn names(method: &str, params: &Json) -> Result<Vec<String>, String> {
    let bad = || format!("`params` of {method:?} is no list of at most {PARAMS} different names");
    let list = params.as_array().filter(|list| list.len() <= PARAMS).ok_or_else(bad)?;
    let mut names: Vec<String> = Vec::new();
    for name in list {
        let name = name.as_str().filter(|name| !name.is_empty()).ok_or_else(bad)?;
        if names.iter().any(|given| given == name) {
            return Err(bad());
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn checked(name: &str) -> Result<&str, String> {
    let parsed = MethodName::parse(name).map_err(|bad| bad.to_string())?;
    if parsed.is_reserved() {
        return Err(format!("{name:?} is in the runtime's own namespace"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_texts_or_objects() {
        let line = r#"{"methods":["add",{"name":"count","stream":true,"doc":"Counts.",
            "params":["to"],"later":1}],"and":"more"}"#;
        let found = parse(line).unwrap().unwrap();
        assert_eq!(found[0], Announced::named("add", Shape::Value));
        assert_eq!((found[1].shape, found[1].doc.as_str()), (Shape::Stream, "Counts."));
        assert_eq!(found[1].params, Some(vec!["to".to_owned()]));
        assert!(parse(&format!("\u{feff}{line}")).unwrap().is_ok());
    }

    #[test]
    fn other_lines_are_no_announcement() {
        for line in ["", "hello", "[]", r#"{"id":1,"value":{"methods":[]}}"#, "{\"methods\""] {
            assert!(parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_bad_announcement_says_why() {
        for (methods, why) in [
            ("1", "no list"),
            ("[]", "no method"),
            ("[1]", "a text or an object"),
            (r#"["a","a"]"#, "twice"),
            (r#"["mesh.a"]"#, "namespace"),
            (r#"[""]"#, ""),
            (r#"[{}]"#, "no `name`"),
            (r#"[{"name":"a","stream":1}]"#, "`stream`"),
            (r#"[{"name":"a","doc":1}]"#, "`doc`"),
            (r#"[{"name":"a","params":["x","x"]}]"#, "`params`"),
            (r#"[{"name":"a","params":"x"}]"#, "`params`"),
        ] {
            let told = parse(&format!("{{\"methods\":{methods}}}")).unwrap().unwrap_err();
            assert!(told.contains(why), "{methods}: {told}");
        }
        let many: Vec<String> = (0..=METHODS).map(|n| format!("\"m{n}\"")).collect();
        assert!(parse(&format!("{{\"methods\":[{}]}}", many.join(","))).unwrap().is_err());
        let long = "x".repeat(BYTES);
        assert!(parse(&format!("{{\"methods\":[\"{long}\"]}}")).unwrap().is_err());
    }
}
