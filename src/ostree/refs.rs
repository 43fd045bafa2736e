//! Names of refs (ostree-contract 1.6).

/// A digest or image reference as part of a ref name; `None` for what has no such form (empty, NUL).
pub fn escape(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut previous_is_alphanumeric = false;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\0' => return None,
            '-' => escaped.push('-'),
            '_' => escaped.push_str("__"),
            '/' if previous_is_alphanumeric && rest.peek().is_some() => escaped.push('/'),
            c if c.is_ascii_alphanumeric() => escaped.push(c),
            c => escaped.push_str(&format!("_{:02X}_", u32::from(c))),
        }
        previous_is_alphanumeric = character.is_ascii_alphanumeric();
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn names_equal_the_recorded_ones() {
        let cases = [
            ("sha256:ab", "sha256_3A_ab"),
            (
                "docker://registry.example/a-b/c:tag",
                "docker_3A__2F__2F_registry_2E_example/a-b/c_3A_tag",
            ),
            (
                "containers-storage:localhost/my_os:latest",
                "containers-storage_3A_localhost/my__os_3A_latest",
            ),
            ("oci:/tmp/x:tag", "oci_3A__2F_tmp/x_3A_tag"),
            ("a/", "a_2F_"),
        ];
        for (text, expected) in cases {
            assert_eq!(escape(text).as_deref(), Some(expected));
        }
        assert_eq!(escape(""), None);
        assert_eq!(escape("a\0b"), None);
    }
}
