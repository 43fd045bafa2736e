//! Patterns as PCRE2 reads them.

use regex_automata::meta::Regex;

use super::*;

fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let hir = parse(pattern).unwrap().hir;
    let config = Regex::config().utf8_empty(false);
    let regex = Regex::builder().configure(config).build_from_hir(&hir).unwrap();
    for path in matching {
        assert!(regex.is_match(path), "{pattern} should match {path:?}");
    }
    for path in others {
        assert!(!regex.is_match(path), "{pattern} should not match {path:?}");
    }
}

#[test]
fn patterns_are_anchored_as_text() {
    check("/a", &["/a", "/a\n"], &["/ab", "x/a", "/a\n\n", ""]);
    check("/a|/b", &["/a", "/axe", "/b", "x/b"], &["x/a", "/bc"]);
    check("(/a|/b)", &["/a", "/b"], &["/axe", "x/b"]);
    check("/a\\", &["/a$", "/a$b"], &["/a", "/a\\"]);
    check("^/a$", &["/a"], &["/ab"]);
    check("(a$|b)", &["a", "b", "a\n"], &["ab"]);
}

#[test]
fn dots_are_any_byte() {
    check("/a.b", &["/axb", "/a/b", "/a\nb"], &["/ab", "/a\u{e9}b"]);
    check("/gr.+e", &["/gr\u{fc}\u{df}e"], &["/gre"]);
    check("/[^/]", &["/a", "/\n"], &["//", "/\u{e9}"]);
}

#[test]
fn quantifiers_count() {
    check("ab*c?d+", &["ad", "abbcdd"], &["abcc", "a"]);
    check("a{2}", &["aa"], &["a", "aaa"]);
    check("a{2,}", &["aa", "aaaa"], &["a"]);
    check("a{1,2}b", &["ab", "aab"], &["b", "aaab"]);
    check("a{,2}b", &["b", "aab"], &["aaab"]);
    check("(ab){2}?c", &["ababc"], &["abc"]);
    check("/a(/.*?)?", &["/a", "/a/b"], &["/ab"]);
    check("(x?)?", &["", "x"], &["xx"]);
    check("(^)*(a$)*", &["", "a"], &["aa"]);
}

#[test]
fn braces_that_count_nothing_are_bytes() {
    check("/%{USERID}/bus", &["/%{USERID}/bus"], &["/1000/bus"]);
    check("a{", &["a{"], &["a"]);
    check("a{}", &["a{}"], &["a"]);
    check("a{,}", &["a{,}"], &["a"]);
    check("a{1,x}", &["a{1,x}"], &["a"]);
    check("a}]", &["a}]"], &["a"]);
    check("a\\{2}", &["a{2}"], &["aa"]);
}

#[test]
fn escapes_stand_for_bytes() {
    check("\\/a\\.b\\_\\-\\,\\<", &["/a.b_-,<"], &["/axb_-,<"]);
    check("\\d\\D\\w\\W\\s\\S", &["1x_-\x0bx"], &["\u{661}x_-\tx", "1x_-xx"]);
    check("\\t\\n\\r\\f\\a\\e", &["\t\n\r\x0c\x07\x1b"], &["tnrfae"]);
    check("\\x41\\x{42}\\x3g", &["AB\x03g"], &["AB3g"]);
    check("\\Aa\\z", &["a"], &["a\n"]);
    check("a\\Z", &["a", "a\n"], &["ab"]);
    check("\\ba.b\\Bb", &["a bb"], &["a b b"]);
}

#[test]
fn classes_are_sets_of_bytes() {
    check("[a-c]+[0-9]?", &["abc", "a1"], &["d", "1"]);
    check("[]a]", &["]", "a"], &["[", "a]"]);
    check("[^]a]", &["[", "\n"], &["]", "a"]);
    check("[a-]", &["a", "-"], &["b"]);
    check("[-a&&b[]", &["-", "&", "b", "["], &["c"]);
    check("[a~~b]", &["a", "~", "b"], &["c"]);
    check("[\\d\\-\\]x]", &["1", "-", "]", "x"], &["\\", "d"]);
    check("[^\\w]", &["-", " "], &["a", "_"]);
    check("[[:digit:][:^ascii:]_]", &["1", "_"], &["a", ":"]);
    check("[[:upper:]]x", &["Ax"], &["ax"]);
    check("[[:a]", &["[", ":", "a"], &["b"]);
    check("[\\b\\n]", &["\x08", "\n"], &["b"]);
}

#[test]
fn groups_only_group() {
    check("(?:a|b)(?<x1>c)(?P<y>d)", &["acd", "bcd"], &["ac"]);
    check("a(|b)()", &["a", "ab"], &["b"]);
}

#[test]
fn wrong_and_unsupported_patterns_are_refused() {
    let cases = [
        ("*a", PatternError::NothingToRepeat),
        ("(a$*)", PatternError::NothingToRepeat),
        ("\\b+", PatternError::NothingToRepeat),
        ("a**", PatternError::NothingToRepeat),
        ("(+)", PatternError::NothingToRepeat),
        ("({2})", PatternError::NothingToRepeat),
        ("a{3,2}", PatternError::Count),
        ("a{70000}", PatternError::Count),
        ("a{99999999999}", PatternError::Count),
        ("(a", PatternError::Parenthesis),
        ("a)", PatternError::Parenthesis),
        ("[a", PatternError::UnclosedClass),
        ("[]", PatternError::UnclosedClass),
        ("[z-a]", PatternError::ClassRange),
        ("[\\d-z]", PatternError::ClassRange),
        ("[[:what:]]", PatternError::PosixClass),
        ("[[.a.]]", PatternError::PosixClass),
        ("\\xg", PatternError::Escape),
        ("\\x{100}", PatternError::Escape),
        ("a++", PatternError::Unsupported("possessive quantifiers")),
        ("(?=a)", PatternError::Unsupported("look-around and options")),
        ("(?i)a", PatternError::Unsupported("look-around and options")),
        ("(*FAIL)", PatternError::Unsupported("verbs")),
        ("(a)\\1", PatternError::Unsupported("references to groups and rare escapes")),
        ("(.{1000}){1000}", PatternError::TooLarge),
        (&"a".repeat(5000), PatternError::TooLong),
        (&"(".repeat(300), PatternError::TooDeep),
    ];
    for (pattern, error) in cases {
        assert_eq!(parse(pattern).unwrap_err(), error, "{pattern}");
    }
}

#[test]
fn the_largest_patterns_compile() {
    let nested = format!("{}a{}", "(".repeat(250), ")".repeat(250));
    check(&nested, &["a"], &["b"]);
    check("([^/a-cx]{100}){12}", &[&"z".repeat(1200)], &[&"z".repeat(1201)]);
}
