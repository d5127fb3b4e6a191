//! `docs/configuration.md`, made from the structs: every key, its default and what it does.

use std::fmt::Write;

use serde_json::Value;

use super::Config;

/// The whole page, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let schema = schemars::schema_for!(Config).to_value();
    let defaults = serde_json::to_value(Config::default()).unwrap_or(Value::Null);
    let mut page = String::from(
        "# Configuration\n\n\
         Generated from the code by `zas-proxy configuration`; a test keeps it so.\n\n\
         One TOML file, named by `--config` or `ZAS_CONFIG`. Every key can be set in the environment instead: `ZAS_SECTION__KEY`\n\
         overrides `key` of `[section]`. An unknown key is an error. Durations are written `30s`, `5m`, `7days`; sizes `8 MiB`.\n",
    );
    section(&mut page, &schema, &schema, &defaults, "");
    page
}

fn section(page: &mut String, root: &Value, schema: &Value, defaults: &Value, path: &str) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let mut inner = Vec::new();
    let mut rows = String::new();
    for (name, property) in properties {
        let target = resolve(root, property);
        let default = defaults.get(name).unwrap_or(&Value::Null);
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if target.get("properties").is_some() {
            inner.push((full, target, default, describe(property, target)));
        } else {
            let _ = writeln!(rows, "| `{name}` | {} | {} |", show(default), describe(property, target));
        }
    }
    if !rows.is_empty() {
        let _ = write!(page, "\n| key | default | what it does |\n|---|---|---|\n{rows}");
    }
    for (full, target, default, text) in inner {
        let is_list = target.get("x-list").is_some() || full == "access_keys";
        let heading = if is_list { format!("[[{full}]]") } else { format!("[{full}]") };
        let _ = write!(page, "\n## `{heading}`\n\n{text}\n");
        section(page, root, target, default, &full);
    }
}

/// Follows `$ref`, the one alternative of an `Option`, and the items of a list.
fn resolve<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    if let Some(name) = property.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
        return root.get("$defs").and_then(|defs| defs.get(name)).map_or(property, |target| resolve(root, target));
    }
    if let Some(first) = property.get("anyOf").and_then(|any| any.get(0)) {
        return resolve(root, first);
    }
    match property.get("items") {
        Some(items) if items.get("$ref").is_some() => resolve(root, items),
        _ => property,
    }
}

fn describe(property: &Value, target: &Value) -> String {
    [property, target]
        .iter()
        .find_map(|value| value.get("description").and_then(Value::as_str))
        .unwrap_or_default()
        .replace('\n', " ")
}

fn show(default: &Value) -> String {
    match default {
        Value::Null => "unset".to_owned(),
        Value::String(text) if text.is_empty() => "unset".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        other => format!("`{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_the_page_that_the_code_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == markdown(),
            "docs/configuration.md is out of date: cargo run -p zas-proxy -- configuration > docs/configuration.md"
        );
    }

    #[test]
    fn every_key_has_a_description() {
        for line in markdown().lines().filter(|line| line.starts_with("| `")) {
            assert!(!line.ends_with("|  |"), "no description: {line}");
        }
    }
}
