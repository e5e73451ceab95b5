//! A strict reader of the XML that `junit.xml` may be: elements, attributes, text, five entities.
//!
//! Not covered: CDATA, comments, DTDs, namespaces; they are refused.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
}

/// All elements in document order; the first thing that is no XML otherwise.
pub fn elements(text: &str) -> Result<Vec<Element>, String> {
    let text = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").ok_or("no head")?;
    let (mut found, mut open) = (Vec::new(), Vec::<String>::new());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        unescaped(before)?;
        if open.is_empty() && !before.trim().is_empty() {
            return Err(format!("text outside the root: {before:?}"));
        }
        let (tag, after) = tag.split_once('>').ok_or("a tag has no end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        if open.is_empty() && !found.is_empty() {
            return Err("a second root".to_owned());
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let element = element(tag)?;
        if !closed {
            open.push(element.name.clone());
        }
        found.push(element);
    }
    match open.last() {
        Some(name) => Err(format!("<{name}> is never closed")),
        None if found.is_empty() || !rest.trim().is_empty() => Err("no single root".to_owned()),
        None => Ok(found),
    }
}

fn element(tag: &str) -> Result<Element, String> {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(format!("no name of an element: {name:?}"));
    }
    let mut attributes = BTreeMap::new();
    while !rest.trim().is_empty() {
        let (key, value) = rest.split_once("=\"").ok_or_else(|| format!("in <{tag}>"))?;
        let (value, after) = value.split_once('"').ok_or_else(|| format!("in <{tag}>"))?;
        if attributes.insert(key.trim().to_owned(), unescaped(value)?).is_some() {
            return Err(format!("{key} twice in <{tag}>"));
        }
        rest = after;
    }
    Ok(Element { name: name.to_owned(), attributes })
}

fn unescaped(text: &str) -> Result<String, String> {
    let known = [("lt", '<'), ("gt", '>'), ("amp", '&'), ("quot", '"'), ("apos", '\'')];
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, after) = part.split_once(';').ok_or_else(|| format!("a bare & in {text:?}"))?;
        let numbered = || char::from_u32(name.strip_prefix('#')?.parse().ok()?);
        let known = known.iter().find(|(entity, _)| *entity == name).map(|(_, c)| *c);
        plain.push(known.or_else(numbered).ok_or_else(|| format!("&{name}; in {text:?}"))?);
        plain.push_str(after);
    }
    Ok(plain)
}

#[test]
fn what_is_no_xml_is_refused() {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    for (text, fits) in [
        ("<a x=\"1 &amp; 2\"><b/>text</a>", true),
        ("<a>", false),
        ("<a></b>", false),
        ("<a/><b/>", false),
        ("<a x=\"&nbsp;\"/>", false),
        ("<a x=1/>", false),
        ("<a>fish & chips</a>", false),
        ("", false),
    ] {
        assert_eq!(elements(&format!("{head}{text}")).is_ok(), fits, "{text}");
    }
    assert!(elements("<a/>").is_err(), "no head");
    let read = elements(&format!("{head}<a x=\"&lt;1&#62;\"/>")).unwrap();
    assert_eq!(read[0].attributes["x"], "<1>");
}
