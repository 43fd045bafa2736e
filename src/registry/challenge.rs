//! What a registry asks for before it answers: the header `WWW-Authenticate`.

use std::collections::BTreeMap;

/// A way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Send name and password with every request.
    Basic,
    /// Fetch a token from `realm`, send that.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// The strongest way that the headers offer.
    pub(crate) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut best = None;
        for header in headers {
            let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                let mut parameters = parameters(rest);
                if let Some(realm) = parameters.remove("realm") {
                    return Some(Self::Bearer { realm, service: parameters.remove("service") });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                best = Some(Self::Basic);
            }
        }
        best
    }
}

/// `key="value", key=value`, keys in lower case; a backslash quotes the next character.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((key, value)) = rest.split_once('=') {
        let key = key.trim_matches([',', ' ', '\t']).to_ascii_lowercase();
        let mut parsed = String::new();
        let mut chars = value.chars();
        if value.starts_with('"') {
            chars.next();
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => parsed.extend(chars.next()),
                    c => parsed.push(c),
                }
            }
        } else {
            let end = value.find([',', ' ']).unwrap_or(value.len());
            parsed.push_str(&value[..end]);
            chars = value[end..].chars();
        }
        rest = chars.as_str();
        found.insert(key, parsed);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        let service = service.map(str::to_owned);
        Some(Challenge::Bearer { realm: realm.to_owned(), service })
    }

    #[test]
    fn challenges_are_read() {
        let parse = |header: &'static str| Challenge::parse([header].into_iter());
        assert_eq!(
            parse(
                r#"Bearer realm="https://a.example/token",service="r.example",scope="x:y:pull,push""#
            ),
            bearer("https://a.example/token", Some("r.example"))
        );
        assert_eq!(
            parse(r#"bearer  realm=https://a.example , x="a\"b,""#),
            bearer("https://a.example", None)
        );
        assert_eq!(parse(r#"Basic realm="x""#), Some(Challenge::Basic));
        assert_eq!(parse("basic"), Some(Challenge::Basic));
        for nothing in ["", "Bearer", "Negotiate x", "Bearer service=x", "Bearer realm"] {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn tokens_go_before_passwords() {
        let both = ["Basic realm=x", "Bearer realm=y"];
        assert_eq!(Challenge::parse(both.into_iter()), bearer("y", None));
    }
}
