//! PEM (RFC 7468): base64 between two lines that say what it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::KeyError;

/// Files with keys beyond this are refused.
const LIMIT_BYTES: usize = 64 << 10;
const PUBLIC_KEY: &str = "PUBLIC KEY";

/// The bytes of the only public key in a file.
pub(super) fn public_key(file: &[u8]) -> Result<Vec<u8>, KeyError> {
    if file.len() > LIMIT_BYTES {
        return Err(KeyError::TooLarge { limit: LIMIT_BYTES });
    }
    let text = std::str::from_utf8(file).map_err(|_| KeyError::NotPem)?;
    let mut lines = text.lines().map(str::trim_end);
    let label = lines.by_ref().find_map(begin).ok_or(KeyError::NotPem)?;
    if label != PUBLIC_KEY {
        return Err(KeyError::Label(label.to_owned()));
    }
    let mut encoded = String::new();
    loop {
        match lines.next().ok_or(KeyError::NotPem)? {
            "-----END PUBLIC KEY-----" => break,
            line => encoded.push_str(line.trim()),
        }
    }
    if lines.any(|line| begin(line).is_some()) {
        return Err(KeyError::Several);
    }
    STANDARD.decode(encoded).map_err(|_| KeyError::NotPem)
}

/// What a line begins, if it does.
fn begin(line: &str) -> Option<&str> {
    line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nYWJj\nZGVm\n-----END {label}-----\n")
    }

    #[test]
    fn one_public_key_is_read() {
        let plain = block(PUBLIC_KEY);
        assert_eq!(public_key(plain.as_bytes()).unwrap(), b"abcdef");
        let windows = format!("a comment\r\n{}\r\n", plain.replace('\n', "\r\n"));
        assert_eq!(public_key(windows.as_bytes()).unwrap(), b"abcdef");
    }

    #[test]
    fn other_files_are_named() {
        let label = |file: &str| public_key(file.as_bytes()).unwrap_err();
        assert!(matches!(
            label(&block("ENCRYPTED SIGSTORE PRIVATE KEY")),
            KeyError::Label(label) if label == "ENCRYPTED SIGSTORE PRIVATE KEY"
        ));
        assert!(matches!(label(&block(PUBLIC_KEY).repeat(2)), KeyError::Several));
        let cut = block(PUBLIC_KEY);
        for file in ["", "ssh-ed25519 AAAA", &cut[..40], &cut.replace("YWJj", "Y*Jj")] {
            assert!(matches!(label(file), KeyError::NotPem), "{file}");
        }
        assert!(matches!(public_key(&[0xff]), Err(KeyError::NotPem)));
        let large = vec![b'\n'; LIMIT_BYTES + 1];
        assert!(matches!(public_key(&large), Err(KeyError::TooLarge { .. })));
    }
}
