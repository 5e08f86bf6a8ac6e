//! What a device answered, as a tree: names without their prefixes, since devices take them as they like.

use quick_xml::{Reader, XmlVersion, events::Event};

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Node>,
}

/// Why an answer is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotRead {
    #[error("it is no XML")]
    NotXml,
    #[error("it is nested more than {DEEPEST} deep")]
    Deep,
    #[error("it has more than {MOST} elements")]
    Many,
    #[error("it has a document type of its own, or entities")]
    Entities,
}

const DEEPEST: usize = 64;
const MOST: usize = 50_000;

/// Reads what a device wrote: whatever stands before its first element is skipped, end tags need not have the names they should.
pub(crate) fn read(bytes: &[u8]) -> Result<Node, NotRead> {
    let text = String::from_utf8_lossy(bytes);
    // A byte order mark, blank lines, or what a faulty web server prints first.
    let text = text.get(text.find('<').ok_or(NotRead::NotXml)?..).unwrap_or_default();
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_dangling_amp = true;
    config.trim_markup_names_in_closing_tags = true;
    // The first holds what stands outside.
    let mut open = vec![Node::default()];
    let mut count = 0;
    loop {
        match reader.read_event().map_err(|_| NotRead::NotXml)? {
            Event::Start(start) => {
                count += 1;
                if open.len() > DEEPEST {
                    return Err(NotRead::Deep);
                }
                open.push(node(&start));
            }
            Event::Empty(start) => {
                count += 1;
                let node = node(&start);
                open.last_mut().ok_or(NotRead::NotXml)?.children.push(node);
            }
            Event::End(_) => {
                let done = open.pop().ok_or(NotRead::NotXml)?;
                open.last_mut().ok_or(NotRead::NotXml)?.children.push(done);
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|_| NotRead::NotXml)?;
                open.last_mut().ok_or(NotRead::NotXml)?.text.push_str(&text);
            }
            Event::CData(text) => {
                let text = text.decode().map_err(|_| NotRead::NotXml)?;
                open.last_mut().ok_or(NotRead::NotXml)?.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|_| NotRead::NotXml)?;
                let text = &mut open.last_mut().ok_or(NotRead::NotXml)?.text;
                match (reference.resolve_char_ref(), quick_xml::escape::resolve_xml_entity(&name)) {
                    (Ok(Some(c)), _) => text.push(c),
                    (_, Some(known)) => text.push_str(known),
                    _ => return Err(NotRead::Entities),
                }
            }
            Event::DocType(_) => return Err(NotRead::Entities),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
        if count > MOST {
            return Err(NotRead::Many);
        }
    }
    // Cut off in the middle.
    if open.len() != 1 {
        return Err(NotRead::NotXml);
    }
    let first = open.pop().and_then(|outside| outside.children.into_iter().next());
    first.ok_or(NotRead::NotXml)
}

fn node(start: &quick_xml::events::BytesStart<'_>) -> Node {
    let local = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let mut attributes = Vec::new();
    for attribute in start.html_attributes().with_checks(false).flatten() {
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        let value = value.map_or_else(|_| String::from_utf8_lossy(&attribute.value).into_owned(), |v| v.into_owned());
        attributes.push((local(attribute.key.local_name().as_ref()), value));
    }
    Node { name: local(start.local_name().as_ref()), attributes, ..Node::default() }
}

impl Node {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What stands in it, without the space around.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first of this name below it, however deep.
    pub(crate) fn find(&self, name: &str) -> Option<&Self> {
        self.all(name).into_iter().next()
    }

    /// All of this name below it, in their order, but none that lies in another of them.
    pub(crate) fn all<'a>(&'a self, name: &str) -> Vec<&'a Self> {
        let mut found = Vec::new();
        self.gather(name, &mut found);
        found
    }

    fn gather<'a>(&'a self, name: &str, found: &mut Vec<&'a Self>) {
        for child in &self.children {
            if child.name == name {
                found.push(child);
            } else {
                child.gather(name, found);
            }
        }
    }

    /// The text of the first of this name, if there is any.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.find(name).map(Self::text).filter(|text| !text.is_empty())
    }

    /// Through these names, one in the other.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.find(name))
    }
}

/// As text of an element.
pub(crate) fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sloppy_answers_are_read() {
        for text in [
            "<a:E xmlns:a='x'><b:V t='1'>\n v&amp;&#65; </b:V></a:E>",
            "\u{feff}\n\nHTTP junk <?xml version=\"1.0\"?><E><V t=\"1\"><![CDATA[v&A]]></V></E>\n\n",
            "<!-- x --><E><V t=1>v&amp;A</v></e >",
        ] {
            let node = read(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((node.name(), node.value("V")), ("E", Some("v&A")), "{text}");
            assert_eq!(node.find("V").unwrap().attribute("t"), Some("1"), "{text}");
        }
    }

    #[test]
    fn document_types_entities_depth_and_number_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(70), "</a>".repeat(70));
        let many = format!("<a>{}</a>", "<b/>".repeat(MOST + 1));
        for (text, why) in [
            ("<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>", NotRead::Entities),
            ("<x>&a;</x>", NotRead::Entities),
            (deep.as_str(), NotRead::Deep),
            (many.as_str(), NotRead::Many),
            ("<a><b>", NotRead::NotXml),
            ("no", NotRead::NotXml),
            ("", NotRead::NotXml),
        ] {
            assert_eq!(read(text.as_bytes()), Err(why), "{}", &text[..text.len().min(40)]);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "[<>/a-c!&;\\[\\]'\"= -]{0,200}") {
            let _ = read(&bytes);
            let _ = read(text.as_bytes());
        }
    }
}
