//! As much of XML as the answers need whose names are ours: elements are found by their tags.

/// The text of the first element of this name.
pub(super) fn element(text: &str, name: &str) -> Option<String> {
    elements(text, name).into_iter().next().map(unescape)
}

/// What is between the tags of each element of this name.
pub(super) fn elements<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text.split(open.as_str())
        .skip(1)
        .filter_map(|rest| rest.split_once(close.as_str()).map(|(inner, _)| inner))
        .collect()
}

/// An `ETag` without its quotes.
pub(super) fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn unescape(text: &str) -> String {
    let pairs = [("&quot;", "\""), ("&#34;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_their_order_and_etags_lose_their_quotes() {
        let text = "<R><C><K>a</K><E>&quot;1&quot;</E></C><C><K>b</K></C></R>";
        let found: Vec<_> = elements(text, "C").into_iter().map(|inner| element(inner, "K").unwrap()).collect();
        assert_eq!(found, ["a", "b"]);
        assert_eq!(unquoted(&element(text, "E").unwrap()), "1");
        assert_eq!(element(text, "X"), None);
    }
}
